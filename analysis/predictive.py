"""Posterior predictive checks: whether the fitted model produces arms, waves and spreads like those observed.

Each check compares one observed number with its replicates under every draw; its p-value is the share of replicates
below it, computed from the replicate's distribution and not by drawing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammainc, ndtr
from scipy.stats import binom

from analysis.designs.binary_inputs import COEFFICIENTS, PairedProportions, UnitProportions
from analysis.designs.cell_inputs import UnitCells
from analysis.designs.inputs import Ancova, AncovaUnknownR, Inputs, TwoMeans, TwoProportions
from analysis.designs.unit_inputs import AncovaUnits, Waves
from analysis.paired_proportions import cells as paired_cells

Array = NDArray[np.float64]
ARMS = ("control", "treated")
SEED = 7


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """An observed number of a cell and how replicates of it lie: SD units (shares of binary outcomes)."""

    cell: str
    quantity: str
    observed: float
    low: float
    high: float
    p: float

    @property
    def two_sided(self) -> float:
        """Two-sided posterior predictive p-value."""
        return 2 * min(self.p, 1 - self.p)

    def as_dict(self) -> dict[str, Any]:
        """The check as an answer holds it; `low` and `high` are of the central 95 % of the replicates."""
        return {
            "cell": self.cell,
            "quantity": self.quantity,
            "observed": self.observed,
            "low": self.low,
            "high": self.high,
            "p": self.p,
        }


def mean_check(cell: str, observed: float, expected: Array, sd: Array, quantity: str = "mean") -> Check:
    """A number whose replicates are N(expected, sd) under each draw."""
    replicates = expected + sd * np.random.default_rng(SEED).standard_normal(expected.shape)
    low, high = np.quantile(replicates, (0.025, 0.975))
    return Check(cell, quantity, observed, float(low), float(high), float(np.mean(ndtr((observed - expected) / sd))))


def spread_check(cell: str, squares: Array, free: float, sigma: Array, quantity: str = "sd") -> Check:
    """A sum of squares (of each draw) with `free` degrees of freedom whose replicates are σ² χ²; shown as an SD."""
    observed = float(np.sqrt(np.mean(squares) / free))
    replicates = sigma * np.sqrt(np.random.default_rng(SEED).chisquare(free, sigma.shape) / free)
    low, high = np.quantile(replicates, (0.025, 0.975))
    p = float(np.mean(gammainc(free / 2, squares / sigma**2 / 2)))
    return Check(cell, quantity, observed, float(low), float(high), p)


def share_check(cell: str, x: float, n: float, p: Array) -> Check:
    """A count whose replicates are binomial with the probability of each draw."""
    low, high = np.quantile(np.random.default_rng(SEED).binomial(int(n), p) / n, (0.025, 0.975))
    # The mid-p value: half of what is exactly as observed.
    below = float(np.mean(binom.cdf(x - 1, n, p) + 0.5 * binom.pmf(x, n, p)))
    return Check(cell, "share", x / n, float(low), float(high), below)


def drawn_check(cell: str, quantity: str, observed: float, replicates: Array) -> Check:
    """A number whose replicates were drawn; p is their share below it, and half of those exactly as it is."""
    low, high = np.quantile(replicates, (0.025, 0.975))
    p = float(np.mean(replicates < observed) + 0.5 * np.mean(replicates == observed))
    return Check(cell, quantity, observed, float(low), float(high), p)


def shares_check(
    x: Array, n: Array, replicates: NDArray[Any], groups: Iterable[tuple[str, NDArray[np.bool_]]]
) -> list[Check]:
    """Events among the people of groups of cells (label, mask), against `replicates` (draws, …) of the cells' `x`."""
    found = []
    for label, cells in groups:
        people, observed = n[cells].sum(), x[cells].sum()
        found.append(drawn_check(label, "share", float(observed / people), replicates[:, cells].sum(axis=1) / people))
    return found


@singledispatch
def checks(inputs: Inputs, draws: Mapping[str, Array]) -> list[Check]:
    """Checks of every cell's mean (or share) and spread; `draws` are (chain, draw, …) by name."""
    raise NotImplementedError(type(inputs))


@checks.register
def _(inputs: TwoMeans, draws: Mapping[str, Array]) -> list[Check]:
    expected = (draws["alpha"], draws["alpha"] + draws["total"])
    found = []
    for a, name in enumerate(ARMS):
        sigma = draws["sigma"][..., a]
        found.append(mean_check(name, inputs.mean[a], expected[a], sigma / np.sqrt(inputs.n[a])))
        found.append(spread_check(name, np.full_like(sigma, inputs.ss[a]), inputs.n[a] - 1, sigma))
    return found


@checks.register
def _(inputs: Ancova, draws: Mapping[str, Array]) -> list[Check]:
    beta = draws["beta"]
    found = []
    for a, name in enumerate(ARMS):
        sigma = draws["sigma"][..., a]
        expected = draws["alpha"] + beta * inputs.mean1[a] + a * draws["total"]
        squares = inputs.s22[a] - 2 * beta * inputs.s12[a] + beta**2 * inputs.s11[a]
        found.append(mean_check(name, inputs.mean2[a], expected, sigma / np.sqrt(inputs.n[a])))
        found.append(spread_check(name, squares, inputs.n[a] - 1, sigma))
    return found


@checks.register
def _(inputs: AncovaUnknownR, draws: Mapping[str, Array]) -> list[Check]:
    found = []
    for a, name in enumerate(ARMS):
        tau, r = draws["sigma"][..., a], draws["r"]
        expected = draws["alpha"] + r * tau / inputs.sd1 * inputs.mean1[a] + a * draws["total"]
        residual = tau * np.sqrt(1 - r**2)
        found.append(mean_check(name, inputs.mean2[a], expected, residual / np.sqrt(inputs.n[a])))
        found.append(spread_check(name, np.full_like(tau, inputs.s22[a]), inputs.n[a] - 1, tau))
    return found


@checks.register
def _(inputs: TwoProportions, draws: Mapping[str, Array]) -> list[Check]:
    found = []
    for a, name in enumerate(ARMS):
        p = 1 / (1 + np.exp(-(draws["eta"] + (a - 0.5) * inputs.kappa * draws["total"])))
        found.append(share_check(name, inputs.x[a], inputs.n[a], p))
    return found


@checks.register
def _(inputs: UnitProportions, draws: Mapping[str, Array]) -> list[Check]:
    """Totals of the arms, over time of each arm and wave: new people in new units of the same kind."""
    rng = np.random.default_rng(SEED)
    eta = of_new_units(inputs, draws, rng)
    replicates = rng.binomial(inputs.n.astype(int), expit(eta))
    return shares_check(inputs.x, inputs.n, replicates, groups_of(inputs))


def of_new_units(inputs: UnitCells, draws: Mapping[str, Array], rng: np.random.Generator) -> Array:
    """The linear predictor (draws, G, S) of units that are new ones of the same kind."""
    theta, total = draws["coefficients"].reshape(-1, COEFFICIENTS), draws["total"].ravel()
    sds = [draws[name].ravel() * abs(inputs.kappa) for name in ("unit_sd", "unit_time_sd")]
    shape = (len(total), *inputs.size.shape)
    eta = np.einsum("gsc,kc->kgs", inputs.columns, theta) + inputs.kappa * total[:, None, None] * inputs.exposure
    eta += inputs.unit * sds[0][:, None, None] * rng.standard_normal((*shape[:2], 1))
    return np.asarray(eta + inputs.unit_time * sds[1][:, None, None] * rng.standard_normal(shape))


def groups_of(inputs: UnitCells) -> list[tuple[str, NDArray[np.bool_]]]:
    """Labels and cells (units, slots) of the arms, or of the waves of each arm."""
    some = inputs.size > 0
    if not inputs.after.any():
        return [(name, some & (inputs.exposure * side > 0)) for name, side in zip(ARMS, (-1, 1), strict=True)]
    arms = sorted({int(t) for t in inputs.treated})
    slots = np.arange(inputs.size.shape[1])
    return [
        (
            f"{ARMS[a]}, wave {w + 1}" if len(arms) > 1 else f"wave {w + 1}",
            some & (inputs.treated == a)[:, None] & (slots == w),
        )
        for a in arms
        for w in slots
    ]


@checks.register
def _(inputs: PairedProportions, draws: Mapping[str, Array]) -> list[Check]:
    """Events in each wave, and those of the linked people who changed."""
    half = 0.5 * inputs.kappa * draws["total"]
    before, after = expit(draws["centre"] - half), expit(draws["centre"] + half)
    table = paired_cells(before, after, draws["log_odds_ratio"])
    changed = inputs.table[0, 1] + inputs.table[1, 0]
    return [
        share_check("wave 1", inputs.x[0], inputs.n[0], before),
        share_check("wave 2", inputs.x[1], inputs.n[1], after),
        share_check("changed", changed, inputs.table.sum(), table[..., 0, 1] + table[..., 1, 0]),
    ]


@checks.register
def _(inputs: AncovaUnits, draws: Mapping[str, Array]) -> list[Check]:
    sigma, slope, unit_sd = draws["sigma"], draws["beta"], draws["unit_sd"]
    r = draws["r"] if inputs.unknown_r else np.zeros_like(unit_sd)
    residual = sigma * np.sqrt(1 - r[..., None] ** 2)
    found = []
    for a, name in enumerate(ARMS):
        within = r * sigma[..., a] / inputs.sd1 if inputs.unknown_r else slope[..., 0]
        weight = inputs.n[:, a] / inputs.people[a]
        expected = draws["alpha"] + a * draws["total"]
        expected = expected + within * (weight @ inputs.within[:, a]) + slope[..., 1] * (weight @ inputs.between[:, a])
        variance = unit_sd**2 * (weight**2).sum() + residual[..., a] ** 2 / inputs.people[a]
        found.append(mean_check(name, float(weight @ inputs.mean[:, a]), expected, np.sqrt(variance)))
        if inputs.free[a] > 0:
            squares = inputs.s22[a] - 2 * slope[..., 0] * inputs.s12[a] + slope[..., 0] ** 2 * inputs.s11[a]
            found.append(spread_check(f"{name}, within units", squares, inputs.free[a], sigma[..., a]))
    return found


@checks.register
def _(inputs: Waves, draws: Mapping[str, Array]) -> list[Check]:
    theta = np.concatenate([draws["coefficients"], draws["total"][..., None]], axis=-1)
    effects = (inputs.unit * draws["unit_sd"]) ** 2
    if inputs.unit_time:
        effects = effects + (inputs.unit_time * draws["unit_time_sd"]) ** 2
    found = []
    for a in sorted({int(t) for t in inputs.treated}):
        for w in range(inputs.waves):
            mine = inputs.n[inputs.treated == a] * inputs.masks[:, w]
            people = mine.sum()
            if people == 0 or not inputs.columns[a, w].any():
                continue
            label = f"{ARMS[a]}, wave {w + 1}" if len(set(inputs.treated)) > 1 else f"wave {w + 1}"
            sigma = draws["sigma"][..., int(inputs.spread[a, w])]
            observed = float((mine * inputs.mean[inputs.treated == a, :, w]).sum() / people)
            variance = effects * (mine.sum(axis=1) ** 2).sum() / people**2 + sigma**2 / people
            found.append(mean_check(label, observed, theta @ inputs.columns[a, w], np.sqrt(variance)))
            free = float((inputs.free[a] * inputs.masks[:, w]).sum())
            if free > 0:
                squares = np.full_like(sigma, inputs.squares[a, :, w, w].sum())
                found.append(spread_check(f"{label}, within groups", squares, free, sigma))
    return found
