"""How an endpoint reads in an answer, with the notice that somebody should look at."""

from app.webhooks.models import Webhook
from app.webhooks.schemas import Notice, WebhookOut

HELP = {
    "gone": 'ask the receiver\'s owner; then PATCH {"enabled": true} (with a new url), or DELETE the webhook',
    "failed_for_days": 'mend the receiver, PATCH {"enabled": true}, then POST …/recover with the time it began to fail',
    "disabled_by_person": 'PATCH {"enabled": true}, then POST …/recover with the time it was disabled',
}


def notice_of(webhook: Webhook) -> Notice | None:
    """What is wrong with it, if anything."""
    if webhook.removed_at is None and not webhook.enabled and webhook.disabled_reason:
        reason = webhook.disabled_reason
        return Notice(**reason, what_would_help=HELP[reason["code"]])
    if webhook.removed_at is None and webhook.failing_since is not None:
        return Notice(
            code="failing",
            message="every try has failed since `failing_since`; after five days it is disabled",
            what_would_help="look at its deliveries (…/deliveries?status=pending): the last try says what went wrong",
        )
    return None


def shown(webhook: Webhook) -> WebhookOut:
    """The endpoint as its administrators see it."""
    return WebhookOut.model_validate({**webhook.model_dump(), "notice": notice_of(webhook)})
