"""Inputs of binary models as the designs lay them out, random ones, and what a posterior is compared with."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis import paired_proportions
from analysis.designs.binary_inputs import KAPPA_LOGIT, PairedProportions, UnitProportions
from analysis.designs.contrasts import contrasts
from analysis.documents import NormalPrior
from analysis.posterior import Posterior
from analysis.priors import FLAT, NO_BIAS, Bias, Run, normal

Array = NDArray[np.float64]
OBSERVED = Run("as_observed", normal(NormalPrior(mean=0.0, sd=0.5)), NO_BIAS)
ADJUSTED = Run("adjusted", normal(NormalPrior(mean=0.0, sd=0.5)), Bias(0.05, 0.15))
SCEPTICAL = Run("sceptical", normal(NormalPrior(mean=0.0, sd=0.2)), Bias(0.0, 0.05))
EVIDENCE = Run("evidence", FLAT, NO_BIAS, intercept=0.0)


def over_time(x: Any, n: Any, treated: Any, *, unit: float = 1.0, unit_time: float = 1.0) -> UnitProportions:
    """Units × waves as `did` (or `cross_section`, all treated) lays them out, higher is better."""
    x, n, treated = (np.asarray(part, dtype=np.float64) for part in (x, n, treated))
    units, waves = x.shape
    columns, after = np.zeros((units, waves, 5)), np.zeros(waves)
    after[-1] = 1.0
    exposure = np.tile(after - 0.5, (units, 1))
    if treated.all():
        columns[..., 0] = 1.0
    else:
        columns[treated == 0, :, 0] = columns[treated == 1, :, 1] = 1.0
        if waves > 1:
            columns[..., 2 : 1 + waves] = contrasts(waves)
        exposure *= treated[:, None] - 0.5
    used = (columns != 0).any(axis=(0, 1))
    return UnitProportions(
        units=tuple(f"u{g}" for g in range(units)),
        treated=treated,
        x=x,
        n=n,
        columns=columns,
        exposure=exposure,
        prior=np.array([[0.0, 1.5**-2 if u else 1.0] for u in used]),
        intercepts=used.astype(np.float64),
        kappa=KAPPA_LOGIT,
        unit_scale=0.25,
        unit_time_scale=0.10,
        unit=unit,
        unit_time=unit_time,
        after=after,
    )


def in_arms(x: Any, n: Any, treated: Any, slope: Any = None) -> UnitProportions:
    """Units × one slot as `cluster` lays them out."""
    base = over_time(np.reshape(x, (-1, 1)), np.reshape(n, (-1, 1)), treated, unit_time=0.0)
    columns = np.zeros((len(base.units), 1, 5))
    columns[..., 0] = 1.0
    prior, intercepts = np.tile([0.0, 1.0], (5, 1)), np.eye(5)[0]
    prior[0, 1] = 1.5**-2
    if slope is not None:
        columns[:, 0, 1], prior[1] = slope, (0.5, 4.0)
    exposure = (base.treated - 0.5)[:, None]
    return dataclasses.replace(
        base, columns=columns, prior=prior, intercepts=intercepts, exposure=exposure, after=np.zeros(1)
    )


def agree(found: Posterior, mean: float, sd: float, tails: dict[float, float], close: float = 0.02) -> None:
    """Mean and SD within `close` SDs, probabilities within a third of that."""
    assert abs(found.mean - mean) < close * sd
    assert abs(found.sd / sd - 1) < close
    for threshold, p in tails.items():
        assert abs(found.above(threshold) - p) < close / 3


def summed(
    total: Array, density: Array, thresholds: tuple[float, ...] = (0.0, 0.2)
) -> tuple[float, float, dict[float, float]]:
    """Mean, SD and tails of a density on an even grid whose points lie on the thresholds."""
    share = density / density.sum()
    mean = float(share @ total)
    step = total[1] - total[0]
    tails = {
        t: float(share[total > t + step / 4].sum() + 0.5 * share[np.abs(total - t) <= step / 4].sum())
        for t in thresholds
    }
    return mean, float(np.sqrt(share @ (total - mean) ** 2)), tails


def simulated(rng: np.random.Generator, kind: str) -> UnitProportions | PairedProportions:
    """Random tables of every design: sizes, effects and SDs between units as wide as their priors."""
    delta, base = rng.normal(0, 0.5), rng.normal(0, 1)
    unit_sd, unit_time_sd = np.abs(rng.normal(0, (0.25, 0.1)))
    if kind == "paired":
        p = expit(base + KAPPA_LOGIT * delta * np.array([-0.5, 0.5]))
        table = paired_proportions.cells(*p, rng.normal(2, 1))
        counts = rng.multinomial(rng.integers(15, 150), table.ravel() / table.sum()).reshape(2, 2)
        once = rng.integers(0, 20, 2)
        return PairedProportions(
            counts.astype(float), rng.binomial(once, p).astype(float), once.astype(float), KAPPA_LOGIT
        )
    units = int(rng.integers(2, 8)) * 2
    waves = {"cluster": 1, "cross_section": 2, "did": int(rng.integers(2, 5))}[kind]
    treated = np.ones(units) if kind == "cross_section" else np.arange(units) % 2
    n = rng.integers(3, 60, (units, waves))
    u = KAPPA_LOGIT * unit_sd * rng.normal(size=(units, 1))
    v = KAPPA_LOGIT * unit_time_sd * rng.normal(size=(units, waves)) * (kind != "cluster")
    after = np.zeros(waves)
    after[-1] = 1
    x = rng.binomial(n, expit(base + KAPPA_LOGIT * delta * treated[:, None] * after + u + v))
    if kind == "cluster":
        return in_arms(x, n, treated, rng.normal(0, 0.5, units))
    return over_time(x, n, treated)


KINDS = ("cluster", "cross_section", "did", "paired")
