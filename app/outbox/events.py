"""What an event is made of; each domain declares its own in its `events.py`, `webhooks/catalogue.py` lists them."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, WithJsonSchema

from app.forms import AtInstant

INSTANT_SCHEMA: dict[str, Any] = {"type": "string", "format": "date-time"}
EventInstant = Annotated[AtInstant, WithJsonSchema(INSTANT_SCHEMA)]


class EventPart(BaseModel):
    """A part of an event's data; nothing is in it that its schema does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class EventData(EventPart):
    """The `data` of an event; a subclass names its `type`, says when it is sent, and has an example."""

    type: ClassVar[str]
    says: ClassVar[str]
    example: ClassVar[dict[str, Any]]
