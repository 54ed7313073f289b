"""Rows of a request against what was taken back before: withdrawn values, and people who were deleted."""

from collections import defaultdict
from collections.abc import Iterable

import sqlalchemy as sa
from sqlmodel import Session

from app.measures.deleted import any_deleted, deleted_of, key_of, unmark
from app.measures.left_out import LeftOut
from app.measures.schemas import MeasurementsIn, RowIn
from app.measures.withdrawn import any_withdrawn, is_elsewhere, withdrawn_values
from app.pilots.models import Pilot


class Absent:
    """What was taken back of one measure and wave; `restore`: and is entered again."""

    def __init__(self, session: Session, pilot: Pilot, body: MeasurementsIn, *, restore: bool) -> None:
        self.left = LeftOut()
        self._session, self._pilot, self._restore = session, pilot, restore
        self._deleted: dict[str, str] = {}
        self._withdrawn: defaultdict[tuple[str, float], list[tuple[str, str | None, int]]] = defaultdict(list)
        connection = session.connection()
        people = {row.participant for row in body.rows if row.participant is not None}
        if not people:
            return
        if any_deleted(connection, pilot.id):
            self._deleted = deleted_of(connection, pilot.id, key_of(session, pilot.id), people)
        if any_withdrawn(connection, pilot):
            w = withdrawn_values(pilot, body.measure, body.wave).c
            for who, value, arm, unit, revision in connection.execute(
                sa.select(w.participant, w.value, w.arm, w.unit_id, w.revision)
            ):
                self._withdrawn[who, value].append((arm, unit, revision))

    def leaves_out(self, row: RowIn, arm: str | None) -> bool:
        """Whether a row stays out; it is then counted."""
        if self._restore or row.participant is None:
            return False
        if row.participant in self._deleted:
            self.left.deleted += 1
            return True
        found = [
            revision
            for was, unit, revision in self._withdrawn.get((row.participant, row.value), ())
            if not is_elsewhere(arm, was) and not is_elsewhere(row.unit_id, unit)
        ]
        if found:
            self.left.withdrawn[max(found)] += 1
        return bool(found)

    def came_back(self, people: Iterable[str | None]) -> None:
        """These people were entered: who was deleted is deleted no more."""
        unmark(self._session, self._pilot, {self._deleted[who] for who in people if who in self._deleted})
