"""What is known of monthly series beyond their values: the month in which t is 0, stated versions of definitions."""

from datetime import datetime

from sqlmodel import Field, SQLModel, UniqueConstraint

from app.audit.models import Audited
from app.db import id_field, instant_field


class SeriesStart(Audited, SQLModel, table=True):
    """The month in which t is 0, of every series of an iteration: series and their controls share one time."""

    __tablename__ = "series_starts"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    month: str = Field(max_length=7)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()


class PointDefinition(SQLModel, table=True):
    """The version by which a point says it was measured; without one the version of its month holds."""

    __tablename__ = "point_definitions"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration", "measure", "cell"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    measure: str = Field(max_length=100)
    cell: str = Field(max_length=400)
    definition: str = Field(max_length=200)
