"""Posterior predictive checks of the stepped wedge: each period's people with and without the intervention."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.designs.wedge_inputs import Wedge, WedgeMeans, WedgeProportions
from analysis.predictive import ARMS, SEED, Check, checks, mean_check, shares_check, spread_check

Array = NDArray[np.float64]


def linear_predictor(inputs: Wedge, columns: Array, draws: Mapping[str, Array]) -> Array:
    """Expectation of the cells under each draw (D, G, T); `columns` (G, T, p)."""
    theta = draws["coefficients"].reshape(draws["total"].size, -1)
    theta = np.concatenate([theta, draws["total"].reshape(-1, 1)], axis=1)[:, inputs.places]
    theta[:, inputs.increments] *= draws["step_sd"].reshape(-1, 1)
    return np.asarray(np.tensordot(theta, columns, (1, 2)))


def _groups(inputs: Wedge) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Labels and cells (G, T) of each period and state that has people."""
    for t in range(inputs.periods):
        for state, name in enumerate(ARMS):
            cells = (inputs.n > 0) & (inputs.exposed == state) & (np.arange(inputs.periods) == t)
            if cells.any():
                yield f"{name}, wave {t + 1}", cells


@checks.register
def _(inputs: WedgeMeans, draws: Mapping[str, Array]) -> list[Check]:
    expected = linear_predictor(inputs, inputs.columns, draws)
    effects = (draws["unit_sd"] ** 2 + draws["unit_time_sd"] ** 2).ravel()
    sigma = draws["sigma"].reshape(-1, 2)
    found = []
    for label, cells in _groups(inputs):
        weight = inputs.n[cells] / inputs.n[cells].sum()
        state = int(inputs.exposed[cells][0])
        variance = effects * (weight**2).sum() + sigma[:, state] ** 2 / inputs.n[cells].sum()
        observed = float(weight @ inputs.mean[cells])
        found.append(mean_check(label, observed, expected[:, cells] @ weight, np.sqrt(variance)))
    for state, name in enumerate(ARMS):
        if inputs.free[state] > 0:
            squares = np.full(len(sigma), inputs.squares[state])
            found.append(spread_check(f"{name}, within units", squares, inputs.free[state], sigma[:, state]))
    return found


@checks.register
def _(inputs: WedgeProportions, draws: Mapping[str, Array]) -> list[Check]:
    rng = np.random.default_rng(SEED)
    eta = linear_predictor(inputs, inputs.columns * inputs.logits, draws)
    sds = (abs(inputs.kappa) * draws[name].reshape(-1, 1, 1) for name in ("unit_sd", "unit_time_sd"))
    for sd, shape in zip(sds, ((*eta.shape[:2], 1), eta.shape), strict=True):
        eta = eta + sd * rng.standard_normal(shape)
    replicates = rng.binomial(inputs.n.astype(int), expit(eta))
    return shares_check(inputs.x, inputs.n, replicates, _groups(inputs))
