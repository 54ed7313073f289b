"""What was collected: waves, rows of single values, and summaries as they were published or computed elsewhere.

The tables of rows and summaries hold what stands now. What a correction replaced or withdrew goes to a table of former
ones, so that no query counts it by mistake; both say in which revision of the iteration's data they came and went.
"""

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


class RevisionKind(StrEnum):
    """What a revision did to the data."""

    ROWS = "rows"
    SUMMARIES = "summaries"
    IMPORT = "import"
    CORRECTION = "correction"
    ALLOCATION = "allocation"


class Revision(SQLModel, table=True):
    """One change of the data of an iteration, numbered from 1: who, when, what, and why. Append-only."""

    __tablename__ = "data_revisions"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration", "number"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    number: int
    kind: RevisionKind = Field(sa_type=text_enum(RevisionKind))
    # Of a correction: why. Of an import: the name of the file and the SHA-256 of what it held.
    reason: str | None = Field(default=None, max_length=2000)
    source: str | None = Field(default=None, max_length=300)
    sha256: str | None = Field(default=None, max_length=64)
    entries: int
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()


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
    # The revision in which this value came (0: before they were counted), and that in which chance gave it its arm.
    entered_in: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    placed_in: int | None = None


class FormerMeasurement(SQLModel, table=True):
    """A value that was replaced or withdrawn: what stood from one revision of the data until another."""

    __tablename__ = "former_measurements"
    __table_args__ = (
        sa.Index("ix_former_measurements_cell", "pilot_id", "iteration", "measure", "wave"),
        # All that one value was, one after the other.
        sa.Index("ix_former_measurements_measurement_id", "measurement_id"),
    )

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    measurement_id: str = Field(max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    measure: str = Field(max_length=100)
    wave: str = Field(max_length=100)
    arm: str = Field(max_length=100)
    unit_id: str | None = Field(default=None, max_length=36)
    participant: str | None = Field(default=None, max_length=100)
    value: float
    collected_on: date | None = None
    entered_in: int
    placed_in: int | None = None
    replaced_in: int
    # What came in its place; None: it was withdrawn.
    new_value: float | None = None
    new_collected_on: date | None = None


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
    entered_in: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class FormerSummary(SQLModel, table=True):
    """An entry of a summary that was replaced or withdrawn."""

    __tablename__ = "former_summaries"

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    summary_id: str = Field(max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    iteration: int
    measure: str = Field(max_length=100)
    shape: Shape = Field(sa_type=text_enum(Shape))
    wave: str | None = Field(default=None, max_length=100)
    cell: str = Field(max_length=400)
    content: dict[str, Any] = Field(sa_type=Json)
    entered_in: int
    replaced_in: int
    new_content: dict[str, Any] | None = Field(default=None, sa_type=Json)


class DeletedParticipant(SQLModel, table=True):
    """That somebody was deleted from a pilot on request: a keyed hash of the pseudonym, from which nobody reads it."""

    __tablename__ = "deleted_participants"

    pilot_id: str = Field(primary_key=True, foreign_key="pilots.id", max_length=36)
    mark: str = Field(primary_key=True, max_length=64)
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
