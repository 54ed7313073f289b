"""What may be decided on a synthesis: which one counts, whether it still stands on the evidence, what the rule said."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from analysis.foundational import Review, review
from app.analyses.models import Kind
from app.jobs.models import JobStatus
from app.pilots.models import Intervention
from app.syntheses.models import Synthesis
from app.syntheses.service import changes_since


@dataclass(frozen=True)
class Standing:
    """`outcome` is the rule's (`foundational`, `not_yet`, `no`, `indeterminate`), or why there is none to go by.

    `review` is what the yearly review makes of it; None where the estimate cannot be gone by.
    """

    synthesis: Synthesis | None
    outcome: str
    says: str | None = None
    review: Review | None = None


def standing(session: Session, intervention: Intervention, synthesis_id: str | None) -> Standing:
    """Where a synthesis stands: the one that was named, else the newest confirmatory one of the intervention."""
    statement = select(Synthesis).where(
        Synthesis.intervention_id == intervention.id, Synthesis.kind == Kind.CONFIRMATORY
    )
    if synthesis_id is not None:
        statement = statement.where(Synthesis.id == synthesis_id)
    synthesis = session.exec(statement.order_by(col(Synthesis.id).desc())).first()
    if synthesis is None:
        return Standing(None, "missing" if synthesis_id is None else "other")
    if synthesis.status is not JobStatus.SUCCEEDED or synthesis.result is None:
        return Standing(synthesis, "unfinished")
    if "refused" in synthesis.result:
        return Standing(synthesis, "refused")
    if changes_since(session, intervention, synthesis):
        return Standing(synthesis, "stale")
    recommendation = synthesis.result["recommendation"]
    outcome = recommendation["outcome"]
    judged = None if outcome == "indeterminate" else review(synthesis.result["mu"]["p_meaningful"])
    return Standing(synthesis, outcome, recommendation["says"], judged)
