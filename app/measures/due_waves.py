"""Waves that are due over many pilots: gathers their dates and what came, and asks the rule (`due.py`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.documents import Plan, PlannedWave
from app.errors import Invalid, fault
from app.measures.due import EXPECTED, WITHIN_DAYS, DueState, Timed, day_that_counts, days_of, says, state_of
from app.measures.interval import days_in_force
from app.measures.models import Wave, WaveKind
from app.measures.response import Total
from app.measures.wave_list import Came
from app.pilots.models import Iteration, Pilot
from app.plans.models import PlanVersion
from app.plans.service import plan_of

SEPARATOR = "~"
type Place = tuple[date, str, int]
"""Where a due wave stands in the list: the day that counts, its pilot, its number in the plan."""


@dataclass(frozen=True)
class DueWave:
    """A wave somebody has to do something about; `total` as it is shown."""

    pilot: Pilot
    key: str
    kind: WaveKind
    state: DueState
    starts_on: date
    ends_on: date | None
    total: Total
    says: str
    place: Place


@dataclass(frozen=True)
class _Candidate:
    pilot: Pilot
    plan: Plan
    wave: PlannedWave
    invited: dict[str, int]
    first: date
    last: date | None
    place: Place


def due_waves(
    session: Session, pilots: Any, today: date, within_days: int = WITHIN_DAYS, after: Place | None = None
) -> Iterator[DueWave]:
    """What is due of the pilots that this statement selects, soonest first, behind `after` if that is given.

    What came is counted while they are asked for: of a page of the list, no more than the page takes.
    """
    came: dict[str, Came] = {}
    for found in sorted(_candidates(session, pilots, today, within_days), key=lambda c: c.place):
        if after is not None and found.place <= after:
            continue
        pilot, key, kind = found.pilot, found.wave.key, WaveKind(found.wave.kind)
        if pilot.id not in came:
            came[pilot.id] = Came(session, pilot.id, pilot.iteration, found.plan)
        total = came[pilot.id].at(key, kind, found.invited).total
        timed = Timed(found.first, found.last, came[pilot.id].anything(key), total.response_rate)
        state = state_of(timed, today, within_days)
        if state is not None:
            said = says(pilot.title, key, kind, state, timed, total)
            yield DueWave(pilot, key, kind, state, found.first, found.last, total, said, found.place)


def _candidates(session: Session, pilots: Any, today: date, within_days: int) -> Iterator[_Candidate]:
    """Waves with a date that is near or past, of pilots in a stage that expects them and an open iteration."""
    current = sa.and_(col(Iteration.pilot_id) == Pilot.id, col(Iteration.number) == Pilot.iteration)
    live = pilots.join(Iteration, current).where(col(Iteration.closed_at).is_(None), col(Pilot.stage).in_(EXPECTED))
    ids = live.with_only_columns(Pilot.id)
    plans = {v.pilot_id: v for v in sorted(_of_current(session, PlanVersion, ids), key=lambda v: v.number)}
    recorded = {(w.pilot_id, w.key): w for w in _of_current(session, Wave, ids)}
    for pilot in session.scalars(live):
        if pilot.id not in plans:
            continue
        plan = plan_of(plans[pilot.id])
        for number, wave in enumerate(plan.waves):
            held = recorded.get((pilot.id, wave.key))
            dates = {wave.key: (held.starts_on, held.ends_on)} if held is not None else {}
            days = days_of(*days_in_force(wave.key, wave.starts_on, wave.ends_on, dates))
            if days is None or not _is_expected(pilot, plan, wave) or (days[0] - today).days > within_days:
                continue
            place = (day_that_counts(*days, today), pilot.id, number)
            yield _Candidate(pilot, plan, wave, held.invited if held is not None else {}, *days, place)


def _of_current(session: Session, model: type[PlanVersion] | type[Wave], ids: Any) -> Any:
    """The rows of the current iterations of these pilots."""
    current = sa.and_(col(model.pilot_id) == Pilot.id, col(model.iteration) == Pilot.iteration)
    return session.exec(select(model).join(Pilot, current).where(col(model.pilot_id).in_(ids)))


def _is_expected(pilot: Pilot, plan: Plan, wave: PlannedWave) -> bool:
    """Whether the stage collects this kind; a baseline that the plan declares missing is not waited for."""
    missing = wave.kind == "baseline" and plan.baseline_missing_reason is not None
    return WaveKind(wave.kind) in EXPECTED[pilot.stage] and not missing


def cursor_of(place: Place) -> str:
    """The place as the cursor of a page."""
    return SEPARATOR.join(map(str, place))


def place_of(cursor: str) -> Place:
    """The place that a cursor names; Invalid `unknown_cursor` for anything else."""
    try:
        day, pilot_id, number = cursor.split(SEPARATOR)
        return date.fromisoformat(day), pilot_id, int(number)
    except ValueError as error:
        msg = "this is not a cursor of this list; pass the `next_cursor` of the page before, or none"
        raise Invalid(msg, [fault(["cursor"], msg, "unknown_cursor")]) from error
