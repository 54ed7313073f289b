"""What decisions say to other systems."""

from typing import ClassVar

from pydantic import Field
from sqlmodel import Session

from analysis.verdict import Outcome as Recommended
from app.decisions.models import Decision, Outcome
from app.outbox.events import EventData
from app.outbox.models import record
from app.pilots.events import EXAMPLE_PILOT, AboutPilot, about
from app.pilots.models import Pilot


class DecisionRecorded(EventData):
    """The `data` of `decision.recorded`."""

    type: ClassVar = "decision.recorded"
    says: ClassVar = "An approver signed the decision on an analysis."
    example: ClassVar = {
        "pilot": EXAMPLE_PILOT,
        "decision_id": "0199d9f3-27ab-7d10-b86e-5c40e1f7930a",
        "analysis_id": "0199d4b7-6e21-7f08-a5c3-18e9d07b4c62",
        "iteration": 1,
        "outcome": "scale",
        "recommended": "scale",
        "by": "Prof. Ines Lindqvist",
    }

    pilot: AboutPilot
    decision_id: str = Field(description="The decision, with its reasons, at `GET /v1/decisions/{id}`")
    analysis_id: str = Field(description="The analysis it rests on")
    iteration: int = Field(ge=1, description="The iteration of the pilot it is the decision of")
    outcome: Outcome = Field(description="What was signed")
    recommended: Recommended = Field(description="What the rule recommended; signed may be what is more cautious")
    by: str = Field(description="The approver who signed")


def decision_recorded(session: Session, pilot: Pilot, decision: Decision, recommended: str) -> None:
    """`decision.recorded`."""
    data = DecisionRecorded(
        pilot=about(pilot),
        decision_id=decision.id,
        analysis_id=decision.analysis_id,
        iteration=decision.iteration,
        outcome=decision.outcome,
        recommended=recommended,
        by=decision.signed_by,
    )
    record(session, data, at=decision.signed_at, organization_id=pilot.organization_id, subject_id=pilot.id)
