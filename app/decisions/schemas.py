"""Requests and answers of decisions."""

from typing import Any

from pydantic import ConfigDict, Field

from app.decisions.models import Outcome
from app.forms import Answer, AtInstant, Form, Id, Prose


class DecisionIn(Form):
    """A decision to sign."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "analysis_id": "01a200a1-c316-7a10-abe5-fa5cac82794f",
                    "outcome": "scale",
                    "rationale": "Meaningful relief at a cost we can carry.",
                    "share_back": "Results in the July unit meetings.",
                }
            ]
        }
    )
    analysis_id: Id
    outcome: Outcome
    rationale: Prose
    override_reason: Prose | None = Field(
        default=None, description="Needed when more cautious than the recommendation, or when that is indeterminate"
    )
    share_back: Prose | None = Field(default=None, description="How the staff of the units learn of the result")


class ShareBackIn(Form):
    """How the staff of the units learn of the result, where the decision did not say so yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"share_back": "Results in the July unit meetings."}]})
    share_back: Prose


class DecisionOut(Answer):
    """A signed decision; `recommendation` is what the rule said, frozen."""

    id: str
    pilot_id: str
    iteration: int
    analysis_id: str
    outcome: Outcome
    rationale: str
    override_reason: str | None
    share_back: str | None
    recommendation: dict[str, Any]
    grade: str
    gates_passed: bool
    provisional: bool
    warnings: list[dict[str, Any]] = Field(description="What the signer could know: of the plan, the data, the result")
    plan_hash: str
    data_hash: str
    signed_by: str
    signed_at: AtInstant
