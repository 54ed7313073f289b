"""Decisions: what an approver signed, with the recommendation frozen into it. Append-only."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Field, SQLModel

from app.audit.models import Audited
from app.db import Json, id_field, instant_field, text_enum


class Outcome(StrEnum):
    """What may be signed."""

    SCALE = "scale"
    REFINE = "refine"
    REPLACE = "replace"


class Decision(Audited, SQLModel, table=True):
    """A signed decision on one analysis."""

    __tablename__ = "decisions"

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    # As the pilot named it when it was signed: the next iteration may be one of another intervention.
    intervention_id: str | None = Field(default=None, index=True, max_length=36)
    iteration: int
    analysis_id: str = Field(foreign_key="analyses.id", unique=True, max_length=36)
    outcome: Outcome = Field(sa_type=text_enum(Outcome))
    rationale: str = Field(max_length=20_000)
    override_reason: str | None = Field(default=None, max_length=20_000)
    share_back: str | None = Field(default=None, max_length=20_000)
    recommendation: dict[str, Any] = Field(sa_type=Json)
    grade: str = Field(max_length=1)
    gates_passed: bool
    provisional: bool
    warnings: list[dict[str, Any]] = Field(sa_type=Json)
    plan_hash: str = Field(max_length=64)
    data_hash: str = Field(max_length=64)
    signed_by: str = Field(max_length=200)
    signed_at: datetime = instant_field()
