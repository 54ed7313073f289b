"""Predictive probability of success: that the last look meets the primary's criteria for `scale`, given the data now.

A prediction from two numbers, estimate and standard error; no data, no sampling, and what follows is in `decide.py`.

Model (Spiegelhalter, Freedman & Parmar 1994; Saville et al. 2014). Δ = δ + b is what data show. At the interim look
Δ̂ = Δ + ε, ε ~ N(0, s); at the last look Δ̂' = Δ + ε', ε' ~ N(0, s'), s' = s √(Σ 1/n' / Σ 1/n) over the arms, and
corr(ε, ε') = ρ. With Δ | Δ̂ ~ N(m, v) under prior and bias and κ = ρ s'/s,

    Δ̂' | Δ̂ ~ N((1 − κ) m + κ Δ̂, √((1 − κ)² v + s'² (1 − ρ²))).

The last look is judged as `fit` would: from Δ̂' alone, under the same priors and bias, with the thresholds of the last
look. Under a single normal prior each criterion P(δ > c) ≥ p is Δ̂' ≥ some bound and the probability a normal tail;
a mixture prior gives a mixture of predictions, and bounds are found numerically.

ρ is taken as 0. The same people at both looks would give r/(1 + r) after adjustment for the baseline (0.4 at r = 0.7,
equal correlations of all waves). Zero leaves the prediction wider, so that a poor start more seldom ends a pilot: the
effect itself may still grow between looks, and to stop what works costs more than one more wave. The normal
approximation takes s as known; it is the SE of the estimate under flat priors (`evidence`).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from analysis.documents import Rule
from analysis.posterior import tails
from analysis.priors import Run, effect_given_total, total_prior

Array = NDArray[np.float64]
NODES, REACH = 801, 9.0
"""Values of the last estimate that are looked at, and how many SDs of the prediction they reach."""


def predictive_probability(
    estimate: float,
    se: float,
    adjusted: Run,
    sceptical: Run,
    rule: Rule,
    mmd: float,
    *,
    n_now: Mapping[str, int] | None = None,
    n_last: Mapping[str, int] | None = None,
    correlation: float = 0.0,
) -> float:
    """P(the last look meets `p_benefit`, `p_meaningful` and `p_benefit_sceptical` | estimate and SE now, SD units).

    `n_now` and `n_last` count the people by arm; without both the last look is taken to have as many as this one.
    `correlation` is that of the two estimates' errors.
    """
    last_se = se * _growth(n_now, n_last) ** 0.5
    kappa = correlation * last_se / se
    weights, means, variances = _totals(adjusted, np.array([estimate]), se)
    ahead = ((1 - kappa) * means + kappa * estimate)[:, 0]
    spread = np.sqrt((1 - kappa) ** 2 * variances + last_se**2 * (1 - correlation**2))
    low, high = float((ahead - REACH * spread).min()), float((ahead + REACH * spread).max())

    def short(last: float | Array) -> Array:
        """By how much an estimate of the last look meets the hardest criterion (negative: fails)."""
        values = np.atleast_1d(np.asarray(last, dtype=np.float64))
        margins = [
            _above(adjusted, values, last_se, 0.0) - rule.p_benefit,
            _above(adjusted, values, last_se, mmd) - rule.p_meaningful,
            _above(sceptical, values, last_se, 0.0) - rule.p_benefit_sceptical,
        ]
        return np.asarray(np.min(margins, axis=0))

    nodes = np.linspace(low, high, NODES)
    meets = short(nodes) >= 0
    turns = np.flatnonzero(meets[1:] != meets[:-1])
    bounds = [float(brentq(lambda x: short(x)[0], nodes[i], nodes[i + 1])) for i in turns]
    # The mass of every stretch on which the criteria are met, its ends the bounds or infinity.
    edges = np.array([-np.inf, *bounds, np.inf])
    below = ndtr((edges[:, None] - ahead) / spread) @ weights[:, 0]
    success = np.resize([bool(meets[0]), not meets[0]], len(edges) - 1)
    return float(np.clip(np.diff(below) @ success, 0.0, 1.0))


def _growth(now: Mapping[str, int] | None, last: Mapping[str, int] | None) -> float:
    """Variance of an estimate from `last` people by arm over that of one from `now`."""
    if now is None or last is None:
        return 1.0
    return sum(1 / last[arm] for arm in now) / sum(1 / n for n in now.values())


def _totals(run: Run, estimate: Array, se: float) -> tuple[Array, Array, Array]:
    """Δ given estimates (J,): weight (C, J) and mean (C, J) of each component of the prior, variance (C,)."""
    log_weights, means, variances = [], [], []
    for c in run.effect:
        prior_mean, precision = total_prior(c, run.bias)
        var = 1 / (precision + se**-2)
        shrunk = precision * var * se**-2  # 1 / (prior variance + SE²)
        log_weights.append(np.log(c.weight) + 0.5 * np.log(shrunk or 1.0) - 0.5 * shrunk * (estimate - prior_mean) ** 2)
        means.append(var * (precision * prior_mean + estimate / se**2))
        variances.append(var)
    relative = np.exp(np.array(log_weights) - np.max(log_weights, axis=0))
    return relative / relative.sum(axis=0), np.array(means), np.array(variances)


def _above(run: Run, estimate: Array, se: float, threshold: float) -> Array:
    """P(δ > threshold) given each of the estimates (J,)."""
    weights, means, variances = _totals(run, estimate, se)
    value = np.zeros_like(estimate)
    for c, weight, mean, var in zip(run.effect, weights, means, variances, strict=True):
        delta, delta_var = effect_given_total(c, run.bias, mean, np.full_like(mean, var))
        value += weight * tails(threshold, delta, np.sqrt(delta_var))
    return value
