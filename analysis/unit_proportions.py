"""Exact posteriors of proportions with unit effects, which are integrated out within the likelihood.

Given coefficients and SDs a unit's u and its slots' v are integrated by nested Gauss-Hermite rules about their joint
mode. Parameters live on the real line as `z` (K, 8): coefficients, the two SDs as `half_line` of z, Δ last; that is
also how the PyMC model samples them.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from analysis import marginal, unit_integral
from analysis.designs.binary_inputs import COEFFICIENTS, UnitProportions
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import Run
from analysis.unit_integral import AT_ONCE, RULES, Integrand, Rule

Array = NDArray[np.float64]
DIMENSION = COEFFICIENTS + 3
UNIT, UNIT_TIME, TOTAL = COEFFICIENTS, COEFFICIENTS + 1, COEFFICIENTS + 2
_LINE = np.linspace(-8.0, 12.0, 20_001)
TOLERANCE, CHECKED = 1e-4, 50
"""SD of the error of the log likelihood, over all units, at so many points spread over the posterior's mass.

An error that is the same everywhere changes no posterior.
"""


# --- likelihood ---------------------------------------------------------------------------------------------------


def log_likelihood(inputs: UnitProportions, z: Array, rule: Rule) -> Array:
    """Log likelihood (K,) of nodes `z` (K, 8), unit effects integrated out, up to a constant."""
    turn = max(AT_ONCE // (inputs.x.size * rule.points), 1)
    return np.concatenate([integrand(inputs, z[i : i + turn], rule).log_likelihood for i in range(0, len(z), turn)])


def integrand(inputs: UnitProportions, z: Array, rule: Rule, *, moments: bool = False) -> Integrand:
    """What the sums over nodes are made of, at points `z` (K, 8)."""
    design = np.concatenate([inputs.columns, inputs.kappa * inputs.exposure[..., None]], axis=-1).transpose(2, 1, 0)
    place = z[:, [*range(COEFFICIENTS), TOTAL]]
    eta = (place @ design.reshape(design.shape[0], -1)).reshape(-1, *inputs.x.T.shape)  # (K, S, G)
    return unit_integral.integrand(inputs.x.T, inputs.n.T, eta, logit_sds(inputs, z), rule, moments=moments)


def rule_with(inputs: UnitProportions, outer: int, inner: int) -> Rule:
    """Rules of so many nodes for the effects that the inputs have."""
    return Rule.of(outer, inner, unit=inputs.unit > 0, unit_time=inputs.unit_time > 0)


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
    return marginal.sought(_target(inputs, rule_with(inputs, *RULES[0])), run)


@lru_cache(maxsize=32)
def rule_of(inputs: UnitProportions) -> Rule:
    """The smallest rule whose error, against a far larger one, is below `TOLERANCE` where the posterior lies."""
    if not (inputs.unit or inputs.unit_time):
        return rule_with(inputs, 1, 1)
    rules = [rule_with(inputs, *counts) for counts in RULES]
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
