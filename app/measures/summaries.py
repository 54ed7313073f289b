"""Entering summaries (counts, means with SDs, changes …): checked and refused like rows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from app.audit.models import note
from app.errors import Invalid, fault
from app.measures.entry import context_of, known_measure, of_measure, refuse_mixture, refuse_unless_partial, report
from app.measures.models import RevisionKind, Shape, Summary
from app.measures.revisions import latest, revise
from app.measures.rules import Context, content_faults, place_faults, shape_faults, wave_faults
from app.measures.schemas import EntryFault, EntryReport, SummariesIn
from app.measures.waves import refuse_more_than_allocated, refuse_more_than_invited
from app.pilots.models import Pilot


def _place(content: Mapping[str, Any], wave: str | None) -> tuple[Any, ...]:
    return content["arm"], content.get("wave", wave), content.get("t")


def _retention_wave(context: Context, wave: str | None) -> str | None:
    """The wave that pairs or changes lead to, None for the follow-up; Invalid for any other wave."""
    if wave is None or wave == context.plan.followup:
        return None
    retention = [w.key for w in context.plan.waves if w.kind == "retention"]
    if wave not in retention:
        msg = f"{wave!r} is no retention wave of the plan; it has {', '.join(retention) or 'none'}"
        raise Invalid(msg, [fault(["wave"], msg, "unknown_wave")])
    return wave


def enter_summaries(
    session: Session, pilot: Pilot, body: SummariesIn, *, partial: bool, person: str, at: datetime
) -> EntryReport:
    """Enter summaries of one measure in one shape; checked and refused like rows."""
    context = context_of(session, pilot)
    measure = known_measure(context, body.measure)
    shape = Shape(body.shape)
    if faults := list(shape_faults(measure, shape)):
        raise Invalid(faults[0][1], [fault([f], m, c) for f, m, c in faults])
    wave = _retention_wave(context, body.wave)
    refuse_mixture(session, pilot, body.measure, shape)
    rows = session.exec(select(Summary).where(*of_measure(Summary, pilot, body.measure))).all()
    held = {s.cell: s.content for s in rows}
    revision = latest(session, pilot.id, pilot.iteration) + 1
    whole = {_place(s.content, s.wave): s.content["unit"] is None for s in rows}
    accepted, unchanged, errors = 0, 0, []
    for i, given in enumerate(body.entries):
        content = given.model_dump(mode="json")
        faults = list(
            place_faults(context, content["arm"], content["unit"], unit_field="unit", wave=content.get("wave"))
        )
        faults += list(wave_faults(context, content["wave"])) if "wave" in content else []
        faults += list(content_faults(measure, shape, content))
        content["arm"] = content["arm"] or context.arm_of(content["unit"])
        cell = "|".join(str(content.get(k)) for k in ("unit", "arm", "wave", "t") if content.get(k) is not None)
        cell += f"|to {wave}" if wave is not None else ""
        if not faults and cell in held:
            if held[cell] == content:
                unchanged += 1
                continue
            faults.append(("n", "other numbers of this unit, arm and wave are there already", "duplicate"))
        if not faults and whole.get(_place(content, wave), content["unit"] is None) is not (content["unit"] is None):
            message = "an arm is entered as a whole or unit by unit, not both: the same people would count twice"
            faults.append(("unit", message, "counted_twice"))
        errors += [EntryFault(loc=[shape.value, i, f], msg=m, code=c) for f, m, c in faults]
        if faults:
            continue
        held[cell], whole[_place(content, wave)] = content, content["unit"] is None
        accepted += 1
        session.add(
            Summary(
                organization_id=pilot.organization_id,
                pilot_id=pilot.id,
                iteration=pilot.iteration,
                measure=body.measure,
                shape=shape,
                wave=wave,
                cell=cell,
                content=content,
                created_by=person,
                created_at=at,
                entered_in=revision,
            )
        )
    refuse_unless_partial(errors, len(body.entries), partial=partial)
    if accepted:
        revise(session, pilot, RevisionKind.SUMMARIES, entries=accepted, person=person, at=at)
        note(
            session,
            "entered",
            "summaries",
            pilot.id,
            organization_id=pilot.organization_id,
            changes={"measure": body.measure, "shape": shape.value, "entries": accepted},
        )
        refuse_more_than_invited(session, pilot, context.plan)
        refuse_more_than_allocated(session, pilot, context)
    return report(accepted, unchanged, errors)
