"""Taking back a whole entry or import: what of it still stands is withdrawn as one revision, with its reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.audit.models import note
from app.errors import Conflict, NotFound
from app.measures.corrections import OF_ROW, OF_SUMMARY
from app.measures.entry import context_of
from app.measures.models import FormerMeasurement, FormerSummary, Measurement, Revision, RevisionKind, Summary
from app.measures.revisions import latest, revise
from app.pilots.models import Pilot

ENTRIES = frozenset({RevisionKind.ROWS, RevisionKind.SUMMARIES, RevisionKind.IMPORT})
type Conditions = Sequence[sa.ColumnElement[bool]]


def withdraw_revision(
    session: Session, pilot: Pilot, number: int, reason: str, *, person: str, at: datetime
) -> tuple[Revision, int]:
    """Withdraw what a revision of the current iteration entered and still stands; the new revision, and how much.

    What was corrected since stands, and goes too. Raises NotFound; Conflict `entered_nothing` for a revision that is
    no entry, `nothing_stands`.
    """
    context_of(session, pilot)
    mine = (Revision.pilot_id == pilot.id, Revision.iteration == pilot.iteration, Revision.number == number)
    undone = session.exec(select(Revision).where(*mine)).one_or_none()
    if undone is None:
        msg = f"the data of the current iteration have no revision {number}; GET …/revisions lists them"
        raise NotFound(msg)
    if undone.kind not in ENTRIES:
        msg = (
            f"revision {number} is of kind {undone.kind.value} and entered nothing; correct the values that it changed"
        )
        raise Conflict(msg, "entered_nothing")
    new = latest(session, pilot.id, pilot.iteration) + 1
    count = _rows(session, pilot, number, new, at) + _summaries(session, pilot, number, new)
    if count == 0:
        msg = f"nothing that revision {number} entered stands any more; there is nothing to withdraw"
        raise Conflict(msg, "nothing_stands")
    session.flush()
    revision = revise(session, pilot, RevisionKind.CORRECTION, entries=count, reason=reason, person=person, at=at)
    changes = {"revision": revision.number, "reason": reason, "withdrawn_revision": number, "rows": count}
    note(session, "corrected", "measurements", pilot.id, organization_id=pilot.organization_id, changes=changes)
    return revision, count


def _of(model: Any, former: Any, key: Any, pilot: Pilot, number: int) -> Conditions:
    """Of what stands: what this revision entered, also where it was corrected since."""
    mine = [[table.pilot_id == pilot.id, table.iteration == pilot.iteration] for table in (model, former)]
    corrected = sa.select(key).where(*mine[1], former.entered_in == number)
    return [*mine[0], sa.or_(model.entered_in == number, model.id.in_(corrected))]


def _rows(session: Session, pilot: Pilot, number: int, new: int, at: datetime) -> int:
    """By the database, whatever their number."""
    m: Any = Measurement.__table__  # type: ignore[attr-defined]
    f: Any = FormerMeasurement.__table__  # type: ignore[attr-defined]
    connection = session.connection()
    earlier = f.alias("earlier").c
    stands = _of(m.c, earlier, earlier.measurement_id, pilot, number)
    taken = sa.select(_new_id(at, connection.dialect.name), m.c.id, sa.literal(new), *(m.c[name] for name in OF_ROW))
    columns = ["id", "measurement_id", "replaced_in", *OF_ROW]
    connection.execute(sa.insert(f).from_select(columns, taken.where(*stands)))
    gone = sa.select(f.c.measurement_id).where(f.c.pilot_id == pilot.id, f.c.iteration == pilot.iteration)
    return connection.execute(sa.delete(m).where(m.c.id.in_(gone.where(f.c.replaced_in == new)))).rowcount


def _new_id(at: datetime, dialect: str) -> Any:
    """A UUIDv7 of this instant that the database makes: among themselves in the order of chance."""
    stamp = f"{int(at.timestamp() * 1000):012x}"
    head = f"{stamp[:8]}-{stamp[8:]}-7"
    if dialect == "postgresql":
        return head + sa.func.substr(sa.cast(sa.func.gen_random_uuid(), sa.String), 16)

    def chance(length: int) -> Any:
        return sa.func.substr(sa.func.lower(sa.func.hex(sa.func.randomblob(length))), 1, length)

    return sa.literal(head) + chance(3) + "-8" + chance(3) + "-" + chance(12)


def _summaries(session: Session, pilot: Pilot, number: int, new: int) -> int:
    stands = _of(Summary, FormerSummary, FormerSummary.summary_id, pilot, number)
    held = session.exec(select(Summary).where(*stands).order_by(col(Summary.id))).all()
    for one in held:
        kept = {name: getattr(one, name) for name in OF_SUMMARY}
        session.add(FormerSummary(summary_id=one.id, replaced_in=new, new_content=None, **kept))
        session.delete(one)
    return len(held)
