"""Whether an endpoint is called: disabled by its failures or by a person, enabled again, removed."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlmodel import Session, col

from app.outbox.models import record
from app.webhooks.events import AboutDisabled, WebhookDisabled, WhyDisabled
from app.webhooks.models import Delivery, DeliveryStatus, Webhook, WebhookSecret
from app.webhooks.subscription import DISABLED, REMOVED, at_rest


def hold(session: Session, webhook: Webhook) -> None:
    """Read it anew and keep others from changing it in this transaction.

    Unlike the lock of `fetch` it lets deliveries be added meanwhile: a change of a pilot never waits for an endpoint.
    """
    session.refresh(webhook, with_for_update={"key_share": True})


def disable(session: Session, webhook: Webhook, reason: dict[str, Any], at: datetime) -> None:
    """Call it no more, tell the others, and fail what waits, so that it can be recovered."""
    failing_since = webhook.failing_since
    webhook.enabled, webhook.disabled_at, webhook.disabled_reason = False, at, reason
    session.add(webhook)
    session.flush()
    _fail_waiting(session, webhook, DISABLED)
    about = AboutDisabled(
        id=webhook.id,
        organization_id=webhook.organization_id,
        description=webhook.description,
        host=urlsplit(webhook.url).hostname or "",
    )
    told = WebhookDisabled(webhook=about, reason=WhyDisabled(**reason), failing_since=failing_since, at=at)
    record(session, told, at=at, organization_id=webhook.organization_id, subject_id=webhook.id)


def enable(session: Session, webhook: Webhook) -> None:
    """Call it again; what it missed is sent when somebody recovers it."""
    webhook.enabled, webhook.disabled_at, webhook.disabled_reason = True, None, None
    webhook.failing_since = webhook.paused_until = webhook.last_error = None
    session.add(webhook)
    session.flush()


def remove(session: Session, webhook: Webhook, at: datetime) -> None:
    """Forget its secrets and call it no more; the log stays."""
    webhook.removed_at, webhook.enabled = at, False
    session.add(webhook)
    session.flush()
    _fail_waiting(session, webhook, REMOVED)
    session.execute(sa.delete(WebhookSecret).where(col(WebhookSecret.webhook_id) == webhook.id))


def _fail_waiting(session: Session, webhook: Webhook, failure: dict[str, Any]) -> None:
    waiting = (col(Delivery.webhook_id) == webhook.id, col(Delivery.status) == DeliveryStatus.PENDING)
    session.execute(sa.update(Delivery).where(*waiting).values(**at_rest(failure)))
