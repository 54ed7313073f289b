"""Staged rows become measures: in one transaction, as one revision of the data."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.audit.models import note
from app.imports.judging import named_arms
from app.imports.models import STAGED
from app.imports.staging import Lost, counted_anew
from app.measures.models import UNASSIGNED, Measurement, Revision, RevisionKind
from app.measures.revisions import revise
from app.measures.rules import Context
from app.measures.waves import refuse_more_than_invited
from app.pilots.models import Pilot

TAKEN = ("id", "measure", "wave", "arm", "unit_id", "participant", "value", "collected_on")


def enter(
    session: Session,
    pilot: Pilot,
    context: Context,
    place: tuple[str, str],
    *,
    fresh: int,
    name: str,
    sha256: str,
    person: str,
    at: datetime,
) -> Revision | None:
    """Enter the `fresh` staged rows; None when nothing changed by it. The caller holds the pilot.

    Raises Lost; Conflict `more_than_invited`.
    """
    s: Any = STAGED.c
    mine = (s.import_id == place[0], s.attempt == place[1])
    settles = _waits(session, pilot) and _settles(session, pilot, mine)
    if not fresh and not settles:
        return None
    revision = revise(
        session, pilot, RevisionKind.IMPORT, entries=fresh, source=name, sha256=sha256, person=person, at=at
    )
    connection = session.connection()
    constant = {
        "organization_id": pilot.organization_id,
        "pilot_id": pilot.id,
        "iteration": pilot.iteration,
        "created_by": person,
        "entered_in": revision.number,
    }
    table: Any = Measurement.__table__  # type: ignore[attr-defined]
    chosen = (
        sa.select(
            *(s[name] for name in TAKEN),
            *(sa.literal(value).label(name) for name, value in constant.items()),
            sa.literal(at, table.c.created_at.type).label("created_at"),
        )
        .where(*mine, ~s.unchanged)
        .order_by(s.id)
    )
    inserting = sa.insert(table).from_select([*TAKEN, *constant, "created_at"], chosen)
    entered = connection.execute(inserting, execution_options={"preserve_rowcount": True}).rowcount
    if entered != fresh:
        raise Lost(entered, fresh)
    counted_anew(connection, "measurements", fresh)
    grouped = connection.execute(
        sa.select(s.measure, s.wave, sa.func.count(), sa.func.min(s.arm))
        .where(*mine, ~s.unchanged)
        .group_by(s.measure, s.wave)
    ).all()
    # Afterwards: a row of the file may wait for the arm that another one has.
    if settles or any(arm == UNASSIGNED for *_, arm in grouped):
        _settle(session, pilot, mine, revision)
    for measure, wave, rows, _ in sorted(grouped):
        changes = {"measure": measure, "wave": wave, "rows": rows, "file": name}
        note(session, "entered", "measurements", pilot.id, organization_id=pilot.organization_id, changes=changes)
    refuse_more_than_invited(session, pilot, context.plan)
    return revision


def _waiting(pilot: Pilot) -> list[Any]:
    m: Any = Measurement
    named = m.participant.is_not(None)
    return [m.pilot_id == pilot.id, m.iteration == pilot.iteration, m.arm == UNASSIGNED, named]


def _waits(session: Session, pilot: Pilot) -> bool:
    m: Any = Measurement
    return session.connection().scalar(sa.select(m.id).where(*_waiting(pilot)).limit(1)) is not None


def _settles(session: Session, pilot: Pilot, mine: tuple[Any, ...]) -> bool:
    m: Any = Measurement
    placed = named_arms(STAGED.c, mine).c
    found = sa.select(m.id).where(*_waiting(pilot), m.participant == placed.participant).limit(1)
    return session.connection().scalar(found) is not None


def _settle(session: Session, pilot: Pilot, mine: tuple[Any, ...], revision: Revision) -> None:
    """Give baseline rows that had no arm yet that of their person."""
    table: Any = Measurement.__table__  # type: ignore[attr-defined]
    placed = named_arms(STAGED.c, mine).c
    statement = sa.update(table).where(*_waiting(pilot), table.c.participant == placed.participant)
    session.connection().execute(statement.values(arm=placed.arm, placed_in=revision.number))
