"""Signing a decision: gathers the facts, asks the rules, freezes the recommendation."""

from datetime import datetime

from sqlmodel import Session, col, select

from app.analyses.looks import taken_looks
from app.analyses.models import Analysis, Kind
from app.analyses.service import changes_since
from app.auth.persons import identity
from app.decisions.events import decision_recorded
from app.decisions.models import Decision
from app.decisions.rules import DecisionFacts, refusals
from app.decisions.schemas import DecisionIn
from app.errors import Conflict
from app.jobs.models import JobStatus
from app.pilots.models import Pilot, Stage
from app.pilots.service import insiders_of

NOT_SHARED = {
    "code": "share_back_missing",
    "message": "nothing says how the staff of the units learn of the result; POST …/share-back tells it",
}


def latest_decision(session: Session, pilot: Pilot, iteration: int | None = None) -> Decision | None:
    """The newest decision of an iteration (default: the current one), or None."""
    statement = (
        select(Decision)
        .where(Decision.pilot_id == pilot.id, Decision.iteration == (iteration or pilot.iteration))
        .order_by(col(Decision.id).desc())
    )
    return session.exec(statement).first()


def sign(session: Session, pilot: Pilot, analysis: Analysis, body: DecisionIn, person: str, at: datetime) -> Decision:
    """Sign a decision; Conflict names the first refusal in `code` and all of them in `errors`."""
    result = analysis.result or {}
    recommendation = result.get("recommendation", {})
    gates_passed = all(gate["passed"] is not False for gate in result.get("gates", []))
    facts = DecisionFacts(
        signer=person,
        is_insider=identity(person) in insiders_of(session, pilot),
        in_test=pilot.stage is Stage.TEST,
        succeeded=analysis.status is JobStatus.SUCCEEDED,
        refused="refused" in result,
        confirmatory=analysis.kind is Kind.CONFIRMATORY,
        same_iteration=analysis.pilot_id == pilot.id and analysis.iteration == pilot.iteration,
        already_signed=session.exec(select(Decision.id).where(Decision.analysis_id == analysis.id)).first() is not None,
        superseded=max(taken_looks(session, pilot), default=0) > analysis.look,
        outcome=body.outcome,
        recommended=recommendation.get("outcome", "indeterminate"),
        grade=result.get("grade", "D"),
        gates_passed=gates_passed,
        has_override_reason=body.override_reason is not None,
    )
    refused = list(refusals(facts))
    if refused:
        code, message = refused[0]
        raise Conflict(message, code, errors=[{"loc": [], "msg": m, "code": c} for c, m in refused])
    decision = Decision(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        intervention_id=pilot.intervention_id,
        iteration=pilot.iteration,
        analysis_id=analysis.id,
        outcome=body.outcome,
        rationale=body.rationale,
        override_reason=body.override_reason,
        share_back=body.share_back,
        recommendation=recommendation,
        grade=facts.grade,
        gates_passed=gates_passed,
        provisional=bool(recommendation.get("provisional")),
        warnings=[
            *result.get("warnings", []),
            *analysis.warnings,
            *changes_since(session, analysis),
            *([] if body.share_back else [NOT_SHARED]),
        ],
        plan_hash=analysis.plan_hash,
        data_hash=analysis.data_hash,
        signed_by=person,
        signed_at=at,
    )
    session.add(decision)
    session.flush()
    decision_recorded(session, pilot, decision, facts.recommended)
    return decision


def share_back(session: Session, decision: Decision, text: str) -> Decision:
    """Say once how the result is shared back; Conflict `already_told`. Nothing else of a decision ever changes."""
    if decision.share_back is not None:
        msg = "the decision says already how its result is shared back; decisions are never changed"
        raise Conflict(msg, "already_told")
    decision.share_back = text
    session.add(decision)
    session.flush()
    return decision
