"""A progress bar for a terminal or a notebook, of the standard library alone; silent where nobody watches."""

import sys
from collections.abc import Callable
from typing import TextIO

type Progress = Callable[[float, str], None]
"""Told the share that is done (0 to 1) and what goes on, now and then."""
WIDTH = 30


def is_watched(out: TextIO) -> bool:
    """Whether a person sees a line being rewritten: a terminal, or a notebook."""
    return out.isatty() or "ipykernel" in sys.modules


class Bar:
    """Rewrites one line on `out`; ends it when used as a context."""

    def __init__(self, label: str, out: TextIO | None = None) -> None:
        self.label, self.out = label, out or sys.stderr
        self._told = ""

    def __enter__(self) -> Progress:
        return self if is_watched(self.out) else _silent

    def __exit__(self, *_: object) -> None:
        if self._told:
            self.out.write("\n")
            self.out.flush()

    def __call__(self, share: float, words: str) -> None:
        """Draw the bar when it changed."""
        full = round(min(max(share, 0.0), 1.0) * WIDTH)
        line = f"{self.label} [{'█' * full}{'·' * (WIDTH - full)}] {share:4.0%} {words}"
        if line != self._told:
            self.out.write("\r" + line.ljust(len(self._told)))
            self.out.flush()
            self._told = line


def _silent(_share: float, _words: str) -> None:
    """Nobody watches."""
