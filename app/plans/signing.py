"""What an approver signs of a plan: what departs from the default rule before the lock, and amendments after it."""

from datetime import datetime

from sqlmodel import Session

from app.auth.persons import identity
from app.errors import Conflict, fault
from app.pilots.models import Pilot
from app.pilots.service import insiders_of
from app.plans.allocated import refuse_unfit
from app.plans.amendments import used_changes
from app.plans.events import plan_locked
from app.plans.models import PlanVersion
from app.plans.rules import missing_for_lock
from app.plans.schemas import PlanIn
from app.plans.service import complete, plan_of, refuse_incomplete, require_version
from app.plans.simulated import newest_simulation


def approve(session: Session, pilot: Pilot, reason: str, person: str, at: datetime) -> PlanVersion:
    """Approve the draft as it stands; writing another plan voids it. Conflict `plan_locked`, `same_person`."""
    version = require_version(session, pilot)
    if version.locked_at is not None:
        msg = f"version {version.number} is locked; an approver signs its amendments (POST …/plan/amendments)"
        raise Conflict(msg, "plan_locked")
    _refuse_insider(session, pilot, person, "approves its plan")
    version.approved_by, version.approved_at = person, at
    version.approval_reason, version.approved_hash = reason, version.hash
    session.add(version)
    session.flush()
    return version


def amend(session: Session, pilot: Pilot, body: PlanIn, reason: str, person: str, at: datetime) -> PlanVersion:
    """A new locked version, signed by an approver who is none of the pilot's own people.

    After the first look Conflict `after_first_look` names in `errors` what the rule uses and may not change; the new
    version remembers the look, so that it is no way around it.
    """
    before = require_version(session, pilot)
    if before.locked_at is None:
        msg = "the plan is not locked: change it with PUT, no amendment is needed"
        raise Conflict(msg, "plan_not_locked")
    _refuse_insider(session, pilot, person, "signs an amendment")
    completed = complete(session, pilot, body, before)
    plan = completed.plan
    document = plan.model_dump(mode="json")
    used = used_changes(plan_of(before).model_dump(mode="json"), document)
    if used and before.looked_at is not None:
        places = ", ".join(".".join(path) for path in used)
        msg = (
            f"an analysis under this plan exists; after the first look nothing the rule uses may change: {places}. "
            "Dates and added retention waves still may; another plan is one for the next iteration"
        )
        errors = [fault(path, "the rule uses this; it may not change any more", "after_first_look") for path in used]
        raise Conflict(msg, "after_first_look", errors=errors)
    refuse_unfit(session, pilot, plan)
    refuse_incomplete(missing_for_lock(plan))
    version = PlanVersion(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        iteration=pilot.iteration,
        number=before.number + 1,
        plan=document,
        hash=plan.hash(),
        created_by=person,
        created_at=at,
        locked_by=person,
        locked_at=at,
        looked_at=before.looked_at,
        amendment_reason=reason,
        approved_by=person,
        approved_at=at,
        approval_reason=reason,
        approved_hash=plan.hash(),
        reference_sds=dict(completed.origins),
    )
    # What the rule does not use leaves its operating characteristics as they were.
    version.simulation_id = newest_simulation(session, version) if used else before.simulation_id
    session.add(version)
    session.flush()
    plan_locked(session, pilot, version, person, at)
    return version


def _refuse_insider(session: Session, pilot: Pilot, person: str, act: str) -> None:
    if identity(person) in insiders_of(session, pilot):
        msg = f"{person} leads this pilot, or made it or its plan; somebody else {act} (four eyes)"
        raise Conflict(msg, "same_person")
