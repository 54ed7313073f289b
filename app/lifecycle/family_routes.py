"""The family of an intervention and all attempts at a driver over HTTP."""

from fastapi import APIRouter

from app.auth.access import fetch
from app.auth.deps import CallerDep
from app.lifecycle.family import attempts_at, family_of
from app.lifecycle.family_schemas import Attempts, Family
from app.pilots.models import Intervention
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute

router = APIRouter(prefix="/v1", tags=["3 Interventions"], route_class=TransactionalRoute)


@router.get("/interventions/{intervention_id}/family")
def read_family(
    intervention_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Family:
    """What the intervention is derived from and what was derived from it, each with its pilots and where it stands."""
    intervention = fetch(session, caller, Intervention, intervention_id)
    return family_of(session, caller, intervention, limit, cursor)


@router.get("/drivers/{driver}/attempts")
def read_attempts(
    driver: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Attempts:
    """Everything that was tried against a driver: programs, interventions, and the pilots with how each ended."""
    return attempts_at(session, caller, driver, limit, cursor)
