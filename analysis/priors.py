"""Priors of an effect and of its bias as plain values, and what a design's data say of δ through Δ = δ + b.

No data and no sampling here. δ is the causal effect oriented to benefit, in SD units; Δ is what the data show.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.documents import BorrowPrior, NormalPrior, Priors

Array = NDArray[np.float64]

SCEPTICAL = NormalPrior(mean=0.0, sd=0.2)
ENTHUSIASTIC = NormalPrior(mean=0.3, sd=0.3)
ROBUST = NormalPrior(mean=0.0, sd=0.5)
DISCOUNT_SD = 0.15
"""Between-version SD added to what an earlier version found before it is borrowed."""
UNUSED = -1e250
"""Log weight of a mixture component that is not there; finite, so that its gradient is 0 and not NaN."""


@dataclass(frozen=True, slots=True)
class Component:
    """One normal part of a prior on δ; precision 0 is flat."""

    weight: float
    mean: float
    precision: float


@dataclass(frozen=True, slots=True)
class Bias:
    """b ~ N(mean, sd): what the design may add to the effect by itself."""

    mean: float = 0.0
    sd: float = 0.0


NO_BIAS = Bias()


@dataclass(frozen=True, slots=True)
class Run:
    """One posterior to be computed: a prior on δ and a bias. Its name seeds it.

    `intercept` multiplies the precision of the intercept's prior: 1 leaves it, 0 makes it flat.
    """

    name: str
    effect: tuple[Component, ...]
    bias: Bias
    intercept: float = 1.0

    @property
    def flat(self) -> bool:
        """True when δ has no proper prior."""
        return any(c.precision == 0 for c in self.effect)

    def model_data(self) -> dict[str, Array]:
        """The shared data `total_prior` (2, 3: log constant, mean, precision of Δ) and `intercept` of every model."""
        table = np.array([[UNUSED, 0.0, 0.0]] * 2)
        for i, c in enumerate(self.effect):
            mean, precision = total_prior(c, self.bias)
            table[i] = [math.log(c.weight) + 0.5 * math.log(precision or 1.0), mean, precision]
        return {"total_prior": table, "intercept": np.array(self.intercept)}


def normal(prior: NormalPrior) -> tuple[Component, ...]:
    """A single normal component."""
    return (Component(1.0, prior.mean, prior.sd**-2),)


FLAT = (Component(1.0, 0.0, 0.0),)


def effect_prior(priors: Priors) -> tuple[Component, ...]:
    """The plan's prior on δ without borrowing."""
    return FLAT if priors.effect == "flat" else normal(priors.effect)


def borrowing(borrow: BorrowPrior) -> tuple[Component, ...]:
    """Robust MAP (Schmidli et al. 2014): w N(mean, √(sd² + 0.15²)) + (1 − w) N(0, 0.5)."""
    informative = Component(borrow.weight, borrow.mean, 1 / (borrow.sd**2 + DISCOUNT_SD**2))
    robust = Component(1 - borrow.weight, ROBUST.mean, ROBUST.sd**-2)
    return tuple(c for c in (informative, robust) if c.weight > 0)


def total_prior(c: Component, bias: Bias) -> tuple[float, float]:
    """Mean and precision of the prior on Δ = δ + b that a component and a bias imply."""
    if c.precision == 0:
        return 0.0, 0.0
    return c.mean + bias.mean, 1 / (1 / c.precision + bias.sd**2)


def log_total_prior(run: Run, total: Array) -> Array:
    """Log of the prior density of Δ that a run's prior and bias imply, up to a constant."""
    parts = []
    for c in run.effect:
        mean, precision = total_prior(c, run.bias)
        parts.append(math.log(c.weight) + 0.5 * math.log(precision or 1.0) - 0.5 * precision * (total - mean) ** 2)
    return np.asarray(np.logaddexp.reduce(np.array(parts), axis=0))


def effect_given_total(c: Component, bias: Bias, mean: Array, var: Array) -> tuple[Array, Array]:
    """Mean and variance of δ when Δ ~ N(mean, var) is the posterior under the component's prior.

    δ | Δ is normal with slope k = s²/(s² + s_b²); a flat prior has k = 1 and leaves the variance of the bias.
    """
    if c.precision == 0:
        return mean - bias.mean, var + bias.sd**2
    s2, b2 = 1 / c.precision, bias.sd**2
    k = s2 / (s2 + b2)
    return c.mean + k * (mean - c.mean - bias.mean), k * k * var + k * b2


def given_total(run: Run, total: Array) -> tuple[Array, Array, Array]:
    """δ given Δ, arrays of the shape of `total`: normalised weight, mean and SD of each component, stacked first."""
    weights, means, sds = [], [], []
    for c in run.effect:
        prior_mean, precision = total_prior(c, run.bias)
        weights.append(
            math.log(c.weight) + 0.5 * math.log(precision or 1.0) - 0.5 * precision * (total - prior_mean) ** 2
        )
        mean, var = effect_given_total(c, run.bias, total, np.zeros_like(total))
        means.append(mean)
        sds.append(np.sqrt(var))
    log_weights = np.array(weights)
    relative = np.exp(log_weights - log_weights.max(axis=0))
    return relative / relative.sum(axis=0), np.array(means), np.array(sds)


def drawn_effect(run: Run, total: Array, seed: int) -> Array:
    """One draw of δ for each draw of Δ: exact, and the same for the same seed."""
    weights, means, sds = given_total(run, total)
    rng = np.random.default_rng(seed)
    which = (rng.random(total.shape) > np.cumsum(weights, axis=0)[:-1]).sum(axis=0)
    chosen = [np.take_along_axis(part, which[None], axis=0)[0] for part in (means, sds)]
    return np.asarray(chosen[0] + chosen[1] * rng.standard_normal(total.shape))
