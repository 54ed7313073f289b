"""Exact posteriors of two proportions: the symmetric logit and independent Betas by quadrature; no sampling."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, betaln, expit, logit

from analysis.designs.inputs import TwoProportions
from analysis.posterior import Density, NormalMixture
from analysis.priors import Run, given_total, log_total_prior

Array = NDArray[np.float64]

ETA_SD = 1.5
NEGLIGIBLE = 34.0
COARSE, FINE = 61, 241
_ETA_STEPS = np.linspace(-10, 10, 51)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_EDGE = 1e-15
CLOSE = 1e-9
"""Newton's steps end at this many logits."""


def posterior(inputs: TwoProportions, run: Run) -> Density | NormalMixture:
    """The posterior of δ: η integrated at every Δ, then δ given Δ.

    Without bias δ is Δ and the answer a density; with it each Δ leaves a normal of δ and the answer is their mixture.
    """
    total, log_density = _total(inputs, run)
    density = np.exp(log_density - log_density.max())
    if run.bias.sd == 0:
        return Density(total - run.bias.mean, density)
    weights, means, sds = given_total(run, total)
    weights = weights * density / density.sum()
    return NormalMixture(weights.ravel(), means.ravel(), np.broadcast_to(sds, means.shape).ravel())


def component_weights(inputs: TwoProportions, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    total, log_density = _total(inputs, run)
    density = np.exp(log_density - log_density.max())
    weights, _, _ = given_total(run, total)
    return np.asarray((weights * density).sum(axis=1) / density.sum())


def _total(inputs: TwoProportions, run: Run) -> tuple[Array, Array]:
    """A grid of Δ that holds all that matters, and its log posterior density."""
    low, high = -8.0, 8.0
    for _ in range(60):
        total = np.linspace(low, high, COARSE)
        log_density = _log_density(inputs, run, total)
        relevant = total[log_density > log_density.max() - NEGLIGIBLE]
        step = (high - low) / (COARSE - 1)
        inside = relevant[0] - step / 2 > low and relevant[-1] + step / 2 < high
        if inside and relevant[-1] - relevant[0] > 0.5 * (high - low):
            break
        reach = step if inside else 0.5 * (high - low)
        low, high = float(relevant[0]) - reach, float(relevant[-1]) + reach
    total = np.linspace(low, high, FINE)
    return total, _log_density(inputs, run, total)


def given_centre(inputs: TwoProportions, run: Run, centre: Array) -> tuple[Array, Array]:
    """The grid of Δ (J,) and its conditional density at each `centre` of the model, (K, J), unnormalised."""
    total, _ = _total(inputs, run)
    eta = centre[:, None] + inputs.kappa * (0.5 - inputs.leaning) * total
    log_density = (
        _log_likelihood(inputs, eta, total) + log_total_prior(run, total) - 0.5 * run.intercept * (eta / ETA_SD) ** 2
    )
    return total, np.exp(log_density - log_density.max(axis=1, keepdims=True))


def _log_likelihood(inputs: TwoProportions, eta: Array, total: Array) -> Array:
    value = np.zeros(np.broadcast_shapes(eta.shape, total.shape))
    for arm, sign in ((0, -0.5), (1, 0.5)):
        linear = eta + sign * inputs.kappa * total
        value += inputs.x[arm] * linear - inputs.n[arm] * np.logaddexp(0.0, linear)
    return value


def _log_density(inputs: TwoProportions, run: Run, total: Array) -> Array:
    """Log of prior times likelihood of Δ, η integrated: trapezoids about its mode, which Newton's method finds."""
    half = inputs.kappa * total[:, None] / 2 * np.array([-1.0, 1.0])
    eta = np.full(len(total), float(np.log((inputs.x.sum() + 0.5) / (inputs.n.sum() - inputs.x.sum() + 0.5))))
    prior_precision = run.intercept * ETA_SD**-2
    for _ in range(50):
        p = expit(eta[:, None] + half)
        gradient = (inputs.x - inputs.n * p).sum(1) - eta * prior_precision
        curvature = (inputs.n * p * (1 - p)).sum(1) + prior_precision
        # A step is held to 2 logits: far from the mode the curvature vanishes and Newton would jump.
        move = np.clip(gradient / curvature, -2.0, 2.0)
        eta = eta + move
        if np.abs(move).max() < CLOSE:
            break
    width = 1 / np.sqrt(curvature)
    etas = eta[:, None] + width[:, None] * _ETA_STEPS
    value = _log_likelihood(inputs, etas, total[:, None]) - 0.5 * prior_precision * etas**2
    best = value.max(axis=1)
    log_likelihood = best + np.log(np.exp(value - best[:, None]).sum(axis=1) * width)
    return np.asarray(log_likelihood + log_total_prior(run, total))


@dataclass(frozen=True, eq=False)
class BetaDifference:
    """p_treated − p_control under independent Beta(1, 1) priors; also the log odds ratio in SD units, oriented."""

    inputs: TwoProportions

    @cached_property
    def _shapes(self) -> Array:
        """Beta parameters (2, 2): arm, (a, b)."""
        return np.stack([self.inputs.x + 1, self.inputs.n - self.inputs.x + 1], axis=1)

    @cached_property
    def _narrow(self) -> int:
        """The arm with the narrower Beta: integrated over, the other's distribution function hardly bends there."""
        total = self._shapes.sum(1)
        return int(np.argmin(self._shapes.prod(1) / (total**2 * (total + 1))))

    @cached_property
    def _nodes(self) -> tuple[Array, Array]:
        """Nodes of the narrow arm's proportion and their probabilities."""
        a, b = self._shapes[self._narrow]
        low, high = betaincinv(a, b, _EDGE), betaincinv(a, b, 1 - _EDGE)
        p = low + (high - low) * (_NODES + 1) / 2
        log_density = (a - 1) * np.log(p) + (b - 1) * np.log1p(-p) - betaln(a, b)
        weights = np.exp(log_density) * _WEIGHTS * (high - low) / 2
        return p, weights / weights.sum()

    def _treated_above(self, control_moved: Array, treated_moved: Array) -> float:
        """P(p_treated > moved p_control) = P(p_control < back-moved p_treated), whichever arm is integrated over."""
        a, b = self._shapes[1 - self._narrow]
        below = betainc(a, b, np.clip(treated_moved if self._narrow else control_moved, 0.0, 1.0))
        return float(np.clip(self._nodes[1] @ (below if self._narrow else 1 - below), 0.0, 1.0))

    @cached_property
    def mean(self) -> float:
        """Posterior mean of the risk difference."""
        means = self._shapes[:, 0] / self._shapes.sum(1)
        return float(means[1] - means[0])

    @cached_property
    def sd(self) -> float:
        """Posterior SD of the risk difference."""
        total = self._shapes.sum(1)
        return float(np.sqrt((self._shapes.prod(1) / (total**2 * (total + 1))).sum()))

    def above(self, threshold: float) -> float:
        """P(risk difference > threshold)."""
        p = self._nodes[0]
        return self._treated_above(p + threshold, p - threshold)

    def quantile(self, p: float) -> float:
        """The risk difference below which it lies with probability p."""
        return float(brentq(lambda x: 1 - self.above(x) - p, -1.0, 1.0, xtol=1e-10))

    def effect_above(self, threshold: float) -> float:
        """P(log odds ratio / κ, oriented to benefit, > threshold)."""
        at, shift = logit(self._nodes[0]), self.inputs.kappa * threshold
        above = self._treated_above(expit(at + shift), expit(at - shift))
        return above if self.inputs.kappa > 0 else 1 - above
