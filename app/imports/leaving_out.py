"""Staged rows that stay out because they were taken back before: counted, and removed before the rest is judged."""

from array import array
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from app.imports import came_before
from app.imports.models import STAGED
from app.imports.one_by_one import AT_ONCE, parts
from app.measures.deleted import any_deleted, deleted_of
from app.measures.left_out import LeftOut
from app.measures.withdrawn import PLACE, SAME, any_withdrawn, withdrawn_values
from app.pilots.models import Pilot


class Leaving:
    """The rows of one attempt at one import, and what was taken back in the pilot; `key`: of who was deleted."""

    def __init__(self, connection: Connection, pilot: Pilot, place: tuple[str, str], key: str) -> None:
        self._connection, self._pilot, self._key = connection, pilot, key
        self._mine = (STAGED.c.import_id == place[0], STAGED.c.attempt == place[1])

    def leave_out(self, left: LeftOut, repeated: Sequence[int]) -> None:
        """Take rows out and count them. `repeated`: the revisions in which the very same file was entered before."""
        left.deleted += sum(self._remove(STAGED.c.participant.in_(some)) for some in _some(list(self.deleted())))
        if not any_withdrawn(self._connection, self._pilot):
            return
        self._leave(left, self._named())
        if repeated:
            self._leave(left, came_before.withdrawn_rows(self._pilot, self._mine, repeated))

    def deleted(self) -> dict[str, str]:
        """Who was deleted of the people whose rows are there and do not stand yet, each with the mark."""
        if not any_deleted(self._connection, self._pilot.id):
            return {}
        s: Any = STAGED.c
        named = sa.select(s.participant).where(*self._mine, s.participant.is_not(None), ~s.unchanged).distinct()
        people = self._connection.execute(named, execution_options={"yield_per": AT_ONCE}).scalars()
        return deleted_of(self._connection, self._pilot.id, self._key, people)

    def _named(self) -> Any:
        s, was = STAGED.c, withdrawn_values(self._pilot)
        here = [
            sa.or_(sa.func.coalesce(s[name], "") == "", sa.func.coalesce(was.c[name], "") == "", s[name] == was.c[name])
            for name in PLACE
        ]
        same = sa.and_(*(s[name] == was.c[name] for name in SAME), *here)
        found = sa.select(s.seq, sa.func.max(was.c.revision).label("revision")).join(was, same)
        return found.where(*self._mine).group_by(s.seq)

    def _leave(self, left: LeftOut, found: Any) -> None:
        gone: dict[int, array[int]] = {}
        for seq, revision in self._connection.execute(found, execution_options={"yield_per": AT_ONCE}):
            gone.setdefault(revision, array("q")).append(seq)
        for revision, seqs in gone.items():
            left.withdrawn[revision] += sum(self._remove(STAGED.c.seq.in_(some)) for some in parts(seqs))

    def _remove(self, condition: Any) -> int:
        return self._connection.execute(sa.delete(STAGED).where(*self._mine, condition)).rowcount


def _some(people: list[str]) -> list[list[str]]:
    return [people[start : start + AT_ONCE] for start in range(0, len(people), AT_ONCE)]
