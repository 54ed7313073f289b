"""Rows under a header, and what their columns stand for; every name is a position before the first row is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from app.imports.reading.facts import Cell, Fault, Wrong
from app.imports.reading.header import letter
from app.imports.reading.lookup import Lookup, text_of
from app.imports.reading.separated import Record


@dataclass
class Counts:
    """What was gone through: rows that are not blank, cells of answers that say that there is none, answers lost.

    An answer is lost when it, or something in its row, cannot be read; a row that cannot be at all counts as one.
    """

    rows: int = 0
    empty: int = 0
    lost: int = 0


class Column[Meant](NamedTuple):
    """A column of the file, and what its cells stand for."""

    position: int
    name: str
    cells: Lookup[Meant]


class Answer(NamedTuple):
    """A column of answers to one measure; its wave, where the row does not say it."""

    position: int
    name: str
    measure: str
    wave: str | None
    cells: Lookup[float]


class Event(NamedTuple):
    """The wave that an event is of, and its arm when it has one."""

    wave: str
    arm: str | None


type Found = tuple[str | Wrong | None, str | Wrong | None, str | Wrong | None, date | Wrong | None]
"""Pseudonym, unit, arm and day of a row, each with None for nothing and Wrong for what cannot be used."""


@dataclass(frozen=True)
class Person:
    """The columns that say whose answer it is, where and when."""

    participant: Column[str] | None
    unit: Column[str] | None
    arm: Column[str] | None
    day: Column[date] | None

    def of(self, fields: Sequence[Cell]) -> Found:
        """What a row says of its person."""
        who, unit, arm, day = self.participant, self.unit, self.arm, self.day
        return (
            # There are as many pseudonyms as people: they are not remembered.
            who.cells.find(fields[who.position]) if who else None,
            unit.cells[fields[unit.position]] if unit else None,
            arm.cells[fields[arm.position]] if arm else None,
            day.cells[fields[day.position]] if day else None,
        )

    def faults(self, row: int, found: Sequence[object]) -> Iterator[Fault]:
        """What was wrong with each, in its column."""
        for column, one in zip((self.participant, self.unit, self.arm, self.day), found, strict=True):
            if column and isinstance(one, Wrong):
                yield Fault(row, column.name, *one)


def fitted(records: Iterator[Record], header_row: int, width: int, *, padded: bool) -> Iterator[Record]:
    """The rows under the header, each with a cell a column; blank ones are left out.

    `padded`: the file leaves out empty cells at the end, as workbooks do; elsewhere a short row is a broken one.
    """
    for record in records:
        if isinstance(record, Fault):
            yield record
            continue
        row, fields = record
        if row <= header_row:
            continue
        if len(fields) == width:
            yield record
        elif not blank(fields):
            yield _fit(row, fields, width, padded=padded)


def blank(fields: Sequence[Cell]) -> bool:
    """Whether a row holds nothing but empty cells."""
    return not any(text_of(cell) for cell in fields)


def _fit(row: int, fields: Sequence[Cell], width: int, *, padded: bool) -> Record:
    if len(fields) > width:
        if blank(fields[width:]):
            return row, fields[:width]
        return Fault(
            row,
            None,
            "too_many_cells",
            f"row {row} has {len(fields)} cells, the header names {width} columns: quote texts and numbers that hold "
            f"the separator, or name column {letter(width)}",
        )
    if padded:
        return row, [*fields, *[""] * (width - len(fields))]
    return Fault(
        row,
        None,
        "too_few_cells",
        f"row {row} has {len(fields)} cell{'s' * (len(fields) != 1)}, the header names {width} columns: was the row "
        "broken in two?",
    )
