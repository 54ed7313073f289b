"""Exact posteriors of ordered categories in two arms or waves, unit effects integrated out within the likelihood.

A cumulative logit; `unit_integral` does the sums over u and v, of which there may be none. Parameters live on the real
line as `z` (K, 14): ten cut-points (`cut_points.py`), the slope on the baseline, the two SDs, Δ last; what an analysis
does not have is 0.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analysis import cut_points, marginal, unit_integral, unit_rates
from analysis.designs.ordinal_inputs import CUTS, UnitOrdinal
from analysis.half_normal import log_half_normal, ramp, unramped
from analysis.integrated import Integrated
from analysis.posterior import NormalMixture
from analysis.priors import Run
from analysis.unit_integral import AT_ONCE, RULES, Integrand, Rule
from analysis.unit_proportions import CHECKED, TOLERANCE

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
    u, v = ramp(z[:, UNIT]), ramp(z[:, UNIT_TIME])
    return kappa * inputs.unit * inputs.unit_scale * u, kappa * inputs.unit_time * inputs.unit_time_scale * v


# --- posterior ----------------------------------------------------------------------------------------------------


def slope(inputs: UnitOrdinal, run: Run) -> tuple[float, float] | None:
    """Mean and SD of the slope on the units' baseline means; None where there is none."""
    return INTEGRATED.of_parameter(inputs, run, SLOPE) if inputs.has_slope else None


@lru_cache(maxsize=32)
def rule_of(inputs: UnitOrdinal) -> Rule:
    """The smallest rule whose error, against a far larger one, is below `TOLERANCE` where the posterior lies."""
    if not (inputs.unit or inputs.unit_time):
        return rule_with(inputs, 1, 1)
    z = INTEGRATED.pilot(inputs, CHECKED)
    rules = [rule_with(inputs, *counts) for counts in RULES]
    return unit_integral.fitting(rules, lambda rule: log_likelihood(inputs, z, rule), TOLERANCE)


def active(inputs: UnitOrdinal) -> Array:
    """Which parameters (14,) there are; the others need no nodes."""
    return np.array([*(np.arange(CUTS) < inputs.cuts), inputs.has_slope, inputs.unit > 0, inputs.unit_time > 0, True])


def _target(inputs: UnitOrdinal, rule: Rule) -> marginal.Target:
    """Cut-points keep their prior in every run: nothing is called an intercept."""
    on = active(inputs)
    spreads = UNIT + np.flatnonzero(on[UNIT:TOTAL])
    mean, precision = inputs.slope_prior

    def log_density(part: Array) -> Array:
        z = INTEGRATED.filled(inputs, part)
        value = log_likelihood(inputs, z, rule) + cut_points.log_prior(z[:, : inputs.cuts])
        if on[SLOPE]:
            value += -0.5 * precision * (z[:, SLOPE] - mean) ** 2
        return np.asarray(value + log_half_normal(z[:, spreads]).sum(axis=1))

    return marginal.Target(log_density, lambda part: np.zeros(len(part)), _start(inputs)[on])


def _start(inputs: UnitOrdinal) -> Array:
    """Cut-points from everyone's shares; the rest at 0."""
    z = np.zeros(DIMENSION)
    z[: inputs.cuts] = cut_points.start(inputs.counts.sum(axis=(0, 1)))
    return z


def positions(inputs: UnitOrdinal, draws: Mapping[str, Array]) -> Array:
    """Draws as points `z` (chain, draw, 14)."""
    z = np.zeros((*draws["total"].shape, DIMENSION))
    z[..., : inputs.cuts] = cut_points.on_line(draws["cut_points"][..., : inputs.cuts])
    z[..., SLOPE], z[..., TOTAL] = draws["slope"], draws["total"]
    z[..., UNIT] = unramped(draws["unit_sd"] / inputs.unit_scale)
    z[..., UNIT_TIME] = unramped(draws["unit_time_sd"] / inputs.unit_time_scale)
    return z


INTEGRATED: Final[Integrated[UnitOrdinal]] = Integrated(
    lambda inputs: _target(inputs, rule_of(inputs)),
    active,
    positions,
    rough=lambda inputs: _target(inputs, rule_with(inputs, *RULES[0])),
)


def preconditioner(inputs: UnitOrdinal, run: Run) -> dict[str, Array]:
    """Where NUTS shall look, and the quadrature of its likelihood."""
    return INTEGRATED.preconditioner(inputs, run) | rule_of(inputs).arrays


# --- units --------------------------------------------------------------------------------------------------------


def departures_of_nodes(inputs: UnitOrdinal, run: Run) -> Iterator[tuple[dict[str, Any], NormalMixture, NormalMixture]]:
    """As `unit_rates.departures`, by the exact engine's nodes."""
    nodes = INTEGRATED.nodes(inputs, run)
    z = INTEGRATED.filled(inputs, nodes.points.reshape(-1, nodes.points.shape[-1]))
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
