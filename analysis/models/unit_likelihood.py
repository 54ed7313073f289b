"""The likelihood of proportions in units, unit effects integrated out: one operation with its gradient."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor.link.numba.dispatch.basic import numba_njit

from analysis.models.log_likelihood import LogLikelihood, compiled

Array = NDArray[np.float64]
NEWTON_STEPS = 3


@numba_njit(fastmath=False, final_function=True)
def integrated(
    eta: Array, sd_u: Array, sd_v: Array, n: Array, x: Array, outer: Array, inner: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Log likelihood of `x` of `n` (units, slots) with logits `eta` + `sd_u` u + `sd_v` v, u and v standard normal.

    Nested Gauss-Hermite sums about the joint mode of a unit's u and its slots' v; `outer` and `inner` (2, nodes) are
    nodes and weights of the rules for u and for v. Then the gradients in `eta`, `sd_u`, `sd_v` and `n` (which need not
    be whole), with the nodes held where they are: where they lie does not change the integral.
    """
    units, slots = x.shape
    su, sv = sd_u.item(), sd_v.item()
    nodes = outer.shape[1]
    total, by_eta, by_su, by_sv, by_n = 0.0, np.zeros((units, slots)), 0.0, 0.0, np.zeros((units, slots))
    v, w = np.zeros(slots), np.zeros(slots)
    at, log_values, slopes_sv = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes)
    slopes, slopes_n = np.zeros((nodes, slots)), np.zeros((nodes, slots))
    inner = np.stack((inner[0], np.log(inner[1])))
    for g in range(units):
        u, width = mode(eta[g], su, sv, x[g], n[g], v, w)
        for q in range(nodes):
            at[q] = u + width * outer[0, q]
            log_values[q] = 0.5 * (outer[0, q] ** 2 - at[q] ** 2) + np.log(outer[1, q] * width)
            slopes_sv[q] = 0.0
            for s in range(slots):
                spread = 1.0 / np.sqrt(1.0 + sv * sv * w[s])
                middle = v[s] - sv * su * w[s] * spread**2 * (at[q] - u)
                value, slopes[q, s], slope_sv, slopes_n[q, s] = slot(
                    eta[g, s] + su * at[q], sv, middle, spread, x[g, s], n[g, s], inner
                )
                log_values[q] += value
                slopes_sv[q] += slope_sv
        best, mass = log_values.max(), 0.0
        for q in range(nodes):
            mass += np.exp(log_values[q] - best)
        total += best + np.log(mass)
        for q in range(nodes):
            weight = np.exp(log_values[q] - best) / mass
            by_sv += weight * slopes_sv[q]
            for s in range(slots):
                by_eta[g, s] += weight * slopes[q, s]
                by_n[g, s] += weight * slopes_n[q, s]
                by_su += weight * at[q] * slopes[q, s]
    return np.asarray(total), by_eta, np.asarray(by_su), np.asarray(by_sv), by_n


@numba_njit(fastmath=False, final_function=True)
def mode(eta: Array, su: float, sv: float, x: Array, n: Array, v: Array, w: Array) -> tuple[float, float]:
    """The mode of u of one unit and the width about it; fills in the mode of `v` (slots,) and the curvature `w` there.

    Newton's steps from the empirical logits, in the SDs of u and v. No arrays but those given: that is what is quick.
    """
    u, curved = 0.0, 0.0
    for step in range(NEWTON_STEPS + 1):
        pulled, curved = 0.0, 0.0
        for s in range(len(x)):
            theta, share, gradient = eta[s] + su * u + sv * v[s], (x[s] + 0.5) / (n[s] + 1.0), 0.0
            if step == 0:
                theta = np.log(share / (1.0 - share))
            else:
                share = 1.0 / (1.0 + np.exp(-theta))
                gradient = x[s] - n[s] * share
            w[s] = n[s] * share * (1.0 - share)
            within = 1.0 + sv * sv * w[s]
            curved += w[s] / within
            if step < NEWTON_STEPS:
                v[s] = w[s] * (theta - eta[s]) + gradient  # the pull on the slot, until u is known
                pulled += v[s] / within
        if step < NEWTON_STEPS:
            u = su * pulled / (1.0 + su * su * curved)
            for s in range(len(x)):
                v[s] = sv * (v[s] - w[s] * su * u) / (1.0 + sv * sv * w[s])
    return u, 1.0 / np.sqrt(1.0 + su * su * curved)


@numba_njit(fastmath=False, final_function=True)
def slot(
    eta: float, sv: float, middle: float, spread: float, x: float, n: float, inner: Array
) -> tuple[float, float, float, float]:
    """Log of a slot's integral over v, given u, and its slopes in `eta`, `sv`, `n`; nodes `spread` about `middle`.

    `inner` (2, nodes) holds nodes and logs of weights.
    """
    best, mass, slope, slope_sv, slope_n = -np.inf, 0.0, 0.0, 0.0, 0.0
    for r in range(inner.shape[1]):
        at = middle + spread * inner[0, r]
        theta = eta + sv * at
        tail = np.exp(-abs(theta))
        softplus = max(theta, 0.0) + np.log1p(tail)
        value = x * theta - n * softplus + 0.5 * (inner[0, r] ** 2 - at**2) + inner[1, r]
        residual = x - n * (1.0 if theta > 0 else tail) / (1.0 + tail)
        if value > best:  # sums are kept relative to the largest term so far
            shrink = np.exp(best - value)
            mass, slope, slope_sv, slope_n = mass * shrink, slope * shrink, slope_sv * shrink, slope_n * shrink
            best = value
        weight = np.exp(value - best)
        mass += weight
        slope += weight * residual
        slope_sv += weight * residual * at
        slope_n -= weight * softplus
    return best + np.log(mass * spread), slope / mass, slope_sv / mass, slope_n / mass


@compiled(__file__)
class UnitLikelihood(LogLikelihood):
    """`integrated` as an operation."""

    differentiable = 4
    value: ClassVar[Any] = integrated
