"""Where units stand against their benchmarks, over HTTP."""

from fastapi import APIRouter

from app.auth.access import fetch
from app.auth.deps import CallerDep
from app.measures.routes import OfWave
from app.measures.series_routes import OneMeasure, planned_measure
from app.measures.standing_schemas import UnitStandingsOut
from app.measures.unit_standing import standings
from app.pilots.models import Pilot
from app.pilots.service import iteration_of
from app.plans.service import plan_of, require_version
from app.requests import MomentDep, OfIteration, TransactionalRoute

router = APIRouter(prefix="/v1/pilots/{pilot_id}/units/standing", tags=["6 Measures"], route_class=TransactionalRoute)


@router.get("")
def read_unit_standings(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    measure: OneMeasure = None,
    wave: OfWave = None,
    iteration: OfIteration = None,
) -> UnitStandingsOut:
    """Each unit's mean at a wave (default: the follow-up) against its benchmark, with the probability of each class.

    The benchmark is the most specific by specialty and occupation whose period overlaps the days of the wave.
    """
    pilot = fetch(session, caller, Pilot, pilot_id)
    number = iteration_of(session, pilot, iteration).number
    plan = plan_of(require_version(session, pilot, number))
    return standings(session, pilot, number, plan, planned_measure(plan, measure), wave or plan.followup)
