"""Requests and answers of organizations, units and the catalogues."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from analysis.documents import Direction, Family
from app.catalog.models import Scope
from app.forms import Answer, AtInstant, CatalogueKey, Form, Id, Line, Note


class OrganizationIn(Form):
    """A new organization."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Northfield Health"}]})
    name: Line


class OrganizationPatch(Form):
    """What may change of an organization."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Northfield Health System"}]})
    name: Line


class OrganizationOut(Answer):
    """A health system or hospital."""

    id: str
    name: str
    created_at: AtInstant
    version: int


class UnitIn(Form):
    """A new unit of an organization."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "General internal medicine",
                    "specialty": "internal medicine",
                    "occupation": "physician",
                    "headcount": 120,
                }
            ]
        }
    )
    name: Line
    parent_id: Id | None = Field(default=None, description="The unit this one is part of")
    specialty: Line | None = None
    occupation: Line | None = None
    headcount: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(default=None, description="Clinicians")


class UnitPatch(Form):
    """What may change of a unit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"headcount": 124}]})
    name: Line | None = None
    parent_id: Id | None = None
    specialty: Line | None = None
    occupation: Line | None = None
    headcount: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class UnitOut(Answer):
    """A department, division, clinic or ward."""

    id: str
    organization_id: str
    parent_id: str | None
    name: str
    specialty: str | None
    occupation: str | None
    headcount: int | None
    created_at: AtInstant
    version: int


class DriverIn(Form):
    """A driver dimension to add: what contributes to burnout or fulfilment."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"key": "night_work", "name": "Frequency of night work", "source": "own discovery research"}]
        }
    )
    key: CatalogueKey
    name: Line
    source: Line | None = None
    note: Note | None = None


class DriverOut(Answer):
    """A driver dimension; `organization_id` null: shared by all."""

    key: str
    name: str
    source: str | None
    note: str | None
    organization_id: str | None


class MeasureIn(Form):
    """A measure to add to the catalogue: an instrument (never its item texts) or a metric."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": "room_turnover",
                    "name": "Room turnover, minutes",
                    "family": "normal",
                    "scope": "proximal",
                    "measure_class": "efficiency",
                    "minimum": 0,
                    "direction": "lower_is_better",
                    "default_sd": 6.0,
                    "sd_source": "last year's log",
                }
            ]
        }
    )
    key: CatalogueKey
    name: Line
    family: Family
    scope: Scope
    measure_class: Annotated[Line, Field(max_length=100)]
    minimum: float | None = Field(default=None, description="Lowest value of the scale")
    maximum: float | None = Field(default=None, description="Highest value of the scale")
    direction: Direction
    default_sd: Annotated[float, Field(gt=0)] | None = Field(default=None, description="SD between people, raw units")
    sd_source: Line | None = None
    licence: Line | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _scale(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            msg = f"minimum {self.minimum} must be below maximum {self.maximum}"
            raise ValueError(msg)
        return self


class MeasureOut(Answer):
    """A measure; `organization_id` null: shared by all."""

    key: str
    name: str
    family: Family
    scope: Scope
    measure_class: str
    minimum: float | None
    maximum: float | None
    direction: Direction
    default_sd: float | None
    sd_source: str | None
    licence: str | None
    note: str | None
    organization_id: str | None


class ProgramDimensionIn(Form):
    """A dimension of foundational programs to add."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key": "family_support", "name": "Support for families of clinicians"}]}
    )
    key: CatalogueKey
    name: Line
    example_tactics: Note | None = None


class ProgramDimensionOut(Answer):
    """A dimension of foundational programs; `organization_id` null: shared by all."""

    key: str
    name: str
    example_tactics: str | None
    organization_id: str | None
