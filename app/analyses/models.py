"""Analyses: a fit with all it stands on, from the request (plan and data) to the versions that computed it."""

from enum import StrEnum
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, text_enum
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
    """A plot of an analysis as it was drawn with the result; written once, in the transaction that ended it."""

    __tablename__ = "analysis_plots"

    analysis_id: str = Field(primary_key=True, foreign_key="analyses.id", max_length=36)
    measure: str = Field(primary_key=True, max_length=100)
    name: str = Field(primary_key=True, max_length=40)
    svg: str = Field(sa_type=sa.Text)
