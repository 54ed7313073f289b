"""Programs as an organization sees them, and the dimensions with its gaps. Programs are read by all organizations."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlmodel import Session, col, select

from app.catalog.models import Organization, ProgramDimension
from app.pilots.models import Intervention, Program, ProgramStatus
from app.programs.schemas import Catalogue, DimensionOut, ProgramLine
from app.programs.service import accepting


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


def catalogue_of(session: Session, of: str | None, today: date) -> Catalogue:
    """Every dimension that the organization sees, with the programs in it."""
    dimensions = session.exec(
        select(ProgramDimension)
        .where(col(ProgramDimension.organization_id).is_(None) | (col(ProgramDimension.organization_id) == of))
        .order_by(col(ProgramDimension.id))
    ).all()
    programs = session.exec(select(Program).order_by(col(Program.id))).all()
    every = lines(session, programs, of, today)
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
