"""Correcting what was entered: nothing is overwritten without a trace of what stood, who changed it and why.

A value keeps its id and its first entry; what stood before goes to the table of former ones. An analysis keeps what it
took, and says that the data changed since (`analyses/service.py`).
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import batched
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlmodel import Session, col, select

from analysis.documents import Categories, Cell, Change, CountOf, Events, Pair
from app.audit.models import note
from app.errors import Conflict, Invalid, fault
from app.measures.collected import day_faults
from app.measures.correction_schemas import CorrectionIn, CorrectionsIn
from app.measures.entry import context_of
from app.measures.gone import Gone
from app.measures.models import FormerMeasurement, FormerSummary, Measurement, Revision, RevisionKind, Shape, Summary
from app.measures.revisions import latest, revise
from app.measures.rules import Context, Fault, content_faults, value_faults
from app.measures.schemas import Month
from app.measures.waves import refuse_more_than_allocated, refuse_more_than_invited
from app.pilots.models import Pilot

FORMS: dict[Shape, TypeAdapter[Any]] = {
    Shape.CELLS: TypeAdapter(Cell),
    Shape.PAIRS: TypeAdapter(Pair),
    Shape.CHANGES: TypeAdapter(Change),
    Shape.COUNTS: TypeAdapter(CountOf),
    Shape.CATEGORIES: TypeAdapter(Categories),
    Shape.EVENTS: TypeAdapter(Events),
    Shape.SERIES: TypeAdapter(Month),
}
PLACE = ("unit", "arm", "wave", "t")
AT_ONCE = 500
KEPT = ("pilot_id", "organization_id", "iteration", "measure", "wave", "entered_in")
OF_ROW = (*KEPT, "arm", "unit_id", "participant", "value", "collected_on", "placed_in")
OF_SUMMARY = (*KEPT, "shape", "cell", "content")


def correct(
    session: Session, pilot: Pilot, body: CorrectionsIn, *, person: str, at: datetime
) -> tuple[Revision, dict[str, int]]:
    """Correct values and summaries of the current iteration, all or nothing; the revision and how many went where.

    Raises Invalid with every fault; Conflict `nothing_to_correct` when all of it stands already.
    """
    context = context_of(session, pilot)
    held = _Held(session, pilot, body.corrections)
    deeds = [_Deed(session, context, given, held.of(given), at.date()) for given in body.corrections]
    gone = Gone(session, pilot, (deed.given for deed in deeds if deed.held is None))
    faults = [fault(["corrections", i, f], m, c) for i, deed in enumerate(deeds) for f, m, c in deed.faults(gone)]
    seen: dict[str, int] = {}
    for i, deed in enumerate(deeds):
        if deed.held is not None and seen.setdefault(deed.held.id, i) != i:
            faults.append(fault(["corrections", i], f"corrected by entry {seen[deed.held.id]} already", "duplicate"))
    if faults:
        msg = f"{len({tuple(f['loc'][:2]) for f in faults})} of {len(deeds)} corrections are wrong; nothing was changed"
        raise Invalid(msg, faults)
    done = [deed for deed in deeds if deed.changes()]
    if not done:
        msg = "what stands is what these corrections say; there is nothing to change"
        raise Conflict(msg, "nothing_to_correct")
    number = latest(session, pilot.id, pilot.iteration) + 1
    for deed in done:
        deed.do(number)
    session.flush()
    revision = revise(
        session, pilot, RevisionKind.CORRECTION, entries=len(done), reason=body.reason, person=person, at=at
    )
    counts = {
        "corrected": sum(not deed.given.withdraw for deed in done),
        "withdrawn": sum(deed.given.withdraw for deed in done),
        "unchanged": len(deeds) - len(done),
    }
    changes = {"revision": revision.number, "reason": body.reason, **counts}
    note(session, "corrected", "measurements", pilot.id, organization_id=pilot.organization_id, changes=changes)
    refuse_more_than_invited(session, pilot, context.plan)
    refuse_more_than_allocated(session, pilot, context)
    return revision, counts


class _Held:
    """What corrections name of the current iteration, looked up together."""

    def __init__(self, session: Session, pilot: Pilot, given: Iterable[CorrectionIn]) -> None:
        self._session, self._pilot = session, pilot
        asked = list(given)
        self._rows = self._by(Measurement, "id", (one.measurement_id for one in asked))
        self._summaries = self._by(Summary, "id", (one.summary_id for one in asked))
        measures = {one.measure for one in asked if one.measure is not None}
        of_measures = col(Measurement.measure).in_(measures)
        named = self._by(Measurement, "participant", (one.participant for one in asked), of_measures)
        self._people = {(row.participant, row.measure, row.wave): row for row in named.values()}

    def _by(self, model: Any, column: str, wanted: Iterable[str | None], *also: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        keys = sorted({key for key in wanted if key is not None})
        mine = (model.pilot_id == self._pilot.id, model.iteration == self._pilot.iteration, *also)
        for some in batched(keys, AT_ONCE, strict=False):
            rows = self._session.exec(select(model).where(*mine, getattr(model, column).in_(some)))
            found |= {row.id: row for row in rows}
        return found

    def of(self, given: CorrectionIn) -> Measurement | Summary | None:
        """The entry that a correction names, or None."""
        if given.summary_id is not None:
            return self._summaries.get(given.summary_id)
        if given.measurement_id is not None:
            return self._rows.get(given.measurement_id)
        return self._people.get((given.participant, given.measure, given.wave))


class _Deed:
    """One correction: what it is of, what is wrong with it, and its doing."""

    def __init__(
        self, session: Session, context: Context, given: CorrectionIn, held: Measurement | Summary | None, today: date
    ) -> None:
        self.given, self.held, self._today = given, held, today
        self._session, self._context = session, context

    def faults(self, gone: Gone) -> Iterator[Fault]:
        if self.held is None:
            yield gone.fault(self.given)
            return
        measure = self._context.plan.measure(self.held.measure)
        if self.given.withdraw or measure is None:
            return
        if isinstance(self.held, Measurement):
            if self.given.value is not None:
                yield from value_faults(measure, self.given.value)
            yield from day_faults(self.given.collected_on, self._today)
            return
        try:
            content = self._content(self.held)
        except ValidationError as error:
            yield from ((".".join(map(str, e["loc"])) or "content", e["msg"], e["type"]) for e in error.errors())
            return
        if any(content.get(name) != self.held.content.get(name) for name in PLACE):
            yield "content", "unit, arm, wave and t stay; withdraw this entry and enter it where it belongs", "moved"
        yield from content_faults(measure, self.held.shape, content)

    def changes(self) -> bool:
        """Whether anything is other than it stands."""
        if self.given.withdraw or self.held is None:
            return True
        if isinstance(self.held, Summary):
            return self._content(self.held) != self.held.content
        return self._new(self.held) != (self.held.value, self.held.collected_on)

    def do(self, revision: int) -> None:
        """Put what stood to the former ones, and what is right in its place."""
        session, held = self._session, self.held
        if isinstance(held, Summary):
            content = None if self.given.withdraw else self._content(held)
            kept = {name: getattr(held, name) for name in OF_SUMMARY}
            session.add(FormerSummary(summary_id=held.id, replaced_in=revision, new_content=content, **kept))
            if content is not None:
                held.content, held.entered_in = content, revision
        elif held is not None:
            value, on = (None, None) if self.given.withdraw else self._new(held)
            kept = {name: getattr(held, name) for name in OF_ROW}
            session.add(
                FormerMeasurement(
                    measurement_id=held.id, replaced_in=revision, new_value=value, new_collected_on=on, **kept
                )
            )
            if value is not None:
                held.value, held.collected_on, held.entered_in = value, on, revision
        if self.given.withdraw:
            session.delete(held)
        else:
            session.add(held)

    def _new(self, held: Measurement) -> tuple[float, Any]:
        value = held.value if self.given.value is None else self.given.value
        return value, self.given.collected_on or held.collected_on

    def _content(self, held: Summary) -> dict[str, Any]:
        """The new entry; what it leaves out of its place is as it was."""
        place = {name: held.content[name] for name in PLACE if held.content.get(name) is not None}
        content: dict[str, Any] = (
            FORMS[held.shape].validate_python({**place, **(self.given.content or {})}).model_dump(mode="json")
        )
        return content
