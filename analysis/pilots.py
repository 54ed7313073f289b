"""Makes the data of one simulated pilot, in the shapes a real one would enter. No analysis and no rule here.

Everything is drawn in SD units about 0, in which the analysis works anyway; values have neither floor nor ceiling. A
person's value is unit + unit × wave + own: variances `icc`, `unit_time_sd`², 1 − `icc` (no units: 1), own values of
two waves correlate by r. The effect is there in full at every wave after the start. Normal groups are drawn as what
is sufficient of them: means and a Wishart matrix (Bartlett's decomposition). Binary values are whether a latent normal
value lies below its threshold, so that one person's answers of two waves go together; units move the logit.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from analysis import pilots_series
from analysis.designs.parallel_binary import KAPPA_LOGIT
from analysis.documents import (
    Cell,
    CountOf,
    Design,
    Direction,
    Family,
    MeasureData,
    Pair,
    Plan,
    PlannedMeasure,
    Row,
)
from analysis.pilots_wedge import dated, periods, starts_of
from analysis.scenario import IN_UNITS, UNLINKED, SimulateRequest

Array = NDArray[np.float64]
WISHART_FROM = 3
"""People beyond the number of waves from which a scatter matrix is drawn instead of the people themselves."""


@dataclass(frozen=True, slots=True)
class Group:
    """People of one arm, and of one unit where the design has units; a monthly series has none."""

    unit: str | None
    arm: str
    n: int
    treated: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one measure: the shift the data show (effect and bias, oriented), and how people vary.

    `before` are the waves before the start, `after` those of the looks; `sign` is −1 where lower is better. `by_person`
    where the data will be rows, so that people must be drawn one by one. `starts` is the wave each unit crosses over at
    where units do. `measure` and `asked` are what a family or a
    design needs beyond that.
    """

    shift: float
    sign: int
    r: float
    icc: float
    unit_time_sd: float
    rate: float
    before: tuple[str, ...]
    after: tuple[str, ...]
    measure: PlannedMeasure
    plan: Plan
    asked: SimulateRequest
    by_person: bool = False
    starts: Mapping[str | None, int] = field(default_factory=dict)

    @property
    def waves(self) -> tuple[str, ...]:
        """All waves in their order."""
        return (*self.before, *self.after)

    def means(self, group: Group) -> Array:
        """Expectation in each wave, SD units, in the measure's own direction."""
        started = np.array([0.0] * len(self.before) + [1.0] * len(self.after))
        if self.starts:
            started = (np.arange(len(self.waves)) >= self.starts[group.unit]).astype(np.float64)
        return self.sign * self.shift * started * group.treated

    def arm(self, group: Group, wave: int) -> str | None:
        """The arm that an entry names; of units that cross over the state they are in, where no date tells it."""
        if not self.starts:
            return group.arm
        if dated(self.plan, list(self.starts)) or self.plan.control is None:
            return None
        return group.arm if wave >= self.starts[group.unit] else self.plan.control


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """One group's values in all waves: means (W,), scatter (W, W), and each person's (n, W) where they were drawn."""

    group: Group
    mean: Array
    scatter: Array
    people: Array | None = None

    @classmethod
    def of(cls, group: Group, people: Array) -> "Values":
        """From each person's values."""
        mean = people.mean(axis=0)
        return cls(group, mean, (people - mean).T @ (people - mean), people)


def groups_of(request: SimulateRequest) -> list[Group]:
    """The groups of a request, people split as evenly as can be."""
    treated, made = request.arms[0], []
    if request.plan.design is Design.ITS:
        return [Group(None, arm, 0, arm == treated) for arm in request.arms]
    for arm in request.arms:
        k = request.units_by_arm[arm]
        wedge = request.plan.design is Design.STEPPED_WEDGE
        named = [u.unit_id for u in request.plan.units if wedge or u.arm == arm]
        ids = named if len(named) == k else [f"{arm}-{i + 1}" for i in range(k)]
        for i in range(k):
            n = request.people[arm] // k + (i < request.people[arm] % k)
            made.append(Group(ids[i] if request.plan.design in IN_UNITS else None, arm, n, arm == treated))
    return made


def truth_of(request: SimulateRequest, plan: Plan, measure: PlannedMeasure, effect: float, bias: float) -> Truth:
    """What is true of a measure when the primary's effect is `effect` and its data add `bias`; `plan` is expanded."""
    grouped = plan.design in IN_UNITS
    starts = starts_of(plan, [group.unit for group in groups_of(request)])
    before = () if starts else request.waves_before
    return Truth(
        shift=request.effect_of(measure, effect) + bias,
        sign=1 if measure.direction is Direction.HIGHER_IS_BETTER else -1,
        r=0.0 if plan.design in UNLINKED else request.r_of(measure),
        icc=request.icc if grouped else 0.0,
        unit_time_sd=request.unit_time_sd if grouped else 0.0,
        rate=request.rate_of(measure) or 0.5,
        before=before,
        after=periods(plan) if starts else tuple(dict.fromkeys(look.wave for look in plan.looks)),
        measure=measure,
        plan=plan,
        asked=request,
        by_person=request.in_rows,
        starts=starts,
    )


@dataclass(frozen=True, slots=True)
class Maker:
    """How the data of a design and family come about: values of all waves are drawn once, entered look by look.

    `draw` takes the generator, what is true and the groups; `enter` makes of its values what a pilot would enter up to
    the wave of a look.
    """

    draw: Callable[[np.random.Generator, Truth, Sequence[Group]], Any]
    enter: Callable[[Truth, Any, str], MeasureData]


# --- drawing ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def root_of(waves: int, r: float, variance: float) -> Array:
    """Cholesky factor of the covariance of one person's values."""
    return np.linalg.cholesky(variance * ((1 - r) * np.eye(waves) + r))


def unit_effects(rng: np.random.Generator, truth: Truth) -> Array:
    """What a unit adds in each wave, SD units."""
    waves = len(truth.waves)
    return math.sqrt(truth.icc) * rng.standard_normal() + truth.unit_time_sd * rng.standard_normal(waves)


def normal(rng: np.random.Generator, truth: Truth, groups: Sequence[Group]) -> list[Values]:
    """Normal values of every group."""
    return [_normal(rng, truth, group) for group in groups]


def binary(rng: np.random.Generator, truth: Truth, groups: Sequence[Group]) -> list[Values]:
    """Yes and no of every group."""
    return [_binary(rng, truth, group) for group in groups]


def _normal(rng: np.random.Generator, truth: Truth, group: Group) -> Values:
    waves, n = len(truth.waves), group.n
    centre = truth.means(group) + unit_effects(rng, truth)
    root = root_of(waves, truth.r, 1 - truth.icc)
    if truth.by_person or n < waves + WISHART_FROM:
        return Values.of(group, centre + rng.standard_normal((n, waves)) @ root.T)
    mean = centre + root @ rng.standard_normal(waves) / math.sqrt(n)
    factor = np.tril(rng.standard_normal((waves, waves)), -1)
    factor[np.diag_indices(waves)] = np.sqrt(rng.chisquare(n - 1 - np.arange(waves)))
    factor = root @ factor
    return Values(group, mean, factor @ factor.T)


def _binary(rng: np.random.Generator, truth: Truth, group: Group) -> Values:
    waves = len(truth.waves)
    linear = logit(truth.rate) + KAPPA_LOGIT * (truth.means(group) + unit_effects(rng, truth))
    latent = rng.standard_normal((group.n, waves)) @ root_of(waves, truth.r, 1.0).T
    return Values.of(group, (latent < ndtri(expit(linear))).astype(np.float64))


# --- shapes -----------------------------------------------------------------------------------------------------


def _pairs(truth: Truth, values: Sequence[Values], wave: str) -> MeasureData:
    """Linked people before and after; without a baseline the cells of the wave."""
    if not truth.before:
        return _cells(truth, values, wave)
    first, second = len(truth.before) - 1, truth.waves.index(wave)
    return MeasureData(pairs=[_pair(v, first, second) for v in values])


def _pair(v: Values, first: int, second: int) -> Pair:
    s11, s12, s22 = v.scatter[first, first], v.scatter[first, second], v.scatter[second, second]
    free = v.group.n - 1
    return Pair(
        unit=v.group.unit,
        arm=v.group.arm,
        n=v.group.n,
        mean=(float(v.mean[first]), float(v.mean[second])),
        sd=(math.sqrt(s11 / free), math.sqrt(s22 / free)),
        r=float(np.clip(s12 / math.sqrt(s11 * s22), -1.0, 1.0)),
    )


def seen_at(truth: Truth, wave: str) -> list[tuple[int, str]]:
    """The waves of a look: all before the start, and its own; of units that cross over all up to its own."""
    if truth.starts:
        return list(enumerate(truth.waves[: truth.waves.index(wave) + 1]))
    return [*enumerate(truth.before), (truth.waves.index(wave), wave)]


def _cells(truth: Truth, values: Sequence[Values], wave: str) -> MeasureData:
    cells = [
        Cell(
            unit=v.group.unit,
            arm=truth.arm(v.group, i),
            wave=key,
            n=v.group.n,
            mean=float(v.mean[i]),
            sd=math.sqrt(v.scatter[i, i] / (v.group.n - 1)),
        )
        for v in values
        for i, key in seen_at(truth, wave)
    ]
    return MeasureData(cells=cells)


def _counts(truth: Truth, values: Sequence[Values], wave: str) -> MeasureData:
    counts = [
        CountOf(unit=v.group.unit, arm=truth.arm(v.group, i), wave=key, x=round(v.mean[i] * v.group.n), n=v.group.n)
        for v in values
        for i, key in seen_at(truth, wave)
    ]
    return MeasureData(counts=counts)


def _rows(truth: Truth, values: Sequence[Values], wave: str) -> MeasureData:
    """Each person's value in every wave of the look, linked."""
    rows = [
        Row(unit=v.group.unit, arm=v.group.arm, wave=key, participant=f"{at}-{person}", value=float(value))
        for at, v in enumerate(values)
        if v.people is not None
        for i, key in seen_at(truth, wave)
        for person, value in enumerate(v.people[:, i])
    ]
    return MeasureData(rows=rows)


def _waves(truth: Truth, values: Sequence[Values], wave: str) -> MeasureData:
    """Linked people: pairs where one wave lies before the start, rows where several do, cells where none does."""
    return (_rows if truth.by_person else _pairs)(truth, values, wave)


# Their modules draw on what stands above.
from analysis.pilots_ordinal import categories, category_rows, ordinal  # noqa: E402
from analysis.pilots_records import (  # noqa: E402
    count_rows,
    counts,
    duration_moments,
    share_counts,
    shares,
)

MAKERS: Final[Mapping[tuple[Design, Family], Maker]] = {
    (Design.PARALLEL, Family.NORMAL): Maker(normal, _pairs),
    (Design.PARALLEL, Family.BINARY): Maker(binary, _counts),
    (Design.PAIRED, Family.NORMAL): Maker(normal, _pairs),
    (Design.PAIRED, Family.BINARY): Maker(binary, _rows),
    (Design.CROSS_SECTION, Family.NORMAL): Maker(normal, _cells),
    (Design.CROSS_SECTION, Family.BINARY): Maker(binary, _counts),
    (Design.CLUSTER, Family.NORMAL): Maker(normal, _pairs),
    (Design.CLUSTER, Family.BINARY): Maker(binary, _counts),
    (Design.DID, Family.NORMAL): Maker(normal, _waves),
    (Design.DID, Family.BINARY): Maker(binary, _counts),
    (Design.STEPPED_WEDGE, Family.NORMAL): Maker(normal, _cells),
    (Design.STEPPED_WEDGE, Family.BINARY): Maker(binary, _counts),
    (Design.PARALLEL, Family.COUNT): Maker(counts, count_rows),
    (Design.CROSS_SECTION, Family.COUNT): Maker(counts, count_rows),
    (Design.CLUSTER, Family.COUNT): Maker(counts, count_rows),
    (Design.DID, Family.COUNT): Maker(counts, count_rows),
    (Design.PARALLEL, Family.DURATION): Maker(normal, duration_moments),
    (Design.PARALLEL, Family.SHARE): Maker(shares, share_counts),
    (Design.PARALLEL, Family.ORDINAL): Maker(ordinal, categories),
    (Design.PAIRED, Family.ORDINAL): Maker(ordinal, category_rows),
    (Design.CROSS_SECTION, Family.ORDINAL): Maker(ordinal, categories),
    (Design.CLUSTER, Family.ORDINAL): Maker(ordinal, categories),
    (Design.ITS, Family.DURATION): Maker(pilots_series.draw, pilots_series.enter),
    (Design.ITS, Family.COUNT): Maker(pilots_series.draw, pilots_series.enter),
}
"""How the data of a design are drawn and entered; what is not here cannot be simulated."""
