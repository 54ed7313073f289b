"""Which organizations took a foundational program over for themselves; the program is beside its intervention."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from app.audit.models import Audited
from app.db import id_field, instant_field


class Acceptance(Audited, SQLModel, table=True):
    """What an organization said of a program, for itself. Append-only: its newest word counts."""

    __tablename__ = "acceptances"

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    program_id: str = Field(foreign_key="programs.id", index=True, max_length=36)
    accepted: bool
    note: str | None = Field(default=None, max_length=20_000)
    by: str = Field(max_length=200)
    at: datetime = instant_field()
