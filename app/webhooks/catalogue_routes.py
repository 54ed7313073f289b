"""The catalogue of events over HTTP."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from app.auth.deps import CallerDep
from app.auth.permissions import Permission
from app.forms import Answer
from app.requests import TransactionalRoute
from app.webhooks.catalogue import EVENTS, body_example, body_schema

router = APIRouter(prefix="/v1", tags=["11 Webhooks"], route_class=TransactionalRoute)


class EventTypeOut(Answer):
    """A type of event that endpoints may ask for."""

    type: str
    description: str = Field(description="When it is sent")
    schema_: dict[str, Any] = Field(
        serialization_alias="schema", validation_alias="schema", description="JSON schema 2020-12 of the whole body"
    )
    example: dict[str, Any] = Field(description="A whole made-up body")


class EventTypes(Answer):
    """The catalogue of events."""

    items: list[EventTypeOut]


@router.get("/webhook-events")
def list_event_types(caller: CallerDep) -> EventTypes:
    """Every event that is sent, when, and the form of its body; in the order of the work."""
    caller.require(Permission.READ)
    items = [
        {"type": kind.type, "description": kind.says, "schema": body_schema(kind), "example": body_example(kind)}
        for kind in EVENTS.values()
    ]
    return EventTypes.model_validate({"items": items})
