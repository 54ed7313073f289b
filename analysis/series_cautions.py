"""What a look at a fitted series warns of: an effect that hangs on a few months, and autocorrelation AR(1) leaves.

At the posterior means of σ and φ: a look, not a posterior.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis import mixed, series, series_counts
from analysis.designs.prepared import Note
from analysis.designs.series_inputs import Series, SeriesCounts
from analysis.documents import PlannedMeasure
from analysis.laplace_months import Found, integrate
from analysis.mixed_equations import coefficients, equations
from analysis.mixed_hyper import Hyper, hyper_of
from analysis.posterior import tails
from analysis.priors import Run, total_prior
from analysis.series_checks import autocorrelation

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
CALLED, LASTING = 0.95, 0.90
"""P(Δ > 0) that looks like an effect, and what must remain of it without any few neighbouring months."""
LIKELY, MEANINGFUL = 0.70, 0.60
"""The same of P(Δ > MMD)."""
BLOCK, SHARE = 3, 3
"""Months that a block has at most; and at most one in so many of the window's."""
FAR = 3.0
"""Standard errors of an autocorrelation beyond which it is told."""


@dataclass(frozen=True, slots=True)
class Cautions:
    """Warnings, and why the outcome may not go beyond `refine`."""

    notes: tuple[Note, ...] = ()
    cap: str | None = None


@lru_cache(maxsize=32)
def cautions(inputs: Series | SeriesCounts, run: Run, measure: PlannedMeasure) -> Cautions:
    """What a look at the series warns of."""
    notes, cap = [], None
    if (span := _short_lived(inputs, run, measure.mmd)) is not None:
        message = (
            f"The effect hangs on the months t = {span[0]:g} to {span[1]:g}: without them the rest of the window does "
            "not show it. A shock that passes is not an effect; the outcome is capped at refine."
        )
        notes.append(Note("short_lived", message, measure.measure))
        cap = "an effect that hangs on a few months"
    if (left := _autocorrelation(inputs, run)) > FAR / np.sqrt(len(inputs.months.gaps)):
        message = (
            f"Neighbouring months go together more than the model foresees (autocorrelation left: {left:.2f}); the "
            "interval may be too narrow. Something slow moves the series: a control series would show it."
        )
        notes.append(Note("autocorrelation_left", message, measure.measure))
    return Cautions(tuple(notes), cap)


def _short_lived(inputs: Series | SeriesCounts, run: Run, mmd: float) -> tuple[float, float] | None:
    """First and last month of the block without which the effect is gone; None where it lasts, or there is none."""
    hyper = _middle(inputs, run)
    whole = _above(inputs, run, hyper, [], (0.0, mmd))[:, 0]
    blocks = list(_blocks(inputs.months.window))
    if whole[0] < CALLED or not blocks:
        return None
    # What was not likely to be meaningful with all months need not be without some.
    least = np.array([LASTING, MEANINGFUL if whole[1] >= LIKELY else 0.0])
    spare = (_above(inputs, run, hyper, blocks, (0.0, mmd))[:, 1:] - least[:, None]).min(axis=0)
    worst = int(np.argmin(spare))
    if spare[worst] >= 0:
        return None
    t = inputs.months.calendar.t[inputs.months.calendar.fitted][blocks[worst]]
    return float(t[0]), float(t[-1])


def _blocks(window: Flags) -> Iterator[Flags]:
    """Every block of neighbouring months in the window."""
    inside = np.flatnonzero(window)
    for length in range(1, min(BLOCK, len(inside) // SHARE) + 1):
        for first in range(len(inside) - length + 1):
            block = np.zeros(len(window), dtype=bool)
            block[inside[first : first + length]] = True
            yield block


def _middle(inputs: Series | SeriesCounts, run: Run) -> tuple[float, float]:
    """Posterior means of σ and φ."""
    if isinstance(inputs, Series):
        found = mixed.solved(inputs, run)
        hyper = hyper_of(inputs, found.grid.z)
        return float(found.weights @ hyper.sigma[:, 0]), float(found.weights @ hyper.r)
    nodes = series_counts.nodes_of(inputs, run)
    weights = nodes.weights(run).ravel()
    sigma, phi = series_counts.hyper_of(inputs, nodes.points.reshape(len(weights), -1))
    return float(weights @ sigma), float(weights @ phi)


def _above(
    inputs: Series | SeriesCounts,
    run: Run,
    middle: tuple[float, float],
    blocks: list[Flags],
    thresholds: tuple[float, ...],
) -> Array:
    """P(Δ > threshold), a row each, with all months and then without each block."""
    if isinstance(inputs, SeriesCounts):
        present = np.stack([np.ones(len(inputs.events), dtype=bool), *(~block for block in blocks)], axis=1)
        parts = [
            np.array(part) for part in zip(*_given_counts(inputs, run, middle, present.astype(float)), strict=True)
        ]
    else:
        none = np.zeros(len(inputs.y), dtype=bool)
        alone = [_given(inputs, run, middle, left_out) for left_out in (none, *blocks)]
        parts = [np.concatenate(part, axis=1) for part in zip(*alone, strict=True)]
    log_weights, means, sds = parts
    weights = np.exp(log_weights - log_weights.max(axis=0))
    shares = weights / weights.sum(axis=0)
    return np.array([(shares * tails(threshold, means, sds)).sum(axis=0) for threshold in thresholds])


def _given(inputs: Series, run: Run, middle: tuple[float, float], left_out: Flags) -> tuple[Array, Array, Array]:
    """Log weight, mean and SD of Δ (component, 1) from the months that are not left out."""
    gaps, columns = inputs.months.without(left_out)
    fewer = Series(inputs.y[~left_out], replace(inputs.months, gaps=gaps, columns=columns))
    one = np.ones(1)
    hyper = Hyper(middle[0] * np.ones((1, 2)), one, one, middle[1] * one)
    found = coefficients(equations(fewer, hyper), run)
    return (
        np.array([part.log_evidence for part in found]),
        np.array([part.mean[:, -1] for part in found]),
        np.sqrt(np.array([part.covariance[:, -1, -1] for part in found])),
    )


def _given_counts(
    inputs: SeriesCounts, run: Run, middle: tuple[float, float], present: Array
) -> Iterator[tuple[Array, Array, Array]]:
    """The same of counts, all blocks at once, a component at a time."""
    for c in run.effect:
        prior = total_prior(c, run.bias)
        found = _at(inputs, run, middle, present, prior)
        constant = np.log(c.weight) + 0.5 * np.log(prior[1] or 1.0)
        yield found.log_value + constant, found.theta[:, -1], np.sqrt(found.covariance[:, -1, -1])


def _at(
    inputs: SeriesCounts, run: Run, middle: tuple[float, float], present: Array, prior: tuple[float, float]
) -> Found:
    ones = np.ones(present.shape[1])
    model = series_counts.poisson(inputs, run.intercept, prior)
    start = series_counts.start(inputs)
    return integrate(model, middle[0] * ones, middle[1] * ones, np.zeros_like(present), start, present)


def _autocorrelation(inputs: Series | SeriesCounts, run: Run) -> float:
    """Lag-1 autocorrelation of what the fitted model leaves."""
    middle = _middle(inputs, run)
    if isinstance(inputs, Series):
        weights, _, _, mean, _ = series.nodes(inputs, run)
        theta, observed = weights @ mean, inputs.y
    else:
        found = _at(inputs, run, middle, np.ones((len(inputs.events), 1)), total_prior(run.effect[0], run.bias))
        theta, observed = found.theta[0], (np.log(inputs.events + 0.5) - inputs.offset) / inputs.scale
    left = observed - inputs.months.columns @ theta
    return float(autocorrelation(left[None], inputs.months.gaps, np.array([middle[1]]))[0])
