"""Simulated counts, shares and durations: what `pilots.py` does for normal and binary values.

A person's count is negative binomial with the rate e^(κ · (shift + unit)) times that without the intervention; a
record's share is beta-binomial. Two waves of one person vary independently: the analysis takes them for two people
anyway. Durations are e^(κ y) of normal values y, entered as their means and SDs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.count_inputs import KAPPA_LOG, LEAST
from analysis.documents import Cell, CountOf, MeasureData, Pair, Row
from analysis.pilots import Group, Truth, Values, seen_at, unit_effects

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One group's counts, or events of trials: (n, waves)."""

    group: Group
    counts: NDArray[np.int64]


def counts(rng: np.random.Generator, truth: Truth, groups: Sequence[Group]) -> list[Recorded]:
    """Everybody's count in every wave."""
    kappa = truth.measure.reference_sd or KAPPA_LOG
    rate, dispersion = truth.asked.event_rate_of(truth.measure), truth.asked.dispersion_of(truth.measure)
    phi = 1 / (dispersion**2 + LEAST**2)
    drawn = []
    for group in groups:
        level = rate * np.exp(kappa * (truth.means(group) + unit_effects(rng, truth)))
        people = rng.gamma(phi, level / phi, (group.n, len(truth.waves)))
        drawn.append(Recorded(group, rng.poisson(people)))
    return drawn


def count_rows(truth: Truth, drawn: Sequence[Recorded], wave: str) -> MeasureData:
    """A row for everybody in every wave of the look, without names."""
    rows = [
        Row(unit=d.group.unit, arm=d.group.arm, wave=key, value=float(count))
        for d in drawn
        for i, key in seen_at(truth, wave)
        for count in d.counts[:, i]
    ]
    return MeasureData(rows=rows)


def shares(rng: np.random.Generator, truth: Truth, groups: Sequence[Group]) -> list[Recorded]:
    """Events of each record's trials in every wave."""
    trials, dispersion = truth.asked.trials_of(truth.measure), truth.asked.dispersion_of(truth.measure)
    phi = 1 / (dispersion**2 + LEAST**2)
    drawn = []
    for group in groups:
        mean = expit(logit(truth.rate) + KAPPA_LOGIT * truth.means(group))
        own = rng.beta(phi * mean, phi * (1 - mean), (group.n, len(truth.waves)))
        drawn.append(Recorded(group, rng.binomial(trials, own)))
    return drawn


def share_counts(truth: Truth, drawn: Sequence[Recorded], wave: str) -> MeasureData:
    """Every record in every wave of the look, each under a name of its own."""
    n = truth.asked.trials_of(truth.measure)
    found = [
        CountOf(unit=f"{d.group.arm}-{record}", arm=d.group.arm, wave=key, x=int(x), n=n)
        for d in drawn
        for i, key in seen_at(truth, wave)
        for record, x in enumerate(d.counts[:, i])
    ]
    return MeasureData(counts=found)


def duration_moments(truth: Truth, values: Sequence[Values], wave: str) -> MeasureData:
    """Means, SDs and correlations of the durations whose logarithms were drawn; without a baseline cells."""
    kappa = truth.measure.reference_sd or KAPPA_LOG
    if not truth.before:
        at = truth.waves.index(wave)
        return MeasureData(cells=[_cell(v, kappa, at, wave) for v in values])
    first, second = len(truth.before) - 1, truth.waves.index(wave)
    return MeasureData(pairs=[_pair(v, kappa, first, second) for v in values])


def _moments(v: Values, kappa: float, at: int) -> tuple[float, float]:
    """Mean and SD of e^(κ y) where y is as normal as its mean and SD say."""
    variance = kappa**2 * float(v.scatter[at, at]) / (v.group.n - 1)
    mean = math.exp(kappa * float(v.mean[at]) + variance / 2)
    return mean, mean * math.sqrt(math.expm1(variance))


def _cell(v: Values, kappa: float, at: int, wave: str) -> Cell:
    mean, sd = _moments(v, kappa, at)
    return Cell(unit=v.group.unit, arm=v.group.arm, wave=wave, n=v.group.n, mean=mean, sd=sd)


def _pair(v: Values, kappa: float, first: int, second: int) -> Pair:
    (mean1, sd1), (mean2, sd2) = (_moments(v, kappa, at) for at in (first, second))
    product = math.expm1(kappa**2 * float(v.scatter[first, second]) / (v.group.n - 1))
    r = product * mean1 * mean2 / (sd1 * sd2)
    return Pair(
        unit=v.group.unit,
        arm=v.group.arm,
        n=v.group.n,
        mean=(mean1, mean2),
        sd=(sd1, sd2),
        r=min(max(r, -1.0), 1.0),
    )
