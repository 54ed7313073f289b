"""What plans say to other systems."""

from datetime import datetime

from sqlmodel import Session

from app.outbox.models import record
from app.pilots.events import about
from app.pilots.models import Pilot
from app.plans.models import PlanVersion


def plan_locked(session: Session, pilot: Pilot, version: PlanVersion, by: str, at: datetime) -> None:
    """`plan.locked`."""
    data = {
        "pilot": about(pilot),
        "plan_id": version.id,
        "iteration": version.iteration,
        "number": version.number,
        "hash": version.hash,
        "by": by,
    }
    record(session, "plan.locked", data, at=at, organization_id=pilot.organization_id, subject_id=pilot.id)
