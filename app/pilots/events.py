"""What pilots say to other systems."""

from datetime import datetime
from typing import Any

from sqlmodel import Session

from app.outbox.models import record
from app.pilots.models import Pilot


def about(pilot: Pilot) -> dict[str, Any]:
    """How every event names a pilot (contract §4)."""
    return {"id": pilot.id, "title": pilot.title, "organization_id": pilot.organization_id, "driver": pilot.driver}


def pilot_created(session: Session, pilot: Pilot, by: str, at: datetime) -> None:
    """`pilot.created`."""
    record(
        session,
        "pilot.created",
        {"pilot": about(pilot), "stage": pilot.stage.value, "by": by},
        at=at,
        organization_id=pilot.organization_id,
        subject_id=pilot.id,
    )
