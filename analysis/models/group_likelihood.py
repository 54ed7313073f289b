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
def integrated(
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
    total, by_person, by_mean, by_unit, by_time = 0.0, np.zeros_like(person), np.zeros_like(mean), 0.0, 0.0
    k = np.zeros(person.shape[2:])
    row = 0
    for c in range(len(arm)):
        side = int(arm[c])
        a = np.zeros_like(k)
        for p in range(n.shape[1]):
            a += n[c, p] * person[side, p]
        log_determinant, traced, summed = covariance(a, unit, unit_time, k)
        total -= 0.5 * count[c] * log_determinant
        by_time -= 0.5 * count[c] * traced
        by_unit -= 0.5 * count[c] * summed
        by_a = -0.5 * count[c] * k
        while row < len(of) and int(of[row]) == c:
            people = ones[row] * n[c]
            pull = pulled(person[side], mean[side], people, sums[row])
            effect = times(k, pull)
            moved = pull - times(a, effect)
            total += 0.5 * (pull * effect).sum()
            by_time += 0.5 * (moved**2).sum()
            by_unit += 0.5 * moved.sum() ** 2
            spread(effect, people, sums[row], by_a, by_person[side], by_mean[side])
            row += 1
        for p in range(n.shape[1]):
            by_person[side, p] += n[c, p] * by_a
    return total, by_person, by_mean, by_unit, by_time


@numba_njit(fastmath=False, final_function=True)
def times(matrix: Array, vector: Array) -> Array:
    """Their product; for a handful of numbers a call of BLAS takes longer."""
    product = np.zeros_like(vector)
    for i in range(len(vector)):
        for j in range(len(vector)):
            product[i] += matrix[i, j] * vector[j]
    return product


@numba_njit(fastmath=False, final_function=True)
def pulled(person: Array, mean: Array, people: Array, sums: Array) -> Array:
    """The pull (W,) of a row of `people` (P,) with `sums` (P, W) on the effects."""
    pull = np.zeros(sums.shape[1])
    for p in range(len(people)):
        pull += times(person[p], sums[p]) - people[p] * mean[p]
    return pull


@numba_njit(fastmath=False, final_function=True)
def spread(effect: Array, people: Array, sums: Array, by_a: Array, by_person: Array, by_mean: Array) -> None:
    """Add what a row with the effects `effect` (W,) adds to the gradients in A, `person` and `mean`."""
    for i in range(len(effect)):
        for j in range(len(effect)):
            by_a[i, j] -= 0.5 * effect[i] * effect[j]
        for p in range(len(people)):
            by_mean[p, i] -= people[p] * effect[i]
            for j in range(len(effect)):
                by_person[p, i, j] += effect[i] * sums[p, j]


@numba_njit(fastmath=False, final_function=True)
def covariance(a: Array, unit: float, unit_time: float, k: Array) -> tuple[float, float, float]:
    """Fill in `k`, the effects' covariance given the people; log |I + A Ω|, trace and sum of A − A K A.

    Over v first, then over u, which lies along the ones.
    """
    waves = len(a)
    k[:] = np.eye(waves) + unit_time * a
    log_determinant = swept(k)
    along = k.sum(axis=1)
    held = times(a, along)
    precision = held.sum()
    grown = 1.0 + unit * precision
    traced = (k * a).sum() - unit / grown * (held**2).sum()
    for i in range(waves):
        for j in range(waves):
            k[i, j] = unit_time * k[i, j] + unit / grown * along[i] * along[j]
    return log_determinant + np.log(grown), traced, precision / grown


@numba_njit(fastmath=False, final_function=True)
def swept(b: Array) -> float:
    """Invert `b` where it stands; its log determinant. Without pivots: it is I plus something semi-definite."""
    log_determinant = 0.0
    for w in range(len(b)):
        pivot, row = b[w, w], b[w] / b[w, w]
        column = b[:, w].copy()
        log_determinant += np.log(pivot)
        for i in range(len(b)):
            for j in range(len(b)):
                b[i, j] -= column[i] * row[j]
        b[w], b[:, w] = row, row
        b[w, w] = -1.0 / pivot
    for i in range(len(b)):
        for j in range(len(b)):
            b[i, j] = -b[i, j]
    return log_determinant
