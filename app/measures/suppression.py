"""Which cells are not shown, so that nobody is recognised in a group of fewer than five; pure.

A cell is the people of a unit in a table; a table is an arm at a wave of a measure, or the linked people of an arm.
Its total is shown, so that one hidden cell would be the total less the others: the hidden cells of a table are at
least two and hold at least `least` people between them (complementary suppression). A unit is hidden in every table
of the iteration: tables are of nearly the same people, and what one shows must not tell what another hides. A table
whose total is below `least` is hidden as a whole; one that holds a single unit shows that unit by its total.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Unit = str | None


class Table(NamedTuple):
    """An arm at a wave of a measure; `linked` are those of them who were seen before the start too."""

    measure: str
    arm: str
    wave: str
    linked: bool = False


Counts = Mapping[Table, Mapping[Unit, int]]
"""People by table and unit; None is who has no unit."""


@dataclass(frozen=True)
class Suppressed:
    """What is hidden: `units` in every table but those where they are `alone`, and `tables` as a whole.

    `crossed` is the same of the tables by the arm that holds at a wave, where a design has such (`crossed.py`).
    """

    least: int = 1
    units: frozenset[Unit] = frozenset()
    tables: frozenset[Table] = frozenset()
    alone: frozenset[Table] = frozenset()
    cells: int = 0
    crossed: "Suppressed | None" = None

    @property
    def as_analysed(self) -> "Suppressed":
        """What is hidden of the data in the arms that an analysis takes them in."""
        return self if self.crossed is None else self.crossed

    def __bool__(self) -> bool:
        """Whether anything is hidden."""
        return bool(self.cells)

    def hides(self, table: Table, unit: Unit) -> bool:
        """Whether the cell of this unit in this table is hidden."""
        return table in self.tables or (unit in self.units and table not in self.alone)

    def unlinks(self, measure: str, arm: str) -> bool:
        """Whether so few people of this arm were seen twice that nobody may see who they are."""
        return any(table.linked and (table.measure, table.arm) == (measure, arm) for table in self.tables)


def suppress(counts: Counts, least: int, already: frozenset[Unit] = frozenset()) -> Suppressed:
    """What of these counts is hidden; `already` are units that were hidden before and stay so.

    Deterministic: of several cells that would do, the smallest is hidden, then the first by name.
    """
    if least <= 1:
        return Suppressed()
    people = filled(counts)
    small = {table for table, here in people.items() if sum(here.values()) < least}
    alone = {table for table, here in people.items() if len(here) == 1}
    units = closed([here for table, here in people.items() if table not in small | alone], least, already)
    cells = sum(
        table in small or (unit in units and table not in alone) for table, here in people.items() for unit in here
    )
    return Suppressed(least, units, frozenset(small), frozenset(alone), cells)


def filled(counts: Counts) -> dict[Table, dict[Unit, int]]:
    """The tables in order, with the cells that have people."""
    return {table: here for table in sorted(counts) if (here := {u: n for u, n in counts[table].items() if n > 0})}


def closed(tables: Collection[Mapping[Unit, int]], least: int, already: Collection[Unit]) -> frozenset[Unit]:
    """The units to hide in these tables of several, each of `least` people or more, so that no total tells a cell."""
    units = {*already, *(unit for here in tables for unit, n in here.items() if n < least)}
    while more := next(_needed(tables, units, least), None):
        units.update(more)
    return frozenset(units)


def _needed(tables: Collection[Mapping[Unit, int]], units: set[Unit], least: int) -> Iterator[tuple[Unit]]:
    """The next smallest cell of every table whose hidden cells would still be told by its total."""
    for here in tables:
        hidden = [n for unit, n in here.items() if unit in units]
        if hidden and (len(hidden) == 1 or sum(hidden) < least):
            shown = [(n, unit is not None, unit or "", unit) for unit, n in here.items() if unit not in units]
            yield (min(shown)[3],)
