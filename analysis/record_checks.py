"""Posterior predictive checks of counts and shares: totals of arms and waves, and how records vary beyond chance."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.designs.count_inputs import LEAST, UnitCounts
from analysis.designs.share_inputs import Shares
from analysis.predictive import ARMS, SEED, Check, checks, drawn_check, groups_of, of_new_units

Array = NDArray[np.float64]
MOST_RECORDS = 500
"""Records of a cell that are drawn anew: of more their variance is as good as known."""
NUMBERS, FEWEST = 4_000_000, 200
"""Records drawn in all, and draws of the posterior at the least."""
LARGEST = 1e15
"""Means beyond which no count is drawn."""


@checks.register
def _(inputs: UnitCounts, draws: Mapping[str, Array]) -> list[Check]:
    rng = np.random.default_rng(SEED)
    mean = np.minimum(np.exp(of_new_units(inputs, draws, rng)) * inputs.expected, LARGEST)
    phi = 1 / (draws["dispersion"].ravel() ** 2 + LEAST**2)
    if not inputs.dispersed:
        phi = np.full_like(phi, inputs.poisson)
    phi = phi[:, None, None]
    some = np.maximum(inputs.records, 1.0)  # an empty cell expects nothing
    events = rng.poisson(rng.gamma(some * phi, mean / phi))
    found = []
    for label, cells in groups_of(inputs):
        exposure = (inputs.records * inputs.expected)[cells].sum() / inputs.rate
        observed = float(inputs.events[cells].sum() / exposure)
        found.append(drawn_check(label, "rate", observed, events[:, cells].sum(axis=1) / exposure))
    return found + _spread(inputs, mean, phi, rng)


def _spread(inputs: UnitCounts, mean: Array, phi: Array, rng: np.random.Generator) -> list[Check]:
    """Pearson's χ² about the rate of a cell, or where cells are single records about that of an arm and wave."""
    single = inputs.records.max() <= 1
    groups = [cells for _, cells in groups_of(inputs)] if single else _cells(inputs.records > 1)
    counted = [np.flatnonzero(cells.ravel()) for cells in groups]
    drawn = [np.repeat(c, np.minimum(inputs.records.ravel()[c], MOST_RECORDS).astype(int)) for c in counted]
    free = [sum(int(inputs.records.ravel()[c].sum()) - 1 for c in counted), sum(len(c) - 1 for c in drawn)]
    if not free[0]:
        return []
    observed = sum(_pearson_of_cells(inputs, c) for c in counted) / free[0]
    step = max(len(mean) * sum(len(c) for c in drawn) // NUMBERS, 1)
    step = min(step, max(len(mean) // FEWEST, 1))
    mean, phi = mean[::step].reshape(len(mean[::step]), -1), phi[::step, :, 0]
    squares = np.zeros(len(mean))
    for cells in drawn:
        events = rng.poisson(rng.gamma(phi, mean[:, cells] / phi))
        squares += _pearson(events, inputs.expected.ravel()[cells])
    return [drawn_check("all", "dispersion", float(observed), squares / free[1])]


def _cells(some: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Each of these cells as a group of its own."""
    places = np.flatnonzero(some.ravel())
    return [(np.arange(some.size) == place).reshape(some.shape) for place in places]


def _pearson_of_cells(inputs: UnitCounts, cells: NDArray[np.int64]) -> float:
    """χ² of the records of some cells about their common rate."""
    events, squares, records = (part.ravel()[cells] for part in (inputs.events, inputs.squares, inputs.records))
    exposure = inputs.expected.ravel()[cells]
    if not events.sum():
        return 0.0
    expected = exposure * events.sum() / (records @ exposure)
    return float(((squares - 2 * expected * events + records * expected**2) / expected).sum())


def _pearson(events: NDArray[np.int64], exposure: Array) -> Array:
    """χ² of records (draws, R) about the rate of each draw; 0 where nothing happened."""
    total = events.sum(axis=1, keepdims=True)
    expected = exposure * np.maximum(total, 1.0) / exposure.sum()
    return np.asarray(((events - expected) ** 2 / expected).sum(axis=1) * (total[:, 0] > 0))


@checks.register
def _(inputs: Shares, draws: Mapping[str, Array]) -> list[Check]:
    rng = np.random.default_rng(SEED)
    which = np.repeat(np.arange(len(inputs.x)), inputs.records.astype(int))
    eta, total, dispersion = (draws[name].reshape(-1) for name in ("eta", "total", "dispersion"))
    step = min(max(len(eta) * len(which) // NUMBERS, 1), max(len(eta) // FEWEST, 1))
    phi = 1 / (dispersion[::step, None] ** 2 + LEAST**2)
    x, n = inputs.x[which], inputs.n[which].astype(int)
    share = expit(eta[::step, None] + inputs.kappa * total[::step, None] * inputs.side[which])
    if inputs.dispersed:
        share = rng.beta(phi * share, phi * (1 - share))
    drawn = rng.binomial(n, np.clip(share, 0.0, 1.0))
    found, squares, free = [], [np.zeros(1), np.zeros(len(drawn))], 0
    for name, side in zip(ARMS, (inputs.side[which] < 0, inputs.side[which] > 0), strict=True):
        trials = n[side]
        observed = float(x[side].sum() / trials.sum())
        found.append(drawn_check(name, "share", observed, drawn[:, side].sum(axis=1) / trials.sum()))
        free += len(trials) - 1
        squares = [s + _binomial(part[:, side], trials) for s, part in zip(squares, (x[None], drawn), strict=True)]
    if free:
        found.append(drawn_check("all", "dispersion", float(squares[0][0] / free), squares[1] / free))
    return found


def _binomial(x: Array, n: Array) -> Array:
    """χ² of records (draws, R) about the share of each draw; 0 where nothing happened, or everything."""
    p = x.sum(axis=1, keepdims=True) / n.sum()
    inside = (p > 0) & (p < 1)
    p = np.where(inside, p, 0.5)
    return np.asarray(((x - n * p) ** 2 / (n * p * (1 - p))).sum(axis=1) * inside[:, 0])
