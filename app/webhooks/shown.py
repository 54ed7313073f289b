"""How an endpoint reads in an answer, with the notice that somebody should look at."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from app.config import Settings
from app.forms import instant_text
from app.webhooks.models import Delivery, DeliveryStatus, Webhook
from app.webhooks.schemas import Notice, WebhookOut

RECOVER = "then POST …/recover {} sends what it missed"
HELP = {
    "gone": f'ask the receiver\'s owner; PATCH {{"enabled": true}} (with a new url), {RECOVER}, or DELETE the webhook',
    "failed_for_days": f'mend the receiver, PATCH {{"enabled": true}}, {RECOVER}',
    "disabled_by_person": f'PATCH {{"enabled": true}}, {RECOVER}',
}


def shown(session: Session, webhooks: Sequence[Webhook], now: datetime) -> list[WebhookOut]:
    """Endpoints as their administrators see them; what failed is counted as long as its payload is kept."""
    settings: Settings = session.info["settings"]
    lost = _failed(session, [w.id for w in webhooks], now - timedelta(days=settings.webhook_payload_days))
    answers = []
    for webhook in webhooks:
        failed, since = lost.get(webhook.id, (0, None))
        paused = webhook.paused_until if webhook.paused_until and webhook.paused_until > now else None
        fields = {"notice": notice_of(webhook, failed, paused), "failed": failed, "failed_since": since}
        answers.append(WebhookOut.model_validate({**webhook.model_dump(), **fields, "paused_until": paused}))
    return answers


def _failed(session: Session, webhook_ids: Sequence[str], since: datetime) -> dict[str, tuple[int, datetime]]:
    oldest = sa.func.min(col(Delivery.created_at))
    statement = sa.select(col(Delivery.webhook_id), sa.func.count(), oldest).where(
        col(Delivery.webhook_id).in_(webhook_ids),
        col(Delivery.status) == DeliveryStatus.FAILED,
        col(Delivery.created_at) >= since,
    )
    return {row[0]: (row[1], row[2]) for row in session.execute(statement.group_by(col(Delivery.webhook_id)))}


def notice_of(webhook: Webhook, failed: int, paused_until: datetime | None) -> Notice | None:
    """What is wrong with it, the worst first; None when all is well."""
    if webhook.removed_at is not None:
        return None
    if not webhook.enabled and webhook.disabled_reason:
        reason = webhook.disabled_reason
        return Notice(**reason, what_would_help=HELP[reason["code"]])
    asked = "" if paused_until is None else f"it asked for time: nothing is sent before {instant_text(paused_until)}"
    if webhook.failing_since is not None:
        since = instant_text(webhook.failing_since)
        told = [f"every try has failed since {since}", f"the last: {webhook.last_error}", asked]
        return Notice(
            code="failing",
            message="; ".join(filter(None, told)),
            what_would_help="mend the receiver; GET …/deliveries has every try. After five days it is disabled",
        )
    if failed:
        return Notice(
            code="failed_deliveries",
            message=f"{failed} {'delivery' if failed == 1 else 'deliveries'} failed for good",
            what_would_help="GET …/deliveries?status=failed says why; POST …/recover {} sends again",
        )
    if asked:
        return Notice(
            code="paused",
            message=asked,
            what_would_help='wait, or PATCH {"enabled": true} to send at once',
        )
    return None
