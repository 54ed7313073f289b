"""What the binary stepped wedge says of people: the marginal risk difference, and the effect by time since start."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis import marginal
from analysis.designs.wedge_inputs import WedgeProportions
from analysis.posterior import NormalMixture, Posterior
from analysis.priors import Run
from analysis.wedge_means import by_time
from analysis.wedge_proportions import nodes_of

Array = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


def risk_difference(inputs: WedgeProportions, run: Run) -> NormalMixture:
    """The risk with the intervention less the risk without, in the measure's own direction.

    Averaged over the people of the exposed cells, each at its period and time since start; units are new ones of the
    same kind (u and v integrated over their distribution).
    """
    mine = (inputs.n > 0) & (inputs.exposed > 0)
    rows, which = np.unique(inputs.columns[mine] * inputs.logits, axis=0, return_inverse=True)
    people = np.bincount(which.ravel(), inputs.n[mine])
    without = rows.copy()
    without[:, inputs.increments] = 0.0
    without[:, -1] *= -1
    weights = _WEIGHTS / _WEIGHTS.sum()

    nodes = nodes_of(inputs, run)

    def difference(part: Array) -> Array:
        at = nodes.natural(part)
        theta = np.concatenate([at.theta, part[:, -1:]], axis=1)
        theta[:, inputs.increments] *= at.sds[:, 2:]
        spread = abs(inputs.kappa) * np.sqrt(at.sds[:, 0] ** 2 + at.sds[:, 1] ** 2)
        value = np.zeros(len(theta))
        for row, other, share in zip(rows, without, people / people.sum(), strict=True):
            for columns, sign in ((row, 1.0), (other, -1.0)):
                value += sign * share * (expit((theta @ columns)[:, None] + spread[:, None] * _NODES) @ weights)
        return value

    return marginal.of_function(nodes.marginal, run, difference, between=1)


def detail(inputs: WedgeProportions, run: Run, prob: float) -> dict[str, Any]:
    """The effect by the time since start and the last one, SD units, as a run has Δ."""
    nodes = nodes_of(inputs, run)

    def later(k: int) -> Posterior:
        def effect(part: Array) -> Array:
            at = nodes.natural(part)
            walk = at.theta[:, inputs.increments[:-1]] @ inputs.later[k]
            return np.asarray(part[:, -1] + at.sds[:, 2] * walk)

        return marginal.of_function(nodes.marginal, run, effect, between=1)

    return by_time(inputs, [later(k) for k in range(inputs.longest)], prob)
