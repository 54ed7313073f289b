"""Exact posteriors of ordered categories of the same people before and after: quasi-random nodes along Δ.

Dale's model (1986): a cumulative logit in each wave with the same cut-points, shifted by ∓ κ Δ / 2, and one odds ratio
ψ at every pair of cut-points, from which Plackett's distribution gives the cells. Points are the cut-points on the line
(`cut_points.py`), log ψ and Δ; two categories are `paired_proportions`.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis import cut_points, marginal
from analysis.designs.ordinal_inputs import CUTS, PairedOrdinal
from analysis.integrated import Integrated
from analysis.paired_proportions import ASSOCIATION_MEAN, ASSOCIATION_SD, TINY

Array = NDArray[np.float64]
DIMENSION = CUTS + 2


def joint(before: Array, after: Array, log_odds_ratio: Array) -> Array:
    """P(Y1 > i, Y2 > j) (K, M, M) of margins P(Y > c) (K, M) and odds ratio (K,) (Plackett 1965)."""
    first, second = before[:, :, None], after[:, None, :]
    psi = np.exp(log_odds_ratio)[:, None, None]
    s = 1 + (first + second) * (psi - 1)
    root = np.sqrt(np.maximum(s**2 - 4 * psi * (psi - 1) * first * second, 0.0))
    return np.asarray(2 * psi * first * second / (s + root))


def cells(before: Array, after: Array, log_odds_ratio: Array) -> Array:
    """Probabilities (K, C, C), before × after, of margins P(Y > c) (K, M) and odds ratio (K,)."""
    m = before.shape[1]
    above = np.zeros((len(before), m + 2, m + 2))  # P(Y1 ≥ i, Y2 ≥ j), with nobody beyond the last category
    above[:, 0, 0] = 1.0
    above[:, 1 : m + 1, 0], above[:, 0, 1 : m + 1] = before, after
    above[:, 1 : m + 1, 1 : m + 1] = joint(before, after, log_odds_ratio)
    return np.asarray(np.maximum(np.diff(np.diff(above, axis=1), axis=2), TINY))


def margins(inputs: PairedOrdinal, points: Array) -> tuple[Array, Array]:
    """P(Y > c) (K, M) before and after."""
    cuts = cut_points.cut_points(points[:, : inputs.cuts])
    half = 0.5 * inputs.kappa * points[:, -1:]
    return expit(-half - cuts), expit(half - cuts)


def log_likelihood(inputs: PairedOrdinal, points: Array) -> Array:
    """Log likelihood (K,) of points (K, M + 2), up to a constant."""
    cuts = cut_points.cut_points(points[:, : inputs.cuts])
    before, after = margins(inputs, points)
    value = (inputs.table * np.log(cells(before, after, points[:, -2]))).sum(axis=(1, 2))
    for sign, once in zip((-1.0, 1.0), inputs.once, strict=True):
        shares = cut_points.shares(0.5 * sign * inputs.kappa * points[:, -1], cuts)
        value += np.log(np.maximum(shares, TINY)) @ once
    return np.asarray(value)


def _target(inputs: PairedOrdinal) -> marginal.Target:
    """Cut-points keep their prior in every run: nothing is called an intercept."""

    def log_density(points: Array) -> Array:
        prior = cut_points.log_prior(points[:, : inputs.cuts])
        return log_likelihood(inputs, points) + prior - 0.5 * ((points[:, -2] - ASSOCIATION_MEAN) / ASSOCIATION_SD) ** 2

    start = np.array([*cut_points.start(inputs.counts.sum(axis=0)), ASSOCIATION_MEAN, 0.0])
    return marginal.Target(log_density, lambda points: np.zeros(len(points)), start)


def active(inputs: PairedOrdinal) -> Array:
    """Which parameters (12,) there are."""
    return np.append(np.arange(CUTS) < inputs.cuts, [True, True])


def positions(inputs: PairedOrdinal, draws: Mapping[str, Array]) -> Array:
    """Draws as points `z` (chain, draw, 12)."""
    z = np.zeros((*draws["total"].shape, DIMENSION))
    z[..., : inputs.cuts] = cut_points.on_line(draws["cut_points"][..., : inputs.cuts])
    z[..., CUTS], z[..., CUTS + 1] = draws["log_odds_ratio"], draws["total"]
    return z


INTEGRATED: Final[Integrated[PairedOrdinal]] = Integrated(_target, active, positions)
