"""What groups' means say, unit and unit × wave effects integrated out, with its gradient; loops that Numba compiles.

With Ω = var(u) J + var(v) I, A the precision and h the pull of a group's people on its waves' effects, the effects are
N(K h, K) afterwards, K = (Ω⁻¹ + A)⁻¹, and the group says ½ hᵀ K h − ½ log |I + A Ω|; the gradients follow from K h and
K.
"""

import numpy as np
from numpy.typing import NDArray
from pytensor.link.numba.dispatch.basic import numba_njit

Array = NDArray[np.float64]


@numba_njit(fastmath=False, final_function=True)
def integrated(  # noqa: C901, PLR0912 - loops over arrays, not branches
    person: Array,
    mean: Array,
    unit: float,
    unit_time: float,
    arm: Array,
    n: Array,
    count: Array,
    ones: Array,
    sums: Array,
    of: Array,
) -> tuple[float, Array, Array, float, float]:
    """Log likelihood and gradients in `person` (2, P, W, W), `mean` (2, P, W) and the variances of u and v.

    `person` is what a person of an arm and pattern says of the waves, `mean` that times the expectation. The groups are
    those of `designs.unit_inputs.GroupSizes`: `arm` (C,), `n` (C, P), `count` (C,), `ones` (R,), `sums` (R, P, W),
    `of` (R,), rows in the order of their sizes.
    """
    waves, patterns = person.shape[2], n.shape[1]
    total, by_person, by_mean, by_unit, by_time = 0.0, np.zeros_like(person), np.zeros_like(mean), 0.0, 0.0
    a, k, by_a = np.zeros((waves, waves)), np.zeros((waves, waves)), np.zeros((waves, waves))
    pull, effect = np.zeros(waves), np.zeros(waves)
    row = 0
    for c in range(len(arm)):
        # What is looked up often once a size: several axes cost more than the arithmetic.
        told, level, people = person[int(arm[c])], mean[int(arm[c])], n[c]
        by_told, by_level = by_person[int(arm[c])], by_mean[int(arm[c])]
        for i in range(waves):
            for j in range(waves):
                a[i, j] = 0.0
                for p in range(patterns):
                    a[i, j] += people[p] * told[p, i, j]
        log_determinant, traced, summed = covariance(a, unit, unit_time, k)
        total -= 0.5 * count[c] * log_determinant
        by_time -= 0.5 * count[c] * traced
        by_unit -= 0.5 * count[c] * summed
        for i in range(waves):
            for j in range(waves):
                by_a[i, j] = -0.5 * count[c] * k[i, j]
        while row < len(of) and of[row] == c:
            one, values = ones[row], sums[row]
            for i in range(waves):
                pull[i] = 0.0
                for p in range(patterns):
                    pull[i] -= one * people[p] * level[p, i]
                    for j in range(waves):
                        pull[i] += told[p, i, j] * values[p, j]
            value, of_unit, of_time = learned(a, k, pull, effect)
            total, by_unit, by_time = total + value, by_unit + of_unit, by_time + of_time
            for i in range(waves):
                for j in range(waves):
                    by_a[i, j] -= 0.5 * effect[i] * effect[j]
                for p in range(patterns):
                    by_level[p, i] -= one * people[p] * effect[i]
                    for j in range(waves):
                        by_told[p, i, j] += effect[i] * values[p, j]
            row += 1
        for p in range(patterns):
            for i in range(waves):
                for j in range(waves):
                    by_told[p, i, j] += people[p] * by_a[i, j]
    return total, by_person, by_mean, by_unit, by_time


@numba_njit(fastmath=False, final_function=True)
def learned(a: Array, k: Array, pull: Array, effect: Array) -> tuple[float, float, float]:
    """Fill in `effect`, K h; what a row says, and its slopes in the variances of u and v."""
    value, summed, squared = 0.0, 0.0, 0.0
    for i in range(len(a)):
        effect[i] = 0.0
        for j in range(len(a)):
            effect[i] += k[i, j] * pull[j]
        value += 0.5 * pull[i] * effect[i]
    for i in range(len(a)):
        left = pull[i]
        for j in range(len(a)):
            left -= a[i, j] * effect[j]
        summed += left
        squared += left * left
    return value, 0.5 * summed * summed, 0.5 * squared


@numba_njit(fastmath=False, final_function=True)
def covariance(a: Array, unit: float, unit_time: float, k: Array) -> tuple[float, float, float]:
    """Fill in `k`, the effects' covariance given the people; log |I + A Ω|, trace and sum of A − A K A.

    Over v first, B = I + var(v) A, then over u, which lies along the ones.
    """
    waves = len(a)
    for i in range(waves):
        for j in range(waves):
            k[i, j] = unit_time * a[i, j] + (1.0 if i == j else 0.0)
    determinant = swept(k)
    along = np.zeros(waves)
    traced, precision, squares = 0.0, 0.0, 0.0
    for i in range(waves):
        for j in range(waves):
            along[i] += k[i, j]
            traced += k[i, j] * a[i, j]
    for i in range(waves):
        held = 0.0
        for j in range(waves):
            held += a[i, j] * along[j]
        precision += held
        squares += held * held
    grown = 1.0 + unit * precision
    for i in range(waves):
        for j in range(waves):
            k[i, j] = unit_time * k[i, j] + unit / grown * along[i] * along[j]
    return np.log(determinant * grown), traced - unit / grown * squares, precision / grown


@numba_njit(fastmath=False, final_function=True)
def swept(b: Array) -> float:
    """Invert `b` where it stands; its determinant. Without pivots: it is I plus something semi-definite."""
    determinant = 1.0
    for w in range(len(b)):
        determinant *= b[w, w]
        inverse = 1.0 / b[w, w]
        for i in range(len(b)):
            if i != w:
                share = b[i, w] * inverse
                for j in range(len(b)):
                    if j != w:
                        b[i, j] -= share * b[w, j]
        for i in range(len(b)):
            b[i, w] *= inverse
            b[w, i] = b[i, w]
        b[w, w] = -inverse
    for i in range(len(b)):
        for j in range(len(b)):
            b[i, j] = -b[i, j]
    return determinant
