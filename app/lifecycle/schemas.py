"""Requests and answers of moves, the checklist, iterations and the timeline."""

from typing import Any

from pydantic import ConfigDict, Field

from app.analyses.schemas import AnalysisLine
from app.decisions.schemas import DecisionOut
from app.forms import Answer, AtInstant, Form, Id, Line, Prose
from app.lifecycle.stages import Retirement
from app.pilots.models import Stage


class MoveIn(Form):
    """A move to ask for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"to": "develop", "reason": "The survey shows that this driver matters here."},
                {
                    "to": "retired",
                    "reason": "No effect in two iterations.",
                    "retirement": "stopped",
                    "lessons": "Sessions after the shift were not attended.",
                },
            ]
        }
    )
    to: Stage
    reason: Prose | None = None
    decision_id: Id | None = Field(default=None, description="Default: the newest decision of the iteration")
    retirement: Retirement | None = Field(default=None, description="How it ends, when it retires")
    successor_id: Id | None = Field(default=None, description="The pilot that follows, when it is `replaced`")
    lessons: Prose | None = None
    synthesis_id: Id | None = Field(
        default=None, description="To foundational: the synthesis that passed the rule; default: the newest"
    )
    dimension: Line | None = Field(default=None, description="To foundational: a key of GET /v1/program-dimensions")


class MoveOut(Answer):
    """A move that was made."""

    model_config = ConfigDict(populate_by_name=True)
    id: str
    sequence: int
    iteration: int
    from_: Stage = Field(serialization_alias="from")
    to: Stage
    at: AtInstant
    by: str
    reason: str | None
    decision_id: str | None
    synthesis_id: str | None


class UnmetOut(Answer):
    """A condition that does not hold yet."""

    code: str
    message: str


class NextOut(Answer):
    """A move possible from here, and what it still takes."""

    to: Stage
    allowed: bool
    unmet: list[UnmetOut]


class Checklist(Answer):
    """Every move possible from here."""

    stage: Stage
    items: list[NextOut]


class IterationOut(Answer):
    """One round of develop, test and refine."""

    number: int
    opened_at: AtInstant
    closed_at: AtInstant | None
    lessons: str | None
    plan_hash: str | None
    plan_locked_at: AtInstant | None
    analyses: list[AnalysisLine]
    decision: DecisionOut | None


class TimelineItem(Answer):
    """Something that happened to the pilot."""

    at: AtInstant
    by: str
    what: str
    iteration: int
    details: dict[str, Any]
