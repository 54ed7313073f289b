"""Integrals over a few parameters on the whole real line: mode, curvature, then weighted quasi-random nodes.

Knows no model. A log density comes in, vectorised over nodes; nodes with weights come out. Deterministic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import qmc

Array = NDArray[np.float64]
LogDensity = Callable[[Array], Array]
"""Nodes (K, d) to log densities (K,), up to a constant."""

WIDER, FREEDOM = 1.2, 4
"""Scale, in those of the density, and degrees of freedom of the t's that nodes are placed by: independent along the
density's axes, so that one direction with a long tail (an SD that few units tell) lets no weight explode."""
ENOUGH, BETTER = 0.45, 1.1
"""Share of the nodes that must count (effective sample size of the weights) for a proposal to be kept as it is, and how
much a move must gain for another one to be tried."""
PILOT, ROUNDS = 512, 6
STEP, NEWTON_STEPS, CLOSE = 1e-3, 60, 1e-6
FLATTEST = 1e-3
"""Smallest curvature taken at its word; a flatter direction is searched as if it had this one."""
SEED = 20240229


@dataclass(frozen=True, slots=True, eq=False)
class Peak:
    """Where a log density is highest (d,), and the Cholesky factor (d, d) of its inverse curvature there."""

    at: Array
    scale: Array


def peak(log_density: LogDensity, start: Array) -> Peak:
    """The mode by damped Newton steps with numerical derivatives; ArithmeticError when there is none."""
    at = np.asarray(start, dtype=np.float64)
    value = float(log_density(at[None])[0])
    for _ in range(NEWTON_STEPS):
        gradient, curvature = _derivatives(log_density, at)
        factor = _root(curvature)
        move = factor @ (factor.T @ gradient)
        # Several lengths at once: one call of the density judges them all; a step is held to 4.
        move *= min(1.0, 4.0 / max(float(np.abs(move).max()), 1e-300))
        lengths = 0.5 ** np.arange(12)
        values = log_density(at + lengths[:, None] * move)
        best = int(np.nanargmax(np.where(np.isfinite(values), values, -np.inf)))
        if not values[best] > value:
            break
        gain = float(values[best]) - value
        at, value = at + lengths[best] * move, float(values[best])
        if gain < CLOSE:
            break
    if not np.isfinite(value):
        raise ArithmeticError("the mode of a density could not be found")
    _, curvature = _derivatives(log_density, at)
    return Peak(at, _root(curvature))


def nodes(log_density: LogDensity, start: Peak, count: int) -> tuple[Array, Array]:
    """`count` nodes (K, d) and their weights (K,), which sum to 1: Σ w f ≈ the mean of f under the density."""
    points, log_proposal = cover(log_density, start, count)
    return points, weights(log_density(points), log_proposal)


def cover(log_density: LogDensity, start: Peak, count: int) -> tuple[Array, Array]:
    """`count` nodes (K, d) that lie where the density does, and the log density (K,) they were drawn from.

    Scrambled Sobol points turned into t's about the mode; where too few nodes count, these move to the weighted mean
    and spread and the search goes on.
    """
    proposal, before = start, 0.0
    for _ in range(ROUNDS):
        points, log_proposal = _placed(proposal, PILOT)
        found = weights(log_density(points), log_proposal)
        if counting(found) >= ENOUGH or counting(found) < BETTER * before:
            break
        before = counting(found)
        mean = found @ points
        centred = points - mean
        spread = (found[:, None] * centred).T @ centred
        # Early rounds see few nodes and would shrink too far.
        spread += 0.1 * np.diag(np.diag(spread)) + 1e-12 * np.eye(len(mean))
        proposal = Peak(mean, np.linalg.cholesky(spread))
    return _placed(proposal, count)


def weights(log_density: Array, log_proposal: Array) -> Array:
    """Importance weights (K,), which sum to 1; ArithmeticError where no node has any density."""
    log_weights = log_density - log_proposal
    log_weights = np.where(np.isfinite(log_weights), log_weights, -np.inf)
    best = log_weights.max()
    if not np.isfinite(best):
        raise ArithmeticError("a density vanishes everywhere it was looked at")
    relative = np.exp(log_weights - best)
    return np.asarray(relative / relative.sum())


def counting(found: Array) -> float:
    """Effective sample size of weights as a share of their number."""
    return 1 / (float((found**2).sum()) * len(found))


def _placed(proposal: Peak, count: int) -> tuple[Array, Array]:
    standard, log_density = _standard(len(proposal.at), count)
    return proposal.at + standard @ proposal.scale.T, log_density


@lru_cache(maxsize=64)
def _standard(dimension: int, count: int) -> tuple[Array, Array]:
    """Quasi-random nodes (K, d) of independent t's and their log density up to a constant."""
    uniform = qmc.Sobol(dimension, scramble=True, rng=SEED).random(count)
    points = stdtrit(FREEDOM, np.clip(uniform, 1e-12, 1 - 1e-12))
    return WIDER * points, -0.5 * (FREEDOM + 1) * np.log1p(points**2 / FREEDOM).sum(axis=1)


def _derivatives(log_density: LogDensity, at: Array) -> tuple[Array, Array]:
    """Gradient (d,) and negative Hessian (d, d) by central differences, in one call of the density."""
    d = len(at)
    unit = STEP * np.eye(d)
    pairs = [(i, j) for i in range(d) for j in range(i)]
    offsets = [np.zeros(d), *unit, *-unit]
    for i, j in pairs:
        offsets += [unit[i] + unit[j], -unit[i] - unit[j]]
    values = log_density(at + np.array(offsets))
    middle, ahead, behind = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
    gradient = (ahead - behind) / (2 * STEP)
    hessian = np.diag((ahead - 2 * middle + behind) / STEP**2)
    for position, (i, j) in enumerate(pairs):
        both, neither = values[2 * d + 1 + 2 * position : 2 * d + 3 + 2 * position]
        mixed = (both + neither - ahead[i] - behind[i] - ahead[j] - behind[j] + 2 * middle) / (2 * STEP**2)
        hessian[i, j] = hessian[j, i] = mixed
    return gradient, -hessian


def _root(curvature: Array) -> Array:
    """A factor F with F Fᵀ the inverse of the curvature, made positive definite where it is not."""
    if not np.isfinite(curvature).all():
        raise ArithmeticError("a density has no curvature where its mode was sought")
    values, vectors = np.linalg.eigh(curvature)
    return np.asarray(vectors / np.sqrt(np.maximum(np.abs(values), FLATTEST)))
