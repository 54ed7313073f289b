"""Requests and answers about webhooks, their deliveries and tries."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.forms import Answer, AtInstant, CatalogueKey, Form, Id, Line, When
from app.pilots.models import Stage
from app.webhooks.catalogue import EVENTS
from app.webhooks.models import EVERY_EVENT, LONGEST_URL, DeliveryStatus

Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_URL)]
EventName = Annotated[str, Field(max_length=60, json_schema_extra={"enum": [*EVENTS, EVERY_EVENT]})]
EventNames = Annotated[
    list[EventName], Field(min_length=1, max_length=30, description="`GET /v1/webhook-events` lists them; `*`: all")
]
Stages = Annotated[
    list[Stage], Field(min_length=1, description="Only moves that lead to one of these; other events pass")
]
Drivers = Annotated[
    list[CatalogueKey],
    Field(
        min_length=1, max_length=50, description="Only what is about one of these drivers; what is about none passes"
    ),
]
RateLimit = Annotated[int, Field(ge=1, le=6000, description="Tries a minute at most; empty: no limit")]


class WebhookIn(Form):
    """A new endpoint."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://board.example.org/pilotlight",
                    "events": ["pilot.stage_changed", "decision.recorded"],
                    "stages": ["scale", "foundational"],
                    "description": "Board of the well-being office",
                }
            ]
        }
    )
    url: Url = Field(description="Where events are posted: https, on the public internet. Administrators can read it")
    events: EventNames
    organization_id: Id | None = Field(
        default=None, description="Empty: the organization of your own key; of the whole service: all organizations"
    )
    stages: Stages | None = None
    drivers: Drivers | None = None
    description: Line | None = None
    rate_limit: RateLimit | None = None


class WebhookPatch(Form):
    """What changes; the rest stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True}]})
    url: Url | None = None
    events: EventNames | None = None
    stages: Stages | None = None
    drivers: Drivers | None = None
    description: Line | None = None
    rate_limit: RateLimit | None = None
    enabled: bool | None = Field(default=None, description="False: call it no more; true: again")


class Notice(Answer):
    """What somebody should look at."""

    code: str
    message: str
    what_would_help: str


class WebhookOut(Answer):
    """An endpoint without its secret."""

    id: str
    organization_id: str | None = Field(description="Null: it hears of all organizations")
    url: str
    events: list[str]
    stages: list[str] | None
    drivers: list[str] | None
    description: str | None
    rate_limit: int | None
    enabled: bool
    notice: Notice | None = Field(description="Why it is not called, or that it fails")
    disabled_at: AtInstant | None
    failed: int = Field(description="Deliveries that failed for good and can still be recovered")
    failed_since: AtInstant | None = Field(description="The oldest of their events")
    failing_since: AtInstant | None = Field(description="The first failed try after the last success")
    last_error: str | None = Field(description="What the last of them said")
    paused_until: AtInstant | None = Field(
        description='It asked for time, or is too busy: nothing is sent before. PATCH {"enabled": true} ends it'
    )
    removed_at: AtInstant | None
    created_by: str
    created_at: AtInstant
    version: int


class NewWebhookOut(WebhookOut):
    """A new endpoint; `secret` is shown this once."""

    secret: str | None = Field(
        description="Verifies the signatures. Null when repeated with its Idempotency-Key: never shown again"
    )


class RotationIn(Form):
    """How a receiver changes over."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}, {"overlap_hours": 0}]})
    overlap_hours: float = Field(default=24, ge=0, le=168, description="How long the older secrets sign beside it")


class RotatedOut(Answer):
    """The new secret, shown this once."""

    webhook_id: str
    secret: str | None
    older_expire_at: AtInstant = Field(description="Until then, at the latest, the older ones sign too")


class RecoveryIn(Form):
    """Of which time all that failed is sent again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-03-01T00:00:00Z"}, {}]})
    since: When | None = Field(default=None, description="Of events at this instant or later; empty: of all")
    until: When | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since is not None and self.until is not None and self.until < self.since:
            msg = "until lies before since: that is no time at all"
            raise ValueError(msg)
        return self


class RecoveredOut(Answer):
    """How many deliveries are sent again."""

    recovered: int
    expunged: int = Field(description="Failed too, but their payload is not kept any more")


class ExampleIn(Form):
    """Which event an example is sent of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "pilot.stage_changed"}]})
    type: EventName


class TryOut(Answer):
    """One request to the endpoint."""

    number: int
    started_at: AtInstant
    duration_ms: int | None = Field(description="Null: under way, or its end is not known")
    status: int | None = Field(description="Of the HTTP answer")
    answer: str | None = Field(description="Its first kilobyte; null when there was none or it is not kept any more")
    error: dict[str, Any] | None


class DeliveryLine(Answer):
    """One event for one endpoint, with its last try."""

    id: str
    webhook_id: str
    event_id: str = Field(description="The `webhook-id` of every try")
    event_type: str
    status: DeliveryStatus
    tries: int
    next_try_at: AtInstant | None = Field(description="Null: nothing is planned. Not before a pause is over")
    failure: dict[str, Any] | None = Field(description="Why it rests as failed")
    created_at: AtInstant
    delivered_at: AtInstant | None
    last_try: TryOut | None


class DeliveryOut(DeliveryLine):
    """One event for one endpoint, with every try."""

    log: list[TryOut]
    payload: dict[str, Any] | None = Field(description="What is sent; null: not kept any more")
