"""Requests and answers of contextual events."""

from datetime import date

from pydantic import ConfigDict, Field

from app.forms import Answer, AtInstant, Form, Id, Line, Prose

ONGOING = "Its last day; null: still going on. What lasted a day has the same date twice"
PLACE = "The unit it happened in, with all units below it; null: the whole organization"


class ContextEventIn(Form):
    """Something that happened around the pilots and may hide or mimic an effect."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "EHR go-live",
                    "description": "All documentation moved to the new system; support on site for two weeks.",
                    "starts_on": "2026-03-01",
                    "ends_on": "2026-03-14",
                }
            ]
        }
    )
    organization_id: Id | None = Field(default=None, description="Empty: the organization of your key")
    unit_id: Id | None = Field(default=None, description=PLACE)
    title: Line
    description: Prose | None = None
    starts_on: date
    ends_on: date | None = Field(default=None, description=ONGOING)


class ContextEventPatch(Form):
    """What may change of a contextual event."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ends_on": "2026-03-21"}]})
    unit_id: Id | None = Field(default=None, description=PLACE)
    title: Line | None = None
    description: Prose | None = None
    starts_on: date | None = None
    ends_on: date | None = Field(default=None, description=ONGOING)


class ContextEventLine(Answer):
    """A contextual event where it falls into an evaluation interval."""

    id: str
    unit_id: str | None = Field(description=PLACE)
    title: str
    starts_on: date
    ends_on: date | None = Field(description=ONGOING)


class ContextEventOut(ContextEventLine):
    """A contextual event."""

    organization_id: str
    description: str | None
    created_by: str
    created_at: AtInstant
    version: int
