"""What plans say to other systems."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field
from sqlmodel import Session

from app.outbox.events import EventData
from app.outbox.models import record
from app.pilots.events import EXAMPLE_PILOT, AboutPilot, about
from app.pilots.models import Pilot
from app.plans.models import PlanVersion


class PlanLocked(EventData):
    """The `data` of `plan.locked`."""

    type: ClassVar = "plan.locked"
    says: ClassVar = "An evaluation plan was fixed: locked before the test, or amended by a second person."
    example: ClassVar = {
        "pilot": EXAMPLE_PILOT,
        "plan_id": "0197c81f-0b36-7e95-8d24-a7d1c9e0f342",
        "iteration": 1,
        "number": 1,
        "hash": "5f0c7a9e3b1d486297c4e85a06d2fb13749ec8105ad63f2be9417c80d5a2f6b8",
        "by": "Dr. Amal Haddad",
    }

    pilot: AboutPilot
    plan_id: str = Field(description="The version of the plan that is locked now")
    iteration: int = Field(ge=1, description="The iteration of the pilot it is the plan of")
    number: int = Field(ge=1, description="Counts the versions of the plan in this iteration; the highest one holds")
    hash: str = Field(description="SHA-256 of the plan, in hex, as analyses and decisions name it")
    by: str = Field(description="The person who locked or amended it")


def plan_locked(session: Session, pilot: Pilot, version: PlanVersion, by: str, at: datetime) -> None:
    """`plan.locked`."""
    data = PlanLocked(
        pilot=about(pilot),
        plan_id=version.id,
        iteration=version.iteration,
        number=version.number,
        hash=version.hash,
        by=by,
    )
    record(session, data, at=at, organization_id=pilot.organization_id, subject_id=pilot.id)
