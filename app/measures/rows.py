"""Entering single values: every row is checked, all or nothing, in one transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from random import SystemRandom

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.documents import PlannedMeasure
from app.audit.models import note
from app.db import new_id
from app.errors import Invalid, fault
from app.measures.entry import context_of, known_measure, of_measure, refuse_mixture, refuse_unless_partial, report
from app.measures.models import UNASSIGNED, Measurement, Revision, RevisionKind
from app.measures.revisions import revise
from app.measures.rules import (
    ARM_CHANGED,
    MIXED_LINKAGE,
    UNIT_CHANGED,
    Context,
    duplicate,
    row_faults,
    wave_faults,
)
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
    entry = _RowEntry(session, pilot, context, measure, body)
    fresh, unchanged, errors = entry.judge()
    refuse_unless_partial(errors, len(body.rows), partial=partial)
    if fresh or entry.settled:
        revision = revise(session, pilot, RevisionKind.ROWS, entries=len(fresh), person=person, at=at)
        settle_arms(session, pilot, entry.settled, revision)
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
        self, session: Session, pilot: Pilot, context: Context, measure: PlannedMeasure, body: MeasurementsIn
    ) -> None:
        self.context, self.measure, self.body = context, measure, body
        held = (
            session.connection()
            .execute(
                sa.select(  # type: ignore[call-overload]
                    Measurement.participant,
                    Measurement.wave,
                    Measurement.arm,
                    Measurement.unit_id,
                    Measurement.value,
                    Measurement.collected_on,
                ).where(
                    Measurement.pilot_id == pilot.id,
                    Measurement.iteration == pilot.iteration,
                    Measurement.measure == measure.measure,
                    col(Measurement.participant).is_not(None),
                )
            )
            .all()
        )
        self.values = {p: (v, a, u, d) for p, w, a, u, v, d in held if w == body.wave}
        self.places: dict[str | None, tuple[str, str | None]] = {p: (a, u) for p, w, a, u, v, d in held}
        anonymous = session.exec(
            select(Measurement.id)
            .where(*of_measure(Measurement, pilot, measure.measure), col(Measurement.participant).is_(None))
            .limit(1)
        ).first()
        # The arms of people whose earlier rows waited for one.
        self.settled: dict[str, str] = {}
        # None: nothing entered yet, the first row says whether people are linked.
        self.linked: bool | None = True if held else (False if anonymous else None)

    def judge(self) -> tuple[list[tuple[RowIn, str]], int, list[EntryFault]]:
        fresh: list[tuple[RowIn, str]] = []
        unchanged, errors = 0, []
        for i, row in enumerate(self.body.rows):
            arm = row.arm or self.context.arm_of(row.unit_id, row.participant) or UNASSIGNED
            faults = list(self._faults(row, arm))
            errors += [EntryFault(loc=["rows", i, f], msg=m, code=c) for f, m, c in faults]
            if faults:
                continue
            if row.participant is not None and arm and self.places.get(row.participant, (arm,))[0] == UNASSIGNED:
                self.settled[row.participant] = arm
            if row.participant is not None and row.participant in self.values:
                unchanged += 1
                continue
            fresh.append((row, arm))
            if row.participant is not None:
                self.values[row.participant] = (row.value, arm, row.unit_id, row.collected_on)
                self.places[row.participant] = (arm, row.unit_id)
        return fresh, unchanged, errors

    def _faults(self, row: RowIn, arm: str) -> Iterable[tuple[str, str, str]]:
        yield from row_faults(
            self.context,
            self.measure,
            self.body.wave,
            value=row.value,
            arm=row.arm,
            unit_id=row.unit_id,
            participant=row.participant,
        )
        linked = row.participant is not None
        if self.linked is None:
            self.linked = linked
        if linked is not self.linked:
            yield "participant", MIXED_LINKAGE, "mixed_linkage"
        if row.participant is None:
            return
        held = self.values.get(row.participant)
        if held is not None and (held[0], held[1] or arm, *held[2:]) != (
            row.value,
            arm,
            row.unit_id,
            row.collected_on,
        ):
            yield (
                "value" if held[0] != row.value else "participant",
                duplicate(self.measure.measure, self.body.wave),
                "duplicate",
            )
            return
        place = self.places.get(row.participant)
        if place is not None and place[0] not in {UNASSIGNED, arm}:
            yield "arm", ARM_CHANGED, "arm_changed"
        elif place is not None and place[1] != row.unit_id:
            yield "unit_id", UNIT_CHANGED, "unit_changed"
