"""REDCap records: arm and unit are often told in one event of a record only, and hold in all of them.

They are collected in a pass before the values are read: the rows of a record stand anywhere in the file.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.imports.reading.facts import Cell, Fault, Wrong
from app.imports.reading.rows import Column, Event, Found, Person
from app.imports.reading.separated import Record

ROW_BITS = 40
FEWEST = 1024
"""Places of an empty table; a power of two, as each that it grows to."""


class Told:
    """The arm (or unit) that each record names, and the second one where its rows contradict each other.

    Flat arrays, 24 bytes a place and three in four of them used at most: a dictionary takes five times as much. Of a
    record's name only the 64-bit hash is kept.
    """

    def __init__(self, what: str, called: Mapping[str, str]) -> None:
        self._what, self._called = what, called
        self._keys: list[str] = []
        self._codes: dict[str, int] = {}
        self._held = 0
        self._names, self._first, self._second = (array("q", bytes(8 * FEWEST)) for _ in range(3))

    def tell(self, record: str, row: int, key: str) -> None:
        """Note that a row of a record names this one."""
        if key not in self._codes:
            self._codes[key] = len(self._keys)
            self._keys.append(key)
        name, said = hash(record), self._codes[key] << ROW_BITS | row
        at = self._place(name)
        if not self._first[at]:
            self._names[at], self._first[at] = name, said
            self._held += 1
            if 4 * self._held > 3 * len(self._names):
                self._grow()
        elif not self._second[at] and self._first[at] >> ROW_BITS != said >> ROW_BITS:
            self._second[at] = said

    def of(self, record: str) -> str | Wrong | None:
        """What a record names; Wrong where its rows name two, None where none names one."""
        at = self._place(hash(record))
        first, second = self._first[at], self._second[at]
        if not second:
            return self._keys[first >> ROW_BITS] if first else None
        return Wrong(
            f"conflicting_{self._what}",
            f"the rows of this record name two {self._what}s, {self._named(first)} and {self._named(second)}; "
            "correct one",
        )

    def _named(self, said: int) -> str:
        key, row = self._keys[said >> ROW_BITS], said & ((1 << ROW_BITS) - 1)
        return f"{self._called.get(key, key)} (row {row})"

    def _place(self, name: int) -> int:
        last = len(self._names) - 1
        at = name & last
        while self._first[at] and self._names[at] != name:
            at = at + 1 & last
        return at

    def _grow(self) -> None:
        before = zip(self._names, self._first, self._second, strict=True)
        size = 16 * len(self._names)
        self._names, self._first, self._second = (array("q", bytes(size)) for _ in range(3))
        for name, first, second in before:
            if first:
                at = self._place(name)
                self._names[at], self._first[at], self._second[at] = name, first, second


@dataclass(frozen=True)
class Records:
    """What the records of a file tell of their arms and units; None for what has no column."""

    person: Person
    units: Told | None
    arms: Told | None

    def holding(self, found: Found) -> Found:
        """What a row says of its person, with the unit and arm that hold in all rows of the record."""
        who, unit, arm, day = found
        if isinstance(who, str):
            unit = self.units.of(who) if self.units and not isinstance(unit, Wrong) else unit
            arm = self.arms.of(who) if self.arms and not isinstance(arm, Wrong) else arm
        return who, unit, arm, day

    def contradictions(self, row: int, fields: Sequence[Cell]) -> Iterator[Fault]:
        """Faults of a row without answers: where it names one of two arms or units, it may be the one to correct."""
        own = self.person.of(fields)
        held = self.holding(own)
        for column, named, holds in ((self.person.unit, own[1], held[1]), (self.person.arm, own[2], held[2])):
            if column and isinstance(named, str) and isinstance(holds, Wrong):
                yield Fault(row, column.name, *holds)


def records_of(
    rows: Iterable[Record], person: Person, event: Column[Event], units: Mapping[str, str]
) -> Records | None:
    """What the rows of each record tell, gone through once; None without a column of units or arms."""
    if person.participant is None or not (person.unit or person.arm):
        return None
    found = Records(person, Told("unit", units) if person.unit else None, Told("arm", {}) if person.arm else None)
    for record in rows:
        if isinstance(record, Fault):
            continue
        row, fields = record
        who, unit, arm, _ = person.of(fields)
        if not isinstance(who, str):
            continue
        at = event.cells[fields[event.position]]
        arm = (at.arm if isinstance(at, Event) else None) or arm
        if found.units and isinstance(unit, str):
            found.units.tell(who, row, unit)
        if found.arms and isinstance(arm, str):
            found.arms.tell(who, row, arm)
    return found
