"""Evaluation plans over HTTP."""

from fastapi import APIRouter, Response
from sqlmodel import col

from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.errors import NotFound
from app.forms import Page
from app.pilots.models import Pilot
from app.plans.models import PlanVersion
from app.plans.reference import reference_sds_out
from app.plans.remarks import warnings_about
from app.plans.schemas import AmendmentIn, ApprovalIn, PlanIn, PlanOut, RemarkOut
from app.plans.service import current_version, lock_plan, require_version, unmet_for_lock, write
from app.plans.signing import amend, approve
from app.plans.simulated import operating_characteristics
from app.requests import Cursor, IfMatch, Limit, OfIteration, SessionDep, TransactionalRoute, check_match, etag, page_of

router = APIRouter(prefix="/v1/pilots/{pilot_id}/plan", tags=["5 Plan"], route_class=TransactionalRoute)


def plan_out(session: SessionDep, pilot: Pilot, version: PlanVersion) -> PlanOut:
    """The answer about a plan version, with what it warns of and what keeps it from being locked."""
    locked = version.locked_at is not None
    unmet = [] if locked else unmet_for_lock(session, pilot, version)
    return PlanOut.model_validate(
        {
            **version.model_dump(),
            "locked": locked,
            "operating_characteristics": operating_characteristics(session, version),
            "warnings": [RemarkOut.model_validate(r) for r in warnings_about(session, version)],
            "missing_for_lock": [RemarkOut.model_validate(r) for r in unmet],
            "reference_sds": reference_sds_out(version),
        }
    )


@router.put("")
def put_plan(
    pilot_id: str, body: PlanIn, session: SessionDep, caller: CallerDep, response: Response, if_match: IfMatch = None
) -> PlanOut:
    """Write the plan of the current iteration, as often as needed until it is locked."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.PLANS_WRITE, for_update=True)
    before = current_version(session, pilot)
    check_match(if_match, before.version if before is not None else None, "the plan")
    version = write(session, pilot, body, caller.person, now())
    response.headers["ETag"] = etag(version.version)
    return plan_out(session, pilot, version)


@router.get("")
def read_plan(
    pilot_id: str, session: SessionDep, caller: CallerDep, response: Response, iteration: OfIteration = None
) -> PlanOut:
    """The newest version of the plan (of the current iteration unless another is named)."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    version = current_version(session, pilot, iteration)
    if version is None:
        msg = f"iteration {iteration or pilot.iteration} has no plan yet; PUT /v1/pilots/{pilot.id}/plan writes one"
        raise NotFound(msg, "no_plan")
    response.headers["ETag"] = etag(version.version)
    return plan_out(session, pilot, version)


@router.get("/versions")
def list_versions(
    pilot_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[PlanOut]:
    """Every version of every iteration, oldest first."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    statement = visible(caller, PlanVersion).where(col(PlanVersion.pilot_id) == pilot.id)
    rows, following = page_of(session, statement, PlanVersion.id, limit, cursor)
    return Page(items=[plan_out(session, pilot, r) for r in rows], next_cursor=following)


@router.post("/lock", status_code=200, dependencies=[idempotent])
def lock(
    pilot_id: str, session: SessionDep, caller: CallerDep, response: Response, if_match: IfMatch = None
) -> PlanOut:
    """Lock the plan: this version never changes again, and the rule it holds will decide."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.PLANS_WRITE, for_update=True)
    check_match(if_match, require_version(session, pilot).version, "the plan")
    version = lock_plan(session, pilot, caller.person, now())
    response.headers["ETag"] = etag(version.version)
    return plan_out(session, pilot, version)


@router.post("/approvals", status_code=201, dependencies=[idempotent])
def approve_plan(pilot_id: str, body: ApprovalIn, session: SessionDep, caller: CallerDep) -> PlanOut:
    """Approve the draft as it stands: a looser rule, own priors and a short follow-up take it before the lock."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.PLANS_APPROVE, for_update=True)
    version = approve(session, pilot, body.reason, caller.person, now())
    return plan_out(session, pilot, version)


@router.post("/amendments", status_code=201, dependencies=[idempotent])
def amend_plan(pilot_id: str, body: AmendmentIn, session: SessionDep, caller: CallerDep) -> PlanOut:
    """Amend a locked plan by a new version, with a reason; after the first look only in what the rule does not use."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.PLANS_AMEND, for_update=True)
    version = amend(session, pilot, body.plan, body.reason, caller.person, now())
    return plan_out(session, pilot, version)
