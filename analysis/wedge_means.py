"""What the normal stepped wedge has beside other models with units: padded coordinates, effects by time since start."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import mixed
from analysis.designs.wedge_inputs import COEFFICIENTS, Wedge, WedgeMeans
from analysis.mixed_equations import Given, coefficients, equations, log_sum
from analysis.mixed_hyper import active, hyper_of
from analysis.posterior import NormalMixture, Posterior
from analysis.priors import Run

Array = NDArray[np.float64]
HYPER = 5


def preconditioner(inputs: WedgeMeans, run: Run) -> dict[str, Array]:
    """Where NUTS shall look: mean and covariance of the SDs on the line and of the coefficients as they are sampled."""
    found = mixed.solved(inputs, run)
    z = found.weights @ found.grid.z
    hyper = hyper_of(inputs, z[None])
    walk = Walk.of(inputs, coefficients(equations(inputs, hyper), run), float(hyper.step_sd[0]))
    middle, size = walk.at(hyper_of(inputs, found.grid.z).step_sd)
    total = log_sum(found.given)
    shares = [np.exp(part.log_evidence - total) * found.weights for part in found.given]
    values = [np.concatenate([found.grid.z, (part.mean - middle) / size], axis=1) for part in found.given]
    mean = sum(share @ value for share, value in zip(shares, values, strict=True))
    covariance = sum(
        (share[:, None] * (value - mean)).T @ (value - mean) for share, value in zip(shares, values, strict=True)
    )
    for share, part in zip(shares, found.given, strict=True):
        covariance[HYPER:, HYPER:] += np.einsum(
            "k,kp,kpq,kq->pq", share, 1 / size, part.covariance, 1 / size, optimize=True
        )
    return walk.sampled_by(inputs, active(inputs), mean, covariance)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """What the data say of the walk's increments (p,), 0 of the other coefficients: see `models/wedge_walk.py`."""

    told: Array
    pull: Array
    step_at: float

    @classmethod
    def of(cls, inputs: Wedge, given: Iterable[Given], step: float) -> "Walk":
        """From the coefficients given SDs (a single node), those of the steps being `step`."""
        likeliest = max(given, key=lambda part: float(part.log_evidence[0]))
        variance, mean = np.diag(likeliest.covariance[0]), likeliest.mean[0]
        on = inputs.increments
        told = np.where(on, np.maximum(1 / variance - 1, 0.0), 0.0)
        return cls(told / step**2, np.where(on, mean / variance, 0.0) / step, step)

    def at(self, step: Array) -> tuple[Array, Array]:
        """Middle and scale (K, p) of the coefficients as they are sampled, by the SD of the steps (K,)."""
        known = 1 + self.told * step[:, None] ** 2
        return self.pull * step[:, None] / known, np.sqrt((1 + self.told * self.step_at**2) / known)

    def sampled_by(self, inputs: Wedge, on: NDArray[np.bool_], mean: Array, covariance: Array) -> dict[str, Array]:
        """Coordinates of NUTS: SDs, of which `on` are in use, then the coefficients, those in use in their places."""
        kept = np.concatenate([on, np.ones(inputs.size, dtype=bool)])
        places = np.concatenate([np.flatnonzero(on), len(on) + inputs.places])
        location, factor = np.zeros(len(on) + COEFFICIENTS), np.eye(len(on) + COEFFICIENTS)
        location[places] = mean[kept]
        used = covariance[np.ix_(kept, kept)]
        factor[np.ix_(places, places)] = np.linalg.cholesky(used + 1e-12 * np.diag(np.diag(used)))
        told = {"told": inputs.padded(self.told), "pull": inputs.padded(self.pull), "step_at": np.array(self.step_at)}
        return {"location": location, "factor": factor, **told}


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
