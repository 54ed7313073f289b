"""Requests and answers of moves, the checklist, iterations and the timeline."""

from datetime import date
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from app.analyses.schemas import AnalysisLine
from app.context.schemas import ContextEventLine
from app.decisions.schemas import DecisionOut
from app.forms import Answer, AtInstant, Form, Id, Line, Prose
from app.lifecycle.stages import Retirement
from app.pilots.models import Stage


class SuccessorIn(Form):
    """A new pilot for the same driver, with the same lead and units."""

    title: Line
    intervention_id: Id | None = Field(default=None, description="Perhaps one derived from what is replaced")


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
                {
                    "to": "retired",
                    "reason": "No effect in two iterations.",
                    "retirement": "replaced",
                    "successor": {"title": "Coaching by telephone"},
                    "lessons": "Nobody could leave the ward.",
                },
            ]
        }
    )
    to: Stage
    reason: Prose | None = None
    decision_id: Id | None = Field(default=None, description="Default: the newest decision of the iteration")
    retirement: Retirement | None = Field(default=None, description="How it ends, when it retires")
    successor_id: Id | None = Field(default=None, description="The pilot that follows, when it is `replaced`")
    successor: SuccessorIn | None = Field(
        default=None, description="Instead of successor_id: starts the pilot that follows, in `discover`"
    )
    lessons: Prose | None = None
    synthesis_id: Id | None = Field(
        default=None, description="To foundational: the synthesis that passed the rule; default: the newest"
    )
    dimension: Line | None = Field(default=None, description="To foundational: a key of GET /v1/program-dimensions")

    @model_validator(mode="after")
    def _one_successor(self) -> Self:
        if self.successor is not None and self.successor_id is not None:
            msg = "name the pilot that follows (successor_id) or start it (successor), not both"
            raise ValueError(msg)
        if self.successor is not None and self.to is not Stage.RETIRED:
            msg = "a successor is started when the pilot retires"
            raise ValueError(msg)
        return self


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
    successor_id: str | None = Field(description="The pilot that follows, where this move retired it")


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


class IntervalOut(Answer):
    """The evaluation interval, both days included: from the baseline to the follow-up."""

    starts_on: date
    ends_on: date


class IntervalOfEffect(Answer):
    """A credible interval, with its probability and kind."""

    low: float
    high: float
    prob: float
    kind: str


class EstimateOut(Answer):
    """Mean and SD of a posterior, with its interval; null where the scale has none."""

    mean: float | None
    sd: float | None
    interval: IntervalOfEffect | None
    unit: str | None = None


class EffectOut(Answer):
    """What the analysis an iteration is judged by found on one measure, to be compared between iterations."""

    measure: str
    role: str
    mmd: float | None = Field(description="The minimal meaningful difference that was planned, in SD units")
    raw: EstimateOut | None = Field(description="In the measure's own unit and direction")
    sd: EstimateOut | None = Field(description="In SD units, oriented to benefit, as estimated")
    adjusted: EstimateOut | None = Field(description="In SD units, after the bias of the grade")
    p_benefit: float | None
    p_meaningful: float | None
    grade: str
    recommendation: str
    gates_passed: bool
    analysis_id: str


class IterationOut(Answer):
    """One round of develop, test and refine."""

    number: int
    opened_at: AtInstant
    closed_at: AtInstant | None
    intervention_id: str | None = Field(description="What was tested in it")
    interval: IntervalOut | None = Field(description="null until its baseline is dated or its plan locked")
    context_events: list[ContextEventLine] = Field(description="What happened around it, within the interval")
    more_context_events: int = Field(description="How many more there are; GET /v1/context-events lists them")
    lessons: str | None
    plan_hash: str | None
    plan_locked_at: AtInstant | None
    analyses: list[AnalysisLine]
    decision: DecisionOut | None
    effects: list[EffectOut] = Field(
        description="Of the analysis the decision rests on, else of the newest confirmatory one; one entry a measure"
    )


class TimelineItem(Answer):
    """Something that happened to the pilot."""

    at: AtInstant
    by: str
    what: str
    iteration: int
    says: str = Field(description="What happened, in a sentence")
    details: dict[str, Any]
