"""Contextual events: what happened around the pilots and may hide or mimic an effect (Mayo Clin Proc 2023)."""

from datetime import date, datetime

from sqlmodel import Field, SQLModel

from app.audit.models import Versioned
from app.db import id_field, instant_field


class ContextEvent(Versioned, SQLModel, table=True):
    """A pandemic wave, an EHR go-live, a merger, another program …; of one unit (and those below it) or of all."""

    __tablename__ = "context_events"

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    unit_id: str | None = Field(default=None, foreign_key="units.id", index=True, max_length=36)
    title: str = Field(max_length=200)
    description: str | None = Field(default=None, max_length=20_000)
    starts_on: date = Field(index=True)
    ends_on: date | None = None
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()
    version: int = 1
