"""Exact posteriors of the change of a proportion in linked people: quasi-random nodes along Δ; no sampling.

Dale's model (1986): marginal logits before and after, and the odds ratio ψ of the 2 × 2 table, from which Plackett's
distribution gives the cells. Points are (centre, log ψ, Δ), with logit p = centre ∓ κ Δ / 2 before and after.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis import marginal
from analysis.designs.binary_inputs import PairedProportions
from analysis.integrated import Integrated
from analysis.posterior import NormalMixture
from analysis.priors import Run

Array = NDArray[np.float64]
INTERCEPT_SD = 1.5
ASSOCIATION_MEAN, ASSOCIATION_SD = 2.0, 1.0
"""Prior of log ψ. A latent correlation of 0.65, the usual one between two waves (0.15 give or take), cut at its middle
gives log ψ = 1.9 (0.7); the SD is rounded up, so that 0.1 and 0.9 remain possible."""
TINY = 1e-300
DIMENSION = 3


def cells(before: Array, after: Array, log_odds_ratio: Array) -> Array:
    """Probabilities (…, 2, 2), [no, yes] before × after, of margins and odds ratio (Plackett 1965).

    Written so that nothing cancels near independence or at the edges: p11 is the smaller root of
    (ψ − 1) p² − S p + ψ p1 p2 = 0 with S = 1 + (p1 + p2)(ψ − 1).
    """
    psi = np.exp(log_odds_ratio)
    s = 1 + (before + after) * (psi - 1)
    both = 2 * psi * before * after / (s + np.sqrt(np.maximum(s**2 - 4 * psi * (psi - 1) * before * after, 0.0)))
    table = np.stack([np.stack([1 - before - after + both, after - both], -1), np.stack([before - both, both], -1)], -2)
    return np.asarray(np.maximum(table, TINY))


def log_likelihood(inputs: PairedProportions, points: Array) -> Array:
    """Log likelihood (K,) of points (K, 3), up to a constant."""
    centre, association, total = points.T
    p = expit(centre[:, None] + 0.5 * inputs.kappa * total[:, None] * np.array([-1.0, 1.0]))
    value = (inputs.table * np.log(cells(p[:, 0], p[:, 1], association))).sum(axis=(1, 2))
    once = inputs.once_x * np.log(np.maximum(p, TINY)) + (inputs.once_n - inputs.once_x) * np.log(
        np.maximum(1 - p, TINY)
    )
    return np.asarray(value + once.sum(axis=1))


def _target(inputs: PairedProportions) -> marginal.Target:
    def log_density(points: Array) -> Array:
        return log_likelihood(inputs, points) - 0.5 * ((points[:, 1] - ASSOCIATION_MEAN) / ASSOCIATION_SD) ** 2

    share = (inputs.x + 0.5) / (inputs.n + 1)
    logits = np.log(share / (1 - share))
    start = np.array([logits.mean(), ASSOCIATION_MEAN, 0.5 * float(logits[1] - logits[0]) / inputs.kappa])
    return marginal.Target(log_density, lambda points: -0.5 * (points[:, 0] / INTERCEPT_SD) ** 2, start)


def positions(inputs: PairedProportions, draws: Mapping[str, Array]) -> Array:  # noqa: ARG001
    """Draws as points (chain, draw, 3)."""
    return np.stack([draws["centre"], draws["log_odds_ratio"], draws["total"]], axis=-1)


INTEGRATED: Final[Integrated[PairedProportions]] = Integrated(_target, lambda _: np.ones(DIMENSION, bool), positions)


def risk_difference(inputs: PairedProportions, run: Run) -> NormalMixture:
    """The change of the proportion, after less before, in the measure's own direction."""

    def difference(points: Array) -> Array:
        half = 0.5 * inputs.kappa * points[:, 2]
        return np.asarray(expit(points[:, 0] + half) - expit(points[:, 0] - half))

    return INTEGRATED.of_function(inputs, run, difference)
