"""The likelihood of monthly counts with latent AR(1) departures, and its gradient: one operation.

The sampler walks e (n,), standard normal were the likelihood normal with precision `weights` about `pulled`/`weights`:
the departures are r = L⁻ᵀ(e + L⁻¹(pulled − weights × fixed)), L Lᵀ the precision of r under that likelihood and the
chain. Whatever these two are, the posterior is the same.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor.link.numba.dispatch.basic import numba_njit

from analysis.models import series_likelihood
from analysis.models.log_likelihood import LogLikelihood, compiled
from analysis.models.series_likelihood import LEAST, departures

Array = NDArray[np.float64]


@numba_njit(fastmath=False, final_function=True)
def value(  # noqa: C901, PLR0915 - loops over arrays, not branches
    fixed: Array,
    e: Array,
    sigma: Array,
    phi: Array,
    events: Array,
    offset: Array,
    scale: Array,
    gaps: Array,
    weights: Array,
    pulled: Array,
) -> tuple[Array, Array, Array, Array, Array]:
    """Log density of `events` (n,) and of e, `e` longer than n; then gradients in `fixed` (n,), `e`, σ and φ."""
    n, s, k = len(events), sigma.item(), scale.item()
    rho, variance = np.zeros(n + 1), np.ones(n + 1)  # the last stands for a month that depends on nothing
    for i in range(n):
        rho[i] = phi.item() ** gaps[i] if i > 0 else 0.0
        variance[i] = s * s * max(1.0 - rho[i] * rho[i], LEAST)
    # L of the precision: pivots on its diagonal, `under` below it.
    pivot, under = np.zeros(n), np.zeros(n)
    v, r = np.zeros(n + 1), np.zeros(n + 1)
    for i in range(n):
        a = 1.0 / variance[i] + rho[i + 1] ** 2 / variance[i + 1] + weights[i]
        pull = pulled[i] - weights[i] * fixed[i]
        if i > 0:
            under[i - 1] = -rho[i] / variance[i] / pivot[i - 1]
            a -= under[i - 1] ** 2
            pull -= under[i - 1] * v[i - 1]
        pivot[i] = np.sqrt(a)
        v[i] = pull / pivot[i]
    for i in range(n - 1, -1, -1):
        r[i] = (v[i] + e[i] - under[i] * r[i + 1]) / pivot[i]

    by_r, by_rho, by_e, by_fixed = np.zeros(n), np.zeros(n + 1), np.zeros_like(e), np.zeros(n)
    total, by_sigma = departures(r[:n], s, phi.item(), gaps, by_r, by_rho)
    for i in range(n):
        log_rate = min(offset[i] + k * (fixed[i] + r[i]), 700.0)
        rate = np.exp(log_rate)
        total += events[i] * log_rate - rate - np.log(pivot[i])
        by_fixed[i] = k * (events[i] - rate)
        by_r[i] += by_fixed[i]
    for i in range(n, len(e)):
        total -= 0.5 * e[i] * e[i]
        by_e[i] = -e[i]

    by_pivot, by_under, by_v = -1.0 / pivot, np.zeros(n), np.zeros(n)
    for i in range(n):
        by_e[i] = by_r[i] / pivot[i]
        by_under[i] -= by_e[i] * r[i + 1]
        by_pivot[i] -= by_e[i] * r[i]
        by_v[i] = by_e[i]
        if i + 1 < n:
            by_r[i + 1] -= by_e[i] * under[i]
    by_variance = np.zeros(n + 1)
    for i in range(n - 1, -1, -1):
        by_pull = by_v[i] / pivot[i]
        by_pivot[i] -= by_pull * v[i]
        by_fixed[i] -= by_pull * weights[i]
        by_a = 0.5 * by_pivot[i] / pivot[i]
        by_variance[i] -= by_a / variance[i] ** 2
        by_variance[i + 1] -= by_a * rho[i + 1] ** 2 / variance[i + 1] ** 2
        by_rho[i + 1] += 2.0 * by_a * rho[i + 1] / variance[i + 1]
        if i > 0:
            by_v[i - 1] -= by_pull * under[i - 1]
            by_under[i - 1] -= by_pull * v[i - 1] + 2.0 * by_a * under[i - 1]
            by_pivot[i - 1] -= by_under[i - 1] * under[i - 1] / pivot[i - 1]
            by_beside = by_under[i - 1] / pivot[i - 1]
            by_variance[i] += by_beside * rho[i] / variance[i] ** 2
            by_rho[i] -= by_beside / variance[i]
    by_phi = 0.0
    for i in range(n):
        left = max(1.0 - rho[i] * rho[i], LEAST)
        by_sigma += 2.0 * by_variance[i] * s * left
        if i > 0:
            by_rho[i] -= 2.0 * by_variance[i] * s * s * rho[i]
            by_phi += by_rho[i] * gaps[i] * phi.item() ** (gaps[i] - 1.0)
    return np.asarray(total), by_fixed, by_e, np.asarray(by_sigma), np.asarray(by_phi)


@compiled(__file__, series_likelihood.__file__)
class SeriesCountsLikelihood(LogLikelihood):
    """`value` as an operation."""

    differentiable = 4
    value: ClassVar[Any] = value
