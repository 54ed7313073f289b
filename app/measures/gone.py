"""Corrections of what does not stand: whether it ever did, and what brings it back."""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.measures.correction_schemas import CorrectionIn
from app.measures.models import FormerMeasurement, FormerSummary, Revision
from app.measures.rules import Fault
from app.pilots.models import Pilot

UNKNOWN = "there is no such entry in the pilot's current iteration; GET its lists for the ids"
ANEW = {
    "summary_id": "POST …/summaries enters it anew",
    "measurement_id": "POST …/measurements?restore=true enters it anew",
    "participant": "POST …/measurements?restore=true enters it anew",
}
AT_ONCE = 500
REVISION: Any = Revision
type Why = tuple[int, str | None]
"""The revision that withdrew something, and its reason."""


class Gone:
    """What was withdrawn of that which corrections name, looked up together."""

    def __init__(self, session: Session, pilot: Pilot, given: Iterable[CorrectionIn]) -> None:
        self._session, self._pilot = session, pilot
        self._found: dict[tuple[str | None, ...], Why] = {}
        f: Any = FormerMeasurement
        s: Any = FormerSummary
        asked = list(given)
        for key, wanted, deleted in (
            ((s.summary_id,), {one.summary_id for one in asked}, s.new_content.is_(None)),
            ((f.measurement_id,), {one.measurement_id for one in asked}, f.new_value.is_(None)),
            ((f.participant, f.measure, f.wave), {one.participant for one in asked}, f.new_value.is_(None)),
        ):
            self._found.update(self._withdrawn(key, wanted, deleted))

    def _withdrawn(
        self, key: tuple[Any, ...], wanted: Iterable[str | None], deleted: Any
    ) -> Iterator[tuple[tuple[str | None, ...], Why]]:
        of, r = key[0].class_, REVISION
        mine = (of.pilot_id == self._pilot.id, of.iteration == self._pilot.iteration, deleted)
        why = (r.pilot_id == of.pilot_id, r.iteration == of.iteration, r.number == of.replaced_in)
        for some in batched(sorted(filter(None, wanted)), AT_ONCE, strict=False):
            found = sa.select(*key, r.number, r.reason).where(*mine, *why, key[0].in_(some)).order_by(r.number)
            rows = self._session.connection().execute(found)
            yield from ((tuple(name), (number, reason)) for *name, number, reason in rows)

    def fault(self, given: CorrectionIn) -> Fault:
        """Why a correction finds nothing to correct."""
        named = next(name for name in ANEW if getattr(given, name) is not None)
        person = (given.participant, given.measure, given.wave)
        withdrawn = self._found.get(person if named == "participant" else (getattr(given, named),))
        if withdrawn is None:
            return named, UNKNOWN, "unknown"
        number, reason = withdrawn
        return named, f"it was withdrawn in revision {number} ({reason}); {ANEW[named]}", "withdrawn"
