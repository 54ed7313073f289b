"""The likelihood of shares or categories in units, unit effects integrated out: one operation with its gradient."""

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
    """Log likelihood of `x` of `n` (units, slots, terms) with logits `eta` + `sd_u` u + `sd_v` v, u, v standard normal.

    A share has one term; ordered categories have one a cut-point, which `eta` is less of. Nested Gauss-Hermite sums
    about the joint mode of a unit's u and its slots' v; `outer` and `inner` (2, nodes) are nodes and weights of the
    rules for u and for v. Then the gradients in `eta`, `sd_u`, `sd_v` and `n` (which need not be whole), with the nodes
    held where they are: where they lie does not change the integral.
    """
    units, slots, terms = x.shape
    su, sv = sd_u.item(), sd_v.item()
    nodes = outer.shape[1]
    # In one row, unit after unit, slot after slot: looking a number up by three places takes longer than a term.
    row_eta, row_n, row_x = eta.ravel(), n.ravel(), x.ravel()
    total, by_eta, by_su, by_sv, by_n = 0.0, np.zeros(x.size), 0.0, 0.0, np.zeros(x.size)
    v, w = np.zeros(slots), np.zeros(slots)
    at, log_values, slopes_sv = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes)
    wide, held = slots * terms, np.zeros(2 * terms)
    slopes, slopes_n = np.zeros(nodes * wide), np.zeros(nodes * wide)
    inner = np.stack((inner[0], np.log(inner[1])))
    for g in range(units):
        first = g * wide
        u, width = mode(row_eta, su, sv, row_x, row_n, first, terms, v, w)
        for q in range(nodes):
            at[q] = u + width * outer[0, q]
            log_values[q] = 0.5 * (outer[0, q] ** 2 - at[q] ** 2) + np.log(outer[1, q] * width)
            slopes_sv[q] = 0.0
            for s in range(slots):
                spread = 1.0 / np.sqrt(1.0 + sv * sv * w[s])
                middle = v[s] - sv * su * w[s] * spread**2 * (at[q] - u)
                value, slope_sv = slot(
                    row_eta,
                    row_x,
                    row_n,
                    first + s * terms,
                    terms,
                    su * at[q],
                    sv,
                    middle,
                    spread,
                    inner,
                    slopes,
                    slopes_n,
                    q * wide + s * terms,
                    held,
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
            for k in range(wide):
                slope = weight * slopes[q * wide + k]
                by_eta[first + k] += slope
                by_n[first + k] += weight * slopes_n[q * wide + k]
                by_su += at[q] * slope
    shape = (units, slots, terms)
    return np.asarray(total), by_eta.reshape(shape), np.asarray(by_su), np.asarray(by_sv), by_n.reshape(shape)


@numba_njit(fastmath=False, final_function=True)
def mode(
    eta: Array, su: float, sv: float, x: Array, n: Array, first: int, terms: int, v: Array, w: Array
) -> tuple[float, float]:
    """The mode of u of one unit and the width about it; fills in the mode of `v` (slots,) and the curvature `w` there.

    Newton's steps from the empirical logits, in the SDs of u and v. The unit's cells begin at `first` of the rows
    `eta`, `x` and `n`. No arrays but those given: that is what is quick.
    """
    u, curved = 0.0, 0.0
    for step in range(NEWTON_STEPS + 1):
        pulled, curved = 0.0, 0.0
        for s in range(len(v)):
            begin = first + s * terms
            if step == 0:
                away, w[s] = empirical(eta, x, n, begin, terms)
                v[s] = w[s] * away  # the pull on the slot, until u is known
            else:
                moved, gradient, curvature = su * u + sv * v[s], 0.0, 0.0
                for k in range(begin, begin + terms):
                    share = 1.0 / (1.0 + np.exp(-eta[k] - moved))
                    gradient += x[k] - n[k] * share
                    curvature += n[k] * share * (1.0 - share)
                w[s] = curvature
                if step < NEWTON_STEPS:
                    v[s] = curvature * moved + gradient
            within = 1.0 + sv * sv * w[s]
            curved += w[s] / within
            pulled += v[s] / within
        if step < NEWTON_STEPS:
            u = su * pulled / (1.0 + su * su * curved)
            for s in range(len(v)):
                v[s] = sv * (v[s] - w[s] * su * u) / (1.0 + sv * sv * w[s])
    return u, 1.0 / np.sqrt(1.0 + su * su * curved)


@numba_njit(fastmath=False, final_function=True)
def empirical(eta: Array, x: Array, n: Array, begin: int, terms: int) -> tuple[float, float]:
    """How far the logits of a slot's counts, half a person added, lie above `eta`, and what they tell of it.

    The latter is people × (1 − Σ share³) / 3, of two categories p (1 − p) a person (Whitehead 1993).
    """
    last = begin + terms - 1
    total = x[last]
    for k in range(begin, begin + terms):
        total += n[k] - x[k]
    below, away, weights = 0.5, 0.0, 0.0
    cubes = ((x[last] + 1.0 / (terms + 1)) / (total + 1.0)) ** 3
    for k in range(begin, begin + terms):
        count = n[k] - x[k]
        cubes += ((count + 1.0 / (terms + 1)) / (total + 1.0)) ** 3
        below += count
        weight = below * (total + 1.0 - below)
        weights += weight
        away += weight * (np.log((total + 1.0 - below) / below) - eta[k])
    return away / weights, total * (1.0 - cubes) / 3.0


@numba_njit(fastmath=False, final_function=True)
def slot(
    eta: Array,
    x: Array,
    n: Array,
    begin: int,
    terms: int,
    moved: float,
    sv: float,
    middle: float,
    spread: float,
    inner: Array,
    slopes: Array,
    slopes_n: Array,
    into: int,
    held: Array,
) -> tuple[float, float]:
    """Log of a slot's integral over v, given u, which has `moved` it, and its slope in `sv`.

    Nodes lie `spread` about `middle`; `inner` (2, nodes) holds nodes and logs of weights. The slot's terms begin at
    `begin` of the rows; from `into` on the slopes in `eta` and in `n` are filled in. `held` (2 × terms) is room to work
    in.
    """
    best, mass, slope_sv = -np.inf, 0.0, 0.0
    for k in range(into, into + terms):
        slopes[k], slopes_n[k] = 0.0, 0.0
    for r in range(inner.shape[1]):
        at = middle + spread * inner[0, r]
        shift = moved + sv * at
        value = 0.5 * (inner[0, r] ** 2 - at**2) + inner[1, r]
        for k in range(terms):
            theta = eta[begin + k] + shift
            tail = np.exp(-abs(theta))
            softplus = max(theta, 0.0) + np.log1p(tail)
            value += x[begin + k] * theta - n[begin + k] * softplus
            held[k] = x[begin + k] - n[begin + k] * (1.0 if theta > 0 else tail) / (1.0 + tail)
            held[terms + k] = softplus
        if value > best:  # sums are kept relative to the largest term so far
            shrink = np.exp(best - value)
            mass, slope_sv = mass * shrink, slope_sv * shrink
            for k in range(into, into + terms):
                slopes[k], slopes_n[k] = slopes[k] * shrink, slopes_n[k] * shrink
            best = value
        weight = np.exp(value - best)
        mass += weight
        for k in range(terms):
            slopes[into + k] += weight * held[k]
            slope_sv += weight * held[k] * at
            slopes_n[into + k] -= weight * held[terms + k]
    for k in range(into, into + terms):
        slopes[k], slopes_n[k] = slopes[k] / mass, slopes_n[k] / mass
    return best + np.log(mass * spread), slope_sv / mass


@compiled(__file__)
class UnitLikelihood(LogLikelihood):
    """`integrated` as an operation."""

    differentiable = 4
    value: ClassVar[Any] = integrated


def of_single_terms(eta: Any, sd_u: Any, sd_v: Any, n: Any, x: Any, outer: Any, inner: Any) -> Any:
    """The log likelihood of cells of a single term, `eta`, `n` and `x` (units, slots)."""
    return UnitLikelihood()(eta[..., None], sd_u, sd_v, n[..., None], x[..., None], outer, inner)
