"""Answers about where units stand against their benchmarks."""

from datetime import date

from pydantic import Field

from analysis.standing import Standing
from app.benchmarks.rules import Fit
from app.forms import Answer


class BenchmarkUsed(Answer):
    """The benchmark a unit was held against, and by what it is the unit's own."""

    id: str
    fit: Fit
    specialty: str | None
    occupation: str | None
    period_start: date
    period_end: date
    mean: float
    sd: float
    n: int
    source: str


class IntervalOut(Answer):
    """A credible interval."""

    low: float
    high: float
    prob: float = 0.95
    kind: str = "equal-tailed"


class DifferenceOut(Answer):
    """The difference from the benchmark in its SDs, positive favourable: as observed, and its posterior."""

    observed: float
    mean: float
    sd: float
    interval: IntervalOut


class Unplaced(Answer):
    """Why a unit was not held against a benchmark, and what would help."""

    code: str
    message: str


class UnitStandingOut(Answer):
    """A unit against its benchmark; of one of too few people only its name, and `suppressed`."""

    unit_id: str
    name: str
    specialty: str | None
    occupation: str | None
    n: int | None = None
    mean: float | None = Field(default=None, description="In the measure's own unit, over all arms")
    sd: float | None = None
    benchmark: BenchmarkUsed | None = None
    difference: DifferenceOut | None = None
    probabilities: dict[str, float] | None = Field(
        default=None, description="That it lies beyond +0.2 SD (favourable), within ±0.2 SD (similar), below −0.2 SD"
    )
    standing: Standing | None = Field(
        default=None, description="The class with a probability of at least 0.5, “probably”; null: none has"
    )
    says: str | None = None
    not_placed: Unplaced | None = None
    suppressed: bool = False


class ProgressOut(Answer):
    """How many units stand where, never their pooled mean, which large units would dominate."""

    counts: dict[str, int] = Field(description="Units by the class told")
    unclear: int = Field(description="Units of which no class has a probability of at least 0.5")
    expected: dict[str, float] = Field(description="Sums of the probabilities: how many units are expected there")
    placed: int
    not_placed: int = Field(
        description="Units without a benchmark, without answers, or not shown; in none of the above"
    )
    probably: float = Field(description="The least probability with which a class is told")


class UnitStandingsOut(Answer):
    """Each unit of a pilot against its benchmark at a wave, and how many stand where."""

    iteration: int
    measure: str
    wave: str
    starts_on: date | None
    ends_on: date | None
    units: list[UnitStandingOut]
    progress: ProgressOut
    warnings: list[dict[str, str]]
