"""Exact posteriors of normal models with units: closed forms given the hyper-parameters, quadrature over them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis import integration
from analysis.designs.unit_inputs import AncovaUnits
from analysis.documents import NormalPrior
from analysis.mixed_equations import Equations, Given, coefficients, equations, log_sum
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
    return log_sum(coefficients(equations(inputs, hyper_of(inputs, z)), run)) + log_prior(inputs, z)


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


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """A grid, the weights (K,) of its nodes under a run, and the coefficients given each node."""

    grid: Grid
    weights: Array
    given: tuple[Given, ...]


@lru_cache(maxsize=16)
def solved(inputs: UnitInputs, run: Run) -> Solved:
    """The posterior of a run as nodes with weights."""
    found = _weighed(_grid(inputs), run)
    return found if integration.counting(found.weights) >= FEW else _weighed(_own_grid(inputs, run), run)


def _weighed(grid: Grid, run: Run) -> Solved:
    given = tuple(coefficients(grid.equations, run))
    return Solved(grid, integration.weights(log_sum(given) + grid.log_prior, grid.log_proposal), given)


def _filled(at: Array, on: NDArray[np.bool_], part: Array) -> Array:
    whole = np.tile(at, (len(part), 1))
    whole[:, on] = part
    return whole


def _effect(given: Iterable[Given], run: Run) -> tuple[Array, Array, Array]:
    """Given hyper-parameters, δ: log weight, mean and variance, (component, K) each."""
    weights, means, variances = [], [], []
    for part in given:
        mean, variance = effect_given_total(part.component, run.bias, part.mean[:, -1], part.covariance[:, -1, -1])
        weights.append(part.log_evidence)
        means.append(mean)
        variances.append(variance)
    return np.array(weights), np.array(means), np.array(variances)


def conditional(inputs: UnitInputs, hyper: Hyper, run: Run) -> tuple[Array, Array, Array]:
    """Given hyper-parameters, the posterior of δ: log weight, mean and variance, (component, K) each."""
    return _effect(coefficients(equations(inputs, hyper), run), run)


def mixture(inputs: UnitInputs, run: Run) -> tuple[Array, Array, Array]:
    """Weight, mean and variance of δ, (component, K) each; the weights sum to 1."""
    found = solved(inputs, run)
    log_weights, means, variances = _effect(found.given, run)
    relative = np.exp(log_weights - log_weights.max(axis=0))
    return found.weights * relative / relative.sum(axis=0), means, variances


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
    found, on = solved(inputs, run), active(inputs)
    z = found.weights @ found.grid.z
    theta, covariance = _moments(found)
    centred = (found.grid.z - z)[:, on]
    factor = np.eye(len(z) + len(theta))
    factor[np.ix_(*[np.flatnonzero(on)] * 2)] = _cholesky((found.weights[:, None] * centred).T @ centred)
    factor[len(z) :, len(z) :] = _cholesky(covariance)
    return {"location": np.concatenate([z, theta]), "factor": factor}


def slope(inputs: AncovaUnits, run: Run) -> tuple[float, float] | None:
    """Posterior mean and SD of the slope on the baseline: within units where people are linked, else between."""
    which = 1 if inputs.s11.any() or (inputs.within.any() and not inputs.unknown_r) else 2
    if which == 2 and not inputs.between.any():  # noqa: PLR2004
        return None
    found = solved(inputs, run)
    total, first, second = log_sum(found.given), 0.0, 0.0
    for part in found.given:
        share, mean = np.exp(part.log_evidence - total) * found.weights, part.mean[:, which]
        first += float(share @ mean)
        second += float(share @ (part.covariance[:, which, which] + mean**2))
    return first, math.sqrt(second - first**2)


def _moments(found: Solved) -> tuple[Array, Array]:
    """Posterior mean of the coefficients (p,), and their covariance given the hyper-parameters (p, p)."""
    total = log_sum(found.given)
    shares = [np.exp(part.log_evidence - total) * found.weights for part in found.given]
    mean = sum(share @ part.mean for share, part in zip(shares, found.given, strict=True))
    covariance = sum(np.tensordot(share, part.covariance, 1) for share, part in zip(shares, found.given, strict=True))
    return np.asarray(mean), np.asarray(covariance)


def _cholesky(covariance: Array) -> Array:
    return np.asarray(np.linalg.cholesky(covariance + 1e-14 * np.diag(np.diag(covariance))))
