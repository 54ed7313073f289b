"""Plan versions: a draft until it is locked; a locked version never changes.

`looked_at` is set by the first analysis under a locked version: after it nothing may be amended.
"""

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel, UniqueConstraint

from app.audit.models import Versioned
from app.db import Json, id_field, instant_field


class PlanVersion(Versioned, SQLModel, table=True):
    """One version of the evaluation plan of one iteration of a pilot."""

    __tablename__ = "plan_versions"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration", "number"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    iteration: int
    number: int
    plan: dict[str, Any] = Field(sa_type=Json)
    hash: str = Field(max_length=64)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()
    locked_by: str | None = Field(default=None, max_length=200)
    locked_at: datetime | None = instant_field(nullable=True)
    looked_at: datetime | None = instant_field(nullable=True)
    amendment_reason: str | None = Field(default=None, max_length=20_000)
    version: int = 1
