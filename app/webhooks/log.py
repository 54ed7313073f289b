"""The delivery log as its readers see it."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.outbox.models import OutboxEvent
from app.webhooks.models import Delivery, DeliveryStatus, Try, Webhook
from app.webhooks.schemas import DeliveryLine, DeliveryOut, TryOut


def line_of(webhook: Webhook, delivery: Delivery, last: Try | None) -> DeliveryLine:
    """A delivery with its last try."""
    pending = delivery.status is DeliveryStatus.PENDING
    next_try_at = max(delivery.due_at, webhook.paused_until or delivery.due_at)
    return DeliveryLine.model_validate(
        {
            **delivery.model_dump(),
            "next_try_at": next_try_at if pending else None,
            "last_try": None if last is None else TryOut.model_validate(last),
        }
    )


def lines_of(session: Session, webhook: Webhook, deliveries: Sequence[Delivery]) -> list[DeliveryLine]:
    """Deliveries of an endpoint with their last tries, in one query."""
    of_delivery = (col(Try.delivery_id) == col(Delivery.id), col(Try.number) == col(Delivery.tries))
    statement = select(Try).join(Delivery, sa.and_(*of_delivery))
    rows = session.exec(statement.where(col(Delivery.id).in_([delivery.id for delivery in deliveries])))
    last = {row.delivery_id: row for row in rows}
    return [line_of(webhook, delivery, last.get(delivery.id)) for delivery in deliveries]


def whole(session: Session, delivery: Delivery) -> DeliveryOut:
    """A delivery with every try and what is sent."""
    of_delivery = select(Try).where(col(Try.delivery_id) == delivery.id)
    tries = session.exec(of_delivery.order_by(col(Try.number))).all()
    webhook = session.get_one(Webhook, delivery.webhook_id)
    payload = session.get_one(OutboxEvent, delivery.event_id).payload
    return DeliveryOut(
        **line_of(webhook, delivery, tries[-1] if tries else None).model_dump(),
        log=[TryOut.model_validate(row) for row in tries],
        payload=None if payload is None else json.loads(payload),
    )
