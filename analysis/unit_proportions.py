"""Exact posteriors of proportions with unit effects, which are integrated out within the likelihood; counts share it.

Given coefficients and SDs a unit's u and its slots' v are integrated by nested Gauss-Hermite rules about their joint
mode. Parameters live on the real line as `z` (K, d): coefficients, the spreads as `ramp` of z (the SDs of u and
of v, of counts their dispersion too), Δ last; that is also how the PyMC models sample them. What is particular to a
family is its `binomial_form` and its `empirical` predictor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, singledispatch
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analysis import marginal, unit_integral
from analysis.designs.binary_inputs import UnitProportions
from analysis.designs.cell_inputs import COEFFICIENTS, UnitCells
from analysis.half_normal import log_half_normal, ramp, unramped
from analysis.integrated import Integrated
from analysis.priors import Run
from analysis.unit_integral import AT_ONCE, RULES, Integrand, Rule

Array = NDArray[np.float64]
UNIT, UNIT_TIME, TOTAL = COEFFICIENTS, COEFFICIENTS + 1, -1
TOLERANCE, CHECKED = 1e-4, 50
"""SD of the error of the log likelihood, over all units, at so many points spread over the posterior's mass."""


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


def logit_sds(inputs: UnitCells, z: Array) -> tuple[Array, Array]:
    """SD of u and of v (K,) in logits (of counts in logs: a logit less log φ), 0 where there is no such effect."""
    kappa = abs(inputs.kappa)
    u, v = ramp(z[:, UNIT]), ramp(z[:, UNIT_TIME])
    return kappa * inputs.unit * inputs.unit_scale * u, kappa * inputs.unit_time * inputs.unit_time_scale * v


# --- posterior ----------------------------------------------------------------------------------------------------


def slope(inputs: UnitCells, run: Run) -> tuple[float, float] | None:
    """Mean and SD of the slope on the units' baseline logits; None where there is none."""
    of_slope = np.flatnonzero(inputs.used & (inputs.intercepts == 0))
    return INTEGRATED.of_parameter(inputs, run, int(of_slope[0])) if len(of_slope) else None


@lru_cache(maxsize=32)
def rule_of(inputs: UnitCells) -> Rule:
    """The smallest rule whose error, against a far larger one, is below `TOLERANCE` where the posterior lies."""
    if not (inputs.unit or inputs.unit_time):
        return rule_with(inputs, 1, 1)
    z = INTEGRATED.pilot(inputs, CHECKED)
    rules = [rule_with(inputs, *counts) for counts in RULES]
    return unit_integral.fitting(rules, lambda rule: log_likelihood(inputs, z, rule), TOLERANCE)


def dimension(inputs: UnitCells) -> int:
    """How many parameters there are, used or not."""
    return COEFFICIENTS + inputs.spreads + 1


def active(inputs: UnitCells) -> Array:
    """Which parameters (d,) the data or the effect depend on; the others keep their priors and need no nodes."""
    spreads = [inputs.unit > 0, inputs.unit_time > 0, getattr(inputs, "dispersed", 0.0) > 0][: inputs.spreads]
    return np.array([*inputs.used, *spreads, True])


def _target(inputs: UnitCells, rule: Rule) -> marginal.Target:
    mean, precision = inputs.prior.T
    on = active(inputs)
    spreads = UNIT + np.flatnonzero(on[UNIT:TOTAL])

    def squares(z: Array, which: Array) -> Array:
        return np.asarray(-0.5 * ((z[:, :COEFFICIENTS] - mean) ** 2 @ (precision * which)))

    def log_density(part: Array) -> Array:
        z = INTEGRATED.filled(inputs, part)
        value = log_likelihood(inputs, z, rule) + squares(z, 1 - inputs.intercepts)
        return np.asarray(value + log_half_normal(z[:, spreads]).sum(axis=1))

    def log_intercepts(part: Array) -> Array:
        return squares(INTEGRATED.filled(inputs, part), inputs.intercepts)

    return marginal.Target(log_density, log_intercepts, _start(inputs)[on])


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


def positions(inputs: UnitCells, draws: Mapping[str, Array]) -> Array:
    """Draws as points `z` (chain, draw, d); spreads go back to the line by interpolation."""
    scales = {"unit_sd": inputs.unit_scale, "unit_time_sd": inputs.unit_time_scale, "dispersion": 1.0}
    on_line = [unramped(draws[name] / scales[name])[..., None] for name in list(scales)[: inputs.spreads]]
    return np.concatenate([draws["coefficients"], *on_line, draws["total"][..., None]], axis=-1)


INTEGRATED: Final[Integrated[UnitCells]] = Integrated(
    lambda inputs: _target(inputs, rule_of(inputs)),
    active,
    positions,
    rough=lambda inputs: _target(inputs, rule_with(inputs, *RULES[0])),
)


def preconditioner(inputs: UnitCells, run: Run) -> dict[str, Array]:
    """Where NUTS shall look, and the quadrature of its likelihood."""
    return INTEGRATED.preconditioner(inputs, run) | rule_of(inputs).arrays
