"""Requests and answers about reviews."""

from datetime import date

from pydantic import ConfigDict, Field

from app.forms import Answer, AtInstant, Form, Id, Prose
from app.lifecycle.models import ReviewKind, ReviewOutcome


class ReviewOut(Answer):
    """Something that is due after scaling."""

    id: str
    organization_id: str
    pilot_id: str
    program_id: str | None
    kind: ReviewKind
    due_on: date
    overdue: bool
    postponed_because: str | None
    opened_at: AtInstant
    completed_at: AtInstant | None
    completed_by: str | None
    outcome: ReviewOutcome | None
    finding: str | None
    analysis_id: str | None = Field(description="The retention analysis, or that of the controlled evaluation")
    synthesis_id: str | None = Field(description="Of a program: the evidence pooled anew")
    version: int


class PostponementIn(Form):
    """Another date for an open review."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"due_on": "2028-03-31", "reason": "The yearly survey moved by a month."}]}
    )
    due_on: date
    reason: Prose


class CompletionIn(Form):
    """What a review found; what it rests on is looked up."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"finding": "The effect lasts after a year; the program goes on as it is."}]}
    )
    finding: Prose
    synthesis_id: Id | None = Field(default=None, description="Of a program: the new synthesis; default: the newest")
