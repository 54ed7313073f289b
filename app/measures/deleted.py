"""People who were deleted on request stay out: of each a mark is kept that does not tell who it was."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlmodel import Session, col

from app.audit.models import note
from app.measures.keyed import keyed, keyed_by
from app.measures.models import DeletedParticipant
from app.pilots.models import Pilot

KEPT = "a keyed hash of the pseudonym, so that no file brings the person back"


def key_of(session: Session, pilot_id: str) -> str:
    """The key of a pilot's marks. A child process is given it instead of the secret it was made with."""
    return keyed(session, f"deleted participants of {pilot_id}")


def mark(session: Session, pilot: Pilot, participant: str) -> None:
    """Remember that this person was deleted."""
    of = keyed_by(key_of(session, pilot.id), participant)
    session.merge(DeletedParticipant(pilot_id=pilot.id, mark=of, organization_id=pilot.organization_id))


def any_deleted(connection: Connection, pilot_id: str) -> bool:
    """Whether anybody was: where nobody was, nothing has to be compared."""
    one = sa.select(col(DeletedParticipant.mark)).where(col(DeletedParticipant.pilot_id) == pilot_id).limit(1)
    return connection.scalar(one) is not None


def deleted_of(connection: Connection, pilot_id: str, key: str, people: Iterable[str]) -> dict[str, str]:
    """Those of these people who were deleted, each with the mark."""
    d = DeletedParticipant
    marks = set(connection.scalars(sa.select(col(d.mark)).where(col(d.pilot_id) == pilot_id)))
    return {who: found for who in people if (found := keyed_by(key, who)) in marks} if marks else {}


def unmark(session: Session, pilot: Pilot, marks: Iterable[str]) -> None:
    """People came back, as was asked for."""
    back = sorted(marks)
    for one in back:
        session.delete(session.get_one(DeletedParticipant, (pilot.id, one)))
    if back:
        note(session, "restored", "participants", pilot.id, organization_id=pilot.organization_id)
