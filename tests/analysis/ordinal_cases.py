"""Inputs of ordinal models, random ones, and categories of people as entered."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.ordinal_inputs import PairedOrdinal, UnitOrdinal
from analysis.paired_ordinal import cells

Array = NDArray[np.float64]


def in_slots(counts: Any, *, unit: float = 0.0, unit_time: float = 0.0, after: Any = (0.0, 0.0)) -> UnitOrdinal:
    """Units × two slots: arms (control, treated), or with `after` (0, 1) waves. Higher is better."""
    counts = np.asarray(counts, dtype=np.float64)
    units = len(counts)
    return UnitOrdinal(
        units=tuple(f"u{g}" for g in range(units)),
        treated=np.ones(units),
        counts=counts,
        scores=np.arange(1.0, counts.shape[-1] + 1),
        baseline=np.zeros((units, 2)),
        exposure=np.tile([-0.5, 0.5], (units, 1)),
        slope_prior=(0.5, 4.0),
        kappa=KAPPA_LOGIT,
        unit_scale=0.25,
        unit_time_scale=0.10,
        unit=unit,
        unit_time=unit_time,
        after=np.array(after),
    )


def in_arms(counts: Any, treated: Any, baseline: Any = None) -> UnitOrdinal:
    """Units × one slot, whole units in arms, as `cluster` lays them out."""
    counts, treated = np.asarray(counts, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    column = np.zeros(len(counts)) if baseline is None else np.asarray(baseline, dtype=np.float64)
    return UnitOrdinal(
        units=tuple(f"u{g}" for g in range(len(counts))),
        treated=treated,
        counts=counts[:, None],
        scores=np.arange(1.0, counts.shape[-1] + 1),
        baseline=column[:, None],
        exposure=(treated - 0.5)[:, None],
        slope_prior=(0.5, 4.0),
        kappa=KAPPA_LOGIT,
        unit_scale=0.25,
        unit_time_scale=0.10,
        unit=1.0,
        unit_time=0.0,
        after=np.zeros(1),
    )


def shares(eta: float, cuts: Array) -> Array:
    """Probabilities of the categories at η, as the definition of the cumulative logit has them."""
    above = [1.0, *expit(eta - np.asarray(cuts)), 0.0]
    return -np.diff(above)


def simulated(rng: np.random.Generator, kind: str) -> UnitOrdinal | PairedOrdinal:
    """Random people of every design: sizes, categories, effects and SDs between units as wide as their priors."""
    count = int(rng.integers(3, 8))
    below = np.cumsum(rng.dirichlet(np.ones(count)))[:-1]
    cuts, delta = np.log(below / (1 - below)), rng.normal(0, 0.5)
    u, v = np.abs(rng.normal(0, (0.25, 0.1))) * KAPPA_LOGIT
    half = 0.5 * KAPPA_LOGIT * delta
    if kind == "paired":
        before, after = (np.atleast_2d(expit(eta - cuts)) for eta in (-half, half))
        table = cells(before, after, np.array([rng.normal(2, 1)]))[0]
        counts = rng.multinomial(rng.integers(20, 150), (table / table.sum()).ravel()).reshape(count, count)
        once = [rng.multinomial(rng.integers(0, 20), shares(eta, cuts)) for eta in (-half, half)]
        return PairedOrdinal(counts.astype(float), np.array(once, dtype=float), np.arange(1.0, count + 1), KAPPA_LOGIT)
    if kind == "parallel":
        return in_slots([[rng.multinomial(rng.integers(8, 90), shares(eta, cuts)) for eta in (-half, half)]])
    units = int(rng.integers(2, 6)) * 2
    level, sizes = u * rng.normal(size=units), rng.integers(4, 50, (units, 2))
    if kind == "cluster":
        treated, column = np.arange(units) % 2, rng.normal(0, 0.5, units)
        eta = rng.normal(0.5, 0.5) * column + level + (2 * treated - 1) * half
        counts = [rng.multinomial(n, shares(e, cuts)) for n, e in zip(sizes[:, 0], eta, strict=True)]
        return in_arms(counts, treated, column)
    eta = level[:, None] + v * rng.normal(size=(units, 2)) + half * np.array([-1, 1])
    of_waves = [
        [rng.multinomial(n, shares(e, cuts)) for n, e in zip(*row, strict=True)] for row in zip(sizes, eta, strict=True)
    ]
    return in_slots(of_waves, unit=1.0, unit_time=1.0, after=(0.0, 1.0))


KINDS = ("parallel", "cluster", "cross_section", "paired")
