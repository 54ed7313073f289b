"""What programs say to other systems."""

from datetime import datetime
from typing import Any

from sqlmodel import Session

from app.outbox.models import record
from app.pilots.models import Intervention, Program


def program_established(session: Session, program: Program, made_of: Intervention, by: str, at: datetime) -> None:
    """`program.established`."""
    _say(session, "program.established", program, made_of, by, at)


def program_demoted(session: Session, program: Program, made_of: Intervention, by: str, at: datetime) -> None:
    """`program.demoted`."""
    _say(session, "program.demoted", program, made_of, by, at)


def _say(session: Session, event: str, program: Program, made_of: Intervention, by: str, at: datetime) -> None:
    data: dict[str, Any] = {
        "program": {
            "id": program.id,
            "intervention_id": made_of.id,
            "title": made_of.title,
            "driver": made_of.driver,
            "dimension": program.dimension,
            "status": program.status.value,
        },
        "pilot_id": program.pilot_id,
        "synthesis_id": program.synthesis_id,
        "by": by,
    }
    record(session, event, data, at=at, organization_id=program.organization_id, subject_id=program.id)
