"""Exact posteriors of proportions with unit effects, which are integrated out within the likelihood; counts share it.

Given coefficients and SDs a unit's u and its slots' v are integrated by nested Gauss-Hermite rules about their joint
mode. Parameters live on the real line as `z` (K, d): coefficients, the spreads as `half_line` of z (the SDs of u and
of v, of counts their dispersion too), Δ last; that is also how the PyMC models sample them. What is particular to a
family is its `binomial_form` and its `empirical` predictor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, singledispatch

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from analysis import marginal, unit_integral
from analysis.designs.binary_inputs import UnitProportions
from analysis.designs.cell_inputs import COEFFICIENTS, UnitCells
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import Run
from analysis.unit_integral import AT_ONCE, RULES, Integrand, Rule

Array = NDArray[np.float64]
UNIT, UNIT_TIME, TOTAL = COEFFICIENTS, COEFFICIENTS + 1, -1
_LINE = np.linspace(-8.0, 12.0, 20_001)
TOLERANCE, CHECKED = 1e-4, 50
"""SD of the error of the log likelihood, over all units, at so many points spread over the posterior's mass.

An error that is the same everywhere changes no posterior.
"""


# --- likelihood ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class BinomialForm:
    """Cells as x θ − n log(1 + e^θ): `x`, `n` (S, G) or (K, S, G), θ the linear predictor + `shift`, which broadcasts.

    `beyond` (K,) is what the log likelihood has that no unit effect enters.
    """

    x: Array
    n: Array
    shift: Array
    beyond: Array


@singledispatch
def binomial_form(inputs: UnitCells, z: Array) -> BinomialForm:
    """The cells at points `z` (K, d) in the form whose unit effects `unit_integral` integrates."""
    raise NotImplementedError(type(inputs))


@binomial_form.register
def _(inputs: UnitProportions, z: Array) -> BinomialForm:
    return BinomialForm(inputs.x.T, inputs.n.T, np.zeros(1), np.zeros(len(z)))


@singledispatch
def empirical(inputs: UnitCells) -> tuple[Array, Array]:
    """The linear predictor that each cell by itself shows, and the weight of the cell (G, S)."""
    raise NotImplementedError(type(inputs))


@empirical.register
def _(inputs: UnitProportions) -> tuple[Array, Array]:
    return np.log((inputs.x + 0.5) / (inputs.n - inputs.x + 0.5)), inputs.n


def log_likelihood(inputs: UnitCells, z: Array, rule: Rule) -> Array:
    """Log likelihood (K,) of nodes `z` (K, d), unit effects integrated out, up to a constant."""
    turn = max(AT_ONCE // (inputs.size.size * rule.points), 1)
    parts = (z[i : i + turn] for i in range(0, len(z), turn))
    return np.concatenate([_integrated_out(inputs, part, rule) for part in parts])


def _integrated_out(inputs: UnitCells, z: Array, rule: Rule) -> Array:
    form = binomial_form(inputs, z)
    return form.beyond + _integrand(inputs, z, form, rule, moments=False).log_likelihood


def integrand(inputs: UnitCells, z: Array, rule: Rule, *, moments: bool = False) -> Integrand:
    """What the sums over nodes are made of, at points `z` (K, d)."""
    return _integrand(inputs, z, binomial_form(inputs, z), rule, moments=moments)


def _integrand(inputs: UnitCells, z: Array, form: BinomialForm, rule: Rule, *, moments: bool) -> Integrand:
    eta = predictor(inputs, z) + form.shift
    return unit_integral.integrand(form.x, form.n, eta, logit_sds(inputs, z), rule, moments=moments)


def predictor(inputs: UnitCells, z: Array) -> Array:
    """The linear predictor without unit effects (K, S, G)."""
    design = np.concatenate([inputs.columns, inputs.kappa * inputs.exposure[..., None]], axis=-1).transpose(2, 1, 0)
    place = z[:, [*range(COEFFICIENTS), TOTAL]]
    return np.asarray((place @ design.reshape(design.shape[0], -1)).reshape(-1, *inputs.exposure.T.shape))


def rule_with(inputs: UnitCells, outer: int, inner: int) -> Rule:
    """Rules of so many nodes for the effects that the inputs have."""
    return Rule.of(outer, inner, unit=inputs.unit > 0, unit_time=inputs.unit_time > 0)


def half_line(z: Array) -> Array:
    """The function z Φ(z) + φ(z): the real line onto the positive half, with slope Φ(z).

    Under it a half-normal has a density on the line with the tails of a normal on both sides; that of a softplus falls
    no faster than e^z, and quasi-random nodes would miss it.
    """
    return np.asarray(z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))


def on_the_line(values: Array) -> Array:
    """The inverse of `half_line`, by interpolation."""
    return np.asarray(np.interp(values, half_line(_LINE), _LINE))


def logit_sds(inputs: UnitCells, z: Array) -> tuple[Array, Array]:
    """SD of u and of v (K,) in logits (of counts in logs: a logit less log φ), 0 where there is no such effect."""
    kappa = abs(inputs.kappa)
    u, v = half_line(z[:, UNIT]), half_line(z[:, UNIT_TIME])
    return kappa * inputs.unit * inputs.unit_scale * u, kappa * inputs.unit_time * inputs.unit_time_scale * v


# --- posterior ----------------------------------------------------------------------------------------------------


def posterior(inputs: UnitCells, run: Run) -> Density | NormalMixture:
    """The posterior of δ."""
    return marginal.posterior(nodes_of(inputs, run), run)


def component_weights(inputs: UnitCells, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    return marginal.component_weights(nodes_of(inputs, run), run)


def slope(inputs: UnitCells, run: Run) -> tuple[float, float] | None:
    """Mean and SD of the slope on the units' baseline logits; None where there is none."""
    of_slope = np.flatnonzero(inputs.used & (inputs.intercepts == 0))
    if not len(of_slope):
        return None
    mean, covariance = marginal.moments(nodes_of(inputs, run), run)
    place = int(np.flatnonzero(active(inputs)).searchsorted(of_slope[0]))
    return float(mean[place]), float(np.sqrt(covariance[place, place]))


def nodes_of(inputs: UnitCells, run: Run) -> marginal.Marginal:
    """The nodes all runs share, or a run's own where its prior leads elsewhere."""
    common = _integrated(inputs, marginal.WIDE)
    return common if common.serves(run) else _integrated(inputs, run)


@lru_cache(maxsize=32)
def _integrated(inputs: UnitCells, run: Run) -> marginal.Marginal:
    return marginal.placed(_target(inputs, rule_of(inputs)), _sought(inputs, run))


@lru_cache(maxsize=32)
def _sought(inputs: UnitCells, run: Run) -> marginal.Proposal:
    """Where the nodes shall lie: the cheapest rule tells that well enough, the weights make up for it."""
    return marginal.sought(_target(inputs, rule_with(inputs, *RULES[0])), run)


@lru_cache(maxsize=32)
def rule_of(inputs: UnitCells) -> Rule:
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


def dimension(inputs: UnitCells) -> int:
    """How many parameters there are, used or not."""
    return COEFFICIENTS + inputs.spreads + 1


def active(inputs: UnitCells) -> Array:
    """Which parameters (d,) the data or the effect depend on; the others keep their priors and need no nodes."""
    spreads = [inputs.unit > 0, inputs.unit_time > 0, getattr(inputs, "dispersed", 0.0) > 0][: inputs.spreads]
    return np.array([*inputs.used, *spreads, True])


def filled(inputs: UnitCells, part: Array) -> Array:
    """Points `z` (K, d) of the active parameters alone."""
    z = np.zeros((len(part), dimension(inputs)))
    z[:, active(inputs)] = part
    return z


def _target(inputs: UnitCells, rule: Rule) -> marginal.Target:
    mean, precision = inputs.prior.T
    on = active(inputs)

    def squares(z: Array, which: Array) -> Array:
        return np.asarray(-0.5 * ((z[:, :COEFFICIENTS] - mean) ** 2 @ (precision * which)))

    def log_density(part: Array) -> Array:
        z = filled(inputs, part)
        value = log_likelihood(inputs, z, rule) + squares(z, 1 - inputs.intercepts)
        for column in range(UNIT, UNIT + inputs.spreads):
            if on[column]:
                value += -0.5 * half_line(z[:, column]) ** 2 + log_ndtr(z[:, column])
        return value

    return marginal.Target(
        log_density, lambda part: squares(filled(inputs, part), inputs.intercepts), _start(inputs)[on]
    )


def _start(inputs: UnitCells) -> Array:
    """Ridge regression of the predictor that the cells show."""
    z = np.zeros(dimension(inputs))
    columns = [*np.flatnonzero(inputs.used), TOTAL]
    design = np.concatenate([inputs.columns, inputs.kappa * inputs.exposure[..., None]], axis=-1)
    rows = design.reshape(inputs.size.size, -1)[:, columns]
    shown, weights = (part.ravel() for part in empirical(inputs))
    normal = (rows.T * weights) @ rows + np.eye(len(columns))
    z[columns] = np.linalg.solve(normal, rows.T @ (weights * shown))
    return z


def rao_blackwell(inputs: UnitCells, run: Run, draws: Mapping[str, Array]) -> SampledAlong:
    """Draws of δ with the conditional distributions of Δ beside them."""
    points = positions(inputs, draws)[..., active(inputs)]
    return marginal.along_lines(_target(inputs, rule_of(inputs)), nodes_of(inputs, run), run, points, draws["delta"])


def positions(inputs: UnitCells, draws: Mapping[str, Array]) -> Array:
    """Draws as points `z` (chain, draw, d); spreads go back to the line by interpolation."""
    scales = {"unit_sd": inputs.unit_scale, "unit_time_sd": inputs.unit_time_scale, "dispersion": 1.0}
    on_line = [on_the_line(draws[name] / scales[name])[..., None] for name in list(scales)[: inputs.spreads]]
    return np.concatenate([draws["coefficients"], *on_line, draws["total"][..., None]], axis=-1)


def preconditioner(inputs: UnitCells, run: Run) -> dict[str, Array]:
    """Where NUTS shall look, `location` (d,) and `factor` (d, d), and the quadrature of its likelihood.

    The first two change how fast the sampler mixes and nothing else.
    """
    mean, covariance = marginal.moments(nodes_of(inputs, run), run)
    on = active(inputs)
    location, factor = np.zeros(len(on)), np.eye(len(on))
    location[on] = mean
    factor[np.ix_(on, on)] = np.linalg.cholesky(covariance)
    rule = rule_of(inputs)
    return {
        "location": location,
        "factor": factor,
        "outer": np.stack([rule.outer, rule.outer_weights]),
        "inner": np.stack([rule.inner, rule.inner_weights]),
    }
