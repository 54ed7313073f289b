"""What pilots say to other systems."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field
from sqlmodel import Session

from app.outbox.events import EventData, EventPart
from app.outbox.models import record
from app.pilots.models import Pilot, Stage

EXAMPLE_PILOT: dict[str, Any] = {
    "id": "0197a3c2-5d10-7c4e-9a61-3f0b8e2d7a15",
    "title": "Peer coaching for internists",
    "organization_id": "01970b1e-88f4-7a02-b3d9-64c1f05e2b7d",
    "driver": "self_valuation",
}


class AboutPilot(EventPart):
    """A pilot, as every event names it."""

    id: str = Field(description="The pilot, at `GET /v1/pilots/{id}`")
    title: str
    organization_id: str = Field(description="The organization the pilot belongs to")
    driver: str = Field(description="The driver it works on: a key of `GET /v1/drivers`")


class PilotCreated(EventData):
    """The `data` of `pilot.created`."""

    type: ClassVar = "pilot.created"
    says: ClassVar = "A pilot was added, also as the successor of one that ended."
    example: ClassVar = {"pilot": EXAMPLE_PILOT, "stage": "discover", "by": "Dr. Amal Haddad"}

    pilot: AboutPilot
    stage: Stage = Field(description="The stage it begins in")
    by: str = Field(description="The person who added it")


def about(pilot: Pilot) -> AboutPilot:
    """The pilot as it is named at this moment."""
    return AboutPilot(id=pilot.id, title=pilot.title, organization_id=pilot.organization_id, driver=pilot.driver)


def pilot_created(session: Session, pilot: Pilot, by: str, at: datetime) -> None:
    """`pilot.created`."""
    data = PilotCreated(pilot=about(pilot), stage=pilot.stage, by=by)
    record(session, data, at=at, organization_id=pilot.organization_id, subject_id=pilot.id)
