"""What programs say to other systems."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field
from sqlmodel import Session

from app.outbox.events import EventData, EventPart
from app.outbox.models import record
from app.pilots.models import Intervention, Program, ProgramStatus

EXAMPLE_PROGRAM: dict[str, Any] = {
    "id": "019b1c60-93d7-7a4b-8f15-e20c6b7d91f8",
    "intervention_id": "01979f55-1c08-7b6d-92e4-0da83f5c7e19",
    "title": "Peer coaching",
    "driver": "self_valuation",
    "dimension": "self_care",
    "status": "active",
}


class AboutProgram(EventPart):
    """A foundational program, as events name it."""

    id: str = Field(description="The program, at `GET /v1/programs/{id}`")
    intervention_id: str = Field(description="The intervention it was made of")
    title: str
    driver: str = Field(description="The driver it works on: a key of `GET /v1/drivers`")
    dimension: str = Field(description="Its place in the catalogue: a key of `GET /v1/program-dimensions`")
    status: ProgramStatus = Field(description="Whether its evidence holds, after this event")


class OfProgram(EventPart):
    """What all events of programs tell."""

    program: AboutProgram
    pilot_id: str = Field(description="The pilot it originated from")
    synthesis_id: str = Field(description="The pooled evidence it was judged by")
    by: str = Field(description="The person whose move or review brought it")


class ProgramEstablished(OfProgram, EventData):
    """The `data` of `program.established`."""

    type: ClassVar = "program.established"
    says: ClassVar = "An intervention became a foundational program: it proved effective here and elsewhere."
    example: ClassVar = {
        "program": EXAMPLE_PROGRAM,
        "pilot_id": "0197a3c2-5d10-7c4e-9a61-3f0b8e2d7a15",
        "synthesis_id": "019b1b9e-4f62-7c83-a0d7-6b915e38c24f",
        "by": "Prof. Ines Lindqvist",
    }


class ProgramDemoted(OfProgram, EventData):
    """The `data` of `program.demoted`."""

    type: ClassVar = "program.demoted"
    says: ClassVar = "The evidence of a foundational program holds no longer; it stays in the catalogue, as demoted."
    example: ClassVar = {**ProgramEstablished.example, "program": {**EXAMPLE_PROGRAM, "status": "demoted"}}


def program_established(session: Session, program: Program, made_of: Intervention, by: str, at: datetime) -> None:
    """`program.established`."""
    _say(session, ProgramEstablished, program, made_of, by, at)


def program_demoted(session: Session, program: Program, made_of: Intervention, by: str, at: datetime) -> None:
    """`program.demoted`."""
    _say(session, ProgramDemoted, program, made_of, by, at)


def _say(
    session: Session,
    kind: type[ProgramEstablished | ProgramDemoted],
    program: Program,
    made_of: Intervention,
    by: str,
    at: datetime,
) -> None:
    about = AboutProgram(
        id=program.id,
        intervention_id=made_of.id,
        title=made_of.title,
        driver=made_of.driver,
        dimension=program.dimension,
        status=program.status,
    )
    data = kind(program=about, pilot_id=program.pilot_id, synthesis_id=program.synthesis_id, by=by)
    record(session, data, at=at, organization_id=program.organization_id, subject_id=program.id)
