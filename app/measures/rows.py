"""Entering single values: every row is checked, all or nothing, in one transaction."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from random import SystemRandom
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from analysis.documents import PlannedMeasure
from app.audit.models import note
from app.db import new_id
from app.errors import Conflict, Invalid, fault
from app.measures.absent import Absent
from app.measures.collected import day_faults
from app.measures.entry import context_of, known_measure, refuse_mixture, refuse_unless_partial, report
from app.measures.linkage import mixed, standing
from app.measures.models import UNASSIGNED, Measurement, Revision, RevisionKind
from app.measures.people import People, Told
from app.measures.places import Place, Places, agreed
from app.measures.revisions import revise
from app.measures.rules import Context, Fault, filled_faults, row_faults, wave_faults
from app.measures.same_answers import Answers, is_repeated, same_answers, standing_answers
from app.measures.schemas import EntryFault, MeasurementsIn, RowIn, RowReport
from app.measures.waves import refuse_more_than_invited
from app.pilots.models import Pilot


def enter_rows(
    session: Session,
    pilot: Pilot,
    body: MeasurementsIn,
    *,
    partial: bool,
    person: str,
    at: datetime,
    restore: bool = False,
    again: bool = False,
) -> RowReport:
    """Enter rows of one measure and wave.

    All or nothing unless `partial`. The same participant, measure and wave again is `unchanged` when identical and
    a fault `duplicate` when not. What was withdrawn, and who was deleted, stays out unless `restore`. Raises Invalid
    with every fault, Conflict `mixed_shapes`, or unless `again` `same_answers`.
    """
    context = context_of(session, pilot)
    measure = known_measure(context, body.measure)
    if faults := list(wave_faults(context, body.wave)):
        raise Invalid(faults[0][1], [fault([f], m, c) for f, m, c in faults])
    refuse_mixture(session, pilot, body.measure, None)
    absent = Absent(session, pilot, body, restore=restore)
    entry = _RowEntry(session, pilot, context, measure, body, absent, at.date())
    fresh, unchanged, errors = entry.judge()
    refuse_unless_partial(errors, len(body.rows), partial=partial)

    def told(accepted: int) -> RowReport:
        made = RowReport.model_validate(report(accepted, unchanged, errors).model_dump())
        return absent.left.told(session, pilot, made)

    absent.left.on_top = _on_top(session, pilot, body, fresh, again=again)
    if not fresh and not entry.settled:
        return told(0)
    revision = revise(session, pilot, RevisionKind.ROWS, entries=len(fresh), person=person, at=at)
    if fresh:
        # Lists are in the order of the ids: that of a file would tell whose rows stand together, and who is who.
        SystemRandom().shuffle(fresh)
        session.flush()
        session.connection().execute(
            sa.insert(Measurement),
            [
                {
                    "id": new_id(),
                    "organization_id": pilot.organization_id,
                    "pilot_id": pilot.id,
                    "iteration": pilot.iteration,
                    "measure": body.measure,
                    "wave": body.wave,
                    "arm": place.arm,
                    "unit_id": place.unit_id,
                    "participant": row.participant,
                    "value": row.value,
                    "collected_on": row.collected_on,
                    "created_by": person,
                    "created_at": at,
                    "entered_in": revision.number,
                }
                for row, place in fresh
            ],
        )
    absent.came_back(row.participant for row, _ in fresh)
    # Afterwards: a row of this request may wait for the arm that a later one has.
    settle_arms(session, pilot, entry.settled, revision)
    if fresh:
        note(
            session,
            "entered",
            "measurements",
            pilot.id,
            organization_id=pilot.organization_id,
            changes={"measure": body.measure, "wave": body.wave, "rows": len(fresh)},
        )
        refuse_more_than_invited(session, pilot, context.plan)
    return told(len(fresh))


def _on_top(
    session: Session, pilot: Pilot, body: MeasurementsIn, fresh: Sequence[tuple[RowIn, Place]], *, again: bool
) -> int:
    """How many anonymous answers stand on top of which these are entered; Conflict `same_answers` for the same ones."""
    new: Answers = Counter((*place, row.value) for row, place in fresh if row.participant is None)
    stand = standing_answers(session.connection(), pilot, body.measure, body.wave) if new else new
    same = (new & stand).total()
    if not again and is_repeated(stand.total(), new.total(), same):
        raise Conflict(same_answers(body.measure, body.wave, stand.total(), same), "same_answers")
    return stand.total()


def settle_arms(
    session: Session, pilot: Pilot, arms: Mapping[str, str], revision: Revision, *, of_units: bool = False
) -> None:
    """Give baseline rows that had no arm yet that of their person, or of their unit."""
    table = Measurement.__table__  # type: ignore[attr-defined]
    subject = table.c.unit_id if of_units else table.c.participant
    statement = (
        sa.update(table)
        .where(table.c.pilot_id == pilot.id, table.c.iteration == pilot.iteration, table.c.arm == UNASSIGNED)
        .where(subject == sa.bindparam("of"))
        .values(arm=sa.bindparam("to"), placed_in=revision.number)
    )
    if arms:
        session.connection().execute(statement, [{"of": key, "to": arm} for key, arm in arms.items()])


class _RowEntry:
    """Judges the rows of one request against what is there already."""

    def __init__(
        self,
        session: Session,
        pilot: Pilot,
        context: Context,
        measure: PlannedMeasure,
        body: MeasurementsIn,
        absent: Absent,
        today: date,
    ) -> None:
        self.context, self.measure, self.body, self.absent, self.today = context, measure, body, absent, today
        self._connection, self._pilot = session.connection(), pilot
        m: Any = Measurement
        named = m.participant.is_not(None)
        of_pilot = (m.pilot_id == pilot.id, m.iteration == pilot.iteration)
        held = self._connection.execute(
            sa.select(m.participant, m.wave, m.value, m.arm, m.unit_id, m.collected_on).where(
                *of_pilot, m.measure == measure.measure, named
            )
        )
        rows = [(who, wave, Told(*told)) for who, wave, *told in held]
        self.people = People(measure.measure, rows)
        here = agreed((who, told.arm, told.unit_id) for who, _, told in rows)
        self.places = Places(context, here, self._elsewhere(*of_pilot) if self._leaves_out() else {})
        # Whose rows, of any measure, wait for an arm; and the arms that such people have by now.
        waiting = sa.select(m.participant).where(*of_pilot, m.arm == UNASSIGNED, named)
        self.waiting: set[str] = set(self._connection.scalars(waiting))
        self.settled: dict[str, str] = {}
        # None: nothing entered yet, the first row that is right says whether people are linked.
        self.linked = standing(self._connection, pilot, measure.measure)

    def _leaves_out(self) -> bool:
        rows = self.body.rows
        return any(row.participant is not None and (row.arm is None or row.unit_id is None) for row in rows)

    def _elsewhere(self, *of_pilot: Any) -> dict[str, Place]:
        """Where people are by the rows of other measures."""
        m: Any = Measurement
        others = (*of_pilot, m.measure != self.measure.measure, m.participant.is_not(None))
        found = self._connection.execute(sa.select(m.participant, m.arm, m.unit_id).where(*others).distinct())
        return agreed((who, arm, unit) for who, arm, unit in found)

    def judge(self) -> tuple[list[tuple[RowIn, Place]], int, list[EntryFault]]:
        rows = self.body.rows
        own = [list(self._by_itself(row)) for row in rows]
        out = [not wrong and self._stays_out(row) for row, wrong in zip(rows, own, strict=True)]
        for row, wrong, gone in zip(rows, own, out, strict=True):
            if row.participant is not None and not wrong and not gone:
                self.places.tell(row.participant, row.arm, row.unit_id)
        fresh: list[tuple[RowIn, Place]] = []
        unchanged, errors = 0, []
        for i, (row, wrong, gone) in enumerate(zip(rows, own, out, strict=True)):
            if gone:
                continue
            place = self.places.filled(row.participant, row.arm, row.unit_id)
            # Who has an arm by now has it also in rows that were right without one.
            place = place._replace(arm=place.arm or self.people.arm_of(row.participant))
            faults = list(self._beside_others(row, place, wrong))
            errors += [EntryFault(loc=["rows", i, f], msg=m, code=c) for f, m, c in faults]
            if faults:
                continue
            if row.participant is None or self._take(row.participant, row, place):
                fresh.append((row, place))
            else:
                unchanged += 1
        return fresh, unchanged, errors

    def _take(self, participant: str, row: RowIn, place: Place) -> bool:
        if place.arm == UNASSIGNED:
            self.waiting.add(participant)
        elif participant in self.waiting:
            self.settled.setdefault(participant, place.arm)
        return self.people.take(participant, self.body.wave, Told(row.value, *place, row.collected_on))

    def _stays_out(self, row: RowIn) -> bool:
        return self.absent.leaves_out(row, row.arm or self.context.arm_of(row.unit_id, row.participant))

    def _by_itself(self, row: RowIn) -> Iterator[Fault]:
        yield from row_faults(
            self.context,
            self.measure,
            self.body.wave,
            value=row.value,
            arm=row.arm,
            unit_id=row.unit_id,
            participant=row.participant,
        )
        yield from day_faults(row.collected_on, self.today)

    @cached_property
    def _mixed(self) -> str:
        return mixed(self._connection, self._pilot, self.measure.measure, linked=bool(self.linked))

    def _beside_others(self, row: RowIn, place: Place, own: Sequence[Fault]) -> Iterator[Fault]:
        """All faults of a row, with those it has beside what stands and the rows before it."""
        yield from own
        linked = row.participant is not None
        known = filled_faults(self.context, self.body.wave, *place) if linked else ()
        of_place = [fault for fault in known if fault not in own]
        yield from of_place
        if self.linked is None and not own and not of_place:
            self.linked = linked
        if self.linked is not None and linked is not self.linked:
            yield "participant", self._mixed, "mixed_linkage"
        if row.participant is None:
            return
        told = Told(row.value, *place, row.collected_on)
        if (fault := self.people.fault(row.participant, self.body.wave, told)) is not None:
            yield fault
