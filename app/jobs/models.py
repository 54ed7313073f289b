"""The columns of a row that is worked on in the background; which rows those are, the domains say."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Field, SQLModel

from app.db import Json, id_field, instant_field, text_enum


class JobStatus(StrEnum):
    """Where a piece of work stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in {JobStatus.QUEUED, JobStatus.RUNNING}


class Claimable(SQLModel):
    """Mixin of a table whose rows are worked on; only `claims.py` writes these columns.

    `claim` is the fencing token of the worker that runs the row: every claim sets a new one, and whoever holds an
    older one is refused.
    """

    id: str = id_field()
    status: JobStatus = Field(default=JobStatus.QUEUED, sa_type=text_enum(JobStatus), index=True)
    progress: float = Field(default=0.0, ge=0, le=1, description="Share of the work that is done; never goes backward")
    attempts: int = Field(default=0, ge=0, description="How often a worker took it")
    claim: str | None = Field(default=None, max_length=36)
    lease_expires_at: datetime | None = instant_field(nullable=True)
    cancel_requested_at: datetime | None = instant_field(nullable=True)
    started_at: datetime | None = instant_field(nullable=True, description="When the last attempt started")
    finished_at: datetime | None = instant_field(nullable=True)
    failure: dict[str, Any] | None = Field(default=None, sa_type=Json, description="Code and message when it failed")
    request_id: str | None = Field(default=None, max_length=100, description="Of the HTTP request that asked for it")
