"""Exact posteriors of ordered categories in two arms or waves, unit effects integrated out within the likelihood.

A cumulative logit; `unit_integral` does the sums over u and v, of which there may be none. Parameters live on the real
line as `z` (K, 14): ten cut-points (`cut_points.py`), the slope on the baseline, the two SDs, Δ last; what an analysis
does not have is 0.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from analysis import cut_points, marginal, unit_integral, unit_rates
from analysis.designs.ordinal_inputs import CUTS, UnitOrdinal
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import Run
from analysis.unit_integral import AT_ONCE, RULES, Integrand, Rule
from analysis.unit_proportions import CHECKED, TOLERANCE, half_line, on_the_line

Array = NDArray[np.float64]
SLOPE, UNIT, UNIT_TIME, TOTAL = CUTS, CUTS + 1, CUTS + 2, CUTS + 3
DIMENSION = CUTS + 4


# --- likelihood ---------------------------------------------------------------------------------------------------


def log_likelihood(inputs: UnitOrdinal, z: Array, rule: Rule) -> Array:
    """Log likelihood (K,) of nodes `z` (K, 14), unit effects integrated out, up to a constant."""
    turn = max(AT_ONCE // (inputs.n.size * rule.points), 1)
    parts = [integrand(inputs, z[i : i + turn], rule).log_likelihood for i in range(0, len(z), turn)]
    between = inputs.counts.sum(axis=(0, 1))[1:-1]
    return np.concatenate(parts) + cut_points.log_between(z[:, : inputs.cuts]) @ between


def integrand(inputs: UnitOrdinal, z: Array, rule: Rule, *, moments: bool = False) -> Integrand:
    """What the sums over nodes are made of, at points `z` (K, 14)."""
    x, n = (part.transpose(2, 1, 0) for part in inputs.steps)
    eta = z[:, SLOPE, None, None] * inputs.baseline.T + inputs.kappa * z[:, TOTAL, None, None] * inputs.exposure.T
    cuts = cut_points.cut_points(z[:, : inputs.cuts])
    return unit_integral.integrand(x, n, eta, logit_sds(inputs, z), rule, cuts=cuts, moments=moments)


def rule_with(inputs: UnitOrdinal, outer: int, inner: int) -> Rule:
    """Rules of so many nodes for the effects that the inputs have."""
    return Rule.of(outer, inner, unit=inputs.unit > 0, unit_time=inputs.unit_time > 0)


def logit_sds(inputs: UnitOrdinal, z: Array) -> tuple[Array, Array]:
    """SD of u and of v in logits (K,), 0 where there is no such effect."""
    kappa = abs(inputs.kappa)
    u, v = half_line(z[:, UNIT]), half_line(z[:, UNIT_TIME])
    return kappa * inputs.unit * inputs.unit_scale * u, kappa * inputs.unit_time * inputs.unit_time_scale * v


# --- posterior ----------------------------------------------------------------------------------------------------


def posterior(inputs: UnitOrdinal, run: Run) -> Density | NormalMixture:
    """The posterior of δ."""
    return marginal.posterior(nodes_of(inputs, run), run)


def component_weights(inputs: UnitOrdinal, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    return marginal.component_weights(nodes_of(inputs, run), run)


def slope(inputs: UnitOrdinal, run: Run) -> tuple[float, float] | None:
    """Mean and SD of the slope on the units' baseline means; None where there is none."""
    if not inputs.has_slope:
        return None
    mean, covariance = marginal.moments(nodes_of(inputs, run), run)
    return float(mean[inputs.cuts]), float(np.sqrt(covariance[inputs.cuts, inputs.cuts]))


def nodes_of(inputs: UnitOrdinal, run: Run) -> marginal.Marginal:
    """The nodes all runs share, or a run's own where its prior leads elsewhere."""
    common = _integrated(inputs, marginal.WIDE)
    return common if common.serves(run) else _integrated(inputs, run)


@lru_cache(maxsize=32)
def _integrated(inputs: UnitOrdinal, run: Run) -> marginal.Marginal:
    return marginal.placed(_target(inputs, rule_of(inputs)), _sought(inputs, run))


@lru_cache(maxsize=32)
def _sought(inputs: UnitOrdinal, run: Run) -> marginal.Proposal:
    """Where the nodes shall lie: the cheapest rule tells that well enough, the weights make up for it."""
    return marginal.sought(_target(inputs, rule_with(inputs, *RULES[0])), run)


@lru_cache(maxsize=32)
def rule_of(inputs: UnitOrdinal) -> Rule:
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


def active(inputs: UnitOrdinal) -> Array:
    """Which parameters (14,) there are; the others need no nodes."""
    return np.array([*(np.arange(CUTS) < inputs.cuts), inputs.has_slope, inputs.unit > 0, inputs.unit_time > 0, True])


def filled(inputs: UnitOrdinal, part: Array) -> Array:
    """Points `z` (K, 14) of the active parameters alone."""
    z = np.zeros((len(part), DIMENSION))
    z[:, active(inputs)] = part
    return z


def _target(inputs: UnitOrdinal, rule: Rule) -> marginal.Target:
    """Cut-points keep their prior in every run: nothing is called an intercept."""
    on = active(inputs)
    mean, precision = inputs.slope_prior

    def log_density(part: Array) -> Array:
        z = filled(inputs, part)
        value = log_likelihood(inputs, z, rule) + cut_points.log_prior(z[:, : inputs.cuts])
        if on[SLOPE]:
            value += -0.5 * precision * (z[:, SLOPE] - mean) ** 2
        for column in (UNIT, UNIT_TIME):
            if on[column]:
                value += -0.5 * half_line(z[:, column]) ** 2 + log_ndtr(z[:, column])
        return np.asarray(value)

    return marginal.Target(log_density, lambda part: np.zeros(len(part)), _start(inputs)[on])


def _start(inputs: UnitOrdinal) -> Array:
    """Cut-points from everyone's shares; the rest at 0."""
    z = np.zeros(DIMENSION)
    z[: inputs.cuts] = cut_points.start(inputs.counts.sum(axis=(0, 1)))
    return z


def rao_blackwell(inputs: UnitOrdinal, run: Run, draws: Mapping[str, Array]) -> SampledAlong:
    """Draws of δ with the conditional distributions of Δ beside them."""
    points = positions(inputs, draws)[..., active(inputs)]
    return marginal.along_lines(_target(inputs, rule_of(inputs)), nodes_of(inputs, run), run, points, draws["delta"])


def positions(inputs: UnitOrdinal, draws: Mapping[str, Array]) -> Array:
    """Draws as points `z` (chain, draw, 14)."""
    z = np.zeros((*draws["total"].shape, DIMENSION))
    z[..., : inputs.cuts] = cut_points.on_line(draws["cut_points"][..., : inputs.cuts])
    z[..., SLOPE], z[..., TOTAL] = draws["slope"], draws["total"]
    z[..., UNIT] = on_the_line(draws["unit_sd"] / inputs.unit_scale)
    z[..., UNIT_TIME] = on_the_line(draws["unit_time_sd"] / inputs.unit_time_scale)
    return z


def preconditioner(inputs: UnitOrdinal, run: Run) -> dict[str, Array]:
    """Where NUTS shall look, `location` (14,) and `factor` (14, 14), and the quadrature of its likelihood.

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


# --- units --------------------------------------------------------------------------------------------------------


def departures_of_nodes(inputs: UnitOrdinal, run: Run) -> Iterator[tuple[dict[str, Any], NormalMixture, NormalMixture]]:
    """As `unit_rates.departures`, by the exact engine's nodes."""
    nodes = nodes_of(inputs, run)
    z = filled(inputs, nodes.points.reshape(-1, nodes.points.shape[-1]))
    return _departures(inputs, unit_rates.evenly(z, nodes.weights(run), z[:, UNIT_TIME if inputs.unit_time else UNIT]))


def departures_of_draws(
    inputs: UnitOrdinal, draws: Mapping[str, Array]
) -> Iterator[tuple[dict[str, Any], NormalMixture, NormalMixture]]:
    """As `unit_rates.departures`, by draws of NUTS."""
    return _departures(inputs, unit_rates.thinned(positions(inputs, draws)))


def _departures(inputs: UnitOrdinal, z: Array) -> Iterator[tuple[dict[str, Any], NormalMixture, NormalMixture]]:
    if unit_rates.has_departures(inputs):
        found = integrand(inputs, z, rule_of(inputs), moments=True)
        yield from unit_rates.told_by(inputs, found, logit_sds(inputs, z), z[:, TOTAL])
