"""Cells turned into what they stand for, each text once: files of a million rows hold few different ones."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date

from app.imports.reading.facts import Cell, Wrong

REMEMBERED = 10_000
SHOWN = 40
LOOKED_AT = 200
"""What is not shown need not be searched for people, and searching takes the square of what is searched."""
COMPOSED = 1000
"""Composing takes the square of the marks in a row; no name that a text is compared with is longer."""
ADDRESS = re.compile(r"@|\d([\s()/.-]*\d){6}")
PLAIN = re.compile(r"[\d.,]+|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([T ][\d:.]+)?")
FULL_NAME = re.compile(r"[^\W\d_][^\W\d_]+\W+[^\W\d_]{2,}")


class Lookup[Found](dict[Cell, Found | Wrong | None]):
    """What each cell stands for: found once and remembered, up to a bound; None is no answer, Wrong a fault."""

    def __init__(self, find: Callable[[Cell], Found | Wrong | None]) -> None:
        super().__init__()
        self.find = find

    def __missing__(self, cell: Cell) -> Found | Wrong | None:
        found = self.find(cell)
        if len(self) < REMEMBERED and not (isinstance(cell, str) and len(cell) > SHOWN):
            self[cell] = found
        return found


def text_of(cell: Cell) -> str:
    """The cell as text, without spaces around; 14.0 of a workbook is "14"."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(int(cell)) if cell.is_integer() else repr(cell)


def fold(text: str) -> str:
    """A name as it is compared: without case, byte-order marks and spaces around, composed, single spaces within."""
    composed = unicodedata.normalize("NFC", text) if len(text) <= COMPOSED else text
    return " ".join(composed.replace("\ufeff", " ").split()).casefold()


def shown(text: str, *, of_people: bool = True) -> str:
    """A text as a message repeats it, short; what may tell of a person is not repeated.

    `of_people`: the cell should hold a number, so that two words in it may be somebody's name.
    """
    begins = text[:LOOKED_AT]
    if ADDRESS.search(begins) and not PLAIN.fullmatch(begins):
        return "a text that may tell of a person"
    if of_people and FULL_NAME.search(begins):
        return "a text of several words"
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def listed(names: Iterable[str], most: int = 30) -> str:
    """Names one after another; of many the first."""
    every = list(names)
    return ", ".join(every[:most]) + (f" … ({len(every)} in all)" if len(every) > most else "")
