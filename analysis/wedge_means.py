"""What the normal stepped wedge has beside other models with units: padded coordinates, effects by time since start."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import mixed
from analysis.designs.wedge_inputs import COEFFICIENTS, Wedge, WedgeMeans
from analysis.mixed_equations import log_sum
from analysis.mixed_hyper import hyper_of
from analysis.posterior import NormalMixture, Posterior
from analysis.priors import Run

Array = NDArray[np.float64]
HYPER = 5


def preconditioner(inputs: WedgeMeans, run: Run) -> dict[str, Array]:
    """Where NUTS shall look: that of the coefficients in use, in their places among all."""
    found = mixed.preconditioner(inputs, run)
    places = np.concatenate([np.arange(HYPER), HYPER + inputs.places])
    location, factor = np.zeros(HYPER + COEFFICIENTS), np.eye(HYPER + COEFFICIENTS)
    location[places] = found["location"]
    factor[np.ix_(places, places)] = found["factor"]
    return {"location": location, "factor": factor}


def detail(inputs: WedgeMeans, run: Run, prob: float) -> dict[str, Any]:
    """The effect by the time since start and the last one, SD units, as a run has Δ."""
    found = mixed.solved(inputs, run)
    step = hyper_of(inputs, found.grid.z).step_sd
    total = log_sum(found.given)
    shares = [found.weights * np.exp(part.log_evidence - total) for part in found.given]

    def later(k: int) -> Posterior:
        row = np.zeros((len(step), inputs.size))
        row[:, inputs.increments] = step[:, None] * inputs.later[k]
        row[:, -1] = 1.0
        means = [np.einsum("kp,kp->k", row, part.mean) for part in found.given]
        variances = [np.einsum("kp,kpq,kq->k", row, part.covariance, row, optimize=True) for part in found.given]
        weights = np.concatenate(shares)
        keep = weights > mixed.NEGLIGIBLE
        return NormalMixture(
            weights[keep] / weights[keep].sum(),
            np.concatenate(means)[keep],
            np.sqrt(np.concatenate(variances)[keep]),
        )

    return by_time(inputs, [later(k) for k in range(inputs.longest)], prob)


def by_time(inputs: Wedge, effects: list[Posterior], prob: float) -> dict[str, Any]:
    """The blocks of an answer: each time since start with the cells seen there, and the last by itself."""
    rows = [
        {"k": k, "cells": int(cells), "sd": _summary(effect, prob)}
        for k, (cells, effect) in enumerate(zip(inputs.cells_since, effects, strict=True))
    ]
    return {"effects_by_time": rows, "last_effect": rows[-1]}


def _summary(effect: Posterior, prob: float) -> dict[str, Any]:
    low, high = (effect.quantile(p) for p in ((1 - prob) / 2, (1 + prob) / 2))
    interval = {"low": low, "high": high, "prob": prob, "kind": "equal-tailed"}
    return {"mean": effect.mean, "sd": effect.sd, "interval": interval}
