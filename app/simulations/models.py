"""Simulations: how often pilots of a known truth would end in each outcome under a plan; no analysis of real data."""

from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.audit.models import Audited
from app.db import Json, instant_field
from app.jobs.models import Claimable


class Simulation(Audited, Claimable, SQLModel, table=True):
    """The operating characteristics of a plan as it was when asked; `request` is word for word what the library got."""

    __tablename__ = "simulations"
    unaudited: ClassVar[frozenset[str]] = frozenset(
        {"request", "result", "provenance", "claim", "lease_expires_at", "progress"}
    )

    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    iteration: int
    plan_version_id: str = Field(foreign_key="plan_versions.id", max_length=36)
    plan_hash: str = Field(max_length=64)
    seed: int = Field(sa_type=sa.BigInteger)
    request: dict[str, Any] = Field(sa_type=Json)
    result: dict[str, Any] | None = Field(default=None, sa_type=Json)
    provenance: dict[str, Any] = Field(sa_type=Json)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()
