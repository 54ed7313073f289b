"""Laplace's approximation of Poisson months about AR(1) log rates: coefficients and latent departures integrated out.

Given σ and φ the departures are a Markov chain, so that their precision and every sweep are tridiagonal: the work grows
with the number of months, not its cube. Many values of σ and φ at once, nodes last in arrays. No prior of them here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CLOSE, MOST, FARTHEST = 1e-4, 40, 2.0
"""Change of a log rate at which the mode is found, Newton steps at most, and the longest step of a log rate."""
AT_ONCE = 100_000
"""Numbers an intermediate array holds: what fits a processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Poisson:
    """Events (n,) with log expectation offset + scale × (fixed + columns θ + r), θ ~ N(mean, 1/precision), r AR(1).

    `columns` (n, q), `prior` (q, 2) mean and precision; `gaps` (n,) months since the one before.
    """

    events: Array
    offset: Array
    scale: float
    gaps: Array
    columns: Array
    prior: Array


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """At K nodes: log of the integral (K,), mode of θ (K, q) and its covariance, of u = fixed + Xθ + r (n, K).

    `pivots` and `multipliers` (n, K) factor the precision of r given θ, which is 1/pivots on the diagonal of LDLᵀ;
    `weights` (n, K) is the curvature of the likelihood, `pull` (n, K) its shift.
    """

    log_value: Array
    theta: Array
    covariance: Array
    u: Array
    pivots: Array
    multipliers: Array
    weights: Array
    pull: Array


def integrate(
    model: Poisson, sigma: Array, phi: Array, fixed: Array, start: Array, present: Array | None = None
) -> Found:
    """The approximation at nodes σ, φ (K,); `fixed` (n, K). The search starts at u = `start` (n,).

    `present` (n, K) is 0 for a month that is left out.
    """
    turn = max(AT_ONCE // fixed.shape[0] // (model.columns.shape[1] + 1), 8)
    there = np.ones_like(fixed) if present is None else present
    parts = [
        _integrate(model, sigma[i : i + turn], phi[i : i + turn], fixed[:, i : i + turn], start, there[:, i : i + turn])
        for i in range(0, len(sigma), turn)
    ]
    return Found(*(np.concatenate([part[i] for part in parts], axis=0 if i < 3 else 1) for i in range(8)))  # noqa: PLR2004


def chain(gaps: Array, sigma: Array, phi: Array) -> tuple[Array, Array]:
    """Slope on the month before and variance left, (n, K) each."""
    rho = phi ** gaps[:, None]
    rho[0] = 0.0
    return rho, sigma**2 * (1 - rho**2)


def _integrate(
    model: Poisson, sigma: Array, phi: Array, fixed: Array, start: Array, present: Array
) -> tuple[Array, ...]:
    rho, variance = chain(model.gaps, sigma, phi)
    diagonal = 1 / variance
    diagonal[:-1] += rho[1:] ** 2 / variance[1:]
    beside = -rho[1:] / variance[1:]
    u = np.tile(start[:, None], (1, len(sigma)))
    theta = r = None
    for _ in range(MOST):
        assembled = _assembled(model, u, fixed, present, diagonal, beside)
        theta, r = _mode(assembled)
        step = fixed + model.columns @ theta.T + r - u
        u = u + np.clip(step, -FARTHEST / abs(model.scale), FARTHEST / abs(model.scale))
        if np.abs(step * present).max() * abs(model.scale) < CLOSE:
            break
    precision, _, _, pivots, multipliers, weights, pull = assembled = _assembled(
        model, u, fixed, present, diagonal, beside
    )
    theta, r = _mode(assembled)
    u = fixed + model.columns @ theta.T + r
    log_rate = np.minimum(model.offset[:, None] + model.scale * u, 700.0)
    steps = r.copy()
    steps[1:] -= rho[1:] * r[:-1]
    mean, known = model.prior.T
    sign, determinant = np.linalg.slogdet(precision)
    value = (present * (model.events[:, None] * log_rate - np.exp(log_rate))).sum(axis=0)
    value -= 0.5 * (steps**2 / variance + np.log(variance) + np.log(pivots)).sum(axis=0)
    value -= 0.5 * ((theta - mean) ** 2 @ known + determinant)
    lost = ~((sign > 0) & np.isfinite(value))
    precision[lost] = np.eye(precision.shape[1])
    return np.where(lost, -np.inf, value), theta, np.linalg.inv(precision), u, pivots, multipliers, weights, pull


def _assembled(
    model: Poisson, u: Array, fixed: Array, present: Array, diagonal: Array, beside: Array
) -> tuple[Array, ...]:
    """Equations of θ with r integrated out were the likelihood quadratic about u, and the factors of r's precision."""
    n, q = model.columns.shape
    rate = present * np.exp(np.minimum(model.offset[:, None] + model.scale * u, 700.0))
    weights = model.scale**2 * rate
    pull = weights * (u - fixed) + model.scale * (present * model.events[:, None] - rate)
    rows = np.concatenate([weights[:, None] * model.columns[..., None], pull[:, None]], axis=1)  # (n, q + 1, K)
    pivots = diagonal + weights
    multipliers = np.zeros_like(pivots)
    for i in range(1, n):
        multipliers[i] = beside[i - 1] / pivots[i - 1]
        pivots[i] -= beside[i - 1] * multipliers[i]
        rows[i] -= multipliers[i] * rows[i - 1]
    forward = (rows / np.sqrt(pivots)[:, None]).transpose(2, 1, 0)  # (K, q + 1, n)
    taken = forward @ forward.transpose(0, 2, 1)
    squares = (model.columns[:, :, None] * model.columns[:, None]).reshape(n, q * q)
    mean, known = model.prior.T
    precision = (weights.T @ squares).reshape(-1, q, q) - taken[:, :q, :q] + np.diag(known)
    shift = pull.T @ model.columns - taken[:, :q, q] + known * mean
    return precision, shift, rows, pivots, multipliers, weights, pull


def _mode(assembled: tuple[Array, ...]) -> tuple[Array, Array]:
    """θ (K, q) and r (n, K) at the top of the quadratic."""
    precision, shift, rows, pivots, multipliers, *_ = assembled
    theta = np.linalg.solve(precision, shift[..., None])[..., 0]
    left = rows[:, -1] - np.einsum("nqk,kq->nk", rows[:, :-1], theta)
    return theta, backward(left / pivots, multipliers)


def backward(values: Array, multipliers: Array) -> Array:
    """The solution x (n, K) of Lᵀ x = `values`, L with ones and `multipliers` below its diagonal."""
    found = values.copy()
    for i in range(len(found) - 2, -1, -1):
        found[i] -= multipliers[i + 1] * found[i + 1]
    return found
