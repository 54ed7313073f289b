"""The likelihood of a series of months with normal AR(1) departures: one operation with its gradient."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor.link.numba.dispatch.basic import numba_njit

from analysis.models.log_likelihood import LogLikelihood, compiled

Array = NDArray[np.float64]
LEAST = 1e-12
"""Share of a month's variance that the month before always leaves."""


@numba_njit(fastmath=False, final_function=True)
def value(expected: Array, sigma: Array, phi: Array, y: Array, gaps: Array) -> tuple[Array, Array, Array, Array]:
    """Log density of `y` (n,) with stationary SD σ and slope φ^k on the month k before; then its gradients."""
    by_expected, by_rho = np.zeros_like(expected), np.zeros_like(expected)
    total, by_sigma = departures(y - expected, sigma.item(), phi.item(), gaps, by_expected, by_rho)
    by_phi = 0.0
    for i in range(1, len(y)):
        by_phi += by_rho[i] * gaps[i] * phi.item() ** (gaps[i] - 1.0)
    return np.asarray(total), -by_expected, np.asarray(by_sigma), np.asarray(by_phi)


@numba_njit(fastmath=False, final_function=True)
def departures(r: Array, sigma: float, phi: float, gaps: Array, by_r: Array, by_rho: Array) -> tuple[float, float]:
    """Log density of departures `r` (n,) and its slope in σ; slopes in `r` and in each month's φ^k are added up."""
    total, by_sigma = 0.0, 0.0
    for i in range(len(r)):
        rho = 0.0 if i == 0 else phi ** gaps[i]
        left = max(1.0 - rho * rho, LEAST)
        variance = sigma * sigma * left
        step = r[i] - (rho * r[i - 1] if i > 0 else 0.0)
        total -= 0.5 * (np.log(variance) + step * step / variance)
        by_sigma -= (1.0 - step * step / variance) / sigma
        by_r[i] -= step / variance
        if i > 0:
            by_r[i - 1] += rho * step / variance
            by_rho[i] += step * r[i - 1] / variance + rho / left * (1.0 - step * step / variance)
    return total, by_sigma


@compiled(__file__)
class SeriesLikelihood(LogLikelihood):
    """`value` as an operation."""

    differentiable = 3
    value: ClassVar[Any] = value
