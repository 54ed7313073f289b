"""Exact posteriors of normal models with units: closed forms given the hyper-parameters, quadrature over them."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis import integration
from analysis.designs.unit_inputs import AncovaUnits
from analysis.documents import NormalPrior
from analysis.mixed_equations import Equations, coefficients, equations, log_evidence
from analysis.mixed_hyper import Hyper, UnitInputs, active, hyper_of, log_prior, start
from analysis.posterior import NormalMixture
from analysis.priors import NO_BIAS, Run, effect_given_total, normal

Array = NDArray[np.float64]

NODES = 1024
FEW = 0.2
"""Share of the nodes of a common grid that must count under a run, else the run gets a grid of its own."""
NEGLIGIBLE = 1e-12
WIDE = Run("wide", normal(NormalPrior(mean=0.0, sd=0.5)), NO_BIAS)
"""The run that places the common grid."""


def log_posterior(inputs: UnitInputs, run: Run, z: Array) -> Array:
    """Log marginal posterior density of nodes `z` (K, 5), coefficients integrated out."""
    return log_evidence(equations(inputs, hyper_of(inputs, z)), run) + log_prior(inputs, z)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Nodes `z` (K, 5) of the hyper-parameters, the log density they come from, and what depends on them alone."""

    z: Array
    log_proposal: Array
    log_prior: Array
    equations: Equations


@lru_cache(maxsize=8)
def _grid(inputs: UnitInputs) -> Grid:
    """One grid serves every run of the same data: the runs differ in the prior of one coefficient."""
    return _own_grid(inputs, WIDE)


def _own_grid(inputs: UnitInputs, run: Run) -> Grid:
    on = active(inputs)
    at = start(inputs)
    density = lambda part: log_posterior(inputs, run, _filled(at, on, part))  # noqa: E731
    points, log_proposal = integration.cover(density, integration.peak(density, at[on]), NODES)
    z = _filled(at, on, points)
    return Grid(z, log_proposal, log_prior(inputs, z), equations(inputs, hyper_of(inputs, z)))


def weighed(inputs: UnitInputs, run: Run) -> tuple[Grid, Array]:
    """A grid and the weights (K,) of its nodes under a run."""
    grid = _grid(inputs)
    found = integration.weights(log_evidence(grid.equations, run) + grid.log_prior, grid.log_proposal)
    if integration.counting(found) < FEW:
        grid = _own_grid(inputs, run)
        found = integration.weights(log_evidence(grid.equations, run) + grid.log_prior, grid.log_proposal)
    return grid, found


def _filled(at: Array, on: Array, part: Array) -> Array:
    whole = np.tile(at, (len(part), 1))
    whole[:, on] = part
    return whole


def _given(eqs: Equations, run: Run) -> tuple[Array, Array, Array]:
    """Given hyper-parameters, δ: log weight, mean and variance, (component, K) each."""
    weights, means, variances = [], [], []
    for c, log_part, theta, inverse in coefficients(eqs, run):
        mean, variance = effect_given_total(c, run.bias, theta[:, -1], inverse[:, -1, -1])
        weights.append(log_part)
        means.append(mean)
        variances.append(variance)
    return np.array(weights), np.array(means), np.array(variances)


def conditional(inputs: UnitInputs, hyper: Hyper, run: Run) -> tuple[Array, Array, Array]:
    """Given hyper-parameters, the posterior of δ: log weight, mean and variance, (component, K) each."""
    return _given(equations(inputs, hyper), run)


def mixture(inputs: UnitInputs, run: Run) -> tuple[Array, Array, Array]:
    """Weight, mean and variance of δ, (component, K) each; the weights sum to 1."""
    grid, found = weighed(inputs, run)
    log_weights, means, variances = _given(grid.equations, run)
    relative = np.exp(log_weights - log_weights.max(axis=0))
    return found * relative / relative.sum(axis=0), means, variances


def posterior(inputs: UnitInputs, run: Run) -> NormalMixture:
    """The posterior of δ."""
    weights, means, variances = mixture(inputs, run)
    keep = weights > NEGLIGIBLE
    return NormalMixture(weights[keep] / weights[keep].sum(), means[keep], np.sqrt(variances[keep]))


def component_weights(inputs: UnitInputs, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    return np.asarray(mixture(inputs, run)[0].sum(axis=1))


def preconditioner(inputs: UnitInputs, run: Run) -> dict[str, Array]:
    """Where NUTS shall look: `location` (D,) and `factor` (D, D) of hyper-parameters and coefficients, Δ last.

    They change how fast the sampler mixes and nothing else.
    """
    grid, found = weighed(inputs, run)
    on = active(inputs)
    z, theta, covariance = moments(grid, found, run)
    centred = (grid.z - z)[:, on]
    factor = np.eye(len(z) + len(theta))
    factor[np.ix_(*[np.flatnonzero(on)] * 2)] = _cholesky((found[:, None] * centred).T @ centred)
    factor[len(z) :, len(z) :] = _cholesky(covariance)
    return {"location": np.concatenate([z, theta]), "factor": factor}


def slope(inputs: AncovaUnits, run: Run) -> tuple[float, float] | None:
    """Posterior mean and SD of the slope on the baseline: within units where people are linked, else between."""
    which = 1 if inputs.s11.any() or (inputs.within.any() and not inputs.unknown_r) else 2
    if which == 2 and not inputs.between.any():  # noqa: PLR2004
        return None
    grid, found = weighed(inputs, run)
    total = log_evidence(grid.equations, run)
    first = second = 0.0
    for _, log_part, theta, inverse in coefficients(grid.equations, run):
        share = np.exp(log_part - total) * found
        first += float(share @ theta[:, which])
        second += float(share @ (inverse[:, which, which] + theta[:, which] ** 2))
    return first, math.sqrt(second - first**2)


def moments(grid: Grid, found: Array, run: Run) -> tuple[Array, Array, Array]:
    """Posterior mean of `z` (5,) and of the coefficients (p,), and the coefficients' covariance given `z` (p, p)."""
    total = log_evidence(grid.equations, run)
    theta, covariance = np.zeros(grid.equations.shift.shape[1]), np.zeros(grid.equations.precision.shape[1:])
    for _, log_part, mean, inverse in coefficients(grid.equations, run):
        share = np.exp(log_part - total) * found
        theta += share @ mean
        covariance += np.einsum("k,kij->ij", share, inverse)
    return found @ grid.z, theta, covariance


def _cholesky(covariance: Array) -> Array:
    return np.asarray(np.linalg.cholesky(covariance + 1e-14 * np.diag(np.diag(covariance))))
