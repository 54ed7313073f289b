"""Endpoints: registered, changed, their secrets rotated; what is sent on request."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from app.audit.models import note_row
from app.catalog.service import require_driver
from app.errors import Conflict, Invalid, fault
from app.forms import instant_text
from app.jobs.poke import poke
from app.lifecycle.events import StageChanged
from app.outbox.models import OutboxEvent, frozen
from app.webhooks.catalogue import EVENTS
from app.webhooks.events import WebhookPing
from app.webhooks.models import EVERY_EVENT, Delivery, DeliveryStatus, Webhook, WebhookSecret
from app.webhooks.schemas import WebhookIn
from app.webhooks.signing import new_secret, seal
from app.webhooks.standing import disable, enable
from app.webhooks.subscription import DELIVERIES, send

MOST = 50
"""Endpoints of one organization: each adds a row to every event."""
MOST_SECRETS = 5


def register(
    session: Session, body: WebhookIn, organization_id: str | None, person: str, master: str, at: datetime
) -> tuple[Webhook, str]:
    """A new endpoint and its secret, which nobody can read again."""
    _require_fitting(session, organization_id, body.events, body.stages, body.drivers)
    there = select(func.count()).where(
        col(Webhook.organization_id) == organization_id, col(Webhook.removed_at).is_(None)
    )
    if session.exec(there).one() >= MOST:
        msg = f"there are {MOST} webhooks already; remove one, or let one receiver pass events on"
        raise Conflict(msg, "too_many_webhooks")
    webhook = Webhook(
        organization_id=organization_id,
        **body.model_dump(mode="json", exclude={"organization_id"}),
        created_by=person,
        created_at=at,
    )
    session.add(webhook)
    session.flush()
    return webhook, _add_secret(session, webhook, master, at)


def change(session: Session, webhook: Webhook, changes: dict[str, Any], person: str, at: datetime) -> None:
    """Apply what a form names; disabling tells the other endpoints, enabling forgets failures and ends a pause."""
    require_kept(webhook)
    for name in ("url", "events", "enabled"):
        if changes.get(name, ...) is None:
            msg = f"{name} cannot be empty"
            raise Invalid(msg, [fault([name], msg, "missing")])
    enabled = changes.pop("enabled", None)
    if changes.get("url", webhook.url) != webhook.url:
        # What the old address did is not the new one's.
        webhook.failing_since = webhook.paused_until = webhook.last_error = None
    for name, value in changes.items():
        setattr(webhook, name, value)
    _require_fitting(session, webhook.organization_id, webhook.events, webhook.stages, webhook.drivers)
    session.add(webhook)
    session.flush()
    if enabled is True:
        enable(session, webhook)
    elif enabled is False and webhook.enabled:
        disable(session, webhook, {"code": "disabled_by_person", "message": f"{person} disabled it"}, at)


def _require_fitting(
    session: Session,
    organization_id: str | None,
    events: list[str],
    stages: list[Any] | None,
    drivers: list[str] | None,
) -> None:
    """Raise Invalid for what would never be sent: a name with a typo must not read like a quiet pilot."""
    known = ", ".join((*EVENTS, EVERY_EVENT))
    faults = [
        fault(["events", i], f"there is no event {name!r}; known: {known}", "unknown_event")
        for i, name in enumerate(events)
        if name not in EVENTS and name != EVERY_EVENT
    ]
    if faults:
        raise Invalid(faults[0]["msg"], faults)
    if stages is not None and not {StageChanged.type, EVERY_EVENT} & set(events):
        msg = f"stages narrows {StageChanged.type} alone, which `events` does not name"
        raise Invalid(msg, [fault(["stages"], msg, "without_effect")])
    for driver in drivers or ():
        require_driver(session, driver, organization_id, "drivers")


def _add_secret(session: Session, webhook: Webhook, master: str, at: datetime) -> str:
    secret = new_secret()
    session.add(
        WebhookSecret(
            webhook_id=webhook.id,
            organization_id=webhook.organization_id,
            sealed=seal(secret, master),
            created_at=at,
        )
    )
    session.flush()
    return secret


def rotate(session: Session, webhook: Webhook, overlap: timedelta, master: str, at: datetime) -> str:
    """A new secret; those before it sign beside it until `overlap` is over.

    Raises Conflict `too_many_secrets`.
    """
    older = session.exec(select(WebhookSecret).where(col(WebhookSecret.webhook_id) == webhook.id)).all()
    signing = [secret for secret in older if secret.expires_at is None or secret.expires_at > at]
    if overlap and len(signing) >= MOST_SECRETS:
        msg = f"{MOST_SECRETS} secrets sign already; wait until the older ones expire, or rotate with overlap_hours 0"
        raise Conflict(msg, "too_many_secrets")
    note_row(session, "secret_rotated", webhook, {"older_expire_at": instant_text(at + overlap)})
    for secret in signing:
        secret.expires_at = min(secret.expires_at or at + overlap, at + overlap)
        session.add(secret)
    return _add_secret(session, webhook, master, at)


def ping(session: Session, webhook: Webhook, person: str, at: datetime) -> Delivery:
    """Send `webhook.ping` to this endpoint alone."""
    about = {"id": webhook.id, "organization_id": webhook.organization_id, "description": webhook.description}
    data = WebhookPing.model_validate({"webhook": about, "by": person})
    return _send_alone(session, webhook, WebhookPing.type, data.model_dump(mode="json"), at)


def send_example(session: Session, webhook: Webhook, kind: str, at: datetime) -> Delivery:
    """Send the catalogue's example of an event, marked as one; raises Invalid `unknown_event`."""
    if kind not in EVENTS:
        msg = f"there is no event {kind!r}; known: {', '.join(EVENTS)}"
        raise Invalid(msg, [fault(["type"], msg, "unknown_event")])
    return _send_alone(session, webhook, kind, EVENTS[kind].example, at, example=True)


def _send_alone(
    session: Session, webhook: Webhook, kind: str, data: dict[str, Any], at: datetime, **extra: Any
) -> Delivery:
    require_enabled(webhook)
    organization_id = webhook.organization_id
    event = frozen(kind, data, at=at, organization_id=organization_id, subject_id=webhook.id, **extra)
    event.request_id = session.info.get("request_id")
    note_row(session, "sent_alone", webhook, {"type": kind, "event_id": event.id})
    return send(session, webhook, event)


def require_kept(webhook: Webhook) -> None:
    """Raise Conflict when it was removed."""
    if webhook.removed_at is not None:
        msg = "this webhook was removed; register it anew"
        raise Conflict(msg, "webhook_removed")


def require_enabled(webhook: Webhook) -> None:
    """Raise Conflict unless it is called at all."""
    require_kept(webhook)
    if not webhook.enabled:
        msg = 'this webhook is disabled; enable it first: PATCH it with {"enabled": true}'
        raise Conflict(msg, "webhook_disabled")


def redeliver(session: Session, delivery: Delivery, at: datetime) -> None:
    """Send it (again) now, from the beginning of the schedule; the `webhook-id` stays."""
    webhook = session.get_one(Webhook, delivery.webhook_id)
    require_enabled(webhook)
    if delivery.status is DeliveryStatus.SENDING:
        msg = "a try is under way; look at its end first"
        raise Conflict(msg, "under_way")
    if session.get_one(OutboxEvent, delivery.event_id).payload is None:
        msg = "its payload is not kept any more (PILOTLIGHT_WEBHOOK_PAYLOAD_DAYS); read what it was about over the API"
        raise Conflict(msg, "payload_expunged")
    note_row(session, "redelivered", webhook, {"delivery_id": delivery.id, "was": delivery.status.value})
    delivery.status, delivery.due_at, delivery.attempts, delivery.failure = DeliveryStatus.PENDING, at, 0, None
    session.add(delivery)
    session.flush()
    poke(session, DELIVERIES, delivery.id)


def recover(
    session: Session, webhook: Webhook, since: datetime | None, until: datetime | None, at: datetime
) -> tuple[int, int]:
    """Send again all that failed of events since then: how many, and of how many the payload is not kept any more."""
    require_enabled(webhook)
    failed = [
        col(Delivery.webhook_id) == webhook.id,
        col(Delivery.status) == DeliveryStatus.FAILED,
    ]
    if since is not None:
        failed.append(col(Delivery.created_at) >= since)
    if until is not None:
        failed.append(col(Delivery.created_at) <= until)
    kept = sa.select(col(OutboxEvent.id)).where(col(OutboxEvent.payload).is_not(None))
    again = {"status": DeliveryStatus.PENDING, "due_at": at, "attempts": 0, "failure": None}
    found = sa.update(Delivery).where(*failed, col(Delivery.event_id).in_(kept)).values(**again)
    recovered = len(session.scalars(found.returning(col(Delivery.id))).all())
    expunged = session.exec(select(func.count(col(Delivery.id))).where(*failed)).one()
    span = {"since": since and instant_text(since), "until": until and instant_text(until)}
    note_row(session, "recovered", webhook, {**span, "deliveries": recovered})
    if recovered:
        poke(session, DELIVERIES, webhook.id)
    return recovered, expunged
