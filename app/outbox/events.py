"""What an event is made of; each domain declares its own in its `events.py`, `webhooks/catalogue.py` lists them."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class EventData(BaseModel):
    """The `data` of an event; a subclass names its `type`, says when it is sent, and has an example."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    type: ClassVar[str]
    says: ClassVar[str]
    example: ClassVar[dict[str, Any]]
