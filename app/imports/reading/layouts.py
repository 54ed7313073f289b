"""From rows to values: the loops that a million rows go through, one for each way to lay a table out."""

from collections.abc import Iterator, Mapping, Sequence

from app.imports.reading.facts import Cell, Fault, Value, Wrong
from app.imports.reading.lookup import Lookup, text_of
from app.imports.reading.records import Records
from app.imports.reading.rows import Answer, Column, Counts, Event, Person, blank
from app.imports.reading.separated import Record


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
            counts.lost += 1
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
            counts.lost += 1
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
    held: Records | None,
    counts: Counts,
) -> Iterator[Value | Fault]:
    """A row a person (or, with `event`, a person at one event), a column a measure and wave.

    A row without answers is no fault. Something in one of the `repeated` columns says that an instrument was repeated.
    `held` is what holds in all rows of a person.
    """
    for record in records:
        if isinstance(record, Fault):
            counts.rows += 1
            counts.lost += 1
            yield record
            continue
        row, fields = record
        given = [(a, value) for a in answers if (value := a.cells[fields[a.position]]) is not None]
        if not given and blank(fields):
            continue
        counts.rows += 1
        counts.empty += len(answers) - len(given)
        if not given:
            if held:
                yield from held.contradictions(row, fields)
            continue
        who, unit, arm, day = whose = held.holding(person.of(fields)) if held else person.of(fields)
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
            counts.lost += len(given)
            continue
        for a, value in given:
            wave = a.wave if a.wave is not None else at and at.wave
            if wave is not None and not isinstance(value, Wrong):
                yield Value(row, a.name, a.measure, wave, who, unit, (at and at.arm) or arm, value, day)
            else:
                counts.lost += 1


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
