"""The documents of a synthesis: what organizations found of one intervention, and how it is to be pooled.

Only forms and their defaults; cheap to import (no NumPy), so that a web process may use it.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from analysis.documents import (
    Document,
    Engine,
    Key,
    NormalPrior,
    Number,
    PriorSpread,
    confirmatory_seed,
    content_hash,
)

MOST_ENTRIES = 200
Letter = Literal["A", "B", "C", "D"]


class EvidenceRole(StrEnum):
    """Where an organization stands to the intervention: it began there, or was taken over."""

    ORIGIN = "origin"
    ADOPTER = "adopter"


class TauKind(StrEnum):
    """The form of the prior on the SD between organizations."""

    HALF_NORMAL = "half-normal"
    HALF_CAUCHY = "half-cauchy"


class Evidence(Document):
    """What one organization found: the unadjusted estimate and SE under a flat prior (`evidence` of a fit)."""

    organization: Key
    effect_sd: Number = Field(description="Effect oriented to benefit, SD units, without prior and bias")
    se_sd: Number = Field(description="Its standard error, SD units; above 0")
    grade: Letter
    role: EvidenceRole
    source: Key | None = Field(
        default=None,
        description="The study, pilot or publication this is from. Entries of one source are one study; entries of one "
        "organization count as independent studies only where each names a source of its own",
    )


class Retained(Document):
    """The effect at the origin at its retention wave."""

    effect_sd: Number
    se_sd: Number
    grade: Letter | None = Field(default=None, description="null: the worst grade of the origin's entries")


class TauPrior(Document):
    """Prior on τ, the SD between organizations, SD units."""

    kind: TauKind = TauKind.HALF_NORMAL
    scale: PriorSpread = 0.25


class SynthesisPriors(Document):
    """Priors of the mean over organizations and of the SD between them; what is not given keeps its default."""

    mu: NormalPrior | Literal["flat"] = NormalPrior(mean=0.0, sd=0.5)
    tau: TauPrior = TauPrior()


class SynthesisRequest(Document):
    """What `synthesise` reads."""

    evidence: list[Evidence] = Field(max_length=MOST_ENTRIES)
    retained: Retained | None = None
    priors: SynthesisPriors = SynthesisPriors()
    bias: bool = Field(default=True, description="false leaves the bias of the grades out")
    mmd: Annotated[float, Field(ge=0, le=100)] = 0.2
    interval: Annotated[float, Field(gt=0.5, lt=1)] = Field(default=0.95, description="Probability of every interval")
    engine: Engine = Engine.NUTS
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        default=None, description="null: derived from the content of the request"
    )

    def data_hash(self) -> str:
        """Hash of the evidence as given, what was retained included."""
        return content_hash(self.model_dump(mode="json", include={"evidence", "retained"}))

    def rule_hash(self) -> str:
        """Hash of how the evidence is pooled and judged."""
        return content_hash(self.model_dump(mode="json", include={"priors", "bias", "mmd", "interval"}))

    def seed_in_force(self) -> int:
        """The seed given, else the one that follows from the content, whatever the engine."""
        return confirmatory_seed(self.rule_hash(), self.data_hash()) if self.seed is None else self.seed
