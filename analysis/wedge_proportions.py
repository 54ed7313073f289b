"""Exact posteriors of proportions of units that cross over in sequence, unit effects integrated out in the likelihood.

Up to some twenty coefficients are too many for nodes placed by a spread that is the same everywhere: that of the
increments of the effect over the time since start hangs on the SD of its walk. So the parameters are the SDs on the
real line (through `ramp`), ε, and Δ: given SDs and Δ the coefficients are normal where each cell is replaced by the
normal that its likelihood comes near at the mode, and ε are these coefficients in units of that normal. In ε the
posterior is near round; what it is not, `marginal` weighs by the likelihood as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis import integration, marginal, unit_integral
from analysis.designs.wedge_inputs import STEP_SCALE, WedgeProportions
from analysis.half_normal import log_half_normal, ramp, unramped
from analysis.mixed_equations import Equations, Given, coefficients, log_sum, of_cells
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import Run
from analysis.unit_integral import AT_ONCE, Rule
from analysis.wedge_hyper import WedgeHyper
from analysis.wedge_means import Walk

Array = NDArray[np.float64]
SDS = 3
"""Unit SD, unit × time SD, SD of the walk's steps."""
LEVEL_PRECISION = 1.5**-2
FREEDOM_OF_SDS, FREEDOM = 5.0, 30.0
"""Degrees of freedom by which nodes are placed: of the SDs, which are skewed, and of ε, which are near normal."""
NODES, PILOT, LINES = 256, 128, 50
RULES = ((3, 3), *unit_integral.RULES)
"""Rules tried: cells of dozens of people leave an integrand that three nodes follow."""
ROUNDS = 12
TOLERANCE, CHECKED = 3e-3, 50
"""SD of the error of the log likelihood, over all units, at so many points spread over the posterior's mass: it moves
Δ by less than that many of its SDs."""


@dataclass(frozen=True, slots=True, eq=False)
class Natural:
    """Points as the model has them: SDs in SD units (K, 3), coefficients but Δ (K, p − 1), log |d coefficients/d ε|."""

    sds: Array
    theta: Array
    log_volume: Array


@dataclass(frozen=True, slots=True, eq=False)
class Nearby:
    """Cells as normals: a logit `y` (G, T) with sampling variance `variance`."""

    inputs: WedgeProportions
    y: Array
    variance: Array

    def equations(self, z: Array) -> Equations:
        """Normal equations of the coefficients at SDs `z` (K, 3) on the line, without the prior of Δ."""
        inputs = self.inputs
        sds = ramp(z) * scales_of(inputs)
        logits = abs(inputs.kappa)
        hyper = WedgeHyper(np.empty((0, 2)), logits * sds[:, 0], logits * sds[:, 1], sds[:, 2])
        found = of_cells(inputs, inputs.columns * inputs.logits, self.y, self.variance, hyper)
        intercepts = LEVEL_PRECISION * np.eye(inputs.size)[0]
        levels = np.arange(inputs.size) < inputs.periods
        own = np.where(levels, LEVEL_PRECISION, 1.0) - intercepts
        own[-1] = 0.0
        return Equations(found.precision + np.diag(own), found.shift, found.rest, intercepts)

    def given(self, z: Array, total: Array) -> tuple[Array, Array]:
        """Mean (K, p − 1) of the coefficients given SDs and Δ, and the Cholesky factor of their precision."""
        eqs = self.equations(z)
        precision = eqs.precision[:, :-1, :-1] + np.diag(eqs.intercepts[:-1])
        pull = eqs.shift[:, :-1] - eqs.precision[:, :-1, -1] * total[:, None]
        return np.linalg.solve(precision, pull[..., None])[..., 0], np.linalg.cholesky(precision)


def scales_of(inputs: WedgeProportions) -> Array:
    """Scales of the half-normal priors of the SDs (3,)."""
    return np.array([inputs.unit_scale, inputs.unit_time_scale, STEP_SCALE])


@lru_cache(maxsize=32)
def nearby(inputs: WedgeProportions, run: Run) -> Nearby:
    """The normals about a run's joint mode of coefficients and unit effects, SDs in the middle of their priors."""
    at = np.log((inputs.x + 0.5) / (inputs.n - inputs.x + 0.5))
    z = np.zeros((1, SDS))
    unit, unit_time = (abs(inputs.kappa) * sd for sd in (ramp(z) * scales_of(inputs))[0, :2])
    columns = inputs.columns * inputs.logits
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-at))
        w = np.maximum(inputs.n * p * (1 - p), 1e-6)
        found = Nearby(inputs, at + (inputs.x - inputs.n * p) / w, 1 / w)
        theta = _likeliest(found, z, run).mean[0]
        size = np.where(inputs.increments, ramp(z[0, 2]) * STEP_SCALE, 1.0)
        eta = columns @ (theta * size)
        told = np.where(inputs.n > 0, 1 / (found.variance + unit_time**2), 0.0)
        off = found.y - eta
        u = unit**2 * (told * off).sum(axis=1, keepdims=True) / (1 + unit**2 * told.sum(axis=1, keepdims=True))
        # Half of a long step: an empty cell's logit may run far.
        at = at + np.clip(eta + u + unit_time**2 * told * (off - u) - at, -2.0, 2.0)
    return found


def _likeliest(near: Nearby, z: Array, run: Run) -> Given:
    """The coefficients at SDs `z` under the component of a run's prior that the cells speak for."""
    return max(coefficients(near.equations(z), run), key=lambda given: float(given.log_evidence[0]))


# --- likelihood and prior -----------------------------------------------------------------------------------------


def natural(near: Nearby, part: Array) -> Natural:
    """What points of the active parameters (K, d) mean."""
    inputs = near.inputs
    z, epsilon, total = split(inputs, part)
    mean, root = near.given(z, total)
    theta = mean + np.linalg.solve(root.transpose(0, 2, 1), epsilon[..., None])[..., 0]
    log_volume = -np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return Natural(ramp(z) * scales_of(inputs), theta, log_volume)


def split(inputs: WedgeProportions, part: Array) -> tuple[Array, Array, Array]:
    """SDs on the line (K, 3), ε (K, p − 1) and Δ (K,) of points of the active parameters."""
    active = inputs.active
    z = np.zeros((len(part), SDS))
    z[:, :active] = part[:, :active]
    return z, part[:, active:-1], part[:, -1]


def log_likelihood(inputs: WedgeProportions, at: Natural, total: Array, rule: Rule) -> Array:
    """Log likelihood (K,), unit effects integrated out, up to a constant."""
    theta = at.theta.copy()
    theta[:, inputs.increments[:-1]] *= at.sds[:, 2:]
    place = np.concatenate([theta, total[:, None]], axis=1)
    design = (inputs.columns * inputs.logits).transpose(2, 1, 0)
    eta = (place @ design.reshape(design.shape[0], -1)).reshape(-1, *inputs.x.T.shape)  # (K, T, G)
    su, sv = (abs(inputs.kappa) * at.sds[:, i] for i in (0, 1))
    turn = max(AT_ONCE // (inputs.x.size * rule.points), 1)
    return np.concatenate(
        [
            unit_integral.integrand(
                inputs.x.T, inputs.n.T, eta[i : i + turn], (su[i : i + turn], sv[i : i + turn]), rule
            ).log_likelihood
            for i in range(0, len(eta), turn)
        ]
    )


def _target(near: Nearby, rule: Rule) -> marginal.Target:
    inputs = near.inputs
    levels = np.arange(inputs.size - 1) < inputs.periods
    precision = np.where(levels, LEVEL_PRECISION, 1.0)
    precision[0] = 0.0
    active = inputs.active

    last: list[tuple[Array, Natural]] = []

    def meant(part: Array) -> Natural:
        """What points mean; both densities are asked of the same ones."""
        if not last or last[0][0] is not part:
            last[:] = [(part, natural(near, part))]
        return last[0][1]

    def log_density(part: Array) -> Array:
        at = meant(part)
        value = log_likelihood(inputs, at, part[:, -1], rule) + at.log_volume
        return np.asarray(value + log_half_normal(part[:, :active]).sum(axis=1) - 0.5 * at.theta**2 @ precision)

    def log_intercepts(part: Array) -> Array:
        return np.asarray(-0.5 * LEVEL_PRECISION * meant(part).theta[:, 0] ** 2)

    freedom = (FREEDOM_OF_SDS,) * active + (FREEDOM,) * (inputs.size - 1)
    return marginal.Target(log_density, log_intercepts, np.zeros(active + inputs.size), freedom, NODES, PILOT, active)


def _start(near: Nearby, run: Run) -> integration.Peak:
    """Where the posterior would lie if the cells were normal: SDs about their mode, ε standard normal."""
    inputs, active = near.inputs, near.inputs.active

    def density(part: Array) -> Array:
        z = np.zeros((len(part), SDS))
        z[:, :active] = part
        return log_sum(coefficients(near.equations(z), run)) + log_half_normal(part).sum(axis=1)

    top = integration.peak(density, np.zeros(active))
    z = np.zeros((1, SDS))
    z[:, :active] = top.at
    found = _likeliest(near, z, run)
    size = active + inputs.size
    at, scale = np.zeros(size), np.eye(size)
    at[:active], at[-1] = top.at, found.mean[0, -1]
    scale[:active, :active], scale[-1, -1] = top.scale, np.sqrt(found.covariance[0, -1, -1])
    return integration.Peak(at, scale)


# --- posterior ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Nodes of the posterior, and the normals that say what they mean."""

    near: Nearby
    marginal: marginal.Marginal

    def natural(self, part: Array) -> Natural:
        """What points of the active parameters (K, d) mean."""
        return natural(self.near, part)


def posterior(inputs: WedgeProportions, run: Run) -> Density | NormalMixture:
    """The posterior of δ."""
    return marginal.posterior(nodes_of(inputs, run).marginal, run)


def component_weights(inputs: WedgeProportions, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    return marginal.component_weights(nodes_of(inputs, run).marginal, run)


def nodes_of(inputs: WedgeProportions, run: Run) -> Nodes:
    """The nodes all runs share, or a run's own where its prior leads elsewhere."""
    common = _integrated(inputs, marginal.WIDE)
    return common if common.marginal.serves(run) else _integrated(inputs, run)


@lru_cache(maxsize=32)
def _integrated(inputs: WedgeProportions, run: Run) -> Nodes:
    near = nearby(inputs, run)
    return Nodes(near, marginal.placed(_target(near, rule_of(inputs)), _sought(inputs, run)))


@lru_cache(maxsize=32)
def _sought(inputs: WedgeProportions, run: Run) -> marginal.Proposal:
    near = nearby(inputs, run)
    return marginal.sought(_target(near, Rule.of(*RULES[0], unit=True, unit_time=True)), run, _start(near, run))


@lru_cache(maxsize=32)
def rule_of(inputs: WedgeProportions) -> Rule:
    """The smallest rule whose error, against a far larger one, is below `TOLERANCE` where the posterior lies."""
    part = marginal.evenly(_sought(inputs, marginal.WIDE).pilot, CHECKED)
    at = natural(nearby(inputs, marginal.WIDE), part)
    rules = [Rule.of(*counts, unit=True, unit_time=True) for counts in RULES]
    return unit_integral.fitting(rules, lambda rule: log_likelihood(inputs, at, part[:, -1], rule), TOLERANCE)


def rao_blackwell(inputs: WedgeProportions, run: Run, draws: Mapping[str, Array]) -> SampledAlong:
    """Draws of δ with the conditional distributions of Δ beside them."""
    step = max(draws["total"].shape[1] // LINES, 1)
    few = {name: values[:, ::step] for name, values in draws.items() if name != "delta"}
    nodes = nodes_of(inputs, run)
    points = positions(nodes.near, few)
    return marginal.along_lines(
        _target(nodes.near, rule_of(inputs)), nodes.marginal, run, points, draws["delta"], LINES
    )


def positions(near: Nearby, draws: Mapping[str, Array]) -> Array:
    """Draws (chain, draw) as points of the active parameters (chain, draw, d)."""
    inputs = near.inputs
    shape, total = draws["total"].shape, draws["total"].ravel()
    sds = np.stack([draws[name].ravel() for name in ("unit_sd", "unit_time_sd", "step_sd")], axis=1)
    z = unramped(sds / scales_of(inputs))
    theta = draws["coefficients"].reshape(len(total), -1)[:, inputs.places[:-1]]
    mean, root = near.given(z, total)
    epsilon = np.matmul(root.transpose(0, 2, 1), (theta - mean)[..., None])[..., 0]
    active = inputs.active
    return np.concatenate([z[:, :active], epsilon, total[:, None]], axis=1).reshape(*shape, -1)


def preconditioner(inputs: WedgeProportions, run: Run) -> dict[str, Array]:
    """Where NUTS shall look: SDs on the line, coefficients as they are sampled; then the rules of its likelihood."""
    nodes = nodes_of(inputs, run)
    weights = nodes.marginal.weights(run).ravel()
    part = nodes.marginal.points.reshape(len(weights), -1)
    keep = weights > marginal.TINY
    weights, part = weights[keep] / weights[keep].sum(), part[keep]
    z, at = split(inputs, part)[0], nodes.natural(part)
    middle_z = (weights @ z)[None]
    step = float((ramp(middle_z) * scales_of(inputs))[0, 2])
    walk = Walk.of(inputs, coefficients(nodes.near.equations(middle_z), run), step)
    middle, size = walk.at(at.sds[:, 2])
    theta = (np.concatenate([at.theta, part[:, -1:]], axis=1) - middle) / size
    values = np.concatenate([z, theta], axis=1)
    mean = weights @ values
    covariance = (weights[:, None] * (values - mean)).T @ (values - mean)
    return walk.sampled_by(inputs, np.arange(SDS) < inputs.active, mean, covariance) | rule_of(inputs).arrays
