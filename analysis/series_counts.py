"""Exact posteriors of monthly counts: quadrature over φ, σ and Δ; the rest by Laplace given these.

Δ is not in Laplace's approximation but on the grid of `marginal`, so that its posterior need not be normal: few events
leave it skewed. Points `z` (K, 3) on the real line: φ through Φ, σ through `ramp`, Δ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import ndtr, ndtri

from analysis import marginal
from analysis.designs.series_inputs import PHI_PRIOR, SeriesCounts
from analysis.half_normal import log_half_normal, ramp, unramped
from analysis.laplace_months import Found, Poisson, backward, integrate
from analysis.mixed_hyper import CLOSEST
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import Run, log_total_prior
from analysis.series import placed

Array = NDArray[np.float64]
NODES, PILOT_NODES, LINES = 128, 64, 50
"""Fewer than elsewhere: the integral over two nuisances is smooth, and each node a search for a mode."""
WIDE_DELTA = 1.0
"""SD of Δ in the fit that finds where the searches start."""


def hyper_of(inputs: SeriesCounts, z: Array) -> tuple[Array, Array]:
    """σ and φ (K,) of points `z` (K, ≥ 2)."""
    low, high = PHI_PRIOR[:2]
    phi = low + (high - low) * np.clip(ndtr(z[:, 0]), CLOSEST, 1 - CLOSEST)
    return inputs.months.sigma_scale * np.maximum(ramp(z[:, 1]), SMALLEST), phi


SMALLEST = 1e-6
"""Smallest σ in scales of its prior: months that do not wander at all, to every digit that counts."""


def poisson(inputs: SeriesCounts, intercept: float, of_delta: tuple[float, float] | None = None) -> Poisson:
    """What Laplace's approximation takes; with mean and precision of its prior Δ is one of the coefficients."""
    months = inputs.months
    prior = months.prior.copy()
    prior[:, 1] *= 1 - (1 - intercept) * months.intercepts[:-1]
    columns = months.columns[:, :-1]
    if of_delta is not None:
        columns, prior = months.columns, np.vstack([prior, of_delta])
    return Poisson(inputs.events, inputs.offset, inputs.scale, months.gaps, columns, prior)


def given(inputs: SeriesCounts, z: Array, intercept: float) -> Found:
    """Laplace's approximation at points `z` (K, 3)."""
    sigma, phi = hyper_of(inputs, z)
    fixed = inputs.months.columns[:, -1:] * z[:, 2]
    return integrate(poisson(inputs, intercept), sigma, phi, fixed, start(inputs))


@lru_cache(maxsize=32)
def start(inputs: SeriesCounts) -> Array:
    """Where searches start: the mode of u (n,) at middling σ and φ."""
    return np.asarray(_rough(inputs).u[:, 0])


def _rough(inputs: SeriesCounts) -> Found:
    begin = (np.log(inputs.events + 0.5) - inputs.offset) / inputs.scale
    one = np.ones(1)
    model = poisson(inputs, 1.0, (0.0, WIDE_DELTA**-2))
    return integrate(model, 0.3 * one, 0.3 * one, np.zeros((len(begin), 1)), begin)


@lru_cache(maxsize=32)
def _target(inputs: SeriesCounts, intercept: float) -> marginal.Target:
    """What is integrated, with the prior of the level or without: the level itself is in Laplace's part."""
    mean, precision = PHI_PRIOR[2:]

    def log_density(z: Array) -> Array:
        _, phi = hyper_of(inputs, z)
        log_prior = -0.5 * precision * (phi - mean) ** 2 - 0.5 * z[:, 0] ** 2
        log_prior += log_half_normal(z[:, 1])
        return np.asarray(given(inputs, z, intercept).log_value + log_prior)

    begin = np.array([float(ndtri(0.65)), float(unramped(np.array(0.3))), float(_rough(inputs).theta[0, -1])])
    return marginal.Target(log_density, lambda z: np.zeros(len(z)), begin, nodes=NODES, pilot=PILOT_NODES)


@lru_cache(maxsize=32)
def nodes_of(inputs: SeriesCounts, run: Run) -> marginal.Marginal:
    """The nodes all runs with this prior of the level share, or a run's own where its prior leads elsewhere."""
    common = _common(inputs, run.intercept)
    return common if common.serves(run) else _integrated(inputs, run)


@lru_cache(maxsize=32)
def _common(inputs: SeriesCounts, intercept: float) -> marginal.Marginal:
    wide = Run("wide", marginal.WIDE.effect, marginal.WIDE.bias, intercept)
    return _integrated(inputs, wide)


def _integrated(inputs: SeriesCounts, run: Run) -> marginal.Marginal:
    return marginal.integrated(_target(inputs, run.intercept), run)


def posterior(inputs: SeriesCounts, run: Run) -> Density | NormalMixture:
    """The posterior of δ."""
    return marginal.posterior(nodes_of(inputs, run), run)


def component_weights(inputs: SeriesCounts, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    return marginal.component_weights(nodes_of(inputs, run), run)


def rao_blackwell(inputs: SeriesCounts, run: Run, draws: Mapping[str, Array]) -> SampledAlong:
    """Draws of δ with the conditional distributions of Δ beside them."""
    z = np.stack(
        [
            ndtri(np.clip((draws["phi"] - PHI_PRIOR[0]) / (PHI_PRIOR[1] - PHI_PRIOR[0]), CLOSEST, 1 - CLOSEST)),
            unramped(draws["sigma"] / inputs.months.sigma_scale),
            draws["total"],
        ],
        axis=-1,
    )
    target, nodes = _target(inputs, run.intercept), nodes_of(inputs, run)
    return marginal.along_lines(target, nodes, run, z, draws["delta"], LINES)


# --- what NUTS starts from, and draws for what is shown --------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """An even selection of a posterior's nodes: points (S, 3) and Laplace's approximation there."""

    z: Array
    found: Found


def picked(inputs: SeriesCounts, run: Run, count: int) -> Picked:
    """So many nodes of equal weight, in the order of Δ."""
    nodes = nodes_of(inputs, run)
    points = CubicSpline(nodes.total, nodes.points)
    total = np.linspace(nodes.total[0], nodes.total[-1], FINER * (len(nodes.total) - 1) + 1)
    rows = CubicSpline(nodes.total, nodes.log_ratio)(total) + log_total_prior(run, total)[:, None]
    weights = np.exp(rows - rows.max()).ravel()
    steps = (np.arange(count) + 0.5) / count * weights.sum()
    z = points(total).reshape(len(weights), -1)[np.searchsorted(np.cumsum(weights), steps)]
    return Picked(z, given(inputs, z, run.intercept))


FINER = 8
"""Steps between two values of the grid of Δ that nodes are picked from."""


def preconditioner(inputs: SeriesCounts, run: Run) -> dict[str, Array]:
    """Where NUTS shall look: `location` and `factor` as in `series`, `weights` and `pulled` (n,).

    The last two are the quadratic of the likelihood about the mode: what the latent departures would be given the
    rest, were it normal. They change how fast the sampler mixes and nothing else.
    """
    chosen = picked(inputs, run, PRECONDITIONING)
    z, found, count = chosen.z, chosen.found, len(chosen.z)
    sigma, phi = hyper_of(inputs, z)
    covariance = np.zeros((count, *[found.theta.shape[1] + 1] * 2))
    covariance[:, :-1, :-1] = found.covariance
    theta = np.concatenate([found.theta, z[:, 2:]], axis=1)
    middle = given(inputs, z.mean(axis=0)[None], run.intercept)
    weights, fixed = middle.weights[:, 0], inputs.months.columns[:, -1] * z[:, 2].mean()
    return {
        **placed(inputs.months, run, np.full(count, 1 / count), sigma, phi, theta, covariance),
        "weights": weights,
        "pulled": middle.pull[:, 0] + weights * fixed,
    }


PRECONDITIONING = 200
"""Nodes that location and spread are judged by."""


def joint(inputs: SeriesCounts, run: Run, count: int, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Equally likely coefficients (S, p), σ and φ (S,) and departures (S, n), by Laplace given φ, σ and Δ."""
    chosen = picked(inputs, run, count)
    found, (sigma, phi) = chosen.found, hyper_of(inputs, chosen.z)
    root = np.linalg.cholesky(found.covariance)
    theta = found.theta + (root @ rng.standard_normal((*found.theta.shape, 1)))[..., 0]
    rows = found.pull - found.weights * (inputs.months.columns[:, :-1] @ theta.T)
    for i in range(1, len(rows)):
        rows[i] -= found.multipliers[i] * rows[i - 1]
    noise = rng.standard_normal(rows.shape) / np.sqrt(found.pivots)
    r = backward(rows / found.pivots + noise, found.multipliers)
    return np.concatenate([theta, chosen.z[:, 2:]], axis=1), sigma, phi, r.T
