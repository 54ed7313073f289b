"""What the commands share: whom they talk to, where they write, how they end.

Results go to standard output, everything else to standard error. A command ends with 0 when all is well, 1 when the
service refused (its sentence is on standard error), 2 when it was used wrongly or the service could not be reached.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.client import NoEstimate, NotSucceeded, Pilotlight, PilotlightError, Refused, Retries

REFUSED, NOT_REACHED = 1, 2
PIPED_WIDTH = 120
Url = Annotated[str, typer.Option(envvar="PILOTLIGHT_URL", help="Address of the service")]
Key = Annotated[
    str,
    typer.Option(
        envvar="PILOTLIGHT_KEY", help="Your key; better in the environment, where no list of processes shows it"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the service's answer as it is")]
HERE = "http://127.0.0.1:8000"
RETRIES = Retries()


def console(*, errors: bool = False) -> Console:
    """Where a person reads; what the service says is text and never markup."""
    out = sys.stderr if errors else sys.stdout
    return Console(file=out, markup=False, emoji=False, highlight=False, width=None if out.isatty() else PIPED_WIDTH)


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """A table with these columns of text, and then these of numbers, which stay on one line."""
    made = Table(*columns, box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in numbers:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def plain(text: object) -> str:
    """A text without characters that a terminal would obey; others wrote it."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in str(text))


def print_json(answer: Any) -> None:
    """An answer for a program."""
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def service_at(url: str, key: str) -> Iterator[Pilotlight]:
    """The service; what goes wrong is told in a sentence, and ends the command."""
    try:
        service = Pilotlight(url, key, retries=RETRIES)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        with service:
            yield service
    except (Refused, NoEstimate, NotSucceeded) as error:
        say(error)
        raise typer.Exit(REFUSED) from None
    except (PilotlightError, OSError) as error:
        say(error)
        raise typer.Exit(NOT_REACHED) from None


def say(error: object) -> None:
    """A sentence about what went wrong."""
    console(errors=True).print(f"pilotlight: {plain(error)}", soft_wrap=True)
