"""Whether ranks are uniform: the simultaneous ECDF band of Säilynoja, Bürkner and Vehtari (2022), by simulation."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Array = NDArray[np.float64]
STEPS = 100
"""Ranks run from 0 to STEPS − 1: a draw among STEPS − 1 others."""
SIMULATIONS = 10_000


def narrowest(counts: Array) -> Array:
    """Smallest two-sided binomial tail of the ECDF over all steps; `counts` (..., STEPS) of ranks."""
    below = counts.cumsum(axis=-1)[..., :-1]
    replications = counts.sum(axis=-1, keepdims=True)
    share = np.arange(1, STEPS) / STEPS
    tail = np.minimum(binom.cdf(below, replications, share), binom.sf(below - 1, replications, share))
    return np.asarray(2 * tail.min(axis=-1))


@lru_cache(maxsize=8)
def of_uniform(replications: int) -> Array:
    """The smallest tails of so many uniform ranks, sorted."""
    rng = np.random.default_rng(20220101)
    counts = rng.multinomial(replications, np.full(STEPS, 1 / STEPS), size=SIMULATIONS)
    return np.sort(narrowest(counts.astype(float)))


def p_value(ranks: Array) -> float:
    """How often uniform ranks leave as narrow a band as these do: below 1 − γ they lie outside the γ band."""
    counts = np.bincount(np.asarray(ranks, dtype=int), minlength=STEPS).astype(float)
    return float(np.searchsorted(of_uniform(len(ranks)), narrowest(counts), side="right") / SIMULATIONS)
