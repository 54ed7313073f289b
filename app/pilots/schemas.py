"""Requests and answers of interventions and pilots."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.forms import Answer, AtInstant, Form, Id, Line, Prose
from app.pilots.models import OwnershipRole, Stage


class InterventionIn(Form):
    """A program or tactic to try."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Professional coaching for physicians",
                    "description": "Six telephone sessions with a certified coach over five months.",
                    "driver": "self_valuation",
                    "ownership_role": "own",
                }
            ]
        }
    )
    title: Line
    description: Prose
    driver: Line = Field(description="Key of the driver it acts on (GET /v1/drivers)")
    organization_id: Id | None = Field(default=None, description="Empty: your own")
    derived_from: Id | None = Field(default=None, description="The intervention this one is a variant of")
    derivation_reason: Prose | None = Field(default=None, description="Why a variant: more feasible, cheaper, adapted")
    ownership_role: OwnershipRole = Field(
        description="What the units' own people do: `design` it, `own` it, or `influence` others who do"
    )


class InterventionPatch(Form):
    """What may change of an intervention."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "Six sessions, by video or telephone."}]})
    title: Line | None = None
    description: Prose | None = None
    driver: Line | None = None
    derivation_reason: Prose | None = None
    ownership_role: OwnershipRole | None = None


class InterventionOut(Answer):
    """A program or tactic."""

    id: str
    organization_id: str | None
    title: str
    description: str
    driver: str
    derived_from: str | None
    derivation_reason: str | None
    ownership_role: OwnershipRole
    created_at: AtInstant
    version: int


class DiscoveryKind(StrEnum):
    """How it became known that a driver matters here."""

    SURVEY = "survey"
    LISTENING_SESSION = "listening_session"
    LITERATURE = "literature"
    OTHER = "other"


class DiscoveryNote(Form):
    """What shows that this driver matters here."""

    kind: DiscoveryKind
    text: Prose


class SustainabilityReview(Form):
    """Whether the program can be kept up and spread, judged before `scale`."""

    cost: Prose | None = None
    staffing: Prose | None = None
    complexity: Prose | None = None
    later_owner: Prose | None = Field(default=None, description="Who owns the program afterwards")
    handover: Prose | None = None
    scalable: bool | None = None


class ControlledEvaluation(Form):
    """The comparison inside the roll-out that a provisional `scale` (grade C) stands or falls with."""

    design: Literal["parallel", "cluster", "stepped_wedge", "did"] = Field(description="One with a comparison")
    description: Prose = Field(description="Who is compared with whom, and on what")
    due_on: date = Field(description="By when it is decided")


class PilotIn(Form):
    """A new pilot; it starts in `discover`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Coaching, general internal medicine",
                    "organization_id": "01a200a1-c316-7a10-abe5-fa5cac82794f",
                    "driver": "self_valuation",
                    "lead": "ana.ruiz",
                    "unit_ids": [],
                }
            ]
        }
    )
    title: Line
    organization_id: Id | None = Field(default=None, description="Empty: the organization of your key")
    driver: Line = Field(description="Key of the driver (GET /v1/drivers)")
    intervention_id: Id | None = None
    lead: Line | None = Field(default=None, description="The person who leads; default: you. May not sign decisions")
    unit_ids: list[Id] = Field(default=[], max_length=1000)
    discovery_note: DiscoveryNote | None = None


class PilotPatch(Form):
    """Any field of a pilot; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "discovery_note": {"kind": "survey", "text": "Self-valuation lies 0.4 SD below the benchmark."},
                    "feasibility_note": "Coaches are under contract; sessions fit into protected time.",
                    "frontline_involved": "Four physicians of the unit chose the coaches and the schedule.",
                }
            ]
        }
    )
    title: Line | None = None
    driver: Line | None = None
    intervention_id: Id | None = None
    lead: Line | None = None
    unit_ids: Annotated[list[Id], Field(max_length=1000)] | None = None
    discovery_note: DiscoveryNote | None = None
    justification: Prose | None = Field(default=None, description="Why experiment although a program covers the driver")
    feasibility_note: Prose | None = None
    frontline_involved: Prose | None = Field(default=None, description="Who of the front line took part in planning")
    lessons: Prose | None = Field(
        default=None, description="What the iteration taught (in `refine`: the one just closed); shared openly"
    )
    share_lessons: bool | None = Field(
        default=None,
        description="true: what the pilot's iterations taught is read by every organization, without naming the pilot, "
        "its organization or a person",
    )
    sustainability_review: SustainabilityReview | None = None
    controlled_evaluation: ControlledEvaluation | None = Field(
        default=None, description="What a provisional `scale` demands before the move; fixed while it is provisional"
    )
    evaluated_by: Id | None = Field(
        default=None, description="The pilot that is this controlled evaluation: same organization and intervention"
    )


class Covering(Answer):
    """A foundational program that covers the pilot's driver already."""

    program_id: str
    intervention_id: str
    title: str
    dimension: str


class PilotOut(Answer):
    """A pilot and the stage it is in."""

    id: str
    organization_id: str
    title: str
    driver: str
    intervention_id: str | None
    lead: str
    stage: Stage
    iteration: int
    unit_ids: list[str]
    discovery_note: dict[str, Any] | None
    justification: str | None
    feasibility_note: str | None
    frontline_involved: str | None
    lessons: str | None
    share_lessons: bool
    sustainability_review: dict[str, Any] | None
    provisional: bool = Field(description="Scaled for the time being: its controlled evaluation is still open")
    scaled: bool = Field(description="In scale or foundational, and not provisionally")
    controlled_evaluation: dict[str, Any] | None
    evaluated_by: str | None
    covered_by: list[Covering] = Field(
        description="Foundational programs for this driver; experimenting needs a reason"
    )
    retirement: str | None
    successor_id: str | None = Field(description="The pilot that follows this one")
    succeeds: list[str] = Field(description="The pilots that this one follows")
    created_by: str
    created_at: AtInstant
    version: int


class LessonOut(Answer):
    """What an iteration of a pilot taught. Shared by another organization it names no pilot, person or organization."""

    id: str
    organization_id: str | None
    pilot_id: str | None
    iteration: int | None
    stage: Stage
    driver: str
    intervention_id: str | None
    text: str
    shared: bool
    by: str | None
    at: AtInstant
