"""How a unit stands against its benchmark: the posterior of its difference in SD units; pure, no NumPy.

d = (mean of the unit − mean of the benchmark) / SD of the benchmark, oriented so that d > 0 is favourable.
d ~ N(0, BETWEEN): most units of a specialty lie near its mean. The observed difference is
N(d, √(σ²/n + 1/n_benchmark)), σ the SD within the unit; σ² ~ scaled inverse χ²(WITHIN_DF, 1), updated by the unit's own
SD. Given σ everything has a closed form; σ is summed over a grid of log σ², on which the trapezoidal rule is exact to
the last digits (docs/methods.md, section 10).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MEANINGFUL = 0.2
"""Beyond this many SDs a difference is meaningful, within it two are similar (domain)."""
BETWEEN = 0.25
"""SD between the means of units, in SDs between people: the scale of the library's prior on it."""
WITHIN_DF = 10
"""The benchmark's SD counts as so many people's about σ²: SDs within units differ by about a fifth (1/√20)."""
PROBABLY = 0.5
"""The least probability with which a class is told."""
REACH, POINTS = 9.0, 55
"""The grid of log σ²: so many of its SDs to either side, a third of one apart."""
NOTHING = 1e-15
HALVINGS = 40


class Standing(StrEnum):
    """Where a unit lies: beyond +0.2 SD, within ±0.2 SD, or below −0.2 SD, positive always favourable."""

    FAVOURABLE = "favourable"
    SIMILAR = "similar"
    UNFAVOURABLE = "unfavourable"


@dataclass(frozen=True)
class Reference:
    """A benchmark in raw units."""

    mean: float
    sd: float
    n: int


@dataclass(frozen=True)
class Placed:
    """The posterior of d, in SD units: mean, SD, 95 % equal-tailed interval, and the probability of each class.

    `observed` is the difference as seen, not shrunken.
    """

    observed: float
    mean: float
    sd: float
    low: float
    high: float
    probabilities: dict[Standing, float]

    @property
    def standing(self) -> Standing | None:
        """The class that has at least PROBABLY; None when none has."""
        likeliest = max(Standing, key=self.probabilities.__getitem__)
        return likeliest if self.probabilities[likeliest] >= PROBABLY else None


@dataclass(frozen=True)
class _Part:
    """A normal part of the posterior, of one value of σ, with its weight."""

    weight: float
    mean: float
    sd: float


def place(n: int, mean: float, sd: float | None, benchmark: Reference, *, higher_is_better: bool) -> Placed:
    """The posterior of a unit of `n` people with this mean and SD (n − 1; None: unknown) against its benchmark.

    ValueError unless n ≥ 1, the benchmark has n ≥ 1 and an SD above 0.
    """
    if n < 1 or benchmark.n < 1 or benchmark.sd <= 0:
        msg = "a unit and its benchmark have people, and a benchmark has an SD above 0"
        raise ValueError(msg)
    sign = 1 if higher_is_better else -1
    observed = sign * (mean - benchmark.mean) / benchmark.sd
    parts = _parts(n, observed, None if sd is None or n == 1 else sd / benchmark.sd, benchmark.n)
    centre = math.fsum(p.weight * p.mean for p in parts)
    spread = math.sqrt(math.fsum(p.weight * (p.sd**2 + (p.mean - centre) ** 2) for p in parts))
    below, within = _below(parts, -MEANINGFUL), _below(parts, MEANINGFUL)
    return Placed(
        observed=observed,
        mean=centre,
        sd=spread,
        low=_quantile(parts, 0.025),
        high=_quantile(parts, 0.975),
        probabilities={
            Standing.FAVOURABLE: 1 - within,
            Standing.SIMILAR: within - below,
            Standing.UNFAVOURABLE: below,
        },
    )


def _parts(n: int, observed: float, sd: float | None, people: int) -> list[_Part]:
    """The posterior as a mixture over σ², in SD units of the benchmark."""
    own = 0 if sd is None else n - 1
    df = WITHIN_DF + own
    pooled = (WITHIN_DF + own * (sd or 0.0) ** 2) / df
    step = 2 * REACH * math.sqrt(2 / df) / (POINTS - 1)
    found = []
    for i in range(POINTS):
        at = (i - (POINTS - 1) / 2) * step  # log σ² less that of its pooled estimate
        noise = pooled * math.exp(at) / n + 1 / people
        total = BETWEEN**2 + noise
        # Of σ² as the SDs tell it, times the likelihood of the observed difference.
        log = -0.5 * (df * (at + math.exp(-at)) + math.log(total) + observed**2 / total)
        found.append((log, BETWEEN**2 / total * observed, math.sqrt(BETWEEN**2 * noise / total)))
    most = max(log for log, _, _ in found)
    whole = math.fsum(math.exp(log - most) for log, _, _ in found)
    parts = (_Part(math.exp(log - most) / whole, mean, spread) for log, mean, spread in found)
    return [part for part in parts if part.weight > NOTHING]


def _below(parts: Sequence[_Part], at: float) -> float:
    return math.fsum(p.weight * 0.5 * math.erfc((p.mean - at) / (p.sd * math.sqrt(2))) for p in parts)


def _quantile(parts: Sequence[_Part], share: float) -> float:
    low = min(p.mean - 10 * p.sd for p in parts)
    high = max(p.mean + 10 * p.sd for p in parts)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(parts, middle) < share else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True)
class Progress:
    """How many units stand where: by the class told, and expected (the sum of the probabilities)."""

    counts: dict[Standing, int]
    unclear: int
    expected: dict[Standing, float]


def progress(placed: Sequence[Placed]) -> Progress:
    """The number of units in each class, never a pooled mean, which large units would dominate."""
    told = [p.standing for p in placed]
    return Progress(
        counts={standing: told.count(standing) for standing in Standing},
        unclear=told.count(None),
        expected={standing: math.fsum(p.probabilities[standing] for p in placed) for standing in Standing},
    )
