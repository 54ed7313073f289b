"""The marginal posterior of Δ when the nuisances have no closed form: a grid of Δ, quasi-random nodes along it.

Knows no model. At every Δ the nuisances are integrated by importance sampling with the same quasi-random points, moved
along with Δ, so that errors are nearly the same everywhere and cancel. The prior of Δ is not in the integrals: one set
of nodes serves every run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import stdtrit
from scipy.stats import qmc

from analysis import integration
from analysis.documents import NormalPrior
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import NO_BIAS, Run, given_total, log_total_prior, normal

Array = NDArray[np.float64]

NODES, STEPS, FINE = 512, 13, 241
"""Nodes at every Δ, values of Δ where the nuisances are integrated and between which log densities are interpolated."""
PILOT_NODES, PILOT_STEPS, ROUNDS = 128, 11, 4
SOUGHT, NEGLIGIBLE, EDGE = 30.0, 20.0, 12.0
"""Log densities below the highest: how far the search goes, where the grid ends, and where an end is too near."""
LINES, REACH = 100, 7.0
"""Draws a chain that probabilities are averaged over, and posterior SDs of Δ that each is followed along."""
FREEDOM = 5.0
"""Degrees of freedom of the proposal."""
FEW = 0.15
"""Share of nodes that must count for a run to use the common nodes."""
TINY = 1e-10
FINER = 6
"""Times finer a grid of Δ that moments are taken on."""
WIDE = Run("wide", normal(NormalPrior(mean=0.0, sd=1.0)), NO_BIAS)
"""The run that places the common nodes."""


@dataclass(frozen=True, slots=True)
class Target:
    """A model to be integrated over points (K, d) on the real line, Δ last.

    `log_density` is likelihood times the priors of all but Δ and the intercepts; `log_intercepts` the log prior of
    those. `start` (d,) is where the search for the mode begins. `freedom` are the degrees of freedom by which nodes are
    placed, of each parameter but Δ (None: `FREEDOM` for all), `nodes` and `pilot` how many at every Δ. With `mirrored`
    every node comes with its image on the other side of all parameters but the first so many: what turns the data round
    turns the posterior round, to the last digit.
    """

    log_density: Callable[[Array], Array]
    log_intercepts: Callable[[Array], Array]
    start: Array
    freedom: tuple[float, ...] | None = None
    nodes: int = NODES
    pilot: int = PILOT_NODES
    mirrored: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """Nodes `points` (I, J, d) at even `total` (I,), the log ratio of target to proposal and the intercepts' prior."""

    total: Array
    points: Array
    log_ratio: Array
    log_intercepts: Array

    def log_likelihood(self, run: Run) -> Array:
        """Log marginal likelihood of every Δ (I,)."""
        return _log_mean(self.log_ratio + run.intercept * self.log_intercepts)

    def fine(self, run: Run) -> tuple[Array, Array]:
        """Δ on a fine grid and its log posterior density."""
        total = np.linspace(self.total[0], self.total[-1], FINE)
        return total, CubicSpline(self.total, self.log_likelihood(run))(total) + log_total_prior(run, total)

    def weights(self, run: Run) -> Array:
        """Posterior weights of all nodes (I, J), which sum to 1."""
        log_weights = self.log_ratio + run.intercept * self.log_intercepts + log_total_prior(run, self.total)[:, None]
        relative = np.exp(log_weights - log_weights.max())
        return np.asarray(relative / relative.sum())

    def serves(self, run: Run) -> bool:
        """Whether the posterior of a run lies within the grid, on nodes enough."""
        _, log_density = self.fine(run)
        inside = max(log_density[0], log_density[-1]) < log_density.max() - EDGE
        return bool(inside) and _counting(self.weights(run)) >= FEW


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """Where nodes shall lie: even `total`, about `middle` (d,) moved by `along` (d − 1,) a Δ, spread by `scale`.

    `pilot` are the few nodes by which that was judged.
    """

    total: Array
    middle: Array
    along: Array
    scale: Array
    pilot: Marginal


def integrated(target: Target, run: Run = WIDE) -> Marginal:
    """Nodes where the posterior of a run lies."""
    return placed(target, sought(target, run))


def sought(target: Target, run: Run = WIDE, top: integration.Peak | None = None) -> Proposal:
    """Where the posterior of a run lies; a rough target will do.

    `top` is mode and spread where these are known; as long as enough nodes count there they are left as they are.
    """

    def log_posterior(points: Array) -> Array:
        prior = log_total_prior(run, points[:, -1])
        return target.log_density(points) + run.intercept * target.log_intercepts(points) + prior

    start = top or integration.peak(log_posterior, target.start)
    covariance = start.scale @ start.scale.T
    middle, spread = start.at, float(np.sqrt(covariance[-1, -1]))
    along = covariance[:-1, -1] / covariance[-1, -1]
    scale = np.linalg.cholesky(covariance[:-1, :-1] - np.outer(along, along) * covariance[-1, -1])
    total = _range(log_posterior, middle, along, spread)
    coarse = np.linspace(total[0], total[-1], PILOT_STEPS)
    kept = middle, along, scale
    found = _placed(target, coarse, *kept, target.pilot)
    known = top is not None
    for _ in range(ROUNDS):
        weights = found.weights(run)
        if known and _counting(weights) >= integration.ENOUGH:
            break
        proposal = _moments(found.points, weights)
        tried = _placed(target, coarse, *proposal, target.pilot)
        if _counting(tried.weights(run)) <= _counting(weights):
            break
        found, kept = tried, proposal
    total = _trimmed(coarse, found.log_likelihood(run) + log_total_prior(run, coarse))
    return Proposal(total, *kept, found)


def placed(target: Target, proposal: Proposal) -> Marginal:
    """The nodes of a proposal, weighed by a target."""
    return _placed(target, proposal.total, proposal.middle, proposal.along, proposal.scale, target.nodes)


def posterior(marginal: Marginal, run: Run) -> Density | NormalMixture:
    """The posterior of δ: without bias the density of Δ, with it a mixture of what each Δ leaves of δ."""
    total, log_density = marginal.fine(run)
    density = np.exp(log_density - log_density.max())
    if run.bias.sd == 0:
        return Density(total - run.bias.mean, density)
    weights, means, sds = given_total(run, total)
    weights = weights * density / density.sum()
    return NormalMixture(weights.ravel(), means.ravel(), np.broadcast_to(sds, means.shape).ravel())


def component_weights(marginal: Marginal, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    total, log_density = marginal.fine(run)
    density = np.exp(log_density - log_density.max())
    return np.asarray((given_total(run, total)[0] * density).sum(axis=1) / density.sum())


def evenly(marginal: Marginal, count: int) -> Array:
    """So many points (count, d) in even steps of the wide posterior's mass."""
    weights = marginal.weights(WIDE).ravel()
    chosen = np.searchsorted(np.cumsum(weights), (np.arange(count) + 0.5) / count)
    return np.asarray(marginal.points.reshape(len(weights), -1)[chosen])


def moments(marginal: Marginal, run: Run) -> tuple[Array, Array]:
    """Posterior mean (d,) and covariance (d, d) of all parameters.

    Between the Δ of the grid, which a narrow prior may leave far apart, nodes are interpolated.
    """
    points, weights = _between(marginal, run, FINER)
    mean = weights @ points
    centred = points - mean
    return mean, (weights[:, None] * centred).T @ centred


def along_lines(
    target: Target, marginal: Marginal, run: Run, points: Array, delta: Array, lines_each: int = LINES
) -> SampledAlong:
    """Draws of δ (chain, draw) with the conditional distribution of Δ given where each draw lies beside it.

    `points` (chain, draw, d). A draw's line moves the nuisances along with Δ as the posterior does, so that a line's
    conditional is nearly the marginal and probabilities hardly depend on the draws; an even selection of lines is used.
    """
    mean, covariance = moments(marginal, run)
    along = covariance[:-1, -1] / covariance[-1, -1]
    reach = REACH * float(np.sqrt(covariance[-1, -1]))
    total = np.linspace(mean[-1] - reach, mean[-1] + reach, STEPS)
    step = max(points.shape[1] // lines_each, 1)
    chosen = points[:, ::step][:, :lines_each]
    beside = chosen[..., :-1] - chosen[..., -1:] * along
    nuisances = beside.reshape(-1, 1, len(along)) + total[:, None] * along
    lines = np.concatenate([nuisances, np.broadcast_to(total[:, None], (*nuisances.shape[:2], 1))], axis=-1)
    flat = lines.reshape(-1, len(mean))
    log_density = target.log_density(flat) + run.intercept * target.log_intercepts(flat)
    log_density = log_density.reshape(lines.shape[:2]) + log_total_prior(run, total)
    fine = np.linspace(total[0], total[-1], FINE)
    rows = CubicSpline(total, log_density, axis=1)(fine)
    rows = np.exp(rows - rows.max(axis=1, keepdims=True))
    which = np.arange(len(rows), dtype=np.float64)
    given = [np.broadcast_to(part, (len(run.effect), FINE)) for part in given_total(run, fine)]
    return SampledAlong(delta, which.reshape(chosen.shape[:2]), which, fine, rows, *given)


def of_function(marginal: Marginal, run: Run, function: Callable[[Array], Array], between: int = 3) -> NormalMixture:
    """The posterior of a smooth function of the parameters, points (K, d) to (K,).

    Along Δ the log weights of each quasi-random node are interpolated `between` times finer; what steps are left are
    covered by normals of a step's width, their variance taken off the spread between the nodes.
    """
    points, weights = _between(marginal, run, between)
    values = function(points)
    mean = float(weights @ values)
    variance = float(weights @ (values - mean) ** 2)
    width = SMOOTHING * variance
    return NormalMixture(weights, mean + np.sqrt(1 - SMOOTHING) * (values - mean), np.full(len(values), np.sqrt(width)))


def _between(marginal: Marginal, run: Run, times: int) -> tuple[Array, Array]:
    """Points (K, d) that count and their weights (K,), on a grid of Δ so many times finer."""
    rows = marginal.log_ratio + run.intercept * marginal.log_intercepts
    total = np.linspace(marginal.total[0], marginal.total[-1], times * (len(marginal.total) - 1) + 1)
    log_weights = CubicSpline(marginal.total, rows)(total) + log_total_prior(run, total)[:, None]
    relative = np.exp(log_weights - log_weights.max())
    weights = (relative / relative.sum()).ravel()
    keep = weights > TINY
    points = CubicSpline(marginal.total, marginal.points)(total).reshape(-1, marginal.points.shape[-1])[keep]
    return points, weights[keep] / weights[keep].sum()


SMOOTHING = 0.01
"""Share of the variance that normals about the nodes carry: mean and variance are as without them."""


def _log_mean(log_values: Array) -> Array:
    best = log_values.max(axis=1)
    return np.asarray(best + np.log(np.exp(log_values - best[:, None]).mean(axis=1)))


def _counting(weights: Array) -> float:
    """Effective share of the nodes within a Δ, averaged over what Δ is likely."""
    within = weights.sum(axis=1)
    likely = within > TINY
    shares = within[likely] ** 2 / (weights[likely] ** 2).sum(axis=1) / weights.shape[1]
    return float(within[likely] @ shares / within[likely].sum())


def _range(log_posterior: Callable[[Array], Array], middle: Array, along: Array, spread: float) -> Array:
    """Even values of Δ that hold all that matters, judged along the line of the likeliest nuisances."""
    reach = 8.0 * spread
    for _ in range(12):
        offsets = np.linspace(-reach, reach, 65)
        line = middle + offsets[:, None] * np.append(along, 1.0)
        log_density = log_posterior(line)
        relevant = offsets[log_density > log_density.max() - SOUGHT]
        if relevant[0] > offsets[0] and relevant[-1] < offsets[-1]:
            break
        reach *= 2
    step = offsets[1] - offsets[0]
    return np.linspace(middle[-1] + relevant[0] - step, middle[-1] + relevant[-1] + step, STEPS)


def _trimmed(total: Array, log_density: Array) -> Array:
    """The grid laid over what the integrals show to matter."""
    fine = np.linspace(total[0], total[-1], FINE)
    values = CubicSpline(total, log_density)(fine)
    relevant = fine[values > values.max() - NEGLIGIBLE]
    return np.linspace(relevant[0], relevant[-1], STEPS)


def _placed(target: Target, total: Array, middle: Array, along: Array, scale: Array, count: int) -> Marginal:
    standard, log_proposal = _students(target.freedom or (FREEDOM,) * len(along), count, target.mirrored)
    nuisances = middle[:-1] + (total - middle[-1])[:, None, None] * along + standard @ scale.T
    points = np.concatenate([nuisances, np.broadcast_to(total[:, None, None], (*nuisances.shape[:2], 1))], axis=-1)
    flat = points.reshape(-1, len(middle))
    shape = points.shape[:2]
    log_density = target.log_density(flat).reshape(shape)
    log_ratio = np.where(np.isfinite(log_density), log_density, -np.inf) - log_proposal
    if not np.isfinite(log_ratio.max(axis=1)).all():
        raise ArithmeticError("a density vanishes everywhere it was looked at")
    return Marginal(total, points, log_ratio, target.log_intercepts(flat).reshape(shape))


@lru_cache(maxsize=64)
def _students(freedom: tuple[float, ...], count: int, mirrored: int | None) -> tuple[Array, Array]:
    """Quasi-random nodes (J, d) of independent t's and their log density up to a constant.

    Independent, so that one skewed direction (an SD that may be 0) does not cost the others their weights.
    """
    drawn = count if mirrored is None else count // 2
    uniform = qmc.Sobol(len(freedom), scramble=True, rng=integration.SEED).random(drawn)
    points = stdtrit(np.array(freedom), np.clip(uniform, 1e-12, 1 - 1e-12))
    if mirrored is not None:
        points = np.concatenate([points, np.where(np.arange(len(freedom)) < mirrored, points, -points)])
    log_density = np.zeros(count)
    for value in dict.fromkeys(freedom):
        mine = points[:, np.array(freedom) == value]
        log_density += -0.5 * (value + 1) * np.log1p(mine**2 / value).sum(axis=1)
    return points, log_density


def _moments(points: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Weighted mean (d,), slope of the nuisances on Δ (d − 1,) and a factor of what is left of their spread."""
    flat, w = points.reshape(-1, points.shape[-1]), weights.ravel()
    mean = w @ flat
    centred = flat - mean
    covariance = (w[:, None] * centred).T @ centred
    along = covariance[:-1, -1] / covariance[-1, -1]
    left = covariance[:-1, :-1] - np.outer(along, along) * covariance[-1, -1]
    left += 0.05 * np.diag(np.diag(left)) + 1e-12 * np.eye(len(left))
    return mean, along, np.linalg.cholesky(left)
