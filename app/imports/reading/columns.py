"""A mapping held against a header: the columns by position, ready for the loops, or what does not fit."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.imports.reading.days import day_reader
from app.imports.reading.dictionary import Described, bounded_reader, coded_reader, described
from app.imports.reading.facts import Cell, Fault, Known, Value, Wrong
from app.imports.reading.header import Header
from app.imports.reading.layouts import long_values, wide_values
from app.imports.reading.lookup import Lookup, fold, listed
from app.imports.reading.mapping import Mapping
from app.imports.reading.names import key_reader, pseudonym_reader
from app.imports.reading.numerals import number_reader
from app.imports.reading.records import records_of
from app.imports.reading.rows import Answer, Column, Counts, Event, Person
from app.imports.reading.separated import Record

REPEATS = ("redcap_repeat_instrument", "redcap_repeat_instance")


def answer_columns(mapping: Mapping) -> list[str]:
    """The columns that hold answers, as the mapping names them."""
    if mapping.layout == "wide":
        return [value.column for value in mapping.values]
    return list(mapping.fields) if mapping.layout == "redcap" else [mapping.value_column or ""]


def wanted_columns(mapping: Mapping) -> list[str]:
    """Every column that the mapping names."""
    named = [mapping.participant, mapping.unit, mapping.arm, mapping.date]
    if mapping.layout == "long":
        named += [mapping.measure_column, mapping.wave_column]
    if mapping.layout == "redcap":
        named += [mapping.record, mapping.event]
    return [name for name in named if name is not None] + answer_columns(mapping)


def key_faults(mapping: Mapping, known: Known) -> Iterator[Fault]:
    """Keys of the mapping that the plan or the pilot does not have."""
    keys: dict[str, set[str | None]] = {
        "measure": {mapping.measure, *mapping.measures.values(), *mapping.fields.values()},
        "wave": {mapping.wave, *mapping.waves.values()},
        "arm": {*mapping.arms.values(), *(event.arm for event in mapping.events.values())},
        "unit": set(mapping.units.values()),
    }
    keys["measure"] |= {value.measure for value in mapping.values}
    keys["wave"] |= {value.wave for value in mapping.values} | {event.wave for event in mapping.events.values()}
    own = {"measure": known.measures, "wave": known.waves, "arm": known.arms, "unit": known.units}
    for what, used in keys.items():
        for key in sorted(key for key in used if key is not None and key not in own[what]):
            there = listed(sorted(own[what]) if what == "measure" else own[what], 12)
            yield Fault(None, None, f"unknown_{what}", f"the mapping names the {what} {key!r}; there is {there}")


@dataclass(frozen=True)
class Resolver:
    """Turns the columns of a mapping that fits its header into what the loops need."""

    mapping: Mapping
    header: Header
    known: Known
    epoch: datetime | None
    dictionary: dict[str, Described]

    def values(self, records: Callable[[], Iterator[Record]], counts: Counts) -> Iterator[Value | Fault]:
        """The values and faults of the rows, which `records` goes through from the first each time it is called."""
        mapping = self.mapping
        person = self._person()
        if mapping.layout == "long":
            plain = number_reader(mapping.decimal, mapping.missing)
            measures = [(key, key) for key in sorted(self.known.measures)]
            waves = [(key, key) for key in self.known.waves]
            return long_values(
                records(),
                person,
                self._column(mapping.value_column or "", plain),
                mapping.measure or self._keys("measure", mapping.measure_column, mapping.measures, measures) or "",
                mapping.wave or self._keys("wave", mapping.wave_column, mapping.waves, waves) or "",
                {key: Lookup(coded_reader(_folded(codes), plain)) for key, codes in mapping.codes.items()},
                counts,
            )
        event = self._column(mapping.event, _event_reader(mapping)) if mapping.layout == "redcap" else None
        positions = self.header.positions
        held = records_of(records(), person, event, self.known.units) if event else None
        repeated = [positions[name] for name in REPEATS if event and name in positions]
        return wide_values(records(), person, self._answers(), event, repeated, held, counts)

    def _answers(self) -> list[Answer]:
        mapping = self.mapping
        if mapping.layout == "redcap":
            given: list[tuple[str, str, str | None]] = [(name, key, None) for name, key in mapping.fields.items()]
        else:
            given = [(value.column, value.measure, value.wave) for value in mapping.values]
        shared = Lookup(number_reader(mapping.decimal, mapping.missing))
        answers = []
        for name, measure, wave in given:
            column = self._column(name, shared.find)
            answers.append(Answer(column.position, column.name, measure, wave, self._numbers(name, shared)))
        return answers

    def _numbers(self, name: str, shared: Lookup[float]) -> Lookup[float]:
        """Of columns without codes and bounds one lookup for all."""
        read = shared.find
        field = described(self.dictionary, name) if self.dictionary else None
        if isinstance(field, Described) and field.codes:
            read = coded_reader(field.codes, read, only=True)
        elif isinstance(field, Described) and (field.low is not None or field.high is not None):
            read = bounded_reader(field, read)
        stated = {fold(column): codes for column, codes in self.mapping.codes.items()}
        if codes := stated.get(fold(name)):
            read = coded_reader(_folded(codes), read)
        return shared if read is shared.find else Lookup(read)

    def _person(self) -> Person:
        mapping = self.mapping
        participant = mapping.participant
        if mapping.layout == "redcap":
            participant = mapping.record or self.header.names[0]
        arms = [(key, key) for key in self.known.arms]
        units = [(name, key) for key, name in self.known.units.items()] + [(key, key) for key in self.known.units]
        return Person(
            self._column(participant, pseudonym_reader(mapping.missing)) if participant else None,
            self._keys("unit", mapping.unit, mapping.units, units),
            self._keys("arm", mapping.arm, mapping.arms, arms),
            self._column(mapping.date, day_reader(mapping.date_format, self.epoch, mapping.missing))
            if mapping.date
            else None,
        )

    def _column[Found](self, name: str, read: Callable[[Cell], Found | Wrong | None]) -> Column[Found]:
        position = self.header.positions[fold(name)]
        return Column(position, self.header.names[position], Lookup(read))

    def _keys(
        self, what: str, name: str | None, stated: dict[str, str], own: Sequence[tuple[str, str]]
    ) -> Column[str] | None:
        return self._column(name, key_reader(what, f"{what}s", stated, own, self.mapping.missing)) if name else None


def _event_reader(mapping: Mapping) -> Callable[[Cell], Event | Wrong | None]:
    named = key_reader("event", "events", {}, [(name, name) for name in mapping.events], ())

    def find(cell: Cell) -> Event | Wrong | None:
        found = named(cell)
        return Event(mapping.events[found].wave, mapping.events[found].arm) if isinstance(found, str) else found

    return find


def _folded(codes: dict[str, float]) -> dict[str, float]:
    return {fold(text): number for text, number in codes.items()}


def texts_of(rows: Iterable[Sequence[Cell]], positions: Sequence[int]) -> Iterator[str]:
    """The texts of some columns, without spaces around."""
    for cells in rows:
        for position in positions:
            if position < len(cells) and isinstance(text := cells[position], str):
                yield text.strip().replace("−", "-")
