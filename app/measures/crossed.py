"""What is hidden of a stepped wedge, whose people are shown in two arms; pure.

Units are entered in the arm they end in, and analysed in the one that holds at each wave (`starting.py`). Totals of
both are shown, so that what they share follows by subtraction: who crossed at a step, who has yet to. The tables by the
arm at the wave are made of these parts: where no part tells a small cell, no sum of parts does. Where a part is of too
few, they are hidden as a whole; those by the arm as entered count who answered, before anything is analysed.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from app.measures.starting import INSIDE
from app.measures.suppression import Counts, Suppressed, Table, Unit, closed, filled

UNTOLD = ""
"""In the place of an arm that the days do not tell."""


class Crossing(NamedTuple):
    """The arm of units at waves (`starting.crossing`), and the cells that the plan's own days have left out."""

    arms: Mapping[tuple[str, str], str]
    left_out: frozenset[tuple[str, str]] = frozenset()

    def arm(self, unit: Unit, wave: str) -> str:
        """The arm of a unit at a wave."""
        return self.arms.get((unit or "", wave), UNTOLD)

    def sequences(self) -> dict[str, frozenset[tuple[str, str]]]:
        """The waves and arms of each unit: those who cross at once have the same."""
        found: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for (unit, wave), arm in self.arms.items():
            found[unit].add((wave, arm))
        return {unit: frozenset(places) for unit, places in found.items()}


type Part = tuple[Table, Hashable]
"""Who shares a table as entered and something else."""
type Alone = tuple[str, str, Unit]
"""Measure, wave and unit."""


def suppress_crossed(
    counts: Counts, crossing: Crossing, least: int, already: frozenset[Unit] = frozenset()
) -> Suppressed:
    """What is hidden of these counts, as `suppress`; `counts` are by the arm as entered, `crossed` by that at the wave.

    A unit that is small anywhere is hidden everywhere, and one that is hidden is shown alone only where it is alone in
    both arms.
    """
    if least <= 1:
        return Suppressed()
    entered, sequences = filled(counts), crossing.sequences()
    held = _held(entered, crossing)
    teams = _parts(entered, crossing, lambda unit, _: sequences.get(unit or ""))
    parts = _parts(entered, crossing, crossing.arm)
    few = {_at(part[0]) for part, here in parts.items() if sum(here.values()) < least}
    small = {table for table, here in entered.items() if sum(here.values()) < least}
    whole = {table for table in held if _at(table) in few}
    told = [
        # First within those who cross at once: they go together in every table, so that nobody else has to be hidden.
        *(here for here in teams.values() if sum(here.values()) >= least),
        *(here for table, here in entered.items() if table not in small),
        *(here for part, here in parts.items() if _at(part[0]) not in few),
    ]
    tiny = {unit for here in entered.values() for unit, n in here.items() if n < least}
    units = closed([here for here in told if len(here) > 1], least, already | tiny)
    # Who of too few was seen twice is told by the pseudonyms of either arm.
    arms = {UNTOLD, *(table.arm for table in [*entered, *held])}
    unlinked = {table._replace(arm=arm) for table in small if table.linked for arm in arms}
    both = _alone(entered) & _alone(held)
    stored = Suppressed(least, units, frozenset(small), _agreed(entered, both))
    crossed = Suppressed(least, units, frozenset(whole | unlinked), _agreed(held, both))
    return replace(stored, cells=_cells(entered, stored), crossed=replace(crossed, cells=_cells(held, crossed)))


def as_entered(held: Counts, ends: Mapping[str, str]) -> tuple[Counts, Crossing]:
    """Counts by the arm at the wave as they were entered, and how their units crossed; `ends`: the arm of each unit."""
    entered: dict[Table, dict[Unit, int]] = defaultdict(dict)
    arms: dict[tuple[str, str], str] = {}
    for table, here in held.items():
        for unit, n in here.items():
            if table.linked:
                entered[table][unit] = n
                continue
            entered[table._replace(arm=ends.get(unit or "", UNTOLD))][unit] = n
            arms[unit or "", table.wave] = table.arm
    return entered, Crossing(arms)


def _held(entered: Counts, crossing: Crossing) -> dict[Table, dict[Unit, int]]:
    """The tables by the arm at the wave; whoever started inside a wave is in none."""
    found: dict[Table, dict[Unit, int]] = defaultdict(lambda: defaultdict(int))
    for table, unit, n in _at_waves(entered):
        arm = crossing.arm(unit, table.wave)
        if arm != INSIDE:
            found[table._replace(arm=arm)][unit] += n
    return {table: found[table] for table in sorted(found)}


def _parts(entered: Counts, crossing: Crossing, shared: Callable[[Unit, str], Hashable]) -> dict[Part, dict[Unit, int]]:
    """The tables as entered, divided by what units share at the wave; whom the library leaves out are apart."""
    found: dict[Part, dict[Unit, int]] = defaultdict(dict)
    for table, unit, n in _at_waves(entered):
        left_out = (unit or "", table.wave) in crossing.left_out
        found[table, (shared(unit, table.wave), left_out)][unit] = n
    return dict(found)


def _at(table: Table) -> tuple[str, str]:
    return table.measure, table.wave


def _at_waves(entered: Counts) -> Iterable[tuple[Table, Unit, int]]:
    return ((table, unit, n) for table, here in entered.items() if not table.linked for unit, n in here.items())


def _alone(tables: Counts) -> frozenset[Alone]:
    """Where a unit is the only one of its table."""
    return frozenset(
        (table.measure, table.wave, unit)
        for table, here in tables.items()
        if len(here) == 1 and not table.linked
        for unit in here
    )


def _agreed(tables: Counts, both: frozenset[Alone]) -> frozenset[Table]:
    """Tables of one of these units and nobody else."""
    return frozenset(table for table, here in tables.items() if _alone({table: here}) & both)


def _cells(tables: Counts, suppressed: Suppressed) -> int:
    return sum(suppressed.hides(table, unit) for table, here in tables.items() for unit in here)
