"""Foundational programs over HTTP; every organization may read them and says for itself whether it takes one."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import col

from app.auth.access import acting_organization, fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page
from app.pilots.models import Intervention, Program, ProgramStatus
from app.programs.listing import catalogue_of, lines
from app.programs.models import Acceptance
from app.programs.schemas import (
    AcceptanceIn,
    AcceptanceOut,
    Catalogue,
    ProgramLine,
    ProgramOut,
)
from app.programs.service import accept
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of, where_given
from app.syntheses.models import Synthesis

router = APIRouter(prefix="/v1/programs", tags=["9 Programs"], route_class=TransactionalRoute)
OfOrganization = Annotated[str | None, Query(max_length=36, description="Empty: the organization of your key")]


@router.get("")
def list_programs(
    session: SessionDep,
    caller: CallerDep,
    dimension: str | None = None,
    status: ProgramStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ProgramLine]:
    """The foundational programs of all organizations, oldest first."""
    statement = where_given(visible(caller, Program), (Program.dimension, dimension), (Program.status, status))
    rows, following = page_of(session, statement, Program.id, limit, cursor)
    return Page(items=lines(session, rows, caller.organization_id, now().date()), next_cursor=following)


@router.get("/catalogue")
def read_catalogue(session: SessionDep, caller: CallerDep, organization_id: OfOrganization = None) -> Catalogue:
    """The dimensions, the programs in each, and where your organization has a gap.

    For a key of the whole service that names none a gap is a dimension without any active program.
    """
    of = acting_organization(session, caller, organization_id)
    return catalogue_of(session, of, now().date())


@router.get("/{program_id}")
def read_program(program_id: str, session: SessionDep, caller: CallerDep) -> ProgramOut:
    """One program with the criteria it was judged by and the evidence it stands on."""
    program = fetch(session, caller, Program, program_id)
    synthesis = fetch(session, caller, Synthesis, program.synthesis_id)
    made_of = fetch(session, caller, Intervention, program.intervention_id)
    [line] = lines(session, [program], caller.organization_id, now().date())
    within = caller.serves_all or caller.organization_id == program.organization_id
    return ProgramOut(
        **line.model_dump(),
        description=made_of.description,
        established_by=program.established_by if within else None,
        recommendation=(synthesis.result or {})["recommendation"],
        evidence=synthesis.provenance["evidence"],
    )


@router.post("/{program_id}/acceptances", status_code=201, dependencies=[idempotent])
def accept_program(
    program_id: str,
    session: SessionDep,
    caller: CallerDep,
    response: Response,
    body: AcceptanceIn | None = None,
) -> AcceptanceOut:
    """Say for your organization whether it takes a program over. Takes an approver; the newest word counts."""
    program = fetch(session, caller, Program, program_id)
    caller.require(Permission.PROGRAMS_ACCEPT)
    said = body or AcceptanceIn()
    word = accept(
        session,
        program,
        str(caller.organization_id),
        accepted=said.accepted,
        note=said.note,
        person=caller.person,
        at=now(),
    )
    response.headers["Location"] = f"/v1/programs/{program.id}/acceptances"
    return AcceptanceOut.model_validate(word)


@router.get("/{program_id}/acceptances")
def list_acceptances(
    program_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[AcceptanceOut]:
    """What your organization has said of a program, oldest first."""
    program = fetch(session, caller, Program, program_id)
    statement = visible(caller, Acceptance).where(col(Acceptance.program_id) == program.id)
    rows, following = page_of(session, statement, Acceptance.id, limit, cursor)
    return Page(items=[AcceptanceOut.model_validate(r) for r in rows], next_cursor=following)
