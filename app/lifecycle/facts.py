"""Gathers what the rules of `stages.py` ask; judges nothing."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session, col, select

from analysis.documents import Design, Plan, Role
from app.analyses.models import Analysis, Kind
from app.analyses.retention import retained
from app.analyses.service import retention_of
from app.catalog.models import ProgramDimension
from app.catalog.service import entry
from app.decisions.service import latest_decision
from app.lifecycle.schemas import MoveIn
from app.lifecycle.stages import REVIEW, PilotFacts, Retirement
from app.measures.models import Measurement, Shape, Summary
from app.measures.series import begins_before
from app.pilots.coverage import covering
from app.pilots.models import Intervention, Pilot, ProgramStatus, Stage
from app.pilots.service import units_of
from app.plans.service import current_version, plan_of
from app.programs.service import program_of
from app.syntheses.standing import standing

LONGEST = timedelta(days=731)
"""For a controlled evaluation: the longest interval of an evaluation (18 months) and time to begin and to decide."""


def facts_of(session: Session, pilot: Pilot, today: date, asked: MoveIn | None = None) -> PilotFacts:
    """The facts about a pilot and, where given, the move that is asked for.

    What only the rules of other stages ask is not looked up: `GATHERED` says what is.
    """
    review = pilot.sustainability_review or {}
    gather = GATHERED.get(pilot.stage)
    return PilotFacts(
        stage=pilot.stage,
        has_driver=bool(pilot.driver),
        has_discovery_note=pilot.discovery_note is not None,
        has_justification=pilot.justification is not None,
        has_intervention=pilot.intervention_id is not None,
        has_feasibility_note=pilot.feasibility_note is not None,
        has_frontline=pilot.frontline_involved is not None,
        decision_named_fits=_decision_fits(session, pilot, asked),
        has_controlled_evaluation=_is_promised(pilot, today),
        is_provisional=pilot.provisional,
        reviewed=frozenset(name for name in REVIEW if review.get(name)),
        scalable=review.get("scalable"),
        has_reason=asked is not None and asked.reason is not None,
        has_lessons=pilot.lessons is not None or (asked is not None and asked.lessons is not None),
        **_of_retirement(session, pilot, asked),
        **(gather(session, pilot, asked) if gather is not None else {}),
    )


def _decision_fits(session: Session, pilot: Pilot, asked: MoveIn | None) -> bool:
    """Whether the decision that was named, if one was, is this iteration's newest."""
    if asked is None or asked.decision_id is None:
        return True
    newest = latest_decision(session, pilot)
    return newest is not None and newest.id == asked.decision_id


def _of_retirement(session: Session, pilot: Pilot, asked: MoveIn | None) -> dict[str, Any]:
    """What the rule of retiring asks; every stage has it."""
    if asked is None:
        return {}
    return {
        "retirement": asked.retirement,
        "successor": asked.successor_id,
        "starts_successor": asked.successor is not None,
        "successor_fits": _successor_fits(session, pilot, asked.successor_id),
        "was_effective": asked.retirement is Retirement.NOT_SCALABLE and _was_effective(session, pilot),
    }


def _of_driver(session: Session, pilot: Pilot, _asked: MoveIn | None) -> dict[str, Any]:
    """What leaving `discover` asks."""
    return {"driver_is_covered": bool(covering(session, [pilot])[pilot.id])}


def _of_test(session: Session, pilot: Pilot, _asked: MoveIn | None) -> dict[str, Any]:
    """What the moves into `test` ask."""
    version = current_version(session, pilot)
    plan = plan_of(version) if version is not None else None
    return {
        "units": len(units_of(session, pilot.id)),
        "plan_is_locked": version is not None and version.locked_at is not None,
        "has_baseline": plan is not None and _has_baseline(session, pilot, plan),
        "baseline_missing_reason": plan is not None and bool(plan.baseline_missing_reason),
    }


def _of_decision(session: Session, pilot: Pilot, asked: MoveIn | None) -> dict[str, Any]:
    """What leaving `test` asks of the newest decision, unless another was named."""
    decision = latest_decision(session, pilot) if _decision_fits(session, pilot, asked) else None
    return {
        "decision": decision.outcome.value if decision else None,
        "decision_gates_passed": decision is not None and decision.gates_passed,
        "decision_is_provisional": decision is not None and decision.provisional,
    }


def _is_promised(pilot: Pilot, today: date) -> bool:
    """Whether a controlled evaluation is described, with a date that is still to come and can be waited for."""
    promised = pilot.controlled_evaluation
    return promised is not None and today <= date.fromisoformat(promised["due_on"]) <= today + LONGEST


def _of_program(session: Session, pilot: Pilot, asked: MoveIn | None) -> dict[str, Any]:
    """What the moves to and from `foundational` ask."""
    intervention = session.get(Intervention, pilot.intervention_id) if pilot.intervention_id else None
    if intervention is None:
        return {}
    program = program_of(session, intervention.id)
    lasting = retention_of(session, pilot)
    stands = standing(session, intervention, asked.synthesis_id if asked else None)
    dimension = asked.dimension if asked else None
    return {
        "is_origin": intervention.organization_id == pilot.organization_id,
        "is_retained": retained(lasting.retention_wave or "", lasting.result).retained if lasting else None,
        "synthesis": None if stands.outcome == "missing" else stands.outcome,
        "synthesis_says": stands.says,
        "review_demotes": stands.review is not None and stands.review.demote,
        "has_dimension": dimension is not None
        and entry(session, ProgramDimension, dimension, pilot.organization_id) is not None,
        "program_is_active": program is not None and program.status is ProgramStatus.ACTIVE,
    }


GATHERED: Mapping[Stage, Callable[[Session, Pilot, MoveIn | None], dict[str, Any]]] = {
    Stage.DISCOVER: _of_driver,
    Stage.DEVELOP: _of_test,
    Stage.TEST: _of_decision,
    Stage.REFINE: _of_test,
    Stage.SCALE: _of_program,
    Stage.FOUNDATIONAL: _of_program,
}


def _has_baseline(session: Session, pilot: Pilot, plan: Plan) -> bool:
    """Whether the primary measure has values from before the intervention (a change alone has none)."""
    primary = next((m.measure for m in plan.measures if m.role is Role.PRIMARY), None)
    if primary is not None and plan.design is Design.ITS:
        return begins_before(session, pilot, plan, primary)
    if primary is None or plan.baseline is None:
        return False
    row = session.exec(
        select(Measurement.id)
        .where(
            Measurement.pilot_id == pilot.id,
            Measurement.iteration == pilot.iteration,
            Measurement.measure == primary,
            Measurement.wave == plan.baseline,
        )
        .limit(1)
    ).first()
    if row is not None:
        return True
    summaries = session.exec(
        select(Summary).where(
            Summary.pilot_id == pilot.id, Summary.iteration == pilot.iteration, Summary.measure == primary
        )
    )
    return any(s.shape is Shape.PAIRS or s.content.get("wave") == plan.baseline for s in summaries)


def _was_effective(session: Session, pilot: Pilot) -> bool:
    """Whether any confirmatory analysis of the pilot recommended `scale`."""
    results = session.exec(
        select(Analysis.result).where(
            Analysis.pilot_id == pilot.id,
            Analysis.kind == Kind.CONFIRMATORY,
            col(Analysis.retention_wave).is_(None),
            col(Analysis.result).is_not(None),
        )
    )
    return any((result or {}).get("recommendation", {}).get("outcome") == "scale" for result in results)


def _successor_fits(session: Session, pilot: Pilot, successor_id: str | None) -> bool:
    successor = session.get(Pilot, successor_id) if successor_id else None
    return (
        successor is not None
        and successor.id != pilot.id
        and successor.organization_id == pilot.organization_id
        and successor.driver == pilot.driver
        and successor.stage is not Stage.RETIRED
    )
