"""What moves say to other systems."""

from typing import ClassVar

from pydantic import Field
from sqlmodel import Session

from app.lifecycle.models import Move
from app.outbox.events import EventData, EventInstant
from app.outbox.models import record
from app.pilots.events import EXAMPLE_PILOT, AboutPilot, about
from app.pilots.models import Pilot, Stage


class StageChanged(EventData):
    """The `data` of `pilot.stage_changed`; `sequence` orders the moves of one pilot, as deliveries may overtake."""

    type: ClassVar = "pilot.stage_changed"
    says: ClassVar = "A pilot moved from one stage to another."
    example: ClassVar = {
        "pilot": EXAMPLE_PILOT,
        "from": "test",
        "to": "scale",
        "reason": "The effect is large enough and the staff want it everywhere.",
        "by": "Dr. Amal Haddad",
        "at": "2026-03-16T09:41:07.204118Z",
        "sequence": 3,
    }

    pilot: AboutPilot
    from_stage: Stage = Field(alias="from", description="The stage it left")
    to_stage: Stage = Field(alias="to", description="The stage it is in since")
    reason: str | None = Field(description="Why, in the words of who moved it")
    by: str = Field(description="Who moved it")
    at: EventInstant = Field(description="When it moved")
    sequence: int = Field(
        ge=1, description="Counts the moves of this pilot: 1, 2, 3, … without gaps; the highest one seen is the newest"
    )


def stage_changed(session: Session, pilot: Pilot, move: Move) -> None:
    """`pilot.stage_changed`."""
    data = StageChanged(
        pilot=about(pilot),
        from_stage=move.from_stage,
        to_stage=move.to_stage,
        reason=move.reason,
        by=move.by,
        at=move.at,
        sequence=move.sequence,
    )
    record(session, data, at=move.at, organization_id=pilot.organization_id, subject_id=pilot.id)
