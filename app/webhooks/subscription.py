"""Which events an endpoint hears of (pure), and the delivery rows made in the transaction of the change."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from app.jobs.poke import poke
from app.outbox.models import OutboxEvent, follow
from app.webhooks.models import EVERY_EVENT, Delivery, DeliveryStatus, Webhook

DELIVERIES = "deliveries"
DISABLED = {"code": "webhook_disabled", "message": "the webhook was disabled; enable it, then recover what failed"}
REMOVED = {"code": "webhook_removed", "message": "the webhook was removed"}


def wants(
    kind: str,
    data: Mapping[str, Any],
    *,
    events: Collection[str],
    stages: Collection[str] | None,
    drivers: Collection[str] | None,
) -> bool:
    """Whether an event passes a subscription.

    `stages` narrows moves by where they lead (`to`), `drivers` whatever is about a driver; what has neither passes.
    """
    if kind not in events and EVERY_EVENT not in events:
        return False
    to = data.get("to")
    about = data.get("pilot") or data.get("program") or {}
    driver = about.get("driver")
    return (stages is None or to is None or to in stages) and (drivers is None or driver is None or driver in drivers)


def uncalled(webhook: Webhook) -> dict[str, str] | None:
    """Why nothing is sent to the endpoint; None: it is called."""
    if webhook.removed_at is not None:
        return REMOVED
    return None if webhook.enabled else DISABLED


def at_rest(failure: dict[str, str] | None) -> dict[str, Any]:
    """The columns of a delivery that is not tried any more; one that was received before stays `delivered`."""
    received = col(Delivery.delivered_at).is_not(None)
    status = sa.case((received, DeliveryStatus.DELIVERED.value), else_=DeliveryStatus.FAILED.value)
    return {"status": status, "failure": failure, "claim": None}


def fan_out(session: Session, event: OutboxEvent, data: Mapping[str, Any]) -> None:
    """Add a delivery for every endpoint that subscribes, in this transaction.

    For a disabled endpoint it is `failed` from the start, so that what it missed can be recovered. No endpoint hears
    of itself.
    """
    hears: ColumnElement[bool] = col(Webhook.organization_id).is_(None)
    if event.organization_id is not None:
        hears = sa.or_(hears, col(Webhook.organization_id) == event.organization_id)
    candidates = session.exec(
        select(Webhook).where(hears, col(Webhook.removed_at).is_(None), col(Webhook.id) != (event.subject_id or ""))
    ).all()
    found = [w for w in candidates if wants(event.type, data, events=w.events, stages=w.stages, drivers=w.drivers)]
    if not found:
        return
    session.flush()
    for webhook in found:
        _add(session, webhook, event)
    if any(w.enabled for w in found):
        poke(session, DELIVERIES, event.id)


def send(session: Session, webhook: Webhook, event: OutboxEvent) -> Delivery:
    """Have one event delivered to one endpoint alone."""
    session.add(event)
    session.flush()
    delivery = _add(session, webhook, event)
    poke(session, DELIVERIES, event.id)
    return delivery


def _add(session: Session, webhook: Webhook, event: OutboxEvent) -> Delivery:
    delivery = Delivery(
        webhook_id=webhook.id,
        event_id=event.id,
        organization_id=webhook.organization_id,
        event_type=event.type,
        status=DeliveryStatus.PENDING if webhook.enabled else DeliveryStatus.FAILED,
        failure=uncalled(webhook),
        due_at=event.created_at,
        created_at=event.created_at,
    )
    session.add(delivery)
    return delivery


follow(fan_out)
