"""How far the work is: a bar on a terminal, a line now and then elsewhere. On standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.commands.session import console

type Tell = Callable[[float, str], None]
STEP = 0.1
"""Of a share that is told in lines, what is worth another line."""


@contextmanager
def progress(label: str) -> Iterator[Tell]:
    """Takes the share that is done and what goes on."""
    if not sys.stderr.isatty():
        yield lines(label, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - the command line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(errors=True), transient=True) as bar:
        task = bar.add_task(label, total=1.0)
        yield lambda share, words: bar.update(task, completed=share, description=f"{label}: {words}")


def lines(label: str, say: Callable[[str], None]) -> Tell:
    """Says a line when what goes on changes, or another tenth is done."""
    told: list[tuple[str, int]] = []

    def tell(share: float, words: str) -> None:
        news = (words, int(share / STEP))
        if news not in told[-1:]:
            told.append(news)
            say(f"{label}: {words}, {share:.0%}")

    return tell
