"""Pilots and how far each came: newest decision, effect, end, lessons; a fixed number of queries for any number."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.analyses.models import Analysis
from app.auth.access import visible
from app.auth.deps import Caller
from app.decisions.models import Decision
from app.lifecycle.family_schemas import AttemptOut, DecisionLine, PrimaryEffect
from app.lifecycle.models import Move
from app.lifecycle.standing import Attempt, Standing, of_attempt
from app.pilots.models import Iteration, Lesson, Pilot, Stage

MOST_PILOTS = 20
"""Shown of one intervention; the others are counted."""


@dataclass(frozen=True)
class Held:
    """What is told of pilots, by their id: decisions oldest first."""

    decisions: Mapping[str, Sequence[Decision]]
    effects: Mapping[str, PrimaryEffect]
    reasons: Mapping[str, str | None]
    lessons: Mapping[str, str]


def gather(session: Session, pilots: Collection[Pilot]) -> Held:
    """What the pilots decided, found, ended for and learned."""
    ids = [pilot.id for pilot in pilots]
    newest = (
        select(sa.func.max(Decision.id))
        .where(col(Decision.pilot_id).in_(ids))
        .group_by(col(Decision.pilot_id), col(Decision.intervention_id))
    )
    decisions: dict[str, list[Decision]] = {}
    for row in session.exec(select(Decision).where(col(Decision.id).in_(newest)).order_by(col(Decision.id))):
        decisions.setdefault(row.pilot_id, []).append(row)
    analyses = [row.analysis_id for rows in decisions.values() for row in rows]
    results = session.exec(select(Analysis.id, Analysis.result).where(col(Analysis.id).in_(analyses))).all()
    ends = session.exec(
        select(Move.pilot_id, Move.reason).where(col(Move.pilot_id).in_(ids), Move.to_stage == Stage.RETIRED)
    ).all()
    told = session.exec(
        select(Lesson.pilot_id, Lesson.text).where(col(Lesson.pilot_id).in_(ids)).order_by(col(Lesson.iteration))
    ).all()
    effects = {found: effect for found, result in results if (effect := _primary(result or {})) is not None}
    return Held(decisions, effects, dict(ends), dict(told))


def _primary(result: Mapping[str, Any]) -> PrimaryEffect | None:
    effect = next((e for e in result.get("effects", []) if e["role"] == "primary"), None)
    return PrimaryEffect.model_validate(effect) if effect is not None else None


def attempt_out(pilot: Pilot, held: Held, intervention_id: str | None = None) -> AttemptOut:
    """How far a pilot came; with an intervention: how far it came with that one."""
    decisions = [d for d in held.decisions.get(pilot.id, []) if intervention_id in (None, d.intervention_id)]
    decision = decisions[-1] if decisions else None
    standing = of_attempt(
        Attempt(
            stage=pilot.stage,
            provisional=pilot.provisional,
            retirement=pilot.retirement,
            moved_on=intervention_id not in (None, pilot.intervention_id),
        )
    )
    return AttemptOut.model_validate(
        {
            **pilot.model_dump(),
            "standing": standing,
            "decision": DecisionLine.model_validate(decision) if decision is not None else None,
            "effect": held.effects.get(decision.analysis_id) if decision is not None else None,
            "retirement_reason": held.reasons.get(pilot.id),
            "lessons": held.lessons.get(pilot.id),
        }
    )


def attempts_of_each(
    session: Session, caller: Caller, intervention_ids: Collection[str]
) -> dict[str, tuple[list[AttemptOut], int]]:
    """By intervention: the newest pilots that are or were of it, oldest first, and how many there are more.

    Only pilots that the caller may see.
    """
    pairs = _pairs(caller, intervention_ids)
    ranked = sa.select(
        pairs,
        sa.func.row_number().over(partition_by=pairs.c.of, order_by=pairs.c.pilot.desc()).label("place"),
        sa.func.count().over(partition_by=pairs.c.of).label("total"),
    ).subquery()
    shown = sa.select(ranked).where(ranked.c.place <= MOST_PILOTS).order_by(ranked.c.pilot)
    rows = session.connection().execute(shown).all()
    ids = {row.pilot for row in rows}
    pilots = {pilot.id: pilot for pilot in session.scalars(visible(caller, Pilot).where(col(Pilot.id).in_(ids)))}
    held = gather(session, pilots.values())
    found: dict[str, tuple[list[AttemptOut], int]] = {each: ([], 0) for each in intervention_ids}
    for row in rows:
        found[row.of][0].append(attempt_out(pilots[row.pilot], held, row.of))
        found[row.of] = (found[row.of][0], max(row.total - MOST_PILOTS, 0))
    return found


def standings_of_each(session: Session, caller: Caller, intervention_ids: Collection[str]) -> dict[str, list[Standing]]:
    """By intervention: where its pilots stand, of all that the caller may see, each word once."""
    pairs = _pairs(caller, intervention_ids)
    moved_on = sa.func.coalesce(col(Pilot.intervention_id), "") != pairs.c.of
    rows = session.connection().execute(
        sa.select(pairs.c.of, col(Pilot.stage), col(Pilot.provisional), col(Pilot.retirement), moved_on)
        .join(pairs, pairs.c.pilot == col(Pilot.id))
        .distinct()
    )
    found: dict[str, list[Standing]] = {each: [] for each in intervention_ids}
    for of, stage, provisional, retirement, gone in rows:
        found[of].append(
            of_attempt(Attempt(stage=stage, provisional=provisional, retirement=retirement, moved_on=bool(gone)))
        )
    return found


def _pairs(caller: Caller, intervention_ids: Collection[str]) -> Any:
    """Pilots with the interventions they are of, or were in an earlier iteration."""
    pilot: Any = col(Pilot.id).label("pilot")
    of: Any = col(Pilot.intervention_id).label("of")
    now_of = visible(caller, Pilot).with_only_columns(pilot, of)
    once_of = visible(caller, Iteration).with_only_columns(col(Iteration.pilot_id), col(Iteration.intervention_id))
    return sa.union(
        now_of.where(col(Pilot.intervention_id).in_(intervention_ids)),
        once_of.where(col(Iteration.intervention_id).in_(intervention_ids)),
    ).subquery()
