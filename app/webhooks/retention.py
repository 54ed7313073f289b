"""What is not kept for ever: payloads, the answers of receivers, and secrets whose time is over."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Engine
from sqlmodel import col

from app.config import Settings
from app.db import reading, transaction
from app.jobs.chores import Chore
from app.outbox.models import OutboxEvent
from app.webhooks.models import Delivery, DeliveryStatus, Try, WebhookSecret

BATCH: Final = 500
"""Rows a transaction: on SQLite nobody else writes meanwhile."""


def expunge(engine: Engine, now: datetime, kept: timedelta) -> bool:
    """Empty payloads and answers older than `kept`, but for events still under way; delete secrets that expired.

    One batch of each, so that whoever calls can do something else in between; whether nothing is left.
    """
    before = now - kept
    under_way = sa.exists().where(
        col(Delivery.event_id) == col(OutboxEvent.id),
        col(Delivery.status).in_((DeliveryStatus.PENDING, DeliveryStatus.SENDING)),
    )
    payload, answer = col(OutboxEvent.payload), col(Try.answer)
    old_payloads = (col(OutboxEvent.created_at) < before, payload.is_not(None), ~under_way)
    old_answers = (col(Try.started_at) < before, answer.is_not(None))
    emptied = [
        _empty(engine, OutboxEvent, old_payloads, {"payload": None}),
        _empty(engine, Try, old_answers, {"answer": None}),
    ]
    _delete_expired_secrets(engine, now)
    return max(emptied) < BATCH


def expunge_all(engine: Engine, settings: Settings, at: datetime) -> None:
    """Expunge batch after batch what is older than the settings keep."""
    while not expunge(engine, at, timedelta(days=settings.webhook_payload_days)):
        pass


RETENTION: Final = Chore("expunge_deliveries", timedelta(hours=1), expunge_all)


def _delete_expired_secrets(engine: Engine, now: datetime) -> None:
    with reading(engine) as session:
        expired = session.scalars(sa.select(col(WebhookSecret.id)).where(col(WebhookSecret.expires_at) < now)).all()
    if expired:
        with transaction(engine) as session:
            for secret_id in expired:
                row = session.get(WebhookSecret, secret_id)
                if row is not None:
                    session.delete(row)


def _empty(
    engine: Engine, model: type[OutboxEvent | Try], old: tuple[ColumnElement[bool], ...], values: dict[str, None]
) -> int:
    """How many rows were emptied."""
    with transaction(engine) as session:
        ids = session.scalars(sa.select(col(model.id)).where(*old).limit(BATCH)).all()
        if ids:
            session.execute(sa.update(model).where(col(model.id).in_(ids), *old).values(**values))
        return len(ids)
