"""The outbox: what happened, as bytes frozen in the transaction of the change; it knows no domain."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from app.db import id_field, instant_field
from app.forms import instant_text
from app.outbox.events import EventData


class OutboxEvent(SQLModel, table=True):
    """An event as every receiver will read it, byte for byte."""

    __tablename__ = "outbox_events"
    __table_args__ = (
        # Of what can still be expunged alone: what was expunged is never looked at again.
        sa.Index(
            None,
            "created_at",
            postgresql_where=sa.text("payload IS NOT NULL"),
            sqlite_where=sa.text("payload IS NOT NULL"),
        ),
    )

    id: str = id_field()
    type: str = Field(max_length=60, index=True)
    organization_id: str | None = Field(default=None, max_length=36, index=True)
    subject_id: str | None = Field(default=None, max_length=36, index=True)
    payload: bytes | None = Field(description="None: expunged, its time was over")
    request_id: str | None = Field(default=None, max_length=100, description="Of the HTTP request it came of")
    created_at: datetime = instant_field()


type Follower = Callable[[Session, OutboxEvent, Mapping[str, Any]], None]

_followers: list[Follower] = []


def follow(follower: Follower) -> None:
    """Have `follower(session, event, data)` called for every event, in the transaction that records it."""
    _followers.append(follower)


def frozen(
    kind: str,
    data: Mapping[str, Any],
    *,
    at: datetime,
    organization_id: str | None,
    subject_id: str | None,
    **extra: Any,
) -> OutboxEvent:
    """An event with its bytes; `extra` stands beside its data."""
    body = {"type": kind, "timestamp": instant_text(at), "data": data, **extra}
    payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return OutboxEvent(
        type=kind, organization_id=organization_id, subject_id=subject_id, payload=payload, created_at=at
    )


def record(
    session: Session,
    data: EventData,
    *,
    at: datetime,
    organization_id: str | None,
    subject_id: str | None,
) -> OutboxEvent:
    """Add an event to this transaction and tell the followers; `data` is frozen as JSON now (contract §4)."""
    plain = data.model_dump(mode="json", by_alias=True)
    event = frozen(data.type, plain, at=at, organization_id=organization_id, subject_id=subject_id)
    event.request_id = session.info.get("request_id")
    session.add(event)
    for follower in _followers:
        follower(session, event, plain)
    return event
