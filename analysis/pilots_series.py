"""Makes the monthly series of one simulated pilot: trend, what moves both groups, each group's own departures, effect.

In SD units on the log scale, in which the analysis works: AR(1) departures, the effect in full after the phase-in and
not at all before. Counts are Poisson about their rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.designs.its import KAPPA_LOG
from analysis.documents import Family, MeasureData, Plan, Point

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The months of one group: t and values as a pilot would enter them."""

    arm: str
    t: NDArray[np.int64]
    value: Array


def draw(rng: np.random.Generator, truth: Any, groups: Sequence[Any]) -> list[Drawn]:
    """The series of every group, `truth` and `groups` as in `pilots`; with a control one thing moves both."""
    asked, measure = truth.asked, truth.measure
    t = np.arange(-asked.months_before, asked.months_after)
    kappa = measure.reference_sd or KAPPA_LOG
    shared = _departures(rng, len(t), asked.shared_sd, asked.autocorrelation)
    started = t >= (truth.plan.phase_in_months or 0)
    found = []
    for group in groups:
        level = asked.trend * t / 12 + shared + _departures(rng, len(t), asked.month_sd, asked.autocorrelation)
        log_value = truth.sign * kappa * (level + truth.shift * started * group.treated)
        if measure.family is Family.COUNT:
            found.append(Drawn(group.arm, t, rng.poisson(asked.events_of(measure) * np.exp(log_value)).astype(float)))
        else:
            found.append(Drawn(group.arm, t, np.exp(log_value)))
    return found


def enter(truth: Any, values: Sequence[Drawn], wave: str) -> MeasureData:
    """All months up to the look of this wave; a look without months sees all of them."""
    last = months_of(truth.plan, wave)
    points = [
        Point(arm=v.arm, t=float(t), value=float(value), exposure=1.0)
        for v in values
        for t, value in zip(v.t, v.value, strict=True)
        if last is None or t < last
    ]
    return MeasureData(series=points)


def months_of(plan: Plan, wave: str) -> float | None:
    """Months since the start that the look of a wave sees; None for the last look and where the plan does not say."""
    looks = [look for look in plan.looks if look.wave == wave]
    return None if not looks or looks[-1] == plan.looks[-1] else looks[-1].months


def _departures(rng: np.random.Generator, months: int, sd: float, phi: float) -> Array:
    found = rng.standard_normal(months)
    for i in range(1, months):
        found[i] = phi * found[i - 1] + np.sqrt(1 - phi**2) * found[i]
    return sd * found
