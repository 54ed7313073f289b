"""What measures say to other systems."""

from datetime import date, datetime
from typing import ClassVar

from pydantic import Field
from sqlmodel import Session

from app.measures.due import DueState
from app.measures.due_waves import DueWave
from app.measures.models import WaveKind
from app.outbox.events import EventData
from app.outbox.models import record
from app.pilots.events import EXAMPLE_PILOT, AboutPilot, about


class WaveDue(EventData):
    """The `data` of `wave.due`."""

    type: ClassVar = "wave.due"
    says: ClassVar = "A wave begins soon, has begun, ends with a low response, or ended with nothing entered."
    example: ClassVar = {
        "pilot": EXAMPLE_PILOT,
        "lead": "Dr. Amal Haddad",
        "iteration": 1,
        "wave": "post",
        "kind": "followup",
        "state": "closing",
        "starts_on": "2026-09-01",
        "ends_on": "2026-09-21",
        "invited": 88,
        "responded": 31,
        "message": "The follow-up wave post of “Peer coaching for internists” ends on 2026-09-21, 31 of 88 answered "
        "(35 %): remind who has not answered, or give the wave a later end (PUT …/waves/post).",
    }

    pilot: AboutPilot
    lead: str = Field(description="Who leads the pilot")
    iteration: int = Field(ge=1, description="The iteration of the pilot that the wave belongs to")
    wave: str = Field(description="The key of the wave in the plan")
    kind: WaveKind = Field(description="What the wave is for")
    state: DueState = Field(description="What about it; each is told once")
    starts_on: date = Field(description="Its first day, as recorded or else as planned")
    ends_on: date | None = Field(description="Its last day; null: not known")
    invited: int | None = Field(description="In all arms; null: not recorded for each of them")
    responded: int | None = Field(description="In all arms; null: not shown, a group is too small")
    message: str = Field(description="The same as one sentence, with what to do")


def wave_due(session: Session, wave: DueWave, at: datetime) -> None:
    """`wave.due`."""
    data = WaveDue(
        pilot=about(wave.pilot),
        lead=wave.pilot.lead,
        iteration=wave.pilot.iteration,
        wave=wave.key,
        kind=wave.kind,
        state=wave.state,
        starts_on=wave.starts_on,
        ends_on=wave.ends_on,
        invited=wave.total.invited,
        responded=wave.total.responded,
        message=wave.says,
    )
    record(session, data, at=at, organization_id=wave.pilot.organization_id, subject_id=wave.pilot.id)
