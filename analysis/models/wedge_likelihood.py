"""Means of units over periods, effects of units integrated out: one operation with its gradient."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor.link.numba.dispatch.basic import numba_njit

from analysis.models.log_likelihood import LogLikelihood, compiled

Array = NDArray[np.float64]


@numba_njit(fastmath=False, final_function=True)
def value(
    expected: Array,
    sigma: Array,
    unit: Array,
    unit_time: Array,
    n: Array,
    mean: Array,
    exposed: Array,
    squares: Array,
    free: Array,
) -> tuple[Array, Array, Array, Array, Array]:
    """Log likelihood and gradients in `expected` (G, T), `sigma` (2,), and the variances of u and v.

    Data as in `designs.wedge_inputs.WedgeMeans`. Cells about their expectation vary by σ²/n + v², those of a unit share
    u: their precision is diag(c) less a multiple of c cᵀ.
    """
    units, periods = n.shape
    tau, nu = unit.item(), unit_time.item()
    total, by_expected, by_sigma, by_unit, by_time = 0.0, np.zeros((units, periods)), np.zeros(2), 0.0, 0.0
    c, off = np.zeros(periods), np.zeros(periods)
    for g in range(units):
        told, pulled = 0.0, 0.0
        for t in range(periods):
            c[t] = 0.0
            if n[g, t] > 0:
                c[t] = 1.0 / (sigma[int(exposed[g, t])] ** 2 / n[g, t] + nu)
                off[t] = mean[g, t] - expected[g, t]
                told += c[t]
                pulled += c[t] * off[t]
                total += 0.5 * np.log(c[t])
        grown = 1.0 + tau * told
        u = tau * pulled / grown
        total -= 0.5 * np.log(grown)
        by_unit += 0.5 * (pulled / grown) ** 2 - 0.5 * told / grown
        for t in range(periods):
            if n[g, t] > 0:
                # Σ c r² less what u takes, without the difference of two large numbers: r (r − u) summed.
                total -= 0.5 * c[t] * off[t] * (off[t] - u)
                by_expected[g, t] = c[t] * (off[t] - u)
                by_c = 0.5 / c[t] - 0.5 * tau / grown - 0.5 * (off[t] - u) ** 2
                by_variance = -by_c * c[t] ** 2
                state = int(exposed[g, t])
                by_time += by_variance
                by_sigma[state] += by_variance * 2.0 * sigma[state] / n[g, t]
    for state in range(2):
        s = sigma[state]
        total -= free[state] * np.log(s) + 0.5 * squares[state] / s**2
        by_sigma[state] += squares[state] / s**3 - free[state] / s
    return np.asarray(total), by_expected, by_sigma, np.asarray(by_unit), np.asarray(by_time)


@compiled(__file__)
class WedgeLikelihood(LogLikelihood):
    """`value` as an operation."""

    differentiable = 4
    value: ClassVar[Any] = value
