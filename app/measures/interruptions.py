"""Warnings of measures whose definition changed inside the data: what changed then may be the definition."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlmodel import Session, col, select

from analysis.documents import Plan
from app.catalog.definitions import definitions_in_force
from app.catalog.months import month_of
from app.measures.interval import day_of
from app.measures.models import Shape, Wave
from app.measures.segments import (
    Interruption,
    Observed,
    Version,
    changes_between,
    in_force,
    interruptions,
    month_at,
    segments,
)
from app.measures.series_models import PointDefinition, SeriesStart
from app.pilots.models import Pilot

Place = tuple[str | None, str | None]
"""A unit and an arm."""
Entries = Sequence[Mapping[str, Any]]
Warnings = Iterator[tuple[str, str]]
CHANGED, UNKNOWN = "definition_changed", "definition_unknown"
OF_DEFINITIONS = frozenset({CHANGED, UNKNOWN})
"""The codes of these warnings."""
STEP = (
    "A step there may be of the definition: it and an effect that begins then cannot be told apart; only the months on "
    "one side of it are comparable with each other"
)
ONE_GROUP = (
    "What the program changed and what the definition changed cannot be told apart; only what was measured by the same "
    "definition is comparable: enter the earlier values as the later definition counts them"
)
ARMS = (
    "What changed in an arm from before to after and what the definition changed cannot be told apart; the arms are "
    "comparable with each other at the same wave, if both were measured alike"
)
UNDATED = (
    "nobody said in which month t is 0, so that the definition of its points is not known; say it in `starts` "
    "(POST …/series)"
)
MOST = 10
"""Changes named one by one; the others are counted."""


def definition_warnings(
    session: Session, pilot_id: str, iteration: int, plan: Plan, waves: Sequence[str], data: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Code and sentence of each change of a definition inside the data of an analysis of these waves."""
    return [
        warning
        for measure, shapes in data.items()
        for warning in (
            _of_series(session, pilot_id, iteration, measure, shapes[Shape.SERIES.value])
            if Shape.SERIES.value in shapes
            else _of_waves(session, pilot_id, iteration, plan, measure, waves)
        )
    ]


def start_of(session: Session, pilot_id: str, iteration: int) -> str | None:
    """The month in which t is 0; None where nobody said so."""
    mine = (SeriesStart.pilot_id == pilot_id, SeriesStart.iteration == iteration)
    return session.exec(select(SeriesStart.month).where(*mine)).one_or_none()


def cell_of(entry: Mapping[str, Any]) -> str:
    """What tells a point from the others of its measure."""
    return f"{entry.get('unit') or ''}|{entry['arm']}|{float(entry['t'])}"


def versions_of(session: Session, pilot_id: str, measure: str) -> list[Version]:
    """The definitions a pilot's organization is measured by."""
    organization_id = session.exec(select(Pilot.organization_id).where(Pilot.id == pilot_id)).one()
    return [(row.valid_from, row.label) for row in definitions_in_force(session, measure, organization_id)]


def stated_of(session: Session, pilot_id: str, iteration: int, measure: str) -> dict[str, str]:
    """The definitions that points themselves name, by their cell."""
    p = PointDefinition
    mine = (p.pilot_id == pilot_id, p.iteration == iteration, p.measure == measure)
    return dict(session.exec(select(p.cell, p.definition).where(*mine)).all())


def forget_stated(session: Session, pilot: Pilot, measure: str, cells: Collection[str]) -> None:
    """What withdrawn points said of their definition holds no more: these months are entered anew."""
    p = PointDefinition
    mine = (p.pilot_id == pilot.id, p.iteration == pilot.iteration, p.measure == measure)
    for row in session.exec(select(p).where(*mine)) if cells else ():
        if row.cell in cells:
            session.delete(row)
    session.flush()


def observed(
    session: Session, pilot_id: str, iteration: int, measure: str, entries: Entries
) -> dict[Place, list[Observed]]:
    """The points of a measure by unit and arm, in time, each with its month and definition."""
    start = start_of(session, pilot_id, iteration)
    versions = versions_of(session, pilot_id, measure)
    stated = stated_of(session, pilot_id, iteration, measure)
    found: dict[Place, list[Observed]] = {}
    for entry in sorted(entries, key=lambda e: (e.get("unit") or "", e["arm"] or "", e["t"])):
        month = month_at(start, entry["t"])
        definition = stated.get(cell_of(entry)) or in_force(versions, month)
        point = Observed(entry["t"], month, entry["value"], entry.get("exposure"), definition)
        found.setdefault((entry.get("unit"), entry["arm"]), []).append(point)
    return found


def _of_series(session: Session, pilot_id: str, iteration: int, measure: str, entries: Entries) -> Warnings:
    places = observed(session, pilot_id, iteration, measure, entries)
    changes = Counter(change for points in places.values() for change in interruptions(segments(points)))
    ordered = sorted(changes, key=lambda c: (c.t, c.before or "", c.after or ""))
    for change in ordered[:MOST]:
        yield CHANGED, f"{measure}: {_said(change)} (in {changes[change]} of {len(places)} series). {STEP}"
    if len(ordered) > MOST:
        yield CHANGED, f"{measure}: {len(ordered) - MOST} more changes of its definition; see GET …/series"
    undated = any(point.month is None and point.definition is None for points in places.values() for point in points)
    if undated and versions_of(session, pilot_id, measure):
        yield UNKNOWN, f"{measure}: {UNDATED}"


def _of_waves(
    session: Session, pilot_id: str, iteration: int, plan: Plan, measure: str, waves: Sequence[str]
) -> Warnings:
    versions = versions_of(session, pilot_id, measure)
    if not versions or len(waves) == 1:
        return
    days = {wave: _days(session, pilot_id, iteration, plan, wave) for wave in waves}
    if undated := [wave for wave, known in days.items() if not known]:
        if len(versions) > 1:
            message = (
                f"{measure} has {len(versions)} versions of its definition, and the days of {', '.join(undated)} are "
                "not known: whether it changed between the waves cannot be told. Record them (PUT …/waves)"
            )
            yield UNKNOWN, message
        return
    known = [day for these in days.values() for day in these]
    between = f"between {waves[0]} and {waves[-1]} ({min(known)} to {max(known)})"
    for change in changes_between(versions, month_of(min(known)), month_of(max(known))):
        stands = ARMS if plan.control is not None else ONE_GROUP
        yield CHANGED, f"{measure}: {_said(change)}, {between}. {stands}"


def _said(change: Interruption) -> str:
    when = change.month if change.month is not None else f"t = {change.t:g}"
    return f"measured by {_named(change.after)} from {when} on, by {_named(change.before)} before"


def _named(label: str | None) -> str:
    return f"the definition {label!r}" if label is not None else "an unknown definition"


def _days(session: Session, pilot_id: str, iteration: int, plan: Plan, key: str) -> list[date]:
    """The days of a wave as recorded, else as planned, as far as they are known."""
    wave = session.exec(
        select(Wave).where(Wave.pilot_id == pilot_id, Wave.iteration == iteration, col(Wave.key) == key)
    ).one_or_none()
    recorded = [wave.starts_on, wave.ends_on] if wave is not None else []
    planned = [day_of(text) for w in plan.waves if w.key == key for text in (w.starts_on, w.ends_on)]
    return [day for day in recorded if day is not None] or [day for day in planned if day is not None]
