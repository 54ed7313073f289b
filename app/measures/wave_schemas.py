"""Requests and answers of waves: what is recorded of them, what came, and which are due."""

from datetime import date
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from app.forms import Answer, Form
from app.measures.due import DueState
from app.measures.models import WaveKind
from app.measures.response import AttritionOf
from app.pilots.models import Stage


class WaveIn(Form):
    """How many were invited in each arm, and when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"invited": {"intervention": 44, "control": 44}, "starts_on": "2026-03-01", "ends_on": "2026-03-21"}
            ]
        }
    )
    invited: dict[str, Annotated[int, Field(ge=0, le=10_000_000)]]
    starts_on: date | None = None
    ends_on: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            msg = f"ends_on {self.ends_on} is before starts_on {self.starts_on}"
            raise ValueError(msg)
        return self


class WaveTotal(Answer):
    """All arms of a wave together; null where it cannot be known, or would tell of too few people."""

    invited: int | None = Field(description="null unless every arm's invitations are recorded")
    responded: int | None = Field(description="With who answered and was not assigned to an arm yet")
    response_rate: float | None
    attrition: float | None = Field(description="Of the arms that are compared, weighted by the people who started")


class WaveOut(Answer):
    """A wave with its response: `responded` is the most who answered any one measure, in each arm.

    Null where fewer people answered than are shown (`suppressed` names these arms).
    """

    key: str
    kind: WaveKind
    iteration: int
    recorded: bool = Field(description="false: planned, and nobody recorded invitations or dates yet")
    invited: dict[str, int]
    responded: dict[str, int | None]
    response_rate: dict[str, float | None]
    attrition: dict[str, float | None] = Field(
        description="Of a wave after the baseline, the share who did not answer the primary measure; null where it "
        "cannot be known"
    )
    attrition_of: AttritionOf | None = Field(
        description="The share is of those `invited`, or, where that is not known of every arm, of the linked people "
        "seen at the `baseline`"
    )
    total: WaveTotal
    lowers_grade: bool | None = Field(
        description="Whether this attrition lowers the grade of an analysis of this wave; null: not known or not shown"
    )
    says: str = Field(description="Response and attrition in words, and what they do to the grade")
    starts_on: date | None = Field(description="As recorded, else as planned; so is `ends_on`")
    ends_on: date | None
    version: int = Field(description="0: not recorded yet")
    suppressed: list[str] = Field(default=[], description="Arms whose response is not shown: too few people")


class DuePilot(Answer):
    """The pilot a due wave belongs to."""

    id: str
    organization_id: str
    title: str
    lead: str
    stage: Stage


class DueWaveOut(Answer):
    """A wave somebody has to do something about; its dates as recorded, else as planned."""

    pilot: DuePilot
    iteration: int
    key: str
    kind: WaveKind
    state: DueState = Field(
        description="`upcoming`: begins within the days asked for; `due`: has begun, not everything came; `closing`: "
        "ends within three days, fewer than 60 % answered; `overdue`: ended, nothing was entered"
    )
    starts_on: date
    ends_on: date | None
    total: WaveTotal
    says: str = Field(description="Which wave, when, what came, and what to do")
