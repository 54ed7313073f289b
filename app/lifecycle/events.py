"""What moves say to other systems."""

from sqlmodel import Session

from app.forms import instant_text
from app.lifecycle.models import Move
from app.outbox.models import record
from app.pilots.events import about
from app.pilots.models import Pilot


def stage_changed(session: Session, pilot: Pilot, move: Move) -> None:
    """`pilot.stage_changed`; `sequence` orders the moves of one pilot, since deliveries may overtake each other."""
    data = {
        "pilot": about(pilot),
        "from": move.from_stage.value,
        "to": move.to_stage.value,
        "reason": move.reason,
        "by": move.by,
        "at": instant_text(move.at),
        "sequence": move.sequence,
    }
    record(session, "pilot.stage_changed", data, at=move.at, organization_id=pilot.organization_id, subject_id=pilot.id)
