"""What of a pilot's measures may be shown: gathers how many people each cell holds, and asks the rule.

Every answer that names a unit or holds the value of a person goes through here (ADR 0010).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from analysis.documents import Design, Plan
from app.config import Settings
from app.db import Json
from app.measures.collected import days_of
from app.measures.crossed import UNTOLD, Crossing, suppress_crossed
from app.measures.interval import day_of
from app.measures.models import Shape
from app.measures.revisions import measurements, summaries
from app.measures.starting import INSIDE, crossing
from app.measures.suppression import Suppressed, Table, Unit, suppress
from app.pilots.models import Pilot
from app.plans.service import current_version, plan_of

# By table name: analyses stand above measures in the layers.
ANALYSES = sa.table(
    "analyses",
    *(sa.column(name) for name in ("pilot_id", "iteration")),
    sa.column("suppressed", Json),
)
# Shapes that do not say how many people they are of: there is nothing to judge them by.
UNCOUNTED = frozenset({Shape.EVENTS.value, Shape.SERIES.value})

PLACE = ("measure", "arm", "wave", "unit_id")

Entry = Mapping[str, Any]
Shapes = Mapping[str, Sequence[Entry]]


def smallest_cell(session: Session) -> int:
    """How many people a group must have to be shown (setting `smallest_cell`)."""
    settings: Settings = session.info["settings"]
    return settings.smallest_cell


def suppressed_of(session: Session, pilot: Pilot, iteration: int, at: int | None = None) -> Suppressed:
    """What is hidden of an iteration: now, or of its data `at` a revision, whatever is hidden now left hidden.

    Units that an analysis of the iteration was asked for without stay hidden: else two results, each safe alone,
    would tell together what both keep back.
    """
    least = smallest_cell(session)
    version = current_version(session, pilot, iteration)
    if least <= 1 or version is None:
        return Suppressed()
    rows = session.connection().execute(
        sa.select(ANALYSES.c.suppressed).where(ANALYSES.c.pilot_id == pilot.id, ANALYSES.c.iteration == iteration)
    )
    already = frozenset(unit for (kept,) in rows for unit in (kept or {}).get("units", []))
    plan = plan_of(version)
    crossed = crossing_of(session, pilot.id, iteration, plan) if plan.design is Design.STEPPED_WEDGE else None

    def hidden(revision: int | None, before: frozenset[Unit]) -> Suppressed:
        counts = people(session, pilot.id, iteration, plan, revision)
        return suppress(counts, least, before) if crossed is None else suppress_crossed(counts, crossed, least, before)

    now = hidden(None, already)
    return now if at is None else hidden(at, now.units)


def crossing_of(session: Session, pilot_id: str, iteration: int, plan: Plan) -> Crossing:
    """The arms of a stepped wedge at its waves, by the days in force.

    The library goes by the plan's own days: where these say that a unit started inside a wave, it leaves the unit out.
    """
    days = days_of(session, pilot_id, iteration, plan, [wave.key for wave in plan.waves])
    planned = {wave.key: (day_of(wave.starts_on), day_of(wave.ends_on)) for wave in plan.waves}
    left_out = frozenset(place for place, arm in crossing(plan, planned).items() if arm == INSIDE)
    return Crossing(crossing(plan, days), left_out)


def people(
    session: Session, pilot_id: str, iteration: int, plan: Plan, at: int | None = None
) -> dict[Table, dict[Unit, int]]:
    """How many people answered, by table and unit: rows, linked people, and what summaries say; now or then."""
    found: dict[Table, dict[Unit, int]] = defaultdict(dict)
    m = measurements(at)
    mine: list[Any] = [m.pilot_id == pilot_id, m.iteration == iteration]
    place: list[Any] = [m.measure, m.arm, m.wave, m.unit_id]
    connection = session.connection()
    rows: Any = connection.execute(sa.select(*place, sa.func.count()).where(*mine).group_by(*place))
    for measure, arm, wave, unit, n in rows:
        found[Table(measure, arm, wave)][unit] = n
    if plan.baseline is not None:
        # Read once: the data at a revision have no index by which a table could be joined with itself.
        early = sa.func.max(sa.case((m.wave == plan.baseline, 1), else_=0)).over(
            partition_by=[m.measure, m.participant]
        )
        seen: Any = (
            sa.select(*(c.label(name) for name, c in zip(PLACE, place, strict=True)), early.label("early"))
            .where(*mine, m.participant.is_not(None))
            .subquery()
        ).c
        by = [seen[name] for name in PLACE]
        linked = sa.select(*by, sa.func.count()).where(seen.early == 1, seen.wave != plan.baseline).group_by(*by)
        once_more: Any = connection.execute(linked)
        for measure, arm, wave, unit, n in once_more:
            found[Table(measure, arm, wave, linked=True)][unit] = n
    for summary in summaries(session, pilot_id, iteration, at):
        n = people_in(summary.shape.value, summary.content)
        if n is not None:
            table = table_of(summary.measure, summary.content, summary.wave or plan.followup)
            found[table][summary.content["unit"]] = n
    return found


def people_in(shape: str, entry: Entry) -> int | None:
    """How many people an entry is of; None where its shape does not say."""
    if shape in UNCOUNTED:
        return None
    if shape == "rows":
        return 1
    return int(entry["n"]) if "n" in entry else sum(entry["counts"])


def table_of(measure: str, entry: Entry, wave: str) -> Table:
    """The table an entry belongs to; pairs and changes name no wave: they are of linked people and lead to `wave`."""
    named = entry.get("wave")
    return Table(measure, arm_in(entry), named or wave, linked=named is None)


def arm_in(entry: Entry) -> str:
    """The arm of an entry; of a stepped wedge it may not be told."""
    return entry["arm"] or UNTOLD


def people_of(measure: str, shapes: Shapes, waves: Collection[str], wave: str) -> dict[Table, dict[Unit, int]]:
    """How many people the data of a measure hold at these waves, and of them who was seen at `wave` and before."""
    found: dict[Table, dict[Unit, int]] = defaultdict(lambda: defaultdict(int))
    seen: dict[tuple[str, Unit, str], set[bool]] = defaultdict(set)
    for shape, entries in shapes.items():
        for entry in entries:
            n, table = people_in(shape, entry), table_of(measure, entry, wave)
            if n is None or (table.wave not in waves and not table.linked):
                continue
            found[table][entry["unit"]] += n
            if entry.get("participant") is not None:
                seen[arm_in(entry), entry["unit"], entry["participant"]].add(entry["wave"] == wave)
    for (arm, unit, _), when in seen.items():
        found[Table(measure, arm, wave, linked=True)][unit] += len(when) > 1
    return found


def warning_of(suppressed: Suppressed) -> list[dict[str, str]]:
    """The warning that tells a reader what is not shown, and why; none where nothing is hidden."""
    if not suppressed:
        return []
    message = (
        f"{suppressed.cells} cells (unit × arm × wave of a measure) are not shown: they, or others that could be told "
        f"from them by subtraction, are of fewer than {suppressed.least} people. Analyses use them all the same"
    )
    return [{"code": "cells_suppressed", "message": message}]
