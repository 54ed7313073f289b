"""Entering waves, rows and summaries: everything is checked, all or nothing, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.documents import Plan, PlannedMeasure
from app.audit.models import note
from app.db import new_id
from app.errors import Conflict, Invalid, fault
from app.measures.models import Measurement, Shape, Summary, Wave, WaveKind
from app.measures.rules import (
    Context,
    content_faults,
    participant_faults,
    place_faults,
    shape_faults,
    value_faults,
    wave_faults,
)
from app.measures.schemas import EntryFault, EntryReport, MeasurementsIn, RowIn, SummariesIn, WaveIn
from app.pilots.models import Pilot, Stage
from app.pilots.service import units_of
from app.plans.service import plan_of, require_version

CLOSED = frozenset({Stage.RETIRED})


def context_of(session: Session, pilot: Pilot) -> Context:
    """What entries of the current iteration are checked against; Conflict `no_plan` without a plan."""
    if pilot.stage in CLOSED:
        msg = "the pilot is retired; nothing more is entered"
        raise Conflict(msg, "retired")
    return Context(plan_of(require_version(session, pilot)), frozenset(units_of(session, pilot.id)))


def put_wave(session: Session, pilot: Pilot, key: str, body: WaveIn, at: datetime) -> Wave:
    """Record a wave of the plan, or change it."""
    context = context_of(session, pilot)
    planned = next((w for w in context.plan.waves if w.key == key), None)
    if planned is None:
        msg = f"the plan has no wave {key!r}; it has {', '.join(context.waves)}"
        raise Invalid(msg, [fault(["key"], msg, "unknown_wave")])
    errors = [
        fault(["invited", arm], f"the plan has no arm {arm!r}; it has {', '.join(context.arms)}", "unknown_arm")
        for arm in body.invited
        if arm not in context.arms
    ]
    responded = responses(session, pilot.id, pilot.iteration, context.plan).get(key, {})
    errors += [
        fault(["invited", arm], f"{n} were invited but {responded[arm]} answered", "fewer_than_responded")
        for arm, n in body.invited.items()
        if responded.get(arm, 0) > n
    ]
    if errors:
        msg = f"the wave does not fit the plan or the data in {len(errors)} places"
        raise Invalid(msg, errors)
    wave = session.exec(
        select(Wave).where(Wave.pilot_id == pilot.id, Wave.iteration == pilot.iteration, Wave.key == key)
    ).one_or_none()
    if wave is None:
        wave = Wave(
            organization_id=pilot.organization_id,
            pilot_id=pilot.id,
            iteration=pilot.iteration,
            key=key,
            kind=WaveKind(planned.kind),
            invited={},
            created_at=at,
        )
    wave.invited, wave.starts_on, wave.ends_on = body.invited, body.starts_on, body.ends_on
    session.add(wave)
    session.flush()
    return wave


def responses(session: Session, pilot_id: str, iteration: int, plan: Plan) -> dict[str, dict[str, int]]:
    """How many answered: `{wave: {arm: n}}`, the most of any one measure. Changes and pairs count at both ends."""
    ends = [wave for wave in (plan.baseline, plan.followup) if wave is not None]
    rows = session.exec(
        select(Measurement.measure, Measurement.wave, Measurement.arm, sa.func.count())
        .where(Measurement.pilot_id == pilot_id, Measurement.iteration == iteration)
        .group_by(col(Measurement.measure), col(Measurement.wave), col(Measurement.arm))
    ).all()
    counted: dict[tuple[str, str, str], int] = {(m, w, a): n for m, w, a, n in rows}
    summaries = session.exec(select(Summary).where(Summary.pilot_id == pilot_id, Summary.iteration == iteration))
    for summary in summaries:
        content = summary.content
        n = content.get("n") or sum(content.get("counts") or [])
        for wave in [content["wave"]] if content.get("wave") else ends:
            place = (summary.measure, wave, content["arm"])
            counted[place] = counted.get(place, 0) + n
    found: dict[str, dict[str, int]] = {}
    for (_, wave, arm), n in counted.items():
        arms = found.setdefault(wave, {})
        arms[arm] = max(arms.get(arm, 0), n)
    return found


def _refuse_more_than_invited(session: Session, pilot: Pilot, plan: Plan) -> None:
    """More answers than invitations would be a negative attrition: one of the two numbers is wrong."""
    session.flush()
    responded = responses(session, pilot.id, pilot.iteration, plan)
    waves = session.exec(select(Wave).where(Wave.pilot_id == pilot.id, Wave.iteration == pilot.iteration))
    for wave in waves:
        for arm, invited in wave.invited.items():
            answered = responded.get(wave.key, {}).get(arm, 0)
            if answered > invited:
                msg = (
                    f"{answered} would have answered at {wave.key} in {arm}, but {invited} were invited; nothing was "
                    f"entered. Correct the wave first (PUT …/waves/{wave.key}) if more were invited"
                )
                raise Conflict(msg, "more_than_invited")


def _known_measure(context: Context, key: str) -> PlannedMeasure:
    measure = context.plan.measure(key)
    if measure is None:
        names = ", ".join(m.measure for m in context.plan.measures)
        msg = f"the plan has no measure {key!r}; it has {names}"
        raise Invalid(msg, [fault(["measure"], msg, "unknown_measure")])
    return measure


def _of_measure(model: type[Measurement] | type[Summary], pilot: Pilot, measure: str) -> list[Any]:
    return [model.pilot_id == pilot.id, model.iteration == pilot.iteration, model.measure == measure]


def _refuse_mixture(session: Session, pilot: Pilot, measure: str, shape: Shape | None) -> None:
    """Rows and summaries of one measure do not mix, nor do two shapes: an analysis could not add them up."""
    held = session.exec(select(Summary.shape).where(*_of_measure(Summary, pilot, measure)).limit(1)).first()
    if held is not None and held is not shape:
        msg = f"{measure} was entered as {Shape(held).value} in this iteration; add to those, or use another measure"
        raise Conflict(msg, "mixed_shapes")
    if shape is not None:
        rows = session.exec(select(Measurement.id).where(*_of_measure(Measurement, pilot, measure)).limit(1)).first()
        if rows is not None:
            msg = f"{measure} was entered as rows in this iteration; summaries of it cannot be added"
            raise Conflict(msg, "mixed_shapes")


def enter_rows(
    session: Session, pilot: Pilot, body: MeasurementsIn, *, partial: bool, person: str, at: datetime
) -> EntryReport:
    """Enter rows of one measure and wave.

    All or nothing unless `partial`. The same participant, measure and wave again is `unchanged` when identical and
    a fault `duplicate` when not. Raises Invalid with every fault, or Conflict `mixed_shapes`.
    """
    context = context_of(session, pilot)
    measure = _known_measure(context, body.measure)
    if faults := list(wave_faults(context, body.wave)):
        raise Invalid(faults[0][1], [fault([f], m, c) for f, m, c in faults])
    _refuse_mixture(session, pilot, body.measure, None)
    entry = _RowEntry(session, pilot, context, measure, body)
    fresh, unchanged, errors = entry.judge()
    _refuse_unless_partial(errors, len(body.rows), partial=partial)
    if fresh:
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
        _refuse_more_than_invited(session, pilot, context.plan)
    return _report(len(fresh), unchanged, errors)


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
            .where(*_of_measure(Measurement, pilot, measure.measure), col(Measurement.participant).is_(None))
            .limit(1)
        ).first()
        # None: nothing entered yet, the first row says whether people are linked.
        self.linked: bool | None = True if held else (False if anonymous else None)

    def judge(self) -> tuple[list[tuple[RowIn, str]], int, list[EntryFault]]:
        fresh: list[tuple[RowIn, str]] = []
        unchanged, errors = 0, []
        for i, row in enumerate(self.body.rows):
            arm = row.arm or self.context.arm_of(row.unit_id) or ""
            faults = list(self._faults(row, arm))
            errors += [EntryFault(loc=["rows", i, f], msg=m, code=c) for f, m, c in faults]
            if faults:
                continue
            if row.participant is not None and row.participant in self.values:
                unchanged += 1
                continue
            fresh.append((row, arm))
            if row.participant is not None:
                self.values[row.participant] = (row.value, arm, row.unit_id, row.collected_on)
                self.places[row.participant] = (arm, row.unit_id)
        return fresh, unchanged, errors

    def _faults(self, row: RowIn, arm: str) -> Iterable[tuple[str, str, str]]:
        yield from value_faults(self.measure, row.value)
        yield from place_faults(self.context, row.arm, row.unit_id, unit_field="unit_id")
        yield from participant_faults(row.participant)
        linked = row.participant is not None
        if self.linked is None:
            self.linked = linked
        if linked is not self.linked:
            yield (
                "participant",
                "all rows of a measure carry a pseudonym, or none does: else people cannot be told apart",
                "mixed_linkage",
            )
        if row.participant is None:
            return
        held = self.values.get(row.participant)
        if held is not None and held != (row.value, arm, row.unit_id, row.collected_on):
            yield (
                "value" if held[0] != row.value else "participant",
                (
                    f"{row.participant} has another {self.measure.measure} at {self.body.wave} already "
                    f"({held[0]:g}, arm {held[1]}); one value of a person, measure and wave"
                ),
                "duplicate",
            )
            return
        place = self.places.get(row.participant)
        if place is not None and place[0] != arm:
            yield "arm", f"{row.participant} was in {place[0]!r} before; people stay in their arm", "arm_changed"
        elif place is not None and place[1] != row.unit_id:
            yield "unit_id", f"{row.participant} was in another unit before; people stay in theirs", "unit_changed"


def _refuse_unless_partial(errors: Sequence[EntryFault], total: int, *, partial: bool) -> None:
    if errors and not partial:
        places = len({tuple(e.loc[:2]) for e in errors})
        msg = f"{places} of {total} entries are wrong; nothing was entered. Correct them, or ask for ?partial=true"
        raise Invalid(msg, [e.model_dump() for e in errors])


def _report(accepted: int, unchanged: int, errors: list[EntryFault]) -> EntryReport:
    rejected = len({tuple(e.loc[:2]) for e in errors})
    return EntryReport(accepted=accepted, unchanged=unchanged, rejected=rejected, errors=errors)


def _place(content: Mapping[str, Any]) -> tuple[Any, ...]:
    return content["arm"], content.get("wave"), content.get("t")


def enter_summaries(
    session: Session, pilot: Pilot, body: SummariesIn, *, partial: bool, person: str, at: datetime
) -> EntryReport:
    """Enter summaries of one measure in one shape; checked and refused like rows."""
    context = context_of(session, pilot)
    measure = _known_measure(context, body.measure)
    shape = Shape(body.shape)
    if faults := list(shape_faults(measure, shape)):
        raise Invalid(faults[0][1], [fault([f], m, c) for f, m, c in faults])
    _refuse_mixture(session, pilot, body.measure, shape)
    held = {s.cell: s.content for s in session.exec(select(Summary).where(*_of_measure(Summary, pilot, body.measure)))}
    whole = {_place(content): content["unit"] is None for content in held.values()}
    accepted, unchanged, errors = 0, 0, []
    for i, given in enumerate(body.entries):
        content = given.model_dump(mode="json")
        faults = list(place_faults(context, content["arm"], content["unit"], unit_field="unit"))
        faults += list(wave_faults(context, content["wave"])) if "wave" in content else []
        faults += list(content_faults(measure, shape, content))
        content["arm"] = content["arm"] or context.arm_of(content["unit"])
        cell = "|".join(str(content.get(k)) for k in ("unit", "arm", "wave", "t") if content.get(k) is not None)
        if not faults and cell in held:
            if held[cell] == content:
                unchanged += 1
                continue
            faults.append(("n", "other numbers of this unit, arm and wave are there already", "duplicate"))
        if not faults and whole.get(_place(content), content["unit"] is None) is not (content["unit"] is None):
            message = "an arm is entered as a whole or unit by unit, not both: the same people would count twice"
            faults.append(("unit", message, "counted_twice"))
        errors += [EntryFault(loc=[shape.value, i, f], msg=m, code=c) for f, m, c in faults]
        if faults:
            continue
        held[cell], whole[_place(content)] = content, content["unit"] is None
        accepted += 1
        session.add(
            Summary(
                organization_id=pilot.organization_id,
                pilot_id=pilot.id,
                iteration=pilot.iteration,
                measure=body.measure,
                shape=shape,
                cell=cell,
                content=content,
                created_by=person,
                created_at=at,
            )
        )
    _refuse_unless_partial(errors, len(body.entries), partial=partial)
    if accepted:
        note(
            session,
            "entered",
            "summaries",
            pilot.id,
            organization_id=pilot.organization_id,
            changes={"measure": body.measure, "shape": shape.value, "entries": accepted},
        )
        _refuse_more_than_invited(session, pilot, context.plan)
    return _report(accepted, unchanged, errors)
