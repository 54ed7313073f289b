"""Exact posteriors of monthly durations: `mixed` does the work, coefficients in closed form given σ and φ."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from analysis import mixed
from analysis.designs.series_inputs import COEFFICIENTS, Months, Series
from analysis.half_normal import unramped
from analysis.mixed_equations import log_sum
from analysis.mixed_hyper import CLOSEST, hyper_of
from analysis.priors import Run

Array = NDArray[np.float64]


def preconditioner(inputs: Series, run: Run) -> dict[str, Array]:
    """Where NUTS shall look."""
    return placed(inputs.months, run, *nodes(inputs, run))


def placed(
    months: Months, run: Run, weights: Array, sigma: Array, phi: Array, mean: Array, covariance: Array
) -> dict[str, Array]:
    """Where NUTS shall look, as `models.series` has its coordinates: `location`, `factor`, and `reach` of the level.

    From nodes with `weights` (K,), σ and φ (K,), mean (K, p) and covariance (K, p, p) of the coefficients. All of
    `NAMES` have a place; what idles keeps its prior.
    """
    typical = float(np.median(covariance[:, 0, 0]))
    middle = float(weights @ mean[:, 0])
    share = (1 + phi) / (1 + phi + len(months.gaps) * (1 - phi))
    stretch = 1 / np.sqrt(run.intercept * months.prior[0, 1] + 1 / (typical + sigma**2 * share))
    usual = float(np.exp(weights @ np.log(stretch)))
    scaled = np.ones_like(mean)
    scaled[:, 0] = usual / stretch
    on_line = ndtri(np.clip((1 + phi) / 2, CLOSEST, 1 - CLOSEST))
    theta = mean.copy()
    theta[:, 0] = middle + scaled[:, 0] * (mean[:, 0] - middle)
    at = np.column_stack([unramped(sigma / months.sigma_scale * np.sqrt(1 - phi**2)), on_line, theta])
    location = weights @ at
    centred = at - location
    spread = (weights[:, None] * centred).T @ centred
    spread[2:, 2:] += np.einsum("k,ki,kij,kj->ij", weights, scaled, covariance, scaled, optimize=True)
    location[2] = middle
    root = np.linalg.cholesky(spread + 1e-9 * np.diag(np.diag(spread)))
    places = [0, HYPER - 1, *(HYPER + place for place in months.places)]
    whole, factor = np.zeros(HYPER + COEFFICIENTS), np.eye(HYPER + COEFFICIENTS)
    whole[places] = location
    factor[np.ix_(places, places)] = root
    return {"location": whole, "factor": factor, "reach": np.array([typical, 1 / usual])}


HYPER = 5
"""Hyper-parameters of the models' position: σ first, φ last, the others idle."""


def nodes(inputs: Series, run: Run) -> tuple[Array, Array, Array, Array, Array]:
    """Weight, σ, φ (K,), mean (K, p) and covariance (K, p, p) of the coefficients, over nodes and prior components."""
    found = mixed.solved(inputs, run)
    hyper, total = hyper_of(inputs, found.grid.z), log_sum(found.given)
    count = len(found.given)
    weights = np.concatenate([np.exp(part.log_evidence - total) * found.weights for part in found.given])
    keep = weights > mixed.NEGLIGIBLE
    return (
        weights[keep] / weights[keep].sum(),
        np.tile(hyper.sigma[:, 0], count)[keep],
        np.tile(hyper.r, count)[keep],
        np.concatenate([part.mean for part in found.given])[keep],
        np.concatenate([part.covariance for part in found.given])[keep],
    )
