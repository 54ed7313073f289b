"""SDs on the real line: `ramp` maps the line onto the positive half so that a half-normal has Gaussian tails there.

That of a softplus or of a logarithm falls no faster than e^z on one side, and quasi-random nodes would miss it.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

Array = NDArray[np.float64]
TINY = 1e-16
"""Smallest SD in scales of its prior: precisions stay finite."""


def ramp(z: Array) -> Array:
    """∫ Φ = z Φ(z) + φ(z): near z above 0, vanishing below, with slope Φ(z)."""
    return np.asarray(np.maximum(z * ndtr(z) + np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi), TINY))


def unramped(value: Array) -> Array:
    """The z whose `ramp` is `value`, by bisection."""
    low, high = np.full(np.shape(value), -30.0), np.maximum(value, 1.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = ramp(middle) < value
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)


def log_half_normal(z: Array) -> Array:
    """Log prior density of half-normals of scale 1 written as `ramp` of `z`, of each, up to a constant."""
    return np.asarray(log_ndtr(z) - 0.5 * ramp(z) ** 2)
