"""Moves (who took a pilot from which stage to which, when and why; append-only) and the reviews that follow."""

from datetime import date, datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel, UniqueConstraint

from app.audit.models import Audited, Versioned
from app.db import id_field, instant_field, text_enum
from app.pilots.models import Stage


class Move(Audited, SQLModel, table=True):
    """One move of a pilot; `sequence` counts them."""

    __tablename__ = "moves"
    __table_args__ = (UniqueConstraint("pilot_id", "sequence"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    sequence: int
    iteration: int
    from_stage: Stage = Field(sa_type=text_enum(Stage, "from_stage"))
    to_stage: Stage = Field(sa_type=text_enum(Stage, "to_stage"))
    reason: str | None = Field(default=None, max_length=20_000)
    decision_id: str | None = Field(default=None, foreign_key="decisions.id", max_length=36)
    synthesis_id: str | None = Field(default=None, max_length=36)
    by: str = Field(max_length=200)
    at: datetime = instant_field()


class ReviewKind(StrEnum):
    """What has to be looked at again after a pilot was scaled."""

    RETENTION = "retention"
    CONTROLLED_EVALUATION = "controlled_evaluation"
    PROGRAM = "program"


class ReviewOutcome(StrEnum):
    """What a review found; `ended`: the pilot left the stage before."""

    RETAINED = "retained"
    NOT_RETAINED = "not_retained"
    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"
    HOLDS = "holds"
    DEMOTED = "demoted"
    ENDED = "ended"


class Review(Versioned, SQLModel, table=True):
    """Something due after scaling: open until it is completed with a finding."""

    __tablename__ = "reviews"

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    program_id: str | None = Field(default=None, foreign_key="programs.id", max_length=36)
    kind: ReviewKind = Field(sa_type=text_enum(ReviewKind))
    due_on: date = Field(index=True)
    opened_at: datetime = instant_field()
    completed_at: datetime | None = instant_field(nullable=True)
    completed_by: str | None = Field(default=None, max_length=200)
    outcome: ReviewOutcome | None = Field(default=None, sa_type=text_enum(ReviewOutcome))
    finding: str | None = Field(default=None, max_length=20_000)
    postponed_because: str | None = Field(default=None, max_length=20_000)
    analysis_id: str | None = Field(default=None, foreign_key="analyses.id", max_length=36)
    synthesis_id: str | None = Field(default=None, foreign_key="syntheses.id", max_length=36)
    version: int = 1
