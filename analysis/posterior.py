"""Forms a posterior of one effect takes (mixture of normals, density on a line, draws), asked the same questions.

No data, no priors and no rule here.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from arviz_stats.base.array import BaseArray
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
_diagnostics: Any = BaseArray()


class Posterior(Protocol):
    """What effects and rules ask of a posterior."""

    @property
    def mean(self) -> float:
        """Posterior mean."""
        ...

    @property
    def sd(self) -> float:
        """Posterior SD."""
        ...

    def above(self, threshold: float) -> float:
        """P(δ > threshold)."""
        ...

    def quantile(self, p: float) -> float:
        """The value below which δ lies with probability p."""
        ...


def summary(posterior: Posterior, prob: float, factor: float = 1.0) -> dict[str, Any]:
    """Mean, SD and equal-tailed interval of `factor` × the effect, as an answer shows them."""
    ends = sorted(factor * posterior.quantile(p) for p in ((1 - prob) / 2, (1 + prob) / 2))
    return {
        "mean": factor * posterior.mean,
        "sd": abs(factor) * posterior.sd,
        "interval": {"low": ends[0], "high": ends[1], "prob": prob, "kind": "equal-tailed"},
    }


def tails(threshold: float, means: Array, sds: Array) -> Array:
    """P(N(mean, sd) > threshold), elementwise; an SD of 0 is a point."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sds > 0, ndtr((means - threshold) / sds), (means > threshold).astype(float))


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """Σ w_i N(mean_i, sd_i), arrays (K,); the form of a quadrature over variances."""

    weights: Array
    means: Array
    sds: Array

    @cached_property
    def mean(self) -> float:
        """Posterior mean."""
        return float(self.weights @ self.means)

    @cached_property
    def sd(self) -> float:
        """Posterior SD."""
        return float(np.sqrt(self.weights @ (self.sds**2 + (self.means - self.mean) ** 2)))

    def above(self, threshold: float) -> float:
        """P(δ > threshold)."""
        # Weights sum to 1 but for rounding; a probability may not be 1 + 2e-16.
        return min(max(float(self.weights @ tails(threshold, self.means, self.sds)), 0.0), 1.0)

    def quantile(self, p: float) -> float:
        """The value below which δ lies with probability p."""
        # Near the quantile of one normal first: a search through all of the mixture takes twice as long.
        guess, width = self.mean + self.sd * float(ndtri(p)), 0.25 * self.sd
        low, high = guess - width, guess + width
        if not 1 - self.above(low) < p < 1 - self.above(high):
            low, high = float(np.min(self.means - 40 * self.sds)), float(np.max(self.means + 40 * self.sds))
        return float(brentq(lambda x: 1 - self.above(x) - p, low, high, xtol=1e-10))


def mixture_quantiles(weights: Array, means: Array, sds: Array, probabilities: tuple[float, ...]) -> Array:
    """Quantiles (T, P) of T mixtures of normals (T, K) that share their weights (K,), all at once.

    Newton's steps, halving instead where one leaves the bracket; SDs are positive.
    """
    p = np.array(probabilities)
    centre = means @ weights
    spread = np.sqrt((sds**2 + (means - centre[:, None]) ** 2) @ weights)
    at: Array = centre[:, None] + spread[:, None] * ndtri(p)
    low, high = ((means + sign * 40 * sds) for sign in (-1, 1))
    below, above = np.tile(low.min(axis=1), (len(p), 1)).T, np.tile(high.max(axis=1), (len(p), 1)).T
    for _ in range(MOST_STEPS):
        z = (at[..., None] - means[:, None]) / sds[:, None]
        excess = ndtr(z) @ weights - p
        slope = (np.exp(-0.5 * z**2) / sds[:, None]) @ weights / math.sqrt(2 * math.pi)
        below, above = np.where(excess < 0, at, below), np.where(excess < 0, above, at)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = at - excess / slope
        new = np.where((step >= below) & (step <= above), step, (below + above) / 2)
        close = np.abs(new - at) <= CLOSE * spread[:, None]
        at = new
        if close.all():
            break
    return at


MOST_STEPS, CLOSE = 200, 1e-9


@dataclass(frozen=True, eq=False)
class Density:
    """A density on a grid (x, unnormalised values), joined by a cubic spline."""

    x: Array
    values: Array

    @cached_property
    def _cdf(self) -> CubicSpline:
        integral = CubicSpline(self.x, self.values).antiderivative()
        return CubicSpline(self.x, np.asarray(integral(self.x)) / float(integral(self.x[-1])))

    def _moment(self, values: Array) -> float:
        spline = CubicSpline(self.x, self.values * values)
        return float(spline.integrate(self.x[0], self.x[-1])) / float(
            CubicSpline(self.x, self.values).integrate(self.x[0], self.x[-1])
        )

    @cached_property
    def mean(self) -> float:
        """Posterior mean."""
        return self._moment(self.x)

    @cached_property
    def sd(self) -> float:
        """Posterior SD."""
        return float(np.sqrt(self._moment((self.x - self.mean) ** 2)))

    def above(self, threshold: float) -> float:
        """P(δ > threshold)."""
        if threshold <= self.x[0]:
            return 1.0
        if threshold >= self.x[-1]:
            return 0.0
        return float(np.clip(1 - self._cdf(threshold), 0.0, 1.0))

    def quantile(self, p: float) -> float:
        """The value below which δ lies with probability p."""
        return float(brentq(lambda x: float(self._cdf(x)) - p, self.x[0], self.x[-1], xtol=1e-10))


@dataclass(frozen=True, eq=False)
class Sampled:
    """Draws (chain, draw) of δ and, of each draw, the conditional normal mixture of δ given the other parameters.

    All that is asked of it is answered by the mean of the conditionals (Rao-Blackwell), which has the same
    expectation as the draws and a far smaller Monte-Carlo error. Arrays of the mixture: (component, chain, draw).
    """

    draws: Array
    weights: Array
    means: Array
    sds: Array

    @cached_property
    def _mixture(self) -> NormalMixture:
        weights = self.weights.ravel() / self.draws.size
        keep = weights > 0
        return NormalMixture(weights[keep], self.means.ravel()[keep], self.sds.ravel()[keep])

    @cached_property
    def mean(self) -> float:
        """Posterior mean."""
        return self._mixture.mean

    @cached_property
    def sd(self) -> float:
        """Posterior SD."""
        return self._mixture.sd

    def above(self, threshold: float) -> float:
        """P(δ > threshold)."""
        return self._mixture.above(threshold)

    def mcse_above(self, threshold: float) -> float:
        """Monte-Carlo standard error of `above`."""
        return _mcse((self.weights * tails(threshold, self.means, self.sds)).sum(axis=0))

    def quantile(self, p: float) -> float:
        """The value below which δ lies with probability p."""
        return self._mixture.quantile(p)


@dataclass(frozen=True, eq=False)
class SampledAlong:
    """Draws (chain, draw) of δ and the conditional distribution of δ along one other parameter, the nuisance.

    As `Sampled`, where the conditional has no closed form but is one line of numbers: `rows` (K, J) are densities of
    Δ on the even grid `total` (J,) at K values of the nuisance, `nodes`, between which everything is interpolated;
    `weights`, `means` and `sds` (component, J) are δ given Δ.
    """

    draws: Array
    nuisance: Array
    nodes: Array
    total: Array
    rows: Array
    weights: Array
    means: Array
    sds: Array

    @cached_property
    def _shares(self) -> Array:
        """The rows, summing to 1."""
        return np.asarray(self.rows / self.rows.sum(axis=1, keepdims=True))

    @cached_property
    def _cdf(self) -> CubicSpline:
        """P(Δ ≤ x) of every node."""
        integral = CubicSpline(self.total, self.rows, axis=1).antiderivative()
        return CubicSpline(self.total, np.asarray(integral(self.total)) / np.asarray(integral(self.total[-1:])), axis=1)

    def _mean_of(self, per_node: Array) -> float:
        return float(np.interp(self.nuisance, self.nodes, per_node).mean())

    @cached_property
    def mean(self) -> float:
        """Posterior mean."""
        return self._mean_of(self._shares @ (self.weights * self.means).sum(axis=0))

    @cached_property
    def sd(self) -> float:
        """Posterior SD."""
        squares = (self.weights * (self.sds**2 + (self.means - self.mean) ** 2)).sum(axis=0)
        return float(np.sqrt(self._mean_of(self._shares @ squares)))

    def _tails(self, threshold: float) -> Array:
        """P(δ > threshold) at every node."""
        if self.sds.all():
            tail = (self.weights * tails(threshold, self.means, self.sds)).sum(axis=0)
            return np.asarray(self._shares @ tail)
        # Without bias δ is Δ up to a constant, and the grid itself carries the density.
        at = threshold + float(self.total[0] - self.means[0, 0])
        below = self._cdf(np.clip(at, self.total[0], self.total[-1]))
        return np.asarray(np.clip(1 - np.asarray(below), 0.0, 1.0))

    def above(self, threshold: float) -> float:
        """P(δ > threshold)."""
        return min(max(self._mean_of(self._tails(threshold)), 0.0), 1.0)

    def mcse_above(self, threshold: float) -> float:
        """Monte-Carlo standard error of `above`."""
        return _mcse(np.interp(self.nuisance, self.nodes, self._tails(threshold)))

    def quantile(self, p: float) -> float:
        """The value below which δ lies with probability p."""
        low, high = float((self.means - 9 * self.sds).min()), float((self.means + 9 * self.sds).max())
        return float(brentq(lambda x: 1 - self.above(x) - p, low, high, xtol=1e-8))


FromDraws = Sampled | SampledAlong


def _mcse(values: Array) -> float:
    """Monte-Carlo standard error of the mean of draws (chain, draw)."""
    if np.ptp(values) == 0:
        return 0.0
    return float(_diagnostics.mcse(values, chain_axis=0, draw_axis=1, method="mean"))
