"""Posterior predictive checks of monthly series: level before and after, and what AR(1) leaves of autocorrelation.

Replicates are new series of the same months: new departures, and new events of a count.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.designs.series_inputs import Months, Series, SeriesCounts
from analysis.predictive import SEED, Check, checks

Array = NDArray[np.float64]
MOST = 500
"""Draws that are replicated."""


@checks.register
def _(inputs: Series, draws: Mapping[str, Array]) -> list[Check]:
    expected, sigma, phi = of_draws(inputs.months, draws)
    replicates = departures(inputs.months.gaps, sigma, phi, np.random.default_rng(SEED))
    return _checks(inputs.months, inputs.y + 0 * expected, expected + replicates, expected, phi, "mean, SD units")


@checks.register
def _(inputs: SeriesCounts, draws: Mapping[str, Array]) -> list[Check]:
    expected, sigma, phi = of_draws(inputs.months, draws)
    rng = np.random.default_rng(SEED)
    log_rate = expected + departures(inputs.months.gaps, sigma, phi, rng)
    replicates = rng.poisson(np.exp(np.minimum(inputs.offset + inputs.scale * log_rate, 30.0)))
    observed, again = (
        (np.log(events + 0.5) - inputs.offset) / inputs.scale + 0 * expected for events in (inputs.events, replicates)
    )
    return _checks(inputs.months, observed, again, expected, phi, "mean log rate, SD units")


def of_draws(months: Months, draws: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """Expectation of each month (S, n), σ and φ (S,), of an even selection of draws."""
    total = draws["total"].ravel()
    picked = np.arange(0, len(total), max(len(total) // MOST, 1))
    theta = draws["coefficients"].reshape(len(total), -1)[picked][:, list(months.places[:-1])]
    expected = theta @ months.columns[:, :-1].T + total[picked, None] * months.columns[:, -1]
    return expected, draws["sigma"].ravel()[picked], draws["phi"].ravel()[picked]


def departures(gaps: Array, sigma: Array, phi: Array, rng: np.random.Generator) -> Array:
    """New AR(1) departures (S, n) with stationary SDs σ (S,)."""
    steps = rng.standard_normal((len(gaps), len(sigma)))
    found = np.empty_like(steps)
    found[0] = steps[0]
    for i in range(1, len(gaps)):
        rho = phi ** gaps[i]
        found[i] = rho * found[i - 1] + np.sqrt(1 - rho**2) * steps[i]
    return (sigma * found).T


def autocorrelation(left: Array, gaps: Array, phi: Array) -> Array:
    """Lag-1 autocorrelation (S,) of what AR(1) does not foresee of the departures `left` (S, n)."""
    rho = phi[:, None] ** gaps[1:]
    steps = np.column_stack([left[:, 0], (left[:, 1:] - rho * left[:, :-1]) / np.sqrt(1 - rho**2)])
    steps = steps - steps.mean(axis=1, keepdims=True)
    return np.asarray((steps[:, 1:] * steps[:, :-1]).sum(axis=1) / (steps**2).sum(axis=1))


def _checks(months: Months, observed: Array, replicates: Array, expected: Array, phi: Array, what: str) -> list[Check]:
    after = months.columns[:, -1] > 0
    found = [
        _check(cell, what, observed[:, side].mean(axis=1), replicates[:, side].mean(axis=1))
        for cell, side in (("before the start", ~after), ("after the phase-in", after))
    ]
    lagged = [autocorrelation(values - expected, months.gaps, phi) for values in (observed, replicates)]
    return [*found, _check("all months", "autocorrelation left", *lagged)]


def _check(cell: str, quantity: str, observed: Array, replicates: Array) -> Check:
    low, high = np.quantile(replicates, (0.025, 0.975))
    # Half of a tie: counts can repeat themselves exactly.
    p = float(np.mean(replicates < observed) + 0.5 * np.mean(replicates == observed))
    return Check(cell, quantity, float(observed.mean()), float(low), float(high), p)
