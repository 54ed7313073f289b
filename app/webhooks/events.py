"""What webhooks say of themselves; an endpoint's address may hold a token, so an event tells its host alone."""

from typing import Any, ClassVar

from pydantic import Field

from app.outbox.events import EventData, EventInstant, EventPart

EXAMPLE_WEBHOOK: dict[str, Any] = {
    "id": "019b2f04-7ad9-7c15-8be2-41f60d93c57a",
    "organization_id": "01970b1e-88f4-7a02-b3d9-64c1f05e2b7d",
    "description": "Board of the well-being office",
}


class AboutWebhook(EventPart):
    """An endpoint, as events name it."""

    id: str = Field(description="The endpoint, at `GET /v1/webhooks/{id}`")
    organization_id: str | None = Field(description="The organization it belongs to; null: the whole service")
    description: str | None = Field(description="What its owners call it")


class AboutDisabled(AboutWebhook):
    """An endpoint, with the machine that was called."""

    host: str = Field(description="The host of its address; the rest may be a secret")


class WhyDisabled(EventPart):
    """Why an endpoint is called no more."""

    code: str = Field(description="Stable, for programs")
    message: str = Field(description="What was wrong and what would help")


class WebhookPing(EventData):
    """The `data` of `webhook.ping`."""

    type: ClassVar = "webhook.ping"
    says: ClassVar = "Somebody tries whether this endpoint receives; it is sent to this one alone."
    example: ClassVar = {"webhook": EXAMPLE_WEBHOOK, "by": "Tomas Berg"}

    webhook: AboutWebhook
    by: str = Field(description="The person who asked for it")


class WebhookDisabled(EventData):
    """The `data` of `webhook.disabled`."""

    type: ClassVar = "webhook.disabled"
    says: ClassVar = (
        "An endpoint is called no more: it answered 410, failed for too long, or an administrator disabled it."
    )
    example: ClassVar = {
        "webhook": {**EXAMPLE_WEBHOOK, "host": "board.example.org"},
        "reason": {
            "code": "failed_for_days",
            "message": "every try has failed for 5 days; the last one: answered 503",
        },
        "failing_since": "2026-06-27T12:58:31.440275Z",
        "at": "2026-07-02T13:05:55.019342Z",
    }

    webhook: AboutDisabled
    reason: WhyDisabled
    failing_since: EventInstant | None = Field(
        description="The first failure since the last success; null: it was not failing"
    )
    at: EventInstant = Field(description="When it was disabled")
