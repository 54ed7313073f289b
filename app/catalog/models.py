"""Organizations, their units, and the catalogues: drivers, measures, program dimensions."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from analysis.documents import Direction, Family
from app.audit.models import Versioned
from app.db import id_field, instant_field, text_enum


class Scope(StrEnum):
    """Proximal measures match the intervention itself; global ones are moved by many things (domain, rules)."""

    PROXIMAL = "proximal"
    GLOBAL = "global"


class Organization(Versioned, SQLModel, table=True):
    """A health system or hospital."""

    __tablename__ = "organizations"

    id: str = id_field()
    name: str = Field(max_length=200)
    created_at: datetime = instant_field()
    version: int = 1


class Unit(Versioned, SQLModel, table=True):
    """A department, division, clinic or ward; units form a tree."""

    __tablename__ = "units"

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    parent_id: str | None = Field(default=None, foreign_key="units.id", max_length=36)
    name: str = Field(max_length=200)
    specialty: str | None = Field(default=None, max_length=200)
    occupation: str | None = Field(default=None, max_length=200)
    headcount: int | None = None
    created_at: datetime = instant_field()
    version: int = 1


def _catalogue_constraints(table: str) -> tuple[sa.Index, sa.Index]:
    """A key is unique among the shared entries, and within each organization's own."""
    return (
        sa.Index(
            f"uq_{table}_shared_key",
            "key",
            unique=True,
            sqlite_where=sa.text("organization_id IS NULL"),
            postgresql_where=sa.text("organization_id IS NULL"),
        ),
        sa.Index(f"uq_{table}_own_key", "organization_id", "key", unique=True),
    )


class Driver(Versioned, SQLModel, table=True):
    """A driver dimension: what contributes to burnout or fulfilment. The list is extensible."""

    __tablename__ = "drivers"
    __table_args__ = _catalogue_constraints("drivers")

    id: str = id_field()
    key: str = Field(max_length=100)
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", max_length=36)
    name: str = Field(max_length=300)
    source: str | None = Field(default=None, max_length=300)
    note: str | None = Field(default=None, max_length=2000)
    version: int = 1


class Measure(Versioned, SQLModel, table=True):
    """The definition of an instrument or metric."""

    __tablename__ = "measures"
    __table_args__ = _catalogue_constraints("measures")

    id: str = id_field()
    key: str = Field(max_length=100)
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", max_length=36)
    name: str = Field(max_length=300)
    family: Family = Field(sa_type=text_enum(Family))
    scope: Scope = Field(sa_type=text_enum(Scope))
    measure_class: str = Field(max_length=100)
    minimum: float | None = None
    maximum: float | None = None
    direction: Direction = Field(sa_type=text_enum(Direction))
    default_sd: float | None = None
    sd_source: str | None = Field(default=None, max_length=500)
    licence: str | None = Field(default=None, max_length=500)
    note: str | None = Field(default=None, max_length=2000)
    version: int = 1


class ProgramDimension(Versioned, SQLModel, table=True):
    """One of the dimensions of foundational programs."""

    __tablename__ = "program_dimensions"
    __table_args__ = _catalogue_constraints("program_dimensions")

    id: str = id_field()
    key: str = Field(max_length=100)
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", max_length=36)
    name: str = Field(max_length=300)
    example_tactics: str | None = Field(default=None, max_length=2000)
    version: int = 1
