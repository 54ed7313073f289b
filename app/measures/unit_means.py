"""The people of each unit at a wave: how many, their mean and SD, and which units are not shown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from analysis.documents import Plan
from app.measures.cells import Rows
from app.measures.confidential import suppressed_of, table_of
from app.measures.models import Shape
from app.measures.snapshot import as_entered
from app.measures.suppression import Suppressed
from app.pilots.models import Pilot


@dataclass(frozen=True)
class People:
    """n, mean and SD (n − 1; None: unknown) of a group."""

    n: int
    mean: float
    sd: float | None


@dataclass(frozen=True)
class UnitMeans:
    """By unit: its people, over all arms; `hidden` are units of which a cell is not shown, and so nothing is."""

    people: Mapping[str, People]
    hidden: frozenset[str]
    suppressed: Suppressed


def pooled(groups: Sequence[People]) -> People:
    """Several groups as one; its SD is unknown where that of a group of two and more is."""
    n = sum(group.n for group in groups)
    mean = math.fsum(group.n * group.mean for group in groups) / n
    if n == 1 or any(group.sd is None and group.n > 1 for group in groups):
        return People(n, mean, None)
    squares = math.fsum((g.n - 1) * (g.sd or 0.0) ** 2 + g.n * (g.mean - mean) ** 2 for g in groups)
    return People(n, mean, math.sqrt(squares / (n - 1)))


def unit_means(session: Session, pilot: Pilot, iteration: int, plan: Plan, measure: str, wave: str) -> UnitMeans:
    """The units that answered a measure at a wave; those of too few people are `hidden` as everywhere."""
    suppressed = suppressed_of(session, pilot, iteration)
    groups: dict[str, list[People]] = {}
    hidden: set[str] = set()
    retention = any(w.key == wave and w.kind == "retention" for w in plan.waves)
    leads_to = wave if retention else plan.followup
    for entry in _entries(session, pilot, iteration, plan, measure, wave, leads_to):
        unit, found = entry["unit"], _people(entry, plan, wave, leads_to)
        if unit is None or found is None:
            continue
        groups.setdefault(unit, []).append(found)
        if suppressed.hides(table_of(measure, entry, leads_to), unit):
            hidden.add(unit)
    shown = {unit: pooled(these) for unit, these in groups.items() if unit not in hidden}
    return UnitMeans(shown, frozenset(hidden), suppressed)


def _entries(
    session: Session, pilot: Pilot, iteration: int, plan: Plan, measure: str, wave: str, leads_to: str
) -> list[dict[str, Any]]:
    """Cells of the rows at this wave, or the summaries of the measure."""
    rows = Rows(session, pilot.id, iteration, measure, [], wave)
    if rows.exist():
        return rows.cells()
    alone = plan.model_copy(update={"measures": [m for m in plan.measures if m.measure == measure]})
    shapes = as_entered(session, pilot.id, iteration, alone, leads_to).data.get(measure, {})
    return [entry for shape in (Shape.CELLS, Shape.PAIRS) for entry in shapes.get(shape.value, [])]


def _people(entry: Mapping[str, Any], plan: Plan, wave: str, leads_to: str) -> People | None:
    """The people of an entry at a wave; None where it is of another."""
    if "wave" in entry:
        return People(entry["n"], entry["mean"], entry["sd"]) if entry["wave"] == wave else None
    ends = [plan.baseline, leads_to]
    if wave not in ends:
        return None
    at = ends.index(wave)
    return People(entry["n"], entry["mean"][at], entry["sd"][at])
