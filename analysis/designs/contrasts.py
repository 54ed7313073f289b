"""Columns of what changes over time, laid out so that a prior leans to no period: pure arrays, no data."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

Array = NDArray[np.float64]


def contrasts(waves: int) -> Array:
    """Helmert's contrasts (waves, waves − 1), scaled so that the rows of any two waves lie 1 apart."""
    return np.asarray(helmert(waves).T / np.sqrt(2))


def walk(steps: int) -> Array:
    """A random walk of `steps` values about its own mean, as a linear form (steps, steps − 1) of its increments."""
    values = np.tril(np.ones((steps, steps)), -1)[:, : steps - 1]
    return np.asarray(values - values.mean(axis=0))
