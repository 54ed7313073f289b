"""Exact posteriors of proportions with unit effects, which are integrated out within the likelihood.

Given coefficients and SDs a unit's u and its slots' v are integrated by nested Gauss-Hermite rules about their joint
mode. Parameters live on the real line as `z` (K, 8): coefficients, the two SDs as `half_line` of z, Δ last; that is
also how the PyMC model samples them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr, ndtr

from analysis import marginal
from analysis.designs.binary_inputs import COEFFICIENTS, UnitProportions
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import Run

Array = NDArray[np.float64]
DIMENSION = COEFFICIENTS + 3
UNIT, UNIT_TIME, TOTAL = COEFFICIENTS, COEFFICIENTS + 1, COEFFICIENTS + 2
_LINE = np.linspace(-8.0, 12.0, 20_001)
AT_ONCE = 60_000
"""Numbers an intermediate array holds: what fits a processor's cache."""
RULES = ((5, 3), (5, 5), (7, 5), (7, 7), (11, 11), (25, 17))
"""Nodes for u and for v, tried in this order."""
TOLERANCE, CHECKED = 1e-4, 50
"""SD of the error of the log likelihood, over all units, at so many points spread over the posterior's mass.

An error that is the same everywhere changes no posterior.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Nodes and weights of the Gauss-Hermite rules for N(0, 1): of u and of v; a single node where there is none."""

    outer: Array
    outer_weights: Array
    inner: Array
    inner_weights: Array

    @classmethod
    def of(cls, inputs: UnitProportions, outer: int, inner: int) -> "Rule":
        """Rules of so many nodes for the effects that the inputs have."""
        return cls(*_hermite(outer if inputs.unit else 1), *_hermite(inner if inputs.unit_time else 1))


def _hermite(count: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


# --- likelihood ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Integrand:
    """Of K parameter values: log integrand at the nodes of u (Q, K, G), u and, given it, moments of v (Q, K, S, G).

    Without `moments` asked for the last two are empty. Units come last: operations run along the longest axis.
    """

    log_value: Array
    u: Array
    v: Array
    v_variance: Array


def log_likelihood(inputs: UnitProportions, z: Array, rule: Rule) -> Array:
    """Log likelihood (K,) of nodes `z` (K, 8), unit effects integrated out, up to a constant."""
    size = inputs.x.size * len(rule.outer) * len(rule.inner)
    turn = max(AT_ONCE // size, 1)
    return np.concatenate([_summed(integrand(inputs, z[i : i + turn], rule).log_value) for i in range(0, len(z), turn)])


def _summed(log_values: Array) -> Array:
    """Log of the sums over the nodes, added up over units (K,)."""
    best = log_values.max(axis=0)
    return np.asarray((best + np.log(np.exp(log_values - best).sum(axis=0))).sum(axis=-1))


def integrand(inputs: UnitProportions, z: Array, rule: Rule, *, moments: bool = False) -> Integrand:
    """What the sums over nodes are made of, at points `z` (K, 8)."""
    x, n = inputs.x.T, inputs.n.T
    design = np.concatenate([inputs.columns, inputs.kappa * inputs.exposure[..., None]], axis=-1).transpose(2, 1, 0)
    place = z[:, [*range(COEFFICIENTS), TOTAL]]
    eta = (place @ design.reshape(design.shape[0], -1)).reshape(-1, *x.shape)  # (K, S, G)
    su, sv = (s[:, None, None] for s in logit_sds(inputs, z))
    # Start from the empirical logits, then Newton's steps to the joint mode of u and v, both in their own SDs.
    theta = np.log((x + 0.5) / (n - x + 0.5))
    share = (x + 0.5) / (n + 1)
    u, v = _newton(eta, theta, 0.0, n * share * (1 - share), su, sv)
    for _ in range(2):
        theta = eta + su * u + sv * v
        p = expit(theta)
        u, v = _newton(eta, theta, x - n * p, n * p * (1 - p), su, sv)
    p = expit(eta + su * u + sv * v)
    w = n * p * (1 - p)
    within = 1 + sv**2 * w
    width = 1 / np.sqrt(1 + su**2 * (w / within).sum(axis=1, keepdims=True))
    outer, inner = rule.outer[:, None, None, None], rule.inner[:, None, None, None, None]
    at_u = u + width * outer  # (Q, K, 1, G)
    inner_width = 1 / np.sqrt(within)
    middle = v - sv * su * w / within * (at_u - u)  # (Q, K, S, G)
    # Of nodes t of the inner rule: v = middle + width t, so that all but softplus is a quadratic in t.
    level, step = eta + su * at_u + sv * middle, sv * inner_width
    linear = x * step - middle * inner_width
    value = x * level - 0.5 * middle**2 + inner * linear  # (R, Q, K, S, G)
    value += 0.5 * inner**2 * (1 - inner_width**2) + np.log(rule.inner_weights)[:, None, None, None, None]
    value -= n * _softplus(level + inner * step)
    best = value.max(axis=0)
    value -= best
    relative = np.exp(value, out=value)
    mass = relative.sum(axis=0)
    log_inner = (best + np.log(mass * inner_width)).sum(axis=2)
    log_weights = np.log(rule.outer_weights)[:, None, None]
    at_u = at_u[:, :, 0]
    log_value = log_inner + 0.5 * (outer[..., 0] ** 2 - at_u**2) + log_weights + np.log(width[:, 0])
    if not moments:
        return Integrand(log_value, at_u, np.empty(0), np.empty(0))
    mean = (relative * inner).sum(axis=0) / mass
    variance = (relative * (inner - mean) ** 2).sum(axis=0) / mass
    return Integrand(log_value, at_u, middle + inner_width * mean, inner_width**2 * variance)


def _newton(eta: Array, theta: Array, gradient: Array | float, w: Array, su: Array, sv: Array) -> tuple[Array, Array]:
    """The mode (K, 1, G) of u and (K, S, G) of v were the log likelihood quadratic about θ with curvature −w."""
    pull = w * (theta - eta) + gradient
    within = 1 + sv**2 * w
    u = su * (pull / within).sum(axis=1, keepdims=True)
    u /= 1 + su**2 * (w / within).sum(axis=1, keepdims=True)
    return u, sv * (pull - w * su * u) / within


def _softplus(values: Array) -> Array:
    found = np.abs(values)
    np.log1p(np.exp(np.negative(found, out=found), out=found), out=found)
    found += np.maximum(values, 0.0)
    return np.asarray(found)


def half_line(z: Array) -> Array:
    """The function z Φ(z) + φ(z): the real line onto the positive half, with slope Φ(z).

    Under it a half-normal has a density on the line with the tails of a normal on both sides; that of a softplus falls
    no faster than e^z, and quasi-random nodes would miss it.
    """
    return np.asarray(z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))


def logit_sds(inputs: UnitProportions, z: Array) -> tuple[Array, Array]:
    """SD of u and of v in logits (K,), 0 where there is no such effect."""
    kappa = abs(inputs.kappa)
    u, v = half_line(z[:, UNIT]), half_line(z[:, UNIT_TIME])
    return kappa * inputs.unit * inputs.unit_scale * u, kappa * inputs.unit_time * inputs.unit_time_scale * v


# --- posterior ----------------------------------------------------------------------------------------------------


def posterior(inputs: UnitProportions, run: Run) -> Density | NormalMixture:
    """The posterior of δ."""
    return marginal.posterior(nodes_of(inputs, run), run)


def component_weights(inputs: UnitProportions, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    return marginal.component_weights(nodes_of(inputs, run), run)


def slope(inputs: UnitProportions, run: Run) -> tuple[float, float] | None:
    """Mean and SD of the slope on the units' baseline logits; None where there is none."""
    of_slope = np.flatnonzero(inputs.used & (inputs.intercepts == 0))
    if not len(of_slope):
        return None
    mean, covariance = marginal.moments(nodes_of(inputs, run), run)
    place = int(np.flatnonzero(active(inputs)).searchsorted(of_slope[0]))
    return float(mean[place]), float(np.sqrt(covariance[place, place]))


def nodes_of(inputs: UnitProportions, run: Run) -> marginal.Marginal:
    """The nodes all runs share, or a run's own where its prior leads elsewhere."""
    common = _integrated(inputs, marginal.WIDE)
    return common if common.serves(run) else _integrated(inputs, run)


@lru_cache(maxsize=32)
def _integrated(inputs: UnitProportions, run: Run) -> marginal.Marginal:
    return marginal.placed(_target(inputs, rule_of(inputs)), _sought(inputs, run))


@lru_cache(maxsize=32)
def _sought(inputs: UnitProportions, run: Run) -> marginal.Proposal:
    """Where the nodes shall lie: the cheapest rule tells that well enough, the weights make up for it."""
    return marginal.sought(_target(inputs, Rule.of(inputs, *RULES[0])), run)


@lru_cache(maxsize=32)
def rule_of(inputs: UnitProportions) -> Rule:
    """The smallest rule whose error, against a far larger one, is below `TOLERANCE` where the posterior lies."""
    if not (inputs.unit or inputs.unit_time):
        return Rule.of(inputs, 1, 1)
    rules = [Rule.of(inputs, *counts) for counts in RULES]
    pilot = _sought(inputs, marginal.WIDE).pilot
    weights = pilot.weights(marginal.WIDE).ravel()
    chosen = np.searchsorted(np.cumsum(weights), (np.arange(CHECKED) + 0.5) / CHECKED)
    z = filled(inputs, pilot.points.reshape(len(weights), -1)[chosen])
    fine = log_likelihood(inputs, z, rules[-1])
    for rule in rules[:-1]:
        if np.std(log_likelihood(inputs, z, rule) - fine) < TOLERANCE:
            return rule
    return rules[-1]


def active(inputs: UnitProportions) -> Array:
    """Which parameters (8,) the data or the effect depend on; the others keep their priors and need no nodes."""
    return np.array([*inputs.used, inputs.unit > 0, inputs.unit_time > 0, True])


def filled(inputs: UnitProportions, part: Array) -> Array:
    """Points `z` (K, 8) of the active parameters alone."""
    z = np.zeros((len(part), DIMENSION))
    z[:, active(inputs)] = part
    return z


def _target(inputs: UnitProportions, rule: Rule) -> marginal.Target:
    mean, precision = inputs.prior.T
    on = active(inputs)

    def squares(z: Array, which: Array) -> Array:
        return np.asarray(-0.5 * ((z[:, :COEFFICIENTS] - mean) ** 2 @ (precision * which)))

    def log_density(part: Array) -> Array:
        z = filled(inputs, part)
        value = log_likelihood(inputs, z, rule) + squares(z, 1 - inputs.intercepts)
        for column in (UNIT, UNIT_TIME):
            if on[column]:
                value += -0.5 * half_line(z[:, column]) ** 2 + log_ndtr(z[:, column])
        return value

    return marginal.Target(
        log_density, lambda part: squares(filled(inputs, part), inputs.intercepts), _start(inputs)[on]
    )


def _start(inputs: UnitProportions) -> Array:
    """Ridge regression of the empirical logits."""
    z = np.zeros(DIMENSION)
    columns = [*np.flatnonzero(inputs.used), TOTAL]
    design = np.concatenate([inputs.columns, inputs.kappa * inputs.exposure[..., None]], axis=-1)
    rows = design.reshape(inputs.x.size, -1)[:, [min(c, COEFFICIENTS) for c in columns]]
    weights = inputs.n.ravel()
    logits = np.log((inputs.x + 0.5) / (inputs.n - inputs.x + 0.5)).ravel()
    normal = (rows.T * weights) @ rows + np.eye(len(columns))
    z[columns] = np.linalg.solve(normal, rows.T @ (weights * logits))
    return z


def rao_blackwell(inputs: UnitProportions, run: Run, draws: Mapping[str, Array]) -> SampledAlong:
    """Draws of δ with the conditional distributions of Δ beside them."""
    points = positions(inputs, draws)[..., active(inputs)]
    return marginal.along_lines(_target(inputs, rule_of(inputs)), nodes_of(inputs, run), run, points, draws["delta"])


def positions(inputs: UnitProportions, draws: Mapping[str, Array]) -> Array:
    """Draws as points `z` (chain, draw, 8); SDs go back to the line by interpolation."""
    on_line = [
        np.interp(draws[name] / scale, half_line(_LINE), _LINE)[..., None]
        for name, scale in (("unit_sd", inputs.unit_scale), ("unit_time_sd", inputs.unit_time_scale))
    ]
    return np.concatenate([draws["coefficients"], *on_line, draws["total"][..., None]], axis=-1)


def preconditioner(inputs: UnitProportions, run: Run) -> dict[str, Array]:
    """Where NUTS shall look, `location` (8,) and `factor` (8, 8), and the quadrature of its likelihood.

    The first two change how fast the sampler mixes and nothing else.
    """
    mean, covariance = marginal.moments(nodes_of(inputs, run), run)
    on = active(inputs)
    location, factor = np.zeros(DIMENSION), np.eye(DIMENSION)
    location[on] = mean
    factor[np.ix_(on, on)] = np.linalg.cholesky(covariance)
    rule = rule_of(inputs)
    return {
        "location": location,
        "factor": factor,
        "outer": np.stack([rule.outer, rule.outer_weights]),
        "inner": np.stack([rule.inner, rule.inner_weights]),
    }
