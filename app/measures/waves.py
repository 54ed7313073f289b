"""Waves of a pilot: who was invited, how many answered, and that the two agree."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.documents import Plan, Role
from app.errors import Conflict, Invalid, fault
from app.measures.collected import order_faults
from app.measures.confidential import smallest_cell
from app.measures.entry import context_of
from app.measures.models import UNASSIGNED, Measurement, Wave, WaveKind
from app.measures.revisions import measurements, summaries
from app.measures.rules import Context, Fault
from app.measures.wave_schemas import WaveIn
from app.pilots.models import Pilot


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
    responded = _told(session, responses(session, pilot.id, pilot.iteration, context.plan).get(key, {}))
    errors += [
        fault(["invited", arm], f"{n} were invited but {responded[arm]} answered", "fewer_than_responded")
        for arm, n in body.invited.items()
        if responded.get(arm, 0) > n
    ]
    errors += [fault([field], msg, code) for field, msg, code in _order_faults(session, pilot, context.plan, key, body)]
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


type Answers = Mapping[tuple[str, str, str], int]
"""How many answered: `{(measure, wave, arm): n}`."""


def _order_faults(session: Session, pilot: Pilot, plan: Plan, key: str, body: WaveIn) -> Iterator[Fault]:
    held = select(Wave).where(Wave.pilot_id == pilot.id, Wave.iteration == pilot.iteration)
    recorded = {wave.key: (wave.starts_on, wave.ends_on) for wave in session.exec(held)}
    yield from order_faults(plan, key, {**recorded, key: (body.starts_on, body.ends_on)})


def answers(session: Session, pilot_id: str, iteration: int, plan: Plan, at: int | None = None) -> Answers:
    """How many answered each measure, by wave and arm. Changes and pairs count at both ends.

    Now, or `at` a revision of the data.
    """
    m = measurements(at)
    ends = [wave for wave in (plan.baseline, plan.followup) if wave is not None]
    rows = session.exec(
        select(m.measure, m.wave, m.arm, sa.func.count())
        .where(m.pilot_id == pilot_id, m.iteration == iteration, m.arm != UNASSIGNED)
        .group_by(m.measure, m.wave, m.arm)
    ).all()
    counted: dict[tuple[str, str, str], int] = {(m, w, a): n for m, w, a, n in rows}
    for summary in summaries(session, pilot_id, iteration, at):
        content = summary.content
        n = content.get("n") or sum(content.get("counts") or [])
        named = content.get("wave") or summary.wave
        for wave in [named] if named else ends:
            place = (summary.measure, wave, content["arm"])
            counted[place] = counted.get(place, 0) + n
    return counted


def most_answers(counted: Answers) -> dict[str, dict[str, int]]:
    """How many answered anything: `{wave: {arm: n}}`, the most of any one measure."""
    found: dict[str, dict[str, int]] = {}
    for (_, wave, arm), n in counted.items():
        arms = found.setdefault(wave, {})
        arms[arm] = max(arms.get(arm, 0), n)
    return found


def primary_answers(counted: Answers, plan: Plan, wave: str) -> dict[str, int]:
    """How many of each arm answered the primary measure at a wave: whose effect is graded is whose loss counts."""
    primary = primary_of(plan)
    return {arm: n for (measure, at, arm), n in counted.items() if (measure, at) == (primary, wave)}


def primary_of(plan: Plan) -> str | None:
    """The key of the primary measure; None in a plan without one."""
    return next((m.measure for m in plan.measures if m.role is Role.PRIMARY), None)


def responses(session: Session, pilot_id: str, iteration: int, plan: Plan) -> dict[str, dict[str, int]]:
    """How many answered by now: `{wave: {arm: n}}`, the most of any one measure."""
    return most_answers(answers(session, pilot_id, iteration, plan))


def waiting(session: Session, pilot_id: str, iteration: int) -> dict[str, int]:
    """How many answered at each wave who have no arm yet, the most of any one measure."""
    m = Measurement
    rows = session.exec(
        select(m.wave, sa.func.count())
        .where(m.pilot_id == pilot_id, m.iteration == iteration, m.arm == UNASSIGNED)
        .group_by(col(m.measure), col(m.wave))
    ).all()
    found: dict[str, int] = {}
    for wave, n in rows:
        found[wave] = max(found.get(wave, 0), n)
    return found


def _told(session: Session, responded: Mapping[str, int]) -> dict[str, int]:
    """How many answered, where they are enough to be told: a refusal would tell of the others as well."""
    return {arm: n for arm, n in responded.items() if n >= smallest_cell(session)}


def refuse_more_than_invited(session: Session, pilot: Pilot, plan: Plan) -> None:
    """More answers than invitations would be a negative attrition: one of the two numbers is wrong."""
    session.flush()
    responded = responses(session, pilot.id, pilot.iteration, plan)
    waves = session.exec(select(Wave).where(Wave.pilot_id == pilot.id, Wave.iteration == pilot.iteration))
    for wave in waves:
        for arm, invited in wave.invited.items():
            answered = _told(session, responded.get(wave.key, {})).get(arm, 0)
            if answered > invited:
                msg = (
                    f"{answered} would have answered at {wave.key} in {arm}, but {invited} were invited; nothing was "
                    f"entered. Correct the wave first (PUT …/waves/{wave.key}) if more were invited"
                )
                raise Conflict(msg, "more_than_invited")


def refuse_more_than_allocated(session: Session, pilot: Pilot, context: Context) -> None:
    """Summaries of more people than chance assigned to an arm are of others as well: their arms were not left to it."""
    people = Counter(context.allocated.people.values())
    if not people:
        return
    session.flush()
    kinds = {wave.key: wave.kind for wave in context.plan.waves}
    for wave, arms in responses(session, pilot.id, pilot.iteration, context.plan).items():
        for arm, answered in arms.items():
            if kinds.get(wave) != "retention" and answered > people[arm]:
                msg = (
                    f"more people would have answered at {wave} in {arm} than were assigned to it; nothing was "
                    "entered. POST …/plan/allocate assigns who is new"
                )
                raise Conflict(msg, "more_than_allocated")
