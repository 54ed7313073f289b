"""What was collected: waves, rows of single values, and summaries as they were published or computed elsewhere."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel, UniqueConstraint

from app.audit.models import Versioned
from app.db import Json, id_field, instant_field, text_enum

# The arm of a baseline row whose unit or person chance has not assigned yet; no analysis takes such a row.
UNASSIGNED = ""


class Shape(StrEnum):
    """The shapes of summaries (contract §3)."""

    CELLS = "cells"
    PAIRS = "pairs"
    CHANGES = "changes"
    COUNTS = "counts"
    CATEGORIES = "categories"
    EVENTS = "events"
    SERIES = "series"


class WaveKind(StrEnum):
    """What a wave is for."""

    BASELINE = "baseline"
    INTERIM = "interim"
    FOLLOWUP = "followup"
    RETENTION = "retention"


class Wave(Versioned, SQLModel, table=True):
    """One collection of measures: its dates and how many were invited in each arm."""

    __tablename__ = "waves"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration", "key"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    iteration: int
    key: str = Field(max_length=100)
    kind: WaveKind = Field(sa_type=text_enum(WaveKind))
    invited: dict[str, int] = Field(sa_type=Json)
    starts_on: date | None = None
    ends_on: date | None = None
    created_at: datetime = instant_field()
    version: int = 1


class Measurement(SQLModel, table=True):
    """One value of one pseudonymous person, or one anonymous answer."""

    __tablename__ = "measurements"
    __table_args__ = (
        sa.Index("ix_measurements_cell", "pilot_id", "iteration", "measure", "wave"),
        # One value of a person, measure and wave; anonymous answers have no participant and never collide.
        sa.Index(
            "uq_measurements_participant",
            "pilot_id",
            "iteration",
            "measure",
            "participant",
            "wave",
            unique=True,
            sqlite_where=sa.text("participant IS NOT NULL"),
            postgresql_where=sa.text("participant IS NOT NULL"),
        ),
    )

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    measure: str = Field(max_length=100)
    wave: str = Field(max_length=100)
    arm: str = Field(max_length=100)
    unit_id: str | None = Field(default=None, foreign_key="units.id", max_length=36)
    participant: str | None = Field(default=None, max_length=100)
    value: float
    collected_on: date | None = None
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()


class Summary(SQLModel, table=True):
    """One entry of a summary in its shape, as given."""

    __tablename__ = "summaries"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration", "measure", "shape", "cell"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    measure: str = Field(max_length=100)
    shape: Shape = Field(sa_type=text_enum(Shape))
    # Of pairs and changes: the retention wave they lead to; None: the follow-up that the pilot is judged by.
    wave: str | None = Field(default=None, max_length=100)
    cell: str = Field(max_length=400)
    content: dict[str, Any] = Field(sa_type=Json)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()
