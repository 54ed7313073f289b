"""Cut-points of ordered categories on the real line: the first, then the logs of the gaps. No model's data here.

Their prior is induced by Dirichlet(1, …, 1) on the probabilities of the categories at η = 0 (Betancourt 2019): on
ordered τ its density is the product of logistic densities.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

Array = NDArray[np.float64]


def cut_points(z: Array) -> Array:
    """Cut-points (…, M), in order, of points on the line (…, M)."""
    gaps = np.exp(z[..., 1:])
    return np.asarray(z[..., :1] + np.concatenate([np.zeros_like(z[..., :1]), np.cumsum(gaps, axis=-1)], axis=-1))


def on_line(cuts: Array) -> Array:
    """The other way round."""
    return np.concatenate([cuts[..., :1], np.log(np.diff(cuts, axis=-1))], axis=-1)


def log_prior(z: Array) -> Array:
    """Log density (…,) of the prior of points on the line."""
    cuts = cut_points(z)
    return np.asarray((log_expit(cuts) + log_expit(-cuts)).sum(axis=-1) + z[..., 1:].sum(axis=-1))


def log_between(z: Array) -> Array:
    """Log of 1 − e^−gap (…, M − 1): what of a middle category's probability does not depend on η."""
    return np.asarray(np.log(-np.expm1(-np.exp(np.minimum(z[..., 1:], 50.0)))))


def shares(eta: Array, cuts: Array) -> Array:
    """Probabilities of the categories (…, M + 1), `eta` (…,) and `cuts` (…, M)."""
    above = expit(eta[..., None] - cuts)
    edge = np.ones_like(above[..., :1])
    return np.asarray(-np.diff(np.concatenate([edge, above, 0 * edge], axis=-1), axis=-1))


def start(counts: Array) -> Array:
    """Points on the line (M,) that give the shares of `counts` (C,), each with one person more."""
    below = np.cumsum(counts + 1)[:-1]
    return on_line(np.log(below / (counts.sum() + len(counts) - below)))
