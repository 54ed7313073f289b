"""What a fitted series says of each month: the fitted line, and what the month would have shown without intervention.

By draws of the exact posterior; the same input gives the same numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from analysis import series, series_counts
from analysis.designs.series_inputs import Calendar, Series, SeriesCounts
from analysis.marginal import SMOOTHING
from analysis.posterior import NormalMixture
from analysis.priors import Run

Array = NDArray[np.float64]
DRAWS, SEED = 2000, 5
LARGEST_LOG = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Equally likely values: coefficients (S, p), σ and φ (S,), and of counts the departures (S, n)."""

    theta: Array
    sigma: Array
    phi: Array
    departures: Array | None = None


def drawn(inputs: Series | SeriesCounts, run: Run) -> Drawn:
    """Draws of the exact posterior."""
    rng = np.random.default_rng(SEED)
    if isinstance(inputs, SeriesCounts):
        return Drawn(*series_counts.joint(inputs, run, DRAWS, rng))
    weights, sigma, phi, mean, covariance = series.nodes(inputs, run)
    order = np.argsort(sigma)
    steps = (np.arange(DRAWS) + 0.5) / DRAWS
    picked = order[np.minimum(np.searchsorted(np.cumsum(weights[order]), steps), len(order) - 1)]
    root = np.linalg.cholesky(covariance)[picked]
    theta = mean[picked] + (root @ rng.standard_normal((*mean[picked].shape, 1)))[..., 0]
    return Drawn(theta, sigma[picked], phi[picked])


def rate_difference(inputs: SeriesCounts, run: Run) -> NormalMixture:
    """The rate in the months of the window less what it would have been without intervention, averaged over them."""
    of, months = drawn(inputs, run), inputs.months
    assert of.departures is not None  # noqa: S101 - counts have them
    window = months.window
    rates = [
        np.exp(_log_values(months.calendar, columns[window], of.theta) + inputs.scale * of.departures[:, window])
        for columns in (months.columns, _without_effect(months.names, months.columns))
    ]
    values = (rates[0] - rates[1]).mean(axis=1)
    mean, variance = float(values.mean()), float(values.var())
    narrowed = mean + np.sqrt(1 - SMOOTHING) * (values - mean)
    return NormalMixture(np.full(DRAWS, 1 / DRAWS), narrowed, np.full(DRAWS, np.sqrt(SMOOTHING * variance)))


def detail(inputs: Series | SeriesCounts, run: Run, prob: float) -> Mapping[str, object]:
    """The block `series`: every month, and trend, ramp and departures with their intervals, SD units (a year).

    Of a month: `observed` (geometric mean or rate), `fitted` (middle of the model with the intervention, null in the
    phase-in), `counterfactual` (median of what the month would have shown without) with `low` and `high` that carry
    the uncertainty of the parameters and the month's own departure, of counts the chance of the events too.
    """
    of, months, calendar = drawn(inputs, run), inputs.months, inputs.months.calendar
    names = months.names
    fitted = np.exp(_log_values(calendar, calendar.columns, of.theta.mean(axis=0)[None])[0])
    low, middle, high = _without(calendar, _without_effect(names, calendar.columns), of, prob)
    shown = [
        {
            "t": float(calendar.t[i]),
            "observed": float(calendar.observed[i]),
            "fitted": None if calendar.phase_in[i] else float(fitted[i]),
            "counterfactual": float(middle[i]),
            "low": float(low[i]),
            "high": float(high[i]),
            "phase_in": bool(calendar.phase_in[i]),
            "window": bool(calendar.window[i]),
            "control": None if np.isnan(calendar.control[i]) else float(calendar.control[i]),
        }
        for i in range(len(calendar.t))
    ]
    of_names = {name: _summary(of.theta[:, names.index(name)], prob) for name in ("trend", "ramp")}
    return {
        "series": {
            "months": shown,
            "value": "rate" if calendar.counts else "geometric mean",
            "prob": prob,
            "window": [float(calendar.t[calendar.window][i]) for i in (0, -1)],
            "season": "season_cos_1" in names,
            **of_names,
            "control": _summary(of.theta[:, names.index("control")], prob) if "control" in names else None,
            "autocorrelation": _summary(of.phi, prob),
            "month_sd": _summary(of.sigma, prob),
        }
    }


def _without_effect(names: tuple[str, ...], columns: Array) -> Array:
    kept = columns.copy()
    kept[:, [names.index("ramp"), names.index("total")]] = 0.0
    return kept


def _log_values(calendar: Calendar, columns: Array, theta: Array) -> Array:
    """Log of the value in its middle (S, months)."""
    return np.asarray(np.minimum(calendar.centre + calendar.scale * (theta @ columns.T), LARGEST_LOG))


def _without(calendar: Calendar, columns: Array, of: Drawn, prob: float) -> Array:
    """Lower end, median and upper end (3, M) of what each month would have shown."""
    rng = np.random.default_rng(SEED)
    # Even quantiles in one order for all months: bands as smooth as they are.
    own = rng.permutation(ndtri((np.arange(DRAWS) + 0.5) / DRAWS))
    log_value = _log_values(calendar, columns, of.theta) + calendar.scale * (of.sigma * own)[:, None]
    values = np.exp(np.minimum(log_value, LARGEST_LOG))
    if calendar.counts:
        expected = np.minimum(values * calendar.exposure, 1e15)
        values = np.stack([np.random.default_rng(SEED).poisson(row) for row in expected.T], axis=1) / calendar.exposure
    return np.asarray(np.quantile(values, [(1 - prob) / 2, 0.5, (1 + prob) / 2], axis=0))


def _summary(values: Array, prob: float) -> dict[str, Any]:
    low, high = np.quantile(values, [(1 - prob) / 2, (1 + prob) / 2])
    interval = {"low": float(low), "high": float(high), "prob": prob, "kind": "equal-tailed"}
    return {"mean": float(values.mean()), "sd": float(values.std()), "interval": interval}
