"""From rows to values: the loops that a million rows go through; every name is a position before they start."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from app.imports.reading.facts import Cell, Fault, Value, Wrong
from app.imports.reading.header import letter
from app.imports.reading.lookup import Lookup, text_of
from app.imports.reading.separated import Record


@dataclass
class Counts:
    """What was gone through: rows that are not blank, and cells of answers that say that there is none."""

    rows: int = 0
    empty: int = 0


class Column[Found](NamedTuple):
    """A column of the file, and what its cells stand for."""

    position: int
    name: str
    cells: Lookup[Found]


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


@dataclass(frozen=True)
class Person:
    """The columns that say whose answer it is, where and when."""

    participant: Column[str] | None
    unit: Column[str] | None
    arm: Column[str] | None
    day: Column[date] | None

    def of(
        self, fields: Sequence[Cell]
    ) -> tuple[str | Wrong | None, str | Wrong | None, str | Wrong | None, date | Wrong | None]:
        """Pseudonym, unit, arm and day of a row, each with None for nothing and Wrong for what cannot be used."""
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


def long_values(
    records: Iterator[Record],
    person: Person,
    answer: Column[float],
    measure: Column[str] | str,
    wave: Column[str] | str,
    coded: Mapping[object, Lookup[float]],
    counts: Counts,
) -> Iterator[Value | Fault]:
    """A row an answer; `coded` reads the answers to measures whose words have numbers."""
    position, name, plain = answer
    for record in records:
        if isinstance(record, Fault):
            counts.rows += 1
            yield record
            continue
        row, fields = record
        of_measure = measure if isinstance(measure, str) else measure.cells[fields[measure.position]]
        value = coded.get(of_measure, plain)[fields[position]]
        if value is None:
            filled = not blank(fields)
            counts.rows += filled
            counts.empty += filled
            continue
        counts.rows += 1
        at_wave = wave if isinstance(wave, str) else wave.cells[fields[wave.position]]
        who, unit, arm, day = whose = person.of(fields)
        if (
            isinstance(value, Wrong)
            or of_measure is None
            or isinstance(of_measure, Wrong)
            or at_wave is None
            or isinstance(at_wave, Wrong)
            or isinstance(who, Wrong)
            or isinstance(unit, Wrong)
            or isinstance(arm, Wrong)
            or isinstance(day, Wrong)
        ):
            yield from person.faults(row, whose)
            yield from _named(row, "measure", measure, of_measure)
            yield from _named(row, "wave", wave, at_wave)
            if isinstance(value, Wrong):
                yield Fault(row, name, *value)
            continue
        yield Value(row, name, of_measure, at_wave, who, unit, arm, value, day)


def _named(row: int, what: str, column: Column[str] | str, found: str | Wrong | None) -> Iterator[Fault]:
    if isinstance(column, str):
        return
    if found is None:
        yield Fault(row, column.name, f"no_{what}", f"the row has an answer, and no {what}; fill it in")
    elif isinstance(found, Wrong):
        yield Fault(row, column.name, *found)


def wide_values(
    records: Iterator[Record],
    person: Person,
    answers: Sequence[Answer],
    event: Column[Event] | None,
    repeated: Sequence[int],
    counts: Counts,
) -> Iterator[Value | Fault]:
    """A row a person (or, with `event`, a person at one event), a column a measure and wave.

    A row without answers is no fault. Something in one of the `repeated` columns says that an instrument was repeated.
    """
    for record in records:
        if isinstance(record, Fault):
            counts.rows += 1
            yield record
            continue
        row, fields = record
        given = [(a, value) for a in answers if (value := a.cells[fields[a.position]]) is not None]
        if not given and blank(fields):
            continue
        counts.rows += 1
        counts.empty += len(answers) - len(given)
        if not given:
            continue
        who, unit, arm, day = whose = person.of(fields)
        at = event.cells[fields[event.position]] if event else None
        faults = [*person.faults(row, whose), *_event_faults(row, event, at, fields, repeated)]
        faults += [Fault(row, a.name, *value) for a, value in given if isinstance(value, Wrong)]
        yield from faults
        if any(fault.column is None for fault in faults) or (
            isinstance(who, Wrong)
            or isinstance(unit, Wrong)
            or isinstance(arm, Wrong)
            or isinstance(day, Wrong)
            or isinstance(at, Wrong)
        ):
            continue
        for a, value in given:
            wave = a.wave if a.wave is not None else at and at.wave
            if wave is not None and not isinstance(value, Wrong):
                yield Value(row, a.name, a.measure, wave, who, unit, (at and at.arm) or arm, value, day)


def _event_faults(
    row: int, event: Column[Event] | None, at: Event | Wrong | None, fields: Sequence[Cell], repeated: Sequence[int]
) -> Iterator[Fault]:
    if event is None:
        return
    if at is None:
        yield Fault(row, event.name, "no_event", "the row has answers, and no event; fill it in")
    elif isinstance(at, Wrong):
        yield Fault(row, event.name, *at)
    if any(text_of(fields[position]) for position in repeated):
        yield Fault(
            row,
            None,
            "repeated_instrument",
            "the row is a repeat of an instrument, and a person has one answer at a wave: leave repeats out of the "
            "export, or give each its own event",
        )
