"""Plan versions, a draft until they are locked, and who was allocated to which arm. What is locked never changes.

`looked_at` is set by the first analysis under a locked version: after it nothing may be amended.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel, UniqueConstraint

from app.audit.models import Audited, Versioned
from app.db import Json, id_field, instant_field, text_enum


class Origin(StrEnum):
    """What a reference SD is."""

    BENCHMARK = "benchmark"
    STATED = "stated"
    MEASURE_DEFAULT = "measure_default"
    POOLED_BASELINE = "pooled_baseline"
    FAMILY = "family"


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
    # Who approved, before the lock, what departs from the default rule; it holds for the plan of this hash alone.
    approved_by: str | None = Field(default=None, max_length=200)
    approved_at: datetime | None = instant_field(nullable=True)
    approval_reason: str | None = Field(default=None, max_length=20_000)
    approved_hash: str | None = Field(default=None, max_length=64)
    # The simulation whose operating characteristics were known at the lock; a row above this layer, a plain id.
    simulation_id: str | None = Field(default=None, max_length=36)
    # By measure: `origin` and `benchmark_id`; the hash is of the plan alone. None: written before this was kept.
    reference_sds: dict[str, Any] | None = Field(default=None, sa_type=Json)
    version: int = 1


class AllocationKind(StrEnum):
    """Where chance assigned the arms: by this service, or elsewhere, as somebody declared."""

    HERE = "here"
    ELSEWHERE = "elsewhere"


class AllocationLevel(StrEnum):
    """What is assigned to an arm."""

    UNIT = "unit"
    PARTICIPANT = "participant"


class Allocation(Audited, SQLModel, table=True):
    """One act of assigning units or people to arms, or its declaration. Append-only."""

    __tablename__ = "allocations"

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    iteration: int
    kind: AllocationKind = Field(sa_type=text_enum(AllocationKind))
    level: AllocationLevel | None = Field(default=None, sa_type=text_enum(AllocationLevel))
    seed: int | None = Field(default=None, sa_type=sa.BigInteger)
    method: str = Field(max_length=2000)
    allocated_on: date
    source: str | None = Field(default=None, max_length=2000)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()


class AllocationEntry(SQLModel, table=True):
    """The arm of one unit (its id) or person (a pseudonym). Append-only: nobody is assigned twice in an iteration."""

    __tablename__ = "allocation_entries"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration", "subject"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    allocation_id: str = Field(foreign_key="allocations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    subject: str = Field(max_length=100)
    stratum: str | None = Field(default=None, max_length=200)
    arm: str = Field(max_length=100)
    position: int
