"""Assigning arms by chance, or declaring that it was done: gathers facts and list, asks the rules, records."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.documents import Design, Plan, content_hash
from app.allocations.listing import listed, refuse_arms_given
from app.allocations.rules import BY_UNIT, AllocationFacts, refusals
from app.allocations.schemas import AllocationIn, ElsewhereIn
from app.db import new_id
from app.errors import Conflict, Invalid, fault
from app.measures.dates import days_of_wave
from app.measures.models import Measurement, RevisionKind, Summary
from app.measures.revisions import revise
from app.measures.rows import settle_arms
from app.pilots.models import Pilot
from app.plans.allocated import SEED_GIVEN, allocations_of
from app.plans.allocation import Blocks, Placed, Subject, allocate
from app.plans.models import Allocation, AllocationEntry, AllocationKind, AllocationLevel, PlanVersion
from app.plans.rules import ONE_GROUP
from app.plans.service import plan_of, require_version

type Made = tuple[Allocation, list[AllocationEntry], list[str]]


def assign(session: Session, pilot: Pilot, body: AllocationIn, person: str, at: datetime) -> Made:
    """Assign or declare: the allocation, its entries, and who was on the list but has an arm already.

    Conflict names the first refusal in `code` and all of them in `errors`; Invalid what does not fit plan or pilot.
    """
    version = require_version(session, pilot)
    plan = plan_of(version)
    if body.elsewhere is not None:
        _refuse(session, pilot, version, AllocationKind.ELSEWHERE, None)
        _refuse_too_late(session, pilot, plan, body.elsewhere.allocated_on)
        return _record(session, _declared(pilot, body.elsewhere, person, at)), [], []
    level = body.level or _level_of(plan, body)
    _refuse(session, pilot, version, AllocationKind.HERE, level)
    subjects = listed(session, pilot, plan, body, level)
    blocks, ratio = _blocks(plan, body, level)
    held = _entries(session, pilot)
    known = {entry.subject for entry in held}
    unchanged = sorted({s.key for s in subjects} & known)
    fresh = [s for s in subjects if s.key not in known]
    if not fresh:
        newest = allocations_of(session, version)[-1]
        return newest, [], unchanged
    refuse_arms_given(session, pilot, level, [s.key for s in fresh])
    seed = _seed(version, fresh) if body.seed is None else body.seed
    dealt = allocate(fresh, [Placed(e.subject, e.stratum or "", e.arm) for e in held], blocks, seed)
    origin = "follows from the plan and the list" if body.seed is None else SEED_GIVEN
    made = _record(
        session,
        Allocation(
            organization_id=pilot.organization_id,
            pilot_id=pilot.id,
            iteration=pilot.iteration,
            kind=AllocationKind.HERE,
            level=level,
            seed=seed,
            method=f"stratified permuted blocks of {blocks.size}, {ratio}; the seed {origin}",
            allocated_on=at.date(),
            created_by=person,
            created_at=at,
        ),
    )
    entries = _enter(session, made, dealt, len(held))
    arms = {placed.key: placed.arm for placed in dealt}
    revision = revise(session, pilot, RevisionKind.ALLOCATION, entries=len(arms), person=person, at=at)
    settle_arms(session, pilot, arms, revision, of_units=level is AllocationLevel.UNIT)
    return made, entries, unchanged


def _declared(pilot: Pilot, given: ElsewhereIn, person: str, at: datetime) -> Allocation:
    if given.allocated_on > at.date():
        msg = "allocated_on lies in the future; declare what was done"
        raise Invalid(msg, [fault(["elsewhere", "allocated_on"], msg, "future")])
    return Allocation(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        iteration=pilot.iteration,
        kind=AllocationKind.ELSEWHERE,
        method=given.method,
        allocated_on=given.allocated_on,
        source=given.source,
        created_by=person,
        created_at=at,
    )


def _record(session: Session, allocation: Allocation) -> Allocation:
    session.add(allocation)
    session.flush()
    return allocation


def _enter(session: Session, made: Allocation, dealt: Iterable[Placed], before: int) -> list[AllocationEntry]:
    entries = [
        AllocationEntry(
            id=new_id(),
            organization_id=made.organization_id,
            allocation_id=made.id,
            pilot_id=made.pilot_id,
            iteration=made.iteration,
            subject=placed.key,
            stratum=placed.stratum or None,
            arm=placed.arm,
            position=position,
        )
        for position, placed in enumerate(dealt, start=before + 1)
    ]
    session.connection().execute(sa.insert(AllocationEntry), [entry.model_dump() for entry in entries])
    return entries


def _level_of(plan: Plan, body: AllocationIn) -> AllocationLevel:
    by_unit = plan.design in BY_UNIT or (plan.units and body.participants is None)
    return AllocationLevel.UNIT if by_unit else AllocationLevel.PARTICIPANT


def _refuse(
    session: Session, pilot: Pilot, version: PlanVersion, kind: AllocationKind, level: AllocationLevel | None
) -> None:
    plan = plan_of(version)
    facts = AllocationFacts(
        kind=kind,
        level=level,
        stage=pilot.stage,
        arms=1 if plan.design in ONE_GROUP else len(plan.arms),
        randomised=plan.randomised,
        looked=version.looked_at is not None,
        followup_exists=_followup_exists(session, pilot, plan),
        units_have_arms=any(unit.arm is not None for unit in plan.units),
        in_steps=plan.design is Design.STEPPED_WEDGE,
        earlier=frozenset((a.kind, a.level) for a in allocations_of(session, version)),
    )
    if found := list(refusals(facts)):
        code, message = found[0]
        raise Conflict(message, code, errors=[fault([], m, c) for c, m in found])


def _followup_exists(session: Session, pilot: Pilot, plan: Plan) -> bool:
    """Whether anything was entered that is not of a baseline wave; pairs, changes and series hold what came after."""
    before = {wave.key for wave in plan.waves if wave.kind == "baseline"}
    row = session.exec(
        select(Measurement.id)
        .where(
            Measurement.pilot_id == pilot.id,
            Measurement.iteration == pilot.iteration,
            col(Measurement.wave).not_in(before),
        )
        .limit(1)
    ).first()
    summaries = session.exec(select(Summary).where(Summary.pilot_id == pilot.id, Summary.iteration == pilot.iteration))
    return row is not None or any(s.content.get("wave") not in before for s in summaries)


def _refuse_too_late(session: Session, pilot: Pilot, plan: Plan, allocated_on: date) -> None:
    """Raise Conflict for arms that are said to be assigned when what came after was being measured, or later."""
    after = [wave.key for wave in plan.waves if wave.kind != "baseline"]
    days = [day for key in after for day in days_of_wave(session, pilot, plan, key)]
    if days and allocated_on >= min(days):
        msg = (
            f"chance assigns the arms before the follow-up, which began on {min(days)}; allocated_on is {allocated_on}"
        )
        raise Conflict(msg, "allocated_after_followup")


def _blocks(plan: Plan, body: AllocationIn, level: AllocationLevel) -> tuple[Blocks, str]:
    """The blocks, and the ratio in words; Invalid where they do not fit the arms."""
    arms = [arm.key for arm in plan.arms]
    ratio = body.ratio or dict.fromkeys(arms, 1)
    if set(ratio) != set(arms):
        msg = f"the ratio names every arm of the plan and no other: {', '.join(arms)}"
        raise Invalid(msg, [fault(["ratio"], msg, "unknown_arm")])
    least = sum(ratio.values())
    size = body.block_size or least * (1 if level is AllocationLevel.UNIT else 2)
    if size % least:
        msg = f"block_size is a multiple of {least}, the sum of the ratio; {size} is none"
        raise Invalid(msg, [fault(["block_size"], msg, "not_a_multiple")])
    shown = " : ".join(f"{arm} {ratio[arm]}" for arm in arms)
    return Blocks({arm: ratio[arm] * (size // least) for arm in arms}), shown


def _entries(session: Session, pilot: Pilot) -> list[AllocationEntry]:
    return list(
        session.exec(
            select(AllocationEntry)
            .where(AllocationEntry.pilot_id == pilot.id, AllocationEntry.iteration == pilot.iteration)
            .order_by(col(AllocationEntry.position))
        )
    )


def _seed(version: PlanVersion, subjects: Sequence[Subject]) -> int:
    """The one seed of this list under this plan, so that nobody can shop for another; below 2**48."""
    names = content_hash(sorted([s.stratum, s.key] for s in subjects))
    return int(hashlib.sha256(f"{version.hash}:{names}".encode()).hexdigest()[:12], 16)


def entries_of(session: Session, allocations: Sequence[Allocation]) -> dict[str, list[AllocationEntry]]:
    """The entries of several allocations, in their order."""
    found: dict[str, list[AllocationEntry]] = {a.id: [] for a in allocations}
    rows = session.exec(
        select(AllocationEntry)
        .where(col(AllocationEntry.allocation_id).in_(found))
        .order_by(col(AllocationEntry.position))
    )
    for row in rows:
        found[row.allocation_id].append(row)
    return found
