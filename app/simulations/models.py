"""Simulations: how often pilots of a known truth would end in each outcome under a plan; no analysis of real data."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from app.db import Json
from app.jobs.models import Claimable
from app.operations import Operation


class Simulation(Operation, table=True):
    """The operating characteristics of a plan as it was when asked; `request` is word for word what the library got."""

    __tablename__ = "simulations"

    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    iteration: int
    plan_version_id: str = Field(foreign_key="plan_versions.id", max_length=36)
    plan_hash: str = Field(max_length=64)
    seed: int = Field(sa_type=sa.BigInteger)


class SimulationPart(Claimable, table=True):
    """Some of the pilots of a large simulation: what one worker does at a time. Kept until the whole has ended."""

    __tablename__ = "simulation_parts"
    __table_args__ = (sa.UniqueConstraint("simulation_id", "number"),)

    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    simulation_id: str = Field(foreign_key="simulations.id", max_length=36)
    number: int
    chunks: list[list[int]] = Field(sa_type=Json)
    pilots: int
    answer: dict[str, Any] | None = Field(default=None, sa_type=Json)
