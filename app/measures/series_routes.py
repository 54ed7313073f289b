"""Monthly series over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from analysis.documents import Plan, PlannedMeasure, Role
from app.auth.access import fetch
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.errors import Invalid, fault
from app.measures.routes import Partial
from app.measures.series import enter_series, read_series
from app.measures.series_schemas import SeriesIn, SeriesOut, SeriesReport
from app.pilots.models import Pilot
from app.pilots.service import iteration_of
from app.plans.service import plan_of, require_version
from app.requests import OfIteration, SessionDep, TransactionalRoute

router = APIRouter(prefix="/v1/pilots/{pilot_id}/series", tags=["6 Measures"], route_class=TransactionalRoute)

OneMeasure = Annotated[str | None, Query(max_length=100, description="A measure of the plan; default: the primary")]


def planned_measure(plan: Plan, key: str | None) -> PlannedMeasure:
    """The measure that was asked for, else the primary; Invalid `unknown_measure` when the plan has none."""
    if key is None:
        return next((m for m in plan.measures if m.role is Role.PRIMARY), plan.measures[0])
    measure = plan.measure(key)
    if measure is None:
        msg = f"the plan has no measure {key!r}; it has {', '.join(m.measure for m in plan.measures)}"
        raise Invalid(msg, [fault(["measure"], msg, "unknown_measure")])
    return measure


@router.post("", status_code=201, dependencies=[idempotent])
def add_series(
    pilot_id: str, body: SeriesIn, session: SessionDep, caller: CallerDep, *, partial: Partial = False
) -> SeriesReport:
    """Enter months of one measure by unit. All or nothing; the same again changes nothing."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    return enter_series(session, pilot, body, partial=partial, person=caller.person, at=now())


@router.get("")
def read_pilot_series(
    pilot_id: str,
    session: SessionDep,
    caller: CallerDep,
    measure: OneMeasure = None,
    iteration: OfIteration = None,
) -> SeriesOut:
    """The monthly series of a measure, cut where its definition changes, with the months that are missing."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    number = iteration_of(session, pilot, iteration).number
    plan = plan_of(require_version(session, pilot, number))
    return read_series(session, pilot, number, planned_measure(plan, measure).measure)
