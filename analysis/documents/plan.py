"""The plan of an evaluation: design, measures in their roles, priors and the rule, fixed before the data."""

from collections import Counter
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from analysis.documents.values import (
    LARGEST,
    Document,
    Key,
    People,
    PriorMean,
    PriorSpread,
    Share,
    UnitId,
    content_hash,
)

MOST = 200
"""Arms, waves, looks or measures of a plan."""
MOST_UNITS = 10_000


class Design(StrEnum):
    """How the comparison is made (methods §3)."""

    PAIRED = "paired"
    CROSS_SECTION = "cross_section"
    PARALLEL = "parallel"
    CLUSTER = "cluster"
    DID = "did"
    ITS = "its"
    STEPPED_WEDGE = "stepped_wedge"


class Family(StrEnum):
    """The kind of value a measure yields, and with it the likelihood."""

    NORMAL = "normal"
    BINARY = "binary"
    ORDINAL = "ordinal"
    COUNT = "count"
    DURATION = "duration"
    SHARE = "share"


class Role(StrEnum):
    """What a measure is for in a plan."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    GLOBAL = "global"
    BALANCING = "balancing"


class Direction(StrEnum):
    """Which way is better."""

    HIGHER_IS_BETTER = "higher_is_better"
    LOWER_IS_BETTER = "lower_is_better"


class PlannedMeasure(Document):
    """A measure in its role, with the scale on which its effect is judged."""

    measure: Key = Field(description="Key of the measure in the catalogue", examples=["mbi_ee"])
    role: Role = Role.PRIMARY
    family: Family
    direction: Direction
    reference_sd: Annotated[float, Field(ge=1e-9, le=LARGEST)] | None = Field(
        default=None,
        description="SD between people that turns raw units into SD units: benchmark, pooled baseline or the "
        "measure's default; never the SD of the change. Needed for normal measures",
    )
    reference_sd_source: str | None = Field(default=None, description="Where the reference SD comes from")
    reference_mean: Annotated[float, Field(ge=-LARGEST, le=LARGEST)] | None = Field(
        default=None, description="Centre of the scale; null: from the data"
    )
    mmd: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.2, description="Minimal meaningful difference, SD units"
    )
    margin: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Largest harm still tolerated, SD units; null: 0.2"
    )
    objective: bool = Field(default=False, description="Logged, unselected metric: halves the bias of the grade")
    scope: Literal["proximal", "global"] | None = Field(
        default=None, description="A global measure as primary is warned about"
    )
    minimum: float | None = Field(default=None, description="Lowest value of the scale")
    maximum: float | None = Field(default=None, description="Highest value of the scale")

    @property
    def tolerated_harm(self) -> float:
        """The margin in force, SD units."""
        return 0.2 if self.margin is None else self.margin


class NormalPrior(Document):
    """N(mean, sd); `sd` is a standard deviation."""

    mean: PriorMean = 0.0
    sd: PriorSpread


class ScalePrior(Document):
    """Half-normal with this scale."""

    scale: PriorSpread


class BorrowPrior(Document):
    """What an earlier version found: the informative part of a robust mixture on the effect."""

    mean: PriorMean
    sd: PriorSpread
    weight: Share = 0.5


class Priors(Document):
    """Priors in SD units (methods §2); what is not given keeps its default."""

    effect: NormalPrior | Literal["flat"] = NormalPrior(mean=0.0, sd=0.5)
    slope: NormalPrior | Literal["flat"] = NormalPrior(mean=0.5, sd=0.5)
    sigma: ScalePrior = ScalePrior(scale=1.0)
    unit_sd: ScalePrior = ScalePrior(scale=0.25)
    unit_time_sd: ScalePrior = ScalePrior(scale=0.10)
    borrow: BorrowPrior | None = None


class Rule(Document):
    """Decision rule v1 (methods §5); every threshold is a field."""

    p_benefit: Share = 0.95
    p_meaningful: Share = 0.70
    p_benefit_sceptical: Share = 0.90
    replace_p_meaningful: Share = Field(default=0.10, description="`replace` when P(δ > MMD) is at or below this")
    replace_p_below_zero: Share = Field(default=0.80, description="`replace` when P(δ < 0) is at or above this")
    balancing_passed: Share = Field(default=0.80, description="P(harm < margin) that lets a balancing measure pass")
    balancing_breached: Share = Field(default=0.50, description="P(harm > margin) that breaches it")
    global_not_worse: Share = Field(default=0.90, description="P(δ > −0.2) asked of each global measure")
    tipping_k: Annotated[float, Field(ge=0)] = Field(
        default=0.1, description="Still scales when non-responders of the treated arm are this many SD worse"
    )
    early_p_benefit: Share = Field(default=0.99, description="P(δ > 0) for `scale` at a look before the last")
    futility: Share = Field(default=0.10, description="Stop when the predictive probability of success is below")


class PlannedArm(Document):
    """An arm of the comparison."""

    key: Key
    role: Literal["treated", "control"]


class PlannedUnit(Document):
    """A unit and the arm it is in."""

    unit_id: UnitId
    arm: Key | None = None
    starts_on: str | None = Field(
        default=None, description="Day on which the unit starts with the intervention (stepped wedge, time series)"
    )


class PlannedWave(Document):
    """One collection of measures."""

    key: Key
    kind: Literal["baseline", "interim", "followup", "retention"]
    starts_on: str | None = None
    ends_on: str | None = None


class PlannedLook(Document):
    """One planned analysis of the follow-up."""

    look: People
    wave: Key
    months: Annotated[float, Field(ge=0)] | None = None


class Plan(Document):
    """An evaluation plan, in its short form (treated, control, baseline, followup) or its long one.

    `expanded()` gives the long form that everything else reads. A plan says nothing of data.
    """

    design: Design
    treated: Key = "intervention"
    control: Key | None = None
    baseline: Key | None = None
    followup: Key = "post"
    arms: list[PlannedArm] = Field(default=[], max_length=MOST)
    units: list[PlannedUnit] = Field(default=[], max_length=MOST_UNITS)
    waves: list[PlannedWave] = Field(default=[], max_length=MOST)
    looks: list[PlannedLook] = Field(default=[], max_length=MOST)
    measures: list[PlannedMeasure] = Field(min_length=1, max_length=MOST)
    priors: Priors = Priors()
    rule: Rule = Rule()
    interval: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.95, description="Probability of every interval, equal-tailed"
    )
    followup_months: Annotated[float, Field(ge=0)] | None = None
    min_followup_months: Annotated[float, Field(ge=0)] | None = 6
    randomised: bool = False
    attrition: dict[Key, Share] | None = Field(
        default=None,
        max_length=MOST,
        description="Share lost to follow-up in each arm, declared where no waves show it",
    )
    phase_in_months: Annotated[float, Field(ge=0)] | None = None
    window: list[float] | None = Field(default=None, description="Months over which a time series' effect is taken")
    baseline_missing_reason: str | None = Field(
        default=None, description="Why there are no baseline data before the test (a published summary, say)"
    )
    interval_reason: str | None = Field(
        default=None, description="Why the evaluation interval lies outside 6 to 18 months"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._nothing_twice()
        long = self.expanded()
        arms, waves = {a.key for a in long.arms}, {w.key for w in long.waves}
        if self.baseline is not None and self.baseline == self.followup:
            raise ValueError(f"baseline and followup are the same wave, {self.followup!r}; name two")
        if self.treated == self.control:
            raise ValueError("treated and control are the same arm; a comparison needs two")
        for unit in self.units:
            if unit.arm is not None and unit.arm not in arms:
                raise ValueError(f"unit {unit.unit_id} is in arm {unit.arm!r}, which the plan does not have")
        for look in long.looks:
            if look.wave not in waves:
                raise ValueError(f"look {look.look} is at wave {look.wave!r}, which the plan does not have")
        for arm in self.attrition or {}:
            if arm not in arms:
                raise ValueError(f"attrition names arm {arm!r}, which the plan does not have")
        return self

    def _nothing_twice(self) -> None:
        """Raise ValueError when a measure, arm, wave, unit or look is named twice."""
        for what, keys in (
            ("measure", [m.measure for m in self.measures]),
            ("arm", [a.key for a in self.arms]),
            ("wave", [w.key for w in self.waves]),
            ("unit", [u.unit_id for u in self.units]),
            ("look", [str(planned.look) for planned in self.looks]),
        ):
            if twice := [key for key, times in Counter(keys).items() if times > 1]:
                help_ = "; give each measure one role" if what == "measure" else ""
                raise ValueError(f"{what} named twice: {', '.join(sorted(twice))}{help_}")

    def expanded(self) -> "Plan":
        """The same plan in its long form: arms, waves and looks are never empty; short and long names agree."""
        arms = self.arms or [
            PlannedArm(key=self.treated, role="treated"),
            *([PlannedArm(key=self.control, role="control")] if self.control else []),
        ]
        waves = self.waves or [
            *([PlannedWave(key=self.baseline, kind="baseline")] if self.baseline else []),
            PlannedWave(key=self.followup, kind="followup"),
        ]
        baselines = [w.key for w in waves if w.kind == "baseline"]
        followups = [w.key for w in waves if w.kind == "followup"] or [waves[-1].key]
        followup = self.followup if self.followup in {w.key for w in waves} else followups[-1]
        looks = self.looks or [PlannedLook(look=1, wave=followup, months=self.followup_months)]
        treated = [a.key for a in arms if a.role == "treated"]
        control = [a.key for a in arms if a.role == "control"]
        return self.model_copy(
            update={
                "arms": arms,
                "waves": waves,
                "looks": looks,
                "treated": treated[0] if treated else self.treated,
                "control": control[0] if control else self.control,
                "baseline": baselines[-1] if baselines else self.baseline,
                "followup": followup,
                "followup_months": looks[-1].months if self.followup_months is None else self.followup_months,
            }
        )

    def measure(self, key: str) -> PlannedMeasure | None:
        """The planned measure of this key, or None."""
        return next((m for m in self.measures if m.measure == key), None)

    def hash(self) -> str:
        """Hash of the expanded plan: short and long form of one plan hash alike."""
        return content_hash(self.expanded().model_dump(mode="json"))
