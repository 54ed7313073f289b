"""Entering single values: every row is checked, all or nothing, in one transaction."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from random import SystemRandom
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from analysis.documents import PlannedMeasure
from app.audit.models import note
from app.db import new_id
from app.errors import Invalid, fault
from app.measures.collected import day_faults
from app.measures.entry import context_of, known_measure, of_measure, refuse_mixture, refuse_unless_partial, report
from app.measures.models import UNASSIGNED, Measurement, Revision, RevisionKind
from app.measures.people import People, Told
from app.measures.revisions import revise
from app.measures.rules import MIXED_LINKAGE, Context, Fault, row_faults, wave_faults
from app.measures.schemas import EntryFault, EntryReport, MeasurementsIn, RowIn
from app.measures.waves import refuse_more_than_invited
from app.pilots.models import Pilot


def enter_rows(
    session: Session, pilot: Pilot, body: MeasurementsIn, *, partial: bool, person: str, at: datetime
) -> EntryReport:
    """Enter rows of one measure and wave.

    All or nothing unless `partial`. The same participant, measure and wave again is `unchanged` when identical and
    a fault `duplicate` when not. Raises Invalid with every fault, or Conflict `mixed_shapes`.
    """
    context = context_of(session, pilot)
    measure = known_measure(context, body.measure)
    if faults := list(wave_faults(context, body.wave)):
        raise Invalid(faults[0][1], [fault([f], m, c) for f, m, c in faults])
    refuse_mixture(session, pilot, body.measure, None)
    entry = _RowEntry(session, pilot, context, measure, body, at.date())
    fresh, unchanged, errors = entry.judge()
    refuse_unless_partial(errors, len(body.rows), partial=partial)
    if not fresh and not entry.settled:
        return report(0, unchanged, errors)
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
                    "arm": arm,
                    "unit_id": row.unit_id,
                    "participant": row.participant,
                    "value": row.value,
                    "collected_on": row.collected_on,
                    "created_by": person,
                    "created_at": at,
                    "entered_in": revision.number,
                }
                for row, arm in fresh
            ],
        )
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
    return report(len(fresh), unchanged, errors)


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
        today: date,
    ) -> None:
        self.context, self.measure, self.body, self.today = context, measure, body, today
        m: Any = Measurement
        named = m.participant.is_not(None)
        of_pilot = (m.pilot_id == pilot.id, m.iteration == pilot.iteration)
        held = session.connection().execute(
            sa.select(m.participant, m.wave, m.value, m.arm, m.unit_id, m.collected_on).where(
                *of_pilot, m.measure == measure.measure, named
            )
        )
        self.people = People(measure.measure, ((who, wave, Told(*told)) for who, wave, *told in held))
        # Whose rows, of any measure, wait for an arm; and the arms that such people have by now.
        waiting = sa.select(m.participant).where(*of_pilot, m.arm == UNASSIGNED, named)
        self.waiting: set[str] = set(session.connection().scalars(waiting))
        self.settled: dict[str, str] = {}
        # None: nothing entered yet, the first row that is right says whether people are linked.
        self.linked: bool | None = session.connection().scalar(
            sa.select(named).where(*of_measure(Measurement, pilot, measure.measure)).limit(1)
        )

    def judge(self) -> tuple[list[tuple[RowIn, str]], int, list[EntryFault]]:
        fresh: list[tuple[RowIn, str]] = []
        unchanged, errors = 0, []
        for i, row in enumerate(self.body.rows):
            # Who has an arm by now has it also in rows that were right without one.
            planned = self.context.arm_of(row.unit_id, row.participant)
            arm = row.arm or planned or self.people.arm_of(row.participant)
            faults = list(self._faults(row, arm))
            errors += [EntryFault(loc=["rows", i, f], msg=m, code=c) for f, m, c in faults]
            if faults:
                continue
            if row.participant is None or self._take(row.participant, row, arm):
                fresh.append((row, arm))
            else:
                unchanged += 1
        return fresh, unchanged, errors

    def _take(self, participant: str, row: RowIn, arm: str) -> bool:
        if arm == UNASSIGNED:
            self.waiting.add(participant)
        elif participant in self.waiting:
            self.settled.setdefault(participant, arm)
        return self.people.take(participant, self.body.wave, Told(row.value, arm, row.unit_id, row.collected_on))

    def _faults(self, row: RowIn, arm: str) -> Iterator[Fault]:
        own = list(
            row_faults(
                self.context,
                self.measure,
                self.body.wave,
                value=row.value,
                arm=row.arm,
                unit_id=row.unit_id,
                participant=row.participant,
            )
        )
        yield from own
        yield from day_faults(row.collected_on, self.today)
        linked = row.participant is not None
        if self.linked is None and not own:
            self.linked = linked
        if self.linked is not None and linked is not self.linked:
            yield "participant", MIXED_LINKAGE, "mixed_linkage"
        if row.participant is None:
            return
        told = Told(row.value, arm, row.unit_id, row.collected_on)
        if (fault := self.people.fault(row.participant, self.body.wave, told)) is not None:
            yield fault
