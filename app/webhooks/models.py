"""Endpoints of other systems, their secrets, and the log: a delivery an event and endpoint, a row a try."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.audit.models import Audited, Versioned
from app.db import Json, id_field, instant_field, now, text_enum

EVERY_EVENT = "*"
LONGEST_URL = 2000


class Webhook(Versioned, SQLModel, table=True):
    """An endpoint and what it subscribes to; without an organization it hears of all.

    `failing_since` is the first failed try after the last success; until `paused_until` and `paced_until` nothing
    (more) is sent, as the receiver asked or its rate limit says. A removed one stays for its log.
    """

    __tablename__ = "webhooks"
    unaudited: ClassVar[frozenset[str]] = frozenset({"failing_since", "last_error", "paused_until", "paced_until"})

    id: str = id_field()
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", index=True, max_length=36)
    url: str = Field(max_length=LONGEST_URL)
    events: list[str] = Field(sa_type=Json)
    stages: list[str] | None = Field(default=None, sa_type=Json)
    drivers: list[str] | None = Field(default=None, sa_type=Json)
    description: str | None = Field(default=None, max_length=200)
    rate_limit: int | None = Field(default=None, ge=1, description="Tries a minute at most")
    enabled: bool = True
    disabled_at: datetime | None = instant_field(nullable=True)
    disabled_reason: dict[str, Any] | None = Field(default=None, sa_type=Json)
    removed_at: datetime | None = instant_field(nullable=True)
    failing_since: datetime | None = instant_field(nullable=True)
    last_error: str | None = Field(default=None, max_length=500)
    paused_until: datetime | None = instant_field(nullable=True)
    paced_until: datetime | None = instant_field(nullable=True)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()
    version: int = 1


class WebhookSecret(Audited, SQLModel, table=True):
    """A signing secret, sealed; every one that has not expired signs, so that a receiver can change over."""

    __tablename__ = "webhook_secrets"
    unaudited: ClassVar[frozenset[str]] = frozenset({"sealed"})

    id: str = id_field()
    webhook_id: str = Field(foreign_key="webhooks.id", index=True, max_length=36)
    organization_id: str | None = Field(default=None, max_length=36)
    sealed: str = Field(max_length=500)
    created_at: datetime = instant_field()
    expires_at: datetime | None = instant_field(nullable=True)


class DeliveryStatus(StrEnum):
    """Where a delivery stands; the last two rest until somebody asks for it again."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(SQLModel, table=True):
    """One event for one endpoint.

    `due_at` is when a worker may take it: while `pending` its next try, while `sending` when its worker counts as dead.
    `claim` is the token of the worker that sends it; `attempts` counts the tries of this round, `tries` all.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        sa.UniqueConstraint("event_id", "webhook_id"),
        sa.Index(None, "webhook_id", "status", "due_at", "id"),
        sa.Index(None, "webhook_id", "id"),
    )

    id: str = id_field()
    webhook_id: str = Field(foreign_key="webhooks.id", max_length=36)
    event_id: str = Field(foreign_key="outbox_events.id", max_length=36)
    organization_id: str | None = Field(default=None, max_length=36, index=True)
    event_type: str = Field(max_length=60)
    status: DeliveryStatus = Field(default=DeliveryStatus.PENDING, sa_type=text_enum(DeliveryStatus))
    attempts: int = 0
    tries: int = 0
    due_at: datetime = instant_field()
    claim: str | None = Field(default=None, max_length=36)
    failure: dict[str, Any] | None = Field(default=None, sa_type=Json)
    created_at: datetime = instant_field(default_factory=now)
    delivered_at: datetime | None = instant_field(nullable=True)


class Try(SQLModel, table=True):
    """One request to the endpoint, written before it leaves; `duration_ms` is empty until its end is known."""

    __tablename__ = "webhook_tries"
    __table_args__ = (
        sa.Index(
            None,
            "started_at",
            postgresql_where=sa.text("answer IS NOT NULL"),
            sqlite_where=sa.text("answer IS NOT NULL"),
        ),
    )

    id: str = id_field()
    delivery_id: str = Field(foreign_key="webhook_deliveries.id", index=True, max_length=36)
    number: int
    started_at: datetime = instant_field()
    duration_ms: int | None = None
    status: int | None = Field(default=None, description="Of the HTTP answer")
    answer: str | None = Field(default=None, max_length=1024)
    error: dict[str, Any] | None = Field(default=None, sa_type=Json)
