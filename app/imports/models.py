"""Imports: a file of measures on its way into a pilot, its staged rows, and how the pilot's files are read."""

from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.audit.models import Versioned
from app.db import Json, id_field, instant_field
from app.operations import Operation


class Import(Operation, table=True):
    """One file: what was asked (`request`: how it is read, whether it is a dry run), and the report (`result`)."""

    __tablename__ = "imports"
    unaudited: ClassVar[frozenset[str]] = Operation.unaudited

    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    iteration: int
    name: str = Field(max_length=300)
    sha256: str = Field(max_length=64)
    size: int = Field(sa_type=sa.BigInteger)
    dry_run: bool
    partial: bool
    # The revision of the data that the rows became; None: none did.
    revision: int | None = None


class ImportChunk(SQLModel, table=True):
    """A compressed part of a file that waits for a worker; gone when the import has ended."""

    __tablename__ = "import_chunks"

    import_id: str = Field(primary_key=True, foreign_key="imports.id", max_length=36)
    part: str = Field(primary_key=True, max_length=20)
    number: int = Field(primary_key=True)
    content: bytes


class ImportMapping(Versioned, SQLModel, table=True):
    """How the files of a pilot are read: said once, used until another is said or it is forgotten."""

    __tablename__ = "import_mappings"

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", unique=True, max_length=36)
    mapping: dict[str, Any] = Field(sa_type=Json)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()
    version: int = 1


# Rows of a file before they are measures: read and checked one by one, not yet against each other. Written anew by
# every attempt, so that it need not outlast a crash of the database (UNLOGGED); what is taken over is counted.
STAGED = sa.Table(
    "import_rows",
    SQLModel.metadata,
    sa.Column("import_id", sa.String(36), nullable=False),
    sa.Column("attempt", sa.String(36), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("column", sa.String(300), nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("measure", sa.String(100), nullable=False),
    sa.Column("wave", sa.String(100), nullable=False),
    sa.Column("arm", sa.String(100), nullable=False),
    sa.Column("unit_id", sa.String(36), nullable=True),
    sa.Column("participant", sa.String(100), nullable=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("collected_on", sa.Date, nullable=True),
    # What stands already, word for word.
    sa.Column("unchanged", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_import_rows_import_id", "import_id", "attempt"),
)
