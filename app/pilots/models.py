"""Interventions with their programs, pilots, their units, iterations and lessons. No rule about stages lives here."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlmodel import Field, SQLModel, UniqueConstraint

from app.audit.models import Audited, Versioned
from app.db import Json, id_field, instant_field, text_enum


class Stage(StrEnum):
    """Where a pilot stands on the way to a foundational program (Shanafelt et al. 2020)."""

    DISCOVER = "discover"
    DEVELOP = "develop"
    TEST = "test"
    REFINE = "refine"
    SCALE = "scale"
    FOUNDATIONAL = "foundational"
    RETIRED = "retired"


SCALED = frozenset({Stage.SCALE, Stage.FOUNDATIONAL})


class OwnershipRole(StrEnum):
    """What the unit's own people do with an intervention."""

    DESIGN = "design"
    OWN = "own"
    INFLUENCE = "influence"


class Intervention(Versioned, SQLModel, table=True):
    """The program or tactic itself; readable by every organization."""

    __tablename__ = "interventions"

    id: str = id_field()
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", index=True, max_length=36)
    title: str = Field(max_length=200)
    description: str = Field(max_length=20_000)
    driver: str = Field(max_length=100, index=True)
    derived_from: str | None = Field(default=None, foreign_key="interventions.id", index=True, max_length=36)
    derivation_reason: str | None = Field(default=None, max_length=20_000)
    ownership_role: OwnershipRole = Field(sa_type=text_enum(OwnershipRole))
    created_at: datetime = instant_field()
    version: int = 1


class ProgramStatus(StrEnum):
    """Whether the evidence of a foundational program still holds."""

    ACTIVE = "active"
    DEMOTED = "demoted"


class Program(Versioned, SQLModel, table=True):
    """A foundational program: an intervention that proved effective here and elsewhere. Read by every organization.

    `organization_id` is the origin's, `pilot_id` the originating pilot, `synthesis_id` the evidence it stands on.
    """

    __tablename__ = "programs"

    id: str = id_field()
    intervention_id: str = Field(foreign_key="interventions.id", unique=True, max_length=36)
    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    # Of a row above this layer: a plain id, its key is checked by the service that establishes the program.
    synthesis_id: str = Field(max_length=36)
    dimension: str = Field(max_length=100, index=True)
    status: ProgramStatus = Field(sa_type=text_enum(ProgramStatus), index=True)
    established_by: str = Field(max_length=200)
    established_at: datetime = instant_field()
    reviewed_at: datetime | None = instant_field(nullable=True)
    demoted_at: datetime | None = instant_field(nullable=True)
    review_due_on: date
    version: int = 1


SUCCEEDED = sa.text("successor_id IS NOT NULL")


class Pilot(Versioned, SQLModel, table=True):
    """One attempt at an intervention in some units of one organization; holds the stage."""

    __tablename__ = "pilots"
    __table_args__ = (
        # A page of an organization's pilots costs the same however many there are.
        sa.Index("ix_pilots_organization_id_id", "organization_id", "id"),
        # Nearly all have none: an index that held them too would look useless to SQLite's planner.
        sa.Index("ix_pilots_successor_id_some", "successor_id", sqlite_where=SUCCEEDED, postgresql_where=SUCCEEDED),
    )

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    title: str = Field(max_length=200)
    driver: str = Field(max_length=100, index=True)
    intervention_id: str | None = Field(default=None, foreign_key="interventions.id", index=True, max_length=36)
    lead: str = Field(max_length=200, index=True)
    stage: Stage = Field(default=Stage.DISCOVER, sa_type=text_enum(Stage), index=True)
    iteration: int = 1
    discovery_note: dict[str, Any] | None = Field(default=None, sa_type=Json)
    justification: str | None = Field(default=None, max_length=20_000)
    feasibility_note: str | None = Field(default=None, max_length=20_000)
    frontline_involved: str | None = Field(default=None, max_length=20_000)
    lessons: str | None = Field(default=None, max_length=20_000)
    share_lessons: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    sustainability_review: dict[str, Any] | None = Field(default=None, sa_type=Json)
    # A provisional `scale` (grade C) is not scaled before its controlled evaluation, a pilot of its own, says so.
    provisional: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    controlled_evaluation: dict[str, Any] | None = Field(default=None, sa_type=Json)
    evaluated_by: str | None = Field(default=None, index=True, max_length=36)
    retirement: str | None = Field(default=None, max_length=40)
    successor_id: str | None = Field(default=None, foreign_key="pilots.id", max_length=36)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()
    version: int = 1


class PilotUnit(Audited, SQLModel, table=True):
    """A unit in which a pilot takes place."""

    __tablename__ = "pilot_units"

    pilot_id: str = Field(foreign_key="pilots.id", primary_key=True, max_length=36)
    unit_id: str = Field(foreign_key="units.id", primary_key=True, index=True, max_length=36)
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)


class Iteration(Audited, SQLModel, table=True):
    """One round of develop, test and refine: its own plan, measures, analyses and decision."""

    __tablename__ = "iterations"

    pilot_id: str = Field(foreign_key="pilots.id", primary_key=True, max_length=36)
    number: int = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    # As the pilot named it when the plan was locked: the next iteration may be one of another intervention.
    intervention_id: str | None = Field(default=None, max_length=36)
    opened_at: datetime = instant_field()
    plan_locked_at: datetime | None = instant_field(nullable=True)
    closed_at: datetime | None = instant_field(nullable=True)
    lessons: str | None = Field(default=None, max_length=20_000)


class Lesson(Audited, SQLModel, table=True):
    """What an iteration of a pilot taught, kept to be searched; `words` is the text as it is compared.

    `shared` lessons are read by every organization, without the pilot they are from.
    """

    __tablename__ = "lessons"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration"),)
    unaudited: ClassVar[frozenset[str]] = frozenset({"words"})

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    stage: Stage = Field(sa_type=text_enum(Stage), index=True)
    driver: str = Field(max_length=100, index=True)
    intervention_id: str | None = Field(default=None, foreign_key="interventions.id", index=True, max_length=36)
    text: str = Field(max_length=20_000)
    words: str = Field(sa_type=sa.Text)
    shared: bool = False
    by: str = Field(max_length=200)
    at: datetime = instant_field()
