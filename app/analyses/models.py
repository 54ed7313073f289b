"""Analyses: a fit with all it stands on, from the request (plan and data) to the versions that computed it."""

from enum import StrEnum
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, text_enum
from app.jobs.models import Claimable
from app.operations import Operation


class Kind(StrEnum):
    """The one planned analysis of a look, or anything else; only the first can be decided on."""

    CONFIRMATORY = "confirmatory"
    EXPLORATORY = "exploratory"


class Analysis(Operation, table=True):
    """One reproducible Bayesian fit. `request` is what the library got, word for word."""

    __tablename__ = "analyses"
    unaudited: ClassVar[frozenset[str]] = Operation.unaudited | {"suppressed"}
    __table_args__ = (
        # One confirmatory analysis a look, but for those that ended without a result.
        sa.Index(
            "uq_analyses_confirmatory",
            "pilot_id",
            "iteration",
            "look",
            unique=True,
            sqlite_where=sa.text("counts_as_look"),
            postgresql_where=sa.text("counts_as_look"),
        ),
    )

    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", index=True, max_length=36)
    iteration: int
    plan_version_id: str = Field(foreign_key="plan_versions.id", max_length=36)
    look: int
    kind: Kind = Field(sa_type=text_enum(Kind))
    counts_as_look: bool = False
    # Of an analysis after scaling: the wave that shows whether the effect was retained. Such a one is no look.
    retention_wave: str | None = Field(default=None, max_length=100)
    seed: int = Field(sa_type=sa.BigInteger)
    plan_hash: str = Field(max_length=64)
    data_hash: str = Field(max_length=64)
    # The revision of the iteration's data that it took; None: from before these were counted.
    data_revision: int | None = None
    warnings: list[dict[str, str]] = Field(sa_type=Json)
    # What was hidden of the measures when it was asked for: `{least, units, tables}`; None: before anything was.
    suppressed: dict[str, Any] | None = Field(default=None, sa_type=Json)


class AnalysisPlot(SQLModel, table=True):
    """A plot of an analysis as it was drawn with the result; written once, in the transaction that ended it.

    `png` is drawn afterwards (`pictures.py`); None: not yet, or never.
    """

    __tablename__ = "analysis_plots"

    analysis_id: str = Field(primary_key=True, foreign_key="analyses.id", max_length=36)
    measure: str = Field(primary_key=True, max_length=100)
    name: str = Field(primary_key=True, max_length=40)
    svg: str = Field(sa_type=sa.Text)
    png: bytes | None = Field(default=None, sa_type=sa.LargeBinary)


class AnalysisPictures(Claimable, table=True):
    """The work of drawing the plots of an analysis as PNG, for a worker that has nothing more urgent to do."""

    __tablename__ = "analysis_pictures"

    analysis_id: str = Field(foreign_key="analyses.id", unique=True, max_length=36)


class AnalysisFile(SQLModel, table=True):
    """A file with the draws of an analysis, written once in the transaction that ended it; its bytes are in chunks.

    `size` and `sha256` are of the bytes as stored; a compressed file has `full_size` bytes when it is unpacked.
    """

    __tablename__ = "analysis_files"

    analysis_id: str = Field(primary_key=True, foreign_key="analyses.id", max_length=36)
    name: str = Field(primary_key=True, max_length=40)
    size: int = Field(sa_type=sa.BigInteger)
    sha256: str = Field(max_length=64)
    full_size: int = Field(sa_type=sa.BigInteger)


class AnalysisFileChunk(SQLModel, table=True):
    """A part of a file, in order of `number` from 0: small enough that nobody holds the whole to hand it out."""

    __tablename__ = "analysis_file_chunks"
    __table_args__ = (
        sa.ForeignKeyConstraint(["analysis_id", "name"], ["analysis_files.analysis_id", "analysis_files.name"]),
    )

    analysis_id: str = Field(primary_key=True, max_length=36)
    name: str = Field(primary_key=True, max_length=40)
    number: int = Field(primary_key=True)
    content: bytes = Field(sa_type=sa.LargeBinary)
