"""Exact posteriors of monthly durations: `mixed` does the work, coefficients in closed form given σ and φ."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analysis import mixed
from analysis.designs.series_inputs import COEFFICIENTS, Series
from analysis.mixed_equations import log_sum
from analysis.mixed_hyper import hyper_of
from analysis.priors import Run

Array = NDArray[np.float64]


def preconditioner(inputs: Series, run: Run) -> dict[str, Array]:
    """Where NUTS shall look, all of `NAMES` in their places; what idles keeps its prior."""
    return padded(inputs.months.places, mixed.preconditioner(inputs, run))


def padded(places: tuple[int, ...], found: Mapping[str, Array]) -> dict[str, Array]:
    """`location` and `factor` over hyper-parameters and the coefficients there are, as one over all of `NAMES`."""
    hyper = len(found["location"]) - len(places)
    at = [*range(hyper), *(hyper + place for place in places)]
    location, factor = np.zeros(hyper + COEFFICIENTS), np.eye(hyper + COEFFICIENTS)
    location[at] = found["location"]
    factor[np.ix_(at, at)] = found["factor"]
    return {"location": location, "factor": factor}


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
