"""Moves: who took a pilot from which stage to which, when and why. Append-only."""

from datetime import datetime

from sqlmodel import Field, SQLModel, UniqueConstraint

from app.audit.models import Audited
from app.db import id_field, instant_field, text_enum
from app.pilots.models import Stage


class Move(Audited, SQLModel, table=True):
    """One move of a pilot; `sequence` counts them."""

    __tablename__ = "moves"
    __table_args__ = (UniqueConstraint("pilot_id", "sequence"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    sequence: int
    iteration: int
    from_stage: Stage = Field(sa_type=text_enum(Stage, "from_stage"))
    to_stage: Stage = Field(sa_type=text_enum(Stage, "to_stage"))
    reason: str | None = Field(default=None, max_length=20_000)
    decision_id: str | None = Field(default=None, foreign_key="decisions.id", max_length=36)
    by: str = Field(max_length=200)
    at: datetime = instant_field()
