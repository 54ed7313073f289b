"""Foundational programs over HTTP; every organization may read them and says for itself whether it takes one."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlmodel import Session, col, select

from app.auth.access import acting_organization, fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.catalog.models import Organization, ProgramDimension
from app.db import now
from app.forms import Page
from app.pilots.models import Intervention, Program, ProgramStatus
from app.programs.models import Acceptance
from app.programs.schemas import (
    AcceptanceIn,
    AcceptanceOut,
    Catalogue,
    DimensionOut,
    ProgramLine,
    ProgramOut,
)
from app.programs.service import accept, accepting
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of, where_given
from app.syntheses.models import Synthesis

router = APIRouter(prefix="/v1/programs", tags=["9 Programs"], route_class=TransactionalRoute)
OfOrganization = Annotated[str | None, Query(max_length=36, description="Empty: the organization of your key")]


def lines(session: Session, programs: Sequence[Program], organization_id: str | None, today: date) -> list[ProgramLine]:
    """The programs as `organization_id` sees them, in a handful of queries."""
    words = accepting(session, [p.id for p in programs])
    made_of = _by_id(session, Intervention, [p.intervention_id for p in programs])
    names = _by_id(session, Organization, [p.organization_id for p in programs])
    return [
        ProgramLine.model_validate(
            {
                **p.model_dump(),
                "title": made_of[p.intervention_id].title,
                "driver": made_of[p.intervention_id].driver,
                "organization": names[p.organization_id].name,
                "review_overdue": p.status is ProgramStatus.ACTIVE and p.review_due_on < today,
                "accepted_by": sum(words[p.id].values()),
                "accepted": words[p.id].get(organization_id or ""),
            }
        )
        for p in programs
    ]


def _by_id(session: Session, model: type[Any], ids: Sequence[str]) -> dict[str, Any]:
    return {row.id: row for row in session.exec(select(model).where(col(model.id).in_(set(ids))))}


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
    dimensions = session.exec(
        select(ProgramDimension)
        .where(col(ProgramDimension.organization_id).is_(None) | (col(ProgramDimension.organization_id) == of))
        .order_by(col(ProgramDimension.id))
    ).all()
    programs = session.exec(select(Program).order_by(col(Program.id))).all()
    every = lines(session, programs, of, now().date())
    items = [_dimension(d, [line for line in every if line.dimension == d.key], of) for d in dimensions]
    return Catalogue(organization_id=of, gaps=sum(item.gap for item in items), items=items)


def _dimension(row: ProgramDimension, programs: Sequence[ProgramLine], of: str | None) -> DimensionOut:
    active = [p for p in programs if p.status is ProgramStatus.ACTIVE]
    accepted = [p for p in active if p.accepted]
    return DimensionOut(
        dimension=row.key,
        name=row.name,
        example_tactics=row.example_tactics,
        accepted=accepted,
        available=[p for p in active if not p.accepted],
        demoted=[p for p in programs if p.status is ProgramStatus.DEMOTED and p.accepted],
        gap=not (active if of is None else accepted),
    )


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
