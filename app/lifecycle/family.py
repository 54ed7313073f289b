"""Families of interventions, and what was tried against a driver; each with where it stands."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.auth.access import visible
from app.auth.deps import Caller
from app.catalog.models import Driver
from app.catalog.schemas import DriverOut
from app.errors import NotFound
from app.lifecycle.attempts import attempt_out, attempts_of_each, gather, standings_of_each
from app.lifecycle.family_schemas import Attempts, Family, MemberOut, ProgramLine
from app.lifecycle.standing import of_intervention
from app.pilots.models import Intervention, Pilot, Program
from app.requests import page_of
from app.syntheses.counting import entries_elsewhere

DEEPEST = 100
"""Generations that are followed: also where a circle of derivations would end."""
MOST_INTERVENTIONS = 50
"""Shown of one driver; the others are counted."""


def family_of(session: Session, caller: Caller, intervention: Intervention, limit: int, cursor: str | None) -> Family:
    """The ancestors, the intervention and a page of all that was derived from it."""
    above = _generations(session, _ancestors(intervention.id))
    below = _descendants(intervention.id)
    derived = visible(caller, Intervention).where(
        col(Intervention.id).in_(sa.select(below.c.id)), Intervention.id != intervention.id
    )
    page, following = page_of(session, derived, Intervention.id, limit, cursor)
    depth = _generations(session, below, [row.id for row in page])
    ancestors = [
        *session.scalars(
            visible(caller, Intervention).where(col(Intervention.id).in_(above), Intervention.id != intervention.id)
        )
    ]
    generation = {**{found: -far for found, far in above.items()}, **depth, intervention.id: 0}
    known = _members(session, caller, [*ancestors, intervention, *page], generation)
    return Family(
        ancestors=[known[row.id] for row in sorted(ancestors, key=lambda row: generation[row.id])],
        intervention=known[intervention.id],
        derivatives=[known[row.id] for row in page],
        next_cursor=following,
    )


def _ancestors(intervention_id: str) -> Any:
    line = (
        sa.select(
            col(Intervention.id).label("id"), col(Intervention.derived_from).label("next"), sa.literal(0).label("far")
        )
        .where(col(Intervention.id) == intervention_id)
        .cte("line", recursive=True)
    )
    upper = sa.select(col(Intervention.id), col(Intervention.derived_from), line.c.far + 1)
    return line.union_all(upper.where(col(Intervention.id) == line.c.next, line.c.far < DEEPEST))


def _descendants(intervention_id: str) -> Any:
    tree = (
        sa.select(col(Intervention.id).label("id"), sa.literal(0).label("far"))
        .where(col(Intervention.id) == intervention_id)
        .cte("tree", recursive=True)
    )
    lower = sa.select(col(Intervention.id), tree.c.far + 1)
    return tree.union_all(lower.where(col(Intervention.derived_from) == tree.c.id, tree.c.far < DEEPEST))


def _generations(session: Session, walked: Any, only: Sequence[str] | None = None) -> dict[str, int]:
    """How far each is away; the nearest where a circle of derivations meets it twice."""
    statement = sa.select(walked.c.id, sa.func.min(walked.c.far)).group_by(walked.c.id)
    if only is not None:
        statement = statement.where(walked.c.id.in_(only))
    return {found: far for found, far in session.connection().execute(statement)}  # noqa: C416 - rows are no pairs


def _members(
    session: Session, caller: Caller, rows: Sequence[Intervention], generation: Mapping[str, int]
) -> dict[str, MemberOut]:
    ids = [row.id for row in rows]
    attempts = attempts_of_each(session, caller, ids)
    standings = standings_of_each(session, caller, ids)
    elsewhere = entries_elsewhere(session, ids, caller.organization_id)
    programs = {
        program.intervention_id: program
        for program in session.exec(select(Program).where(col(Program.intervention_id).in_(ids)))
    }
    found = {}
    for row in rows:
        pilots, more = attempts[row.id]
        program = programs.get(row.id)
        standing = of_intervention(
            program.status if program is not None else None,
            standings[row.id],
            evidence_elsewhere=elsewhere[row.id],
        )
        found[row.id] = MemberOut.model_validate(
            {
                **row.model_dump(),
                "generation": generation.get(row.id, 0),
                "standing": standing,
                "program": ProgramLine.model_validate(program) if program is not None else None,
                "pilots": pilots,
                "more_pilots": more,
                "evidence_elsewhere": elsewhere[row.id],
            }
        )
    return found


def attempts_at(session: Session, caller: Caller, key: str, limit: int, cursor: str | None) -> Attempts:
    """The programs, interventions and a page of the pilots for a driver; NotFound for one that is not in sight."""
    driver = session.scalars(visible(caller, Driver).where(col(Driver.key) == key)).first()
    if driver is None:
        msg = f"there is no driver {key!r} that this key may see; GET /v1/drivers lists them"
        raise NotFound(msg)
    page, following = page_of(session, visible(caller, Pilot).where(col(Pilot.driver) == key), Pilot.id, limit, cursor)
    held = gather(session, page)
    ours = visible(caller, Intervention).where(col(Intervention.driver) == key)
    newest = [*session.scalars(ours.order_by(col(Intervention.id).desc()).limit(MOST_INTERVENTIONS))][::-1]
    total = session.connection().scalar(sa.select(sa.func.count()).select_from(ours.subquery())) or 0
    members = _members(session, caller, newest, {})
    programs = session.exec(
        select(Program)
        .join(Intervention, col(Intervention.id) == col(Program.intervention_id))
        .where(Intervention.driver == key)
        .order_by(col(Program.id))
    )
    return Attempts(
        driver=DriverOut.model_validate(driver),
        programs=[ProgramLine.model_validate(program) for program in programs],
        interventions=[members[row.id] for row in newest],
        more_interventions=total - len(newest),
        items=[attempt_out(pilot, held) for pilot in page],
        next_cursor=following,
    )
