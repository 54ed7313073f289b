"""What the data of one measure say of each arm at each wave, with an interval; no model, no prior.

Units are pooled: people of an arm and wave are taken together.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.cells import Sums, total
from analysis.documents import Cell, Change, Family, MeasureData, Plan, PlannedMeasure
from analysis.plots.style import NORMAL_95, nothing_to_plot
from analysis.rows import cells_of, counts_of

CHANGE = "change"
"""In the place of a wave where only changes are known."""
Place = tuple[str, str]
"""(arm, wave)."""


@dataclass(frozen=True, slots=True)
class Described:
    """n, mean (or share) and its 95 % interval; no interval where the spread is not known."""

    n: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class _Part:
    place: Place
    n: int
    mean: float
    sd: float | None


def described(plan: Plan, measure: PlannedMeasure, data: MeasureData) -> dict[Place, Described]:
    """Each arm and wave of the expanded plan that has data; changes stand at the wave `change`.

    Means carry ±1.96 SE, shares the Wilson 95 % interval. Raises `Refused` for other families and for no data.
    """
    if measure.family not in {Family.NORMAL, Family.BINARY}:
        raise nothing_to_plot(
            f"means of a measure of the family {measure.family.value} are not drawn", "Normal and binary measures are."
        )
    found = _shares(plan, data) if measure.family is Family.BINARY else _means(_parts(plan, data))
    waves = {w.key for w in plan.waves} | {CHANGE}
    arms = {a.key for a in plan.arms}
    found = {(arm, wave): d for (arm, wave), d in found.items() if arm in arms and wave in waves}
    if not found:
        raise nothing_to_plot(
            f"{measure.measure} has no data in the arms and waves of the plan", "Enter data of a planned wave."
        )
    return found


def wilson(x: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927)."""
    z2 = NORMAL_95**2
    centre = (x + z2 / 2) / (n + z2)
    half = NORMAL_95 * math.sqrt(x * (n - x) / n + z2 / 4) / (n + z2)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def arm_of(plan: Plan, unit: str | None, arm: str | None) -> str:
    """The arm as given, else the unit's, else the treated one."""
    if arm is not None:
        return arm
    return next((u.arm for u in plan.units if u.unit_id == unit and u.arm is not None), plan.treated)


def _shares(plan: Plan, data: MeasureData) -> dict[Place, Described]:
    counted = data.counts if data.counts is not None else counts_of(data.rows or [])
    sums: dict[Place, list[int]] = defaultdict(lambda: [0, 0])
    for c in counted:
        place = sums[arm_of(plan, c.unit, c.arm), c.wave]
        place[0] += c.x
        place[1] += c.n
    return {place: Described(n, x / n, *wilson(x, n)) for place, (x, n) in sums.items()}


def _parts(plan: Plan, data: MeasureData) -> list[_Part]:
    if data.pairs is not None:
        waves = (plan.baseline or "", plan.followup)
        return [
            _Part((arm_of(plan, p.unit, p.arm), wave), p.n, p.mean[i], p.sd[i])
            for p in data.pairs
            for i, wave in enumerate(waves)
        ]
    cells: Iterable[Cell | Change] = data.changes or data.cells or cells_of(data.rows or [])
    return [
        _Part((arm_of(plan, c.unit, c.arm), c.wave if isinstance(c, Cell) else CHANGE), c.n, c.mean, c.sd)
        for c in cells
    ]


def _means(parts: Iterable[_Part]) -> dict[Place, Described]:
    places: dict[Place, list[_Part]] = defaultdict(list)
    for part in parts:
        places[part.place].append(part)
    found = {}
    for place, here in places.items():
        pooled = total(Sums(p.n, p.mean, (p.n - 1) * (p.sd or 0.0) ** 2) for p in here)
        if pooled is None:
            continue
        if pooled.n == 1 or any(p.sd is None and p.n > 1 for p in here):
            found[place] = Described(pooled.n, pooled.mean, None, None)
            continue
        reach = NORMAL_95 * pooled.sd / math.sqrt(pooled.n)
        found[place] = Described(pooled.n, pooled.mean, pooled.mean - reach, pooled.mean + reach)
    return found
