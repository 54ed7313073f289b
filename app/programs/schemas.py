"""Requests and answers about foundational programs."""

from datetime import date
from typing import Any

from pydantic import ConfigDict, Field

from app.forms import Answer, AtInstant, Form, Prose
from app.pilots.models import ProgramStatus


class ProgramLine(Answer):
    """A foundational program."""

    id: str
    intervention_id: str
    title: str
    driver: str
    dimension: str
    status: ProgramStatus
    organization: str = Field(description="Where it began")
    synthesis_id: str = Field(description="What it stands on: the evidence of all organizations, pooled")
    established_at: AtInstant
    reviewed_at: AtInstant | None
    demoted_at: AtInstant | None
    review_due_on: date
    review_overdue: bool
    accepted_by: int = Field(description="How many organizations have accepted it for themselves")
    accepted: bool | None = Field(description="What your organization said; null: nothing yet")


class ProgramOut(ProgramLine):
    """A foundational program with what it stands on."""

    description: str
    established_by: str | None = Field(description="null for keys of other organizations")
    recommendation: dict[str, Any] = Field(description="The foundational rule on its synthesis, with every criterion")
    evidence: list[dict[str, Any]] = Field(description="The entries of that synthesis, those left out with the reason")


class AcceptanceIn(Form):
    """What your organization says of a program, for itself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"accepted": True, "note": "From January for all clinics."}]}
    )
    accepted: bool = True
    note: Prose | None = None


class AcceptanceOut(Answer):
    """What an organization said of a program; its newest word counts."""

    id: str
    program_id: str
    organization_id: str
    accepted: bool
    note: str | None
    by: str
    at: AtInstant


class DimensionOut(Answer):
    """A dimension of foundational programs, and what an organization has there."""

    dimension: str
    name: str
    example_tactics: str | None
    accepted: list[ProgramLine] = Field(description="Active programs the organization has accepted")
    available: list[ProgramLine] = Field(description="Active programs it has not accepted")
    demoted: list[ProgramLine] = Field(description="Programs it accepted that no longer hold")
    gap: bool = Field(description="No accepted active program in this dimension")


class Catalogue(Answer):
    """The dimensions of foundational programs, with the gaps of an organization."""

    organization_id: str | None
    gaps: int
    items: list[DimensionOut]
