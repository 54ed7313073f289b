"""Benchmarks: how a measure lies in a specialty, occupation and period, by whose data. Append-only."""

from datetime import date, datetime

from sqlmodel import Field, SQLModel

from app.audit.models import Audited
from app.db import id_field, instant_field


class Benchmark(Audited, SQLModel, table=True):
    """Mean and SD between people of a group in a period; `specialty` or `occupation` None: of all of them.

    Shared when it belongs to no organization. One that was wrong is replaced by another, with a reason.
    """

    __tablename__ = "benchmarks"

    id: str = id_field()
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", max_length=36)
    measure: str = Field(max_length=100, index=True)
    specialty: str | None = Field(default=None, max_length=200)
    occupation: str | None = Field(default=None, max_length=200)
    period_start: date
    period_end: date
    mean: float
    sd: float
    n: int
    source: str = Field(max_length=500)
    note: str | None = Field(default=None, max_length=2000)
    replaces: str | None = Field(default=None, foreign_key="benchmarks.id", unique=True, max_length=36)
    reason: str | None = Field(default=None, max_length=2000)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()
