"""The events as OpenAPI `webhooks`: what a receiver gets and what its answers mean. These routes are never called."""

from typing import Annotated, Any

from fastapi import APIRouter, Header

from app.outbox.events import EventData
from app.webhooks.catalogue import EVENTS, body_example, body_schema

SENT = "At least once and in any order, signed as [Standard Webhooks](https://www.standardwebhooks.com) says."
ANSWERS: dict[int | str, dict[str, Any]] = {
    410: {"description": "Never again: the endpoint is disabled and hears of no event until it is enabled."},
    "default": {
        "description": "Not received, as is no answer in time: it is tried again, with the same `webhook-id` and the "
        "same bytes. Redirects are not followed; who asks for time with `Retry-After` gets it."
    },
}

events = APIRouter(tags=["11 Webhooks"])


def receive(
    webhook_id: Annotated[
        str, Header(description="The event's id, the same at every try: who has seen it drops the repetition")
    ],
    webhook_timestamp: Annotated[int, Header(description="When this try was signed, in seconds since 1970 (UTC)")],
    webhook_signature: Annotated[
        str,
        Header(
            description="`v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`; several, "
            "separated by spaces, while a secret is rotated: one that fits is enough"
        ),
    ],
) -> None:
    """What every event is sent with (Standard Webhooks)."""


def _describe(kind: type[EventData]) -> None:
    content = {"application/json": {"schema": body_schema(kind), "example": body_example(kind)}}
    events.add_api_route(
        kind.type,
        receive,
        methods=["POST"],
        status_code=204,
        operation_id="receive_" + kind.type.replace(".", "_"),
        summary=kind.says.rstrip("."),
        description=f"{kind.says} {SENT}",
        response_description="Received, as by any other 2xx: it is sent here again only when somebody asks for it.",
        responses=ANSWERS,
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )


for _kind in EVENTS.values():
    _describe(_kind)
