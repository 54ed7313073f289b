"""What a model of proportions with units says of people: the marginal risk difference, and units' own departures.

Posteriors only; the likelihood and its integrals are in `unit_proportions.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis import marginal
from analysis.designs.binary_inputs import UnitProportions
from analysis.designs.cell_inputs import COEFFICIENTS, UnitCells
from analysis.designs.ordinal_inputs import UnitOrdinal
from analysis.posterior import NormalMixture
from analysis.priors import Run
from analysis.unit_integral import Integrand
from analysis.unit_proportions import INTEGRATED, TOTAL, UNIT, UNIT_TIME, integrand, logit_sds, positions, rule_of

Array = NDArray[np.float64]
InUnits = UnitCells | UnitOrdinal
MOST = 200
"""Points of the posterior that a unit's mixture is made of."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


def risk_difference(inputs: UnitProportions, run: Run) -> NormalMixture:
    """The risk with the intervention less the risk without, in the measure's own direction.

    Standardised over the model: averaged over the people of the treated cells, units being new ones of the same kind
    (u and v integrated over their distribution, not as the units at hand turned out).
    """
    exposed = inputs.with_intervention & (inputs.n > 0)
    rows = np.concatenate([inputs.columns[exposed], inputs.exposure[exposed][:, None]], axis=1)
    kinds, which = np.unique(rows, axis=0, return_inverse=True)
    people = np.bincount(which, inputs.n[exposed])
    share = people / people.sum()

    def difference(z: Array) -> Array:
        su, sv = logit_sds(inputs, z)
        spread = np.sqrt(su**2 + sv**2)[:, None] * _NODES
        value = np.zeros(len(z))
        for row, weight in zip(kinds, share, strict=True):
            level = z[:, :COEFFICIENTS] @ row[:-1]
            for exposure, sign in ((row[-1], 1.0), (row[-1] - 1.0, -1.0)):
                eta = level + inputs.kappa * exposure * z[:, TOTAL]
                value += sign * weight * (expit(eta[:, None] + spread) @ _WEIGHTS) / _WEIGHTS.sum()
        return value

    return INTEGRATED.of_function(inputs, run, difference)


def selected_nodes(inputs: UnitCells, run: Run) -> Array:
    """Equally likely points `z` (`MOST`, d) of the posterior: the exact engine's nodes, evenly over its mass.

    In the order of Δ and, within it, of the SD that shrinks the units: an even selection holds the whole of both.
    """
    nodes = INTEGRATED.nodes(inputs, run)
    z = INTEGRATED.filled(inputs, nodes.points.reshape(-1, nodes.points.shape[-1]))
    return evenly(z, nodes.weights(run), z[:, UNIT_TIME if inputs.unit_time else UNIT])


def evenly(z: Array, weights: Array, shrinking: Array) -> Array:
    """Of nodes (I × J, d) with weights (I, J) `MOST` in even steps of the mass, by I and within it by `shrinking`."""
    order = np.lexsort((shrinking, np.repeat(np.arange(len(weights)), weights.shape[1])))
    chosen = np.searchsorted(np.cumsum(weights.ravel()[order]), (np.arange(MOST) + 0.5) / MOST)
    return np.asarray(z[order[np.minimum(chosen, len(order) - 1)]])


def selected_draws(inputs: UnitCells, draws: Mapping[str, Array]) -> Array:
    """The same from NUTS: an even selection of the draws."""
    return thinned(positions(inputs, draws))


def thinned(z: Array) -> Array:
    """Of draws (chain, draw, d) about `MOST`, evenly."""
    return np.asarray(z.reshape(-1, z.shape[-1])[:: max(z[..., 0].size // MOST, 1)])


def departures(inputs: UnitCells, z: Array) -> Iterator[tuple[dict[str, Any], NormalMixture, NormalMixture]]:
    """Of each unit that has effects: who it is, its departure, and Δ plus the departure; SD units, oriented.

    `z` (K, d) are equally likely points of the posterior.
    """
    if has_departures(inputs):
        found = integrand(inputs, z, rule_of(inputs), moments=True)
        yield from told_by(inputs, found, logit_sds(inputs, z), z[:, TOTAL])


def has_departures(inputs: InUnits) -> bool:
    """Whether units have effects to be told: of their level, over time of how they moved."""
    return bool(inputs.unit_time if inputs.after.any() else inputs.unit)


def told_by(
    inputs: InUnits, found: Integrand, sds: tuple[Array, Array], total: Array
) -> Iterator[tuple[dict[str, Any], NormalMixture, NormalMixture]]:
    """The same from the integrand at K points, the SDs of u and v in logits (K,) and Δ (K,).

    The departure is u; where slots are waves it is v after less the mean v before: how far the unit's change was its
    own.
    """
    over_time = bool(inputs.after.any())
    share = np.exp(found.log_value - found.log_value.max(axis=0))
    share /= share.sum(axis=0) * len(total)
    su, sv = (s / inputs.kappa for s in sds)
    for g, unit in enumerate(inputs.units):
        counted = inputs.after if over_time else np.ones(inputs.size.shape[1])
        row = {"unit": unit, "n": int(inputs.size[g] @ counted), "arm": _arm(inputs, g)}
        if over_time:
            before = (1 - inputs.after) * (inputs.size[g] > 0)
            contrast = inputs.after - before / max(before.sum(), 1.0)
            means = sv * (found.v[..., g] @ contrast)
            widths = np.abs(sv) * np.sqrt(found.v_variance[..., g] @ contrast**2)
        else:
            means = su * found.u[..., g]
            widths = np.zeros(means.shape)
        yield row, _smoothed(share[..., g], means, widths), _smoothed(share[..., g], means + total, widths)


def _arm(inputs: InUnits, g: int) -> str | None:
    """The arm of a unit; None where people of one unit are in both."""
    if inputs.after.any():
        return "treated" if inputs.treated[g] else "control"
    sides = set(inputs.exposure[g][inputs.size[g] > 0] > 0)
    return None if len(sides) > 1 else "treated" if True in sides else "control"


def _smoothed(weights: Array, means: Array, sds: Array) -> NormalMixture:
    """The mixture, with normals about points that carry a little of the variance: mean and variance are kept."""
    w, m, s = weights.ravel(), means.ravel(), sds.ravel()
    mean = float(w @ m)
    variance = float(w @ (m - mean) ** 2)
    pull = np.sqrt(1 - marginal.SMOOTHING)
    return NormalMixture(w, mean + pull * (m - mean), np.sqrt(s**2 + marginal.SMOOTHING * variance))
