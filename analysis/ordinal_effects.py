"""What an ordinal model says of people: the effect on mean scores, and who answers higher. Posteriors only."""

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import cut_points, paired_ordinal, unit_ordinal
from analysis.designs.ordinal_inputs import OrdinalInputs, PairedOrdinal, UnitOrdinal
from analysis.integrated import Integrated
from analysis.posterior import NormalMixture, Posterior, summary
from analysis.priors import Run

Array = NDArray[np.float64]
Shares = Callable[[Array], tuple[Array, Array]]
"""Points of a posterior to the shares of the categories (K, C) without and with the intervention."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


def mean_difference(inputs: OrdinalInputs, run: Run) -> NormalMixture:
    """The mean score with the intervention less that without, in the measure's own direction and unit.

    Standardised over the people of the treated cells, in new units of the same kind; of linked people after less
    before.
    """
    shares = _shares(inputs)

    def difference(points: Array) -> Array:
        without, with_ = shares(points)
        return np.asarray((with_ - without) @ inputs.scores)

    return _integrated(inputs).of_function(inputs, run, difference)


def detail(inputs: OrdinalInputs, run: Run, prob: float) -> Mapping[str, object]:
    """`higher`: P(higher category) + ½ P(same) of a person with the intervention against another one without.

    ½ is no effect. Where lower is better `better` is the same for a lower category.
    """
    shares = _shares(inputs)

    def superior(points: Array) -> Array:
        without, with_ = shares(points)
        return np.asarray((with_ * (np.cumsum(without, axis=1) - 0.5 * without)).sum(axis=1))

    found = _integrated(inputs).of_function(inputs, run, superior)
    two_arms = isinstance(inputs, UnitOrdinal) and not inputs.after.any()
    who, other = ("A treated person", "a control person") if two_arms else ("A person after", "another before")
    told: dict[str, object] = {"higher": _told(found, prob, f"{who} answers a higher category than {other}")}
    if inputs.kappa < 0:
        told["better"] = _told(_mirrored(found), prob, f"{who} answers a lower category than {other}")
    return told


def _told(found: Posterior, prob: float, says: str) -> dict[str, object]:
    return {**summary(found, prob), "says": f"{says}, ties count half"}


def _mirrored(found: NormalMixture) -> NormalMixture:
    """1 − the quantity."""
    return NormalMixture(found.weights, 1 - found.means, found.sds)


def _integrated(inputs: OrdinalInputs) -> Integrated[Any]:
    return unit_ordinal.INTEGRATED if isinstance(inputs, UnitOrdinal) else paired_ordinal.INTEGRATED


@singledispatch
def _shares(inputs: OrdinalInputs) -> Shares:
    raise NotImplementedError(type(inputs))


@_shares.register
def _(inputs: PairedOrdinal) -> Shares:
    def shares(z: Array) -> tuple[Array, Array]:
        cuts, half = cut_points.cut_points(z[:, : inputs.cuts]), 0.5 * inputs.kappa * z[:, -1]
        return cut_points.shares(-half, cuts), cut_points.shares(half, cuts)

    return shares


@_shares.register
def _(inputs: UnitOrdinal) -> Shares:
    exposed = inputs.with_intervention & (inputs.n > 0)
    rows = np.stack([inputs.baseline[exposed], inputs.exposure[exposed]], axis=1)
    kinds, which = np.unique(rows, axis=0, return_inverse=True)
    people = np.bincount(which.ravel(), inputs.n[exposed])
    weights = _WEIGHTS / _WEIGHTS.sum()

    def shares(z: Array) -> tuple[Array, Array]:
        cuts = cut_points.cut_points(z[:, : inputs.cuts])
        su, sv = unit_ordinal.logit_sds(inputs, z)
        spread = np.sqrt(su**2 + sv**2)
        quadrature = list(zip(_NODES, weights, strict=True)) if spread.any() else [(0.0, 1.0)]
        found = np.zeros((2, len(z), inputs.cuts + 1))
        for (baseline, exposure), share in zip(kinds, people / people.sum(), strict=True):
            for side, at in enumerate((exposure - 1.0, exposure)):
                eta = z[:, unit_ordinal.SLOPE] * baseline + inputs.kappa * at * z[:, unit_ordinal.TOTAL]
                for node, weight in quadrature:
                    found[side] += share * weight * cut_points.shares(eta + node * spread, cuts)
        return found[0], found[1]

    return shares
