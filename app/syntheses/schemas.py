"""Requests and answers about evidence and syntheses."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from analysis.documents import Design, Engine, Share
from analysis.evidence import EvidenceRole, Letter, Retained, SynthesisPriors
from app.analyses.models import Kind
from app.forms import Answer, AtInstant, CatalogueKey, Form, Id, Line, Prose, Seed
from app.operations import OperationLine, OperationOut

LARGEST_EFFECT, SMALLEST_SE = 100.0, 1e-6
"""In SD units: what lies outside is another unit or a slip."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class EvidenceIn(Form):
    """What an organization found of the intervention, outside of this service's decisions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "organization": "Lakeside Clinic",
                    "measure": "mbi_ee",
                    "effect_sd": 0.41,
                    "se_sd": 0.17,
                    "design": "parallel",
                    "randomised": True,
                    "attrition": {"intervention": 0.07, "control": 0.1},
                    "role": "adopter",
                    "source": "Lakeside Clinic, report of its coaching trial (synthetic)",
                }
            ]
        }
    )
    organization: Name = Field(description="Whose effect it is. Entries of one name are one organization")
    organization_id: Id | None = Field(
        default=None, description="Your own organization, when the effect is its own; its registered name counts then"
    )
    measure: CatalogueKey
    effect_sd: float = Field(
        ge=-LARGEST_EFFECT, le=LARGEST_EFFECT, description="SD units, oriented to benefit, without prior and bias"
    )
    se_sd: float = Field(ge=SMALLEST_SE, le=LARGEST_EFFECT, description="Its standard error, SD units")
    design: Design
    randomised: bool
    units_per_arm: int | None = Field(default=None, ge=1, le=1_000_000, description="Of the smaller arm")
    attrition: dict[Name, Share] | None = Field(default=None, max_length=20, description="Share lost, by arm")
    role: EvidenceRole
    source: Name = Field(
        description="Study, report or publication. Entries of one source are the same people: name `pilot <id>` for "
        "what is of a pilot of yours in this service, so that it does not count twice. What another organization "
        "reported of a source before stands as it is"
    )


class WithdrawalIn(Form):
    """Why a reported entry counts no more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The standard error was entered as SD."}]})
    reason: Prose


class EvidenceKind(StrEnum):
    """Where an entry comes from."""

    REPORTED = "reported"
    DECISION = "decision"


class LeftOut(Answer):
    """Why an entry does not count."""

    code: str
    message: str


class Told(Answer):
    """What a reader of an entry has to know."""

    code: str
    message: str


class EvidenceOut(Answer):
    """One entry of evidence; `id` is the decision's when it comes from one."""

    id: str
    kind: EvidenceKind
    organization: str
    organization_id: str | None
    reporter_id: str = Field(description="The organization that entered it: its keys alone withdraw it")
    measure: str | None
    measure_class: str | None = Field(default=None, description="What it measures: only one class is pooled")
    effect_sd: float | None
    se_sd: float | None
    grade: Letter = Field(description="Of a reported entry computed from its design, units and attrition")
    role: EvidenceRole
    source: str
    design: Design
    randomised: bool
    units_per_arm: int | None = None
    attrition: dict[str, float] | None = None
    provisional: bool = Field(default=False, description="The follow-up was shorter than planned for a decision")
    left_out: LeftOut | None = Field(default=None, description="null: it counts in a synthesis")
    warnings: list[Told] = Field(default=[], description="What the decision was signed with and readers have to know")
    created_at: AtInstant


class SynthesisIn(Form):
    """Ask for a synthesis of the evidence as it is now. Usually empty: anything else makes it exploratory."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{}, {"priors": {"tau": {"kind": "half-cauchy", "scale": 0.25}}, "seed": 7}]}
    )
    measure: CatalogueKey | None = Field(default=None, description="Only evidence on this measure")
    measure_class: Line | None = Field(
        default=None, description="Only evidence on measures of this class; default: the class of the origin's own"
    )
    retained: Retained | None = Field(
        default=None, description="The effect at the origin's retention wave; default: as its newest analysis found it"
    )
    priors: SynthesisPriors = SynthesisPriors()
    bias: bool = Field(default=True, description="false leaves the bias of the grades out")
    mmd: float = Field(default=0.2, ge=0, le=100, description="Minimal meaningful difference, SD units")
    interval: float = Field(default=0.95, gt=0.5, lt=1, description="Probability of every interval")
    engine: Engine = Engine.NUTS
    seed: Seed | None = Field(default=None, description="null: follows from the evidence")


class SynthesisLine(OperationLine):
    """A synthesis in a list, without its result."""

    intervention_id: str
    kind: Kind
    measure: str | None


class SynthesisOut(OperationOut, SynthesisLine):
    """A synthesis: ask again until `status` is final."""

    result: dict[str, Any] | None = Field(description="The answer of `synthesise`, or `{refused: …}`")
    warnings: list[dict[str, str]] = Field(description="What was left out, and whether the evidence has changed since")
    provenance: dict[str, Any] = Field(description="The evidence it read, its hash, seed, model and versions")
    created_by: str | None = Field(description="null for keys of other organizations")
