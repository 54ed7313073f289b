"""What people over waves in groups say, effects of units integrated out: one operation with its gradient."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor.link.numba.dispatch.basic import numba_njit

from analysis.models import group_likelihood
from analysis.models.log_likelihood import LogLikelihood, compiled

Array = NDArray[np.float64]


@numba_njit(fastmath=False, final_function=True)
def value(  # noqa: C901 - loops over arrays, not branches
    expected: Array,
    sigma: Array,
    correlation: Array,
    unit: Array,
    unit_time: Array,
    arm: Array,
    n: Array,
    count: Array,
    ones: Array,
    sums: Array,
    of: Array,
    people: Array,
    totals: Array,
    masks: Array,
    squares: Array,
    between: Array,
    free: Array,
    groups: Array,
    spread: Array,
    known_r: Array,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Log likelihood and gradients in `expected` (2, W), `sigma` (2,), `correlation` and the variances of u and v.

    Data as in `designs.unit_inputs.Waves` and its `GroupSizes`; `people` (2, P) and `totals` (2, P, W) are numbers of
    people and sums of their values by arm.
    """
    r, known = correlation.item(), known_r.item()
    waves = masks.shape[1]
    correlated, by_correlation, determinant, by_determinant = patterns(masks, r)
    inverse, person, mean = np.zeros_like(expected), np.zeros_like(between), np.zeros_like(totals)
    for a in range(2):
        for i in range(waves):
            inverse[a, i] = 1.0 / sigma[int(spread[a, i])]
        for p in range(len(masks)):
            for i in range(waves):
                for j in range(waves):
                    person[a, p, i, j] = correlated[p, i, j] * inverse[a, i] * inverse[a, j]
                    mean[a, p, i] += person[a, p, i, j] * expected[a, j]
    total, by_person, by_mean, by_unit, by_time = group_likelihood.integrated(
        person, mean, unit.item(), unit_time.item(), arm, n, count, ones, sums, of
    )
    by_expected, by_inverse, by_sigma, by_r = np.zeros_like(expected), np.zeros_like(expected), np.zeros(2), 0.0
    for a in range(2):
        for p in range(len(masks)):
            counted = groups[a, p] + known * free[a, p]
            total -= 0.5 * counted * determinant[p]
            by_r -= 0.5 * counted * by_determinant[p]
            for i in range(waves):
                if masks[p, i] > 0:
                    # Where correlations were not reported, spreads inform each its own σ alone.
                    answers, alone = groups[a, p] + free[a, p], (1.0 - known) * squares[a, p, i, i]
                    total += answers * np.log(inverse[a, i]) - 0.5 * alone * inverse[a, i] ** 2
                    by_inverse[a, i] += answers / inverse[a, i] - alone * inverse[a, i]
                # What the groups' expectation says beside the pull on their effects.
                about = totals[a, p, i] - 0.5 * people[a, p] * expected[a, i]
                total += mean[a, p, i] * about
                by_expected[a, i] -= 0.5 * people[a, p] * mean[a, p, i]
                of_mean = by_mean[a, p, i] + about
                for j in range(waves):
                    products = between[a, p, i, j] + known * squares[a, p, i, j]
                    total -= 0.5 * products * person[a, p, i, j]
                    by_expected[a, j] += of_mean * person[a, p, i, j]
                    slope = by_person[a, p, i, j] - 0.5 * products + of_mean * expected[a, j]
                    by_inverse[a, i] += slope * correlated[p, i, j] * inverse[a, j]
                    by_inverse[a, j] += slope * correlated[p, i, j] * inverse[a, i]
                    by_r += slope * by_correlation[p, i, j] * inverse[a, i] * inverse[a, j]
    for a in range(2):
        for i in range(waves):
            by_sigma[int(spread[a, i])] -= by_inverse[a, i] * inverse[a, i] ** 2
    return np.asarray(total), by_expected, by_sigma, np.asarray(by_r), np.asarray(by_unit), np.asarray(by_time)


@numba_njit(fastmath=False, final_function=True)
def patterns(masks: Array, r: float) -> tuple[Array, Array, Array, Array]:
    """C⁻¹ of each pattern's waves (P, W, W), 0 off them, log |C| (P,), and the derivatives of both in r.

    k values with correlation r have C⁻¹ = (I − c J)/(1 − r), c = r/(1 + (k − 1) r).
    """
    waves = masks.shape[1]
    inverse, by_r = np.zeros((len(masks), waves, waves)), np.zeros((len(masks), waves, waves))
    determinant, slope = np.zeros(len(masks)), np.zeros(len(masks))
    for p in range(len(masks)):
        others = -1.0
        for i in range(waves):
            others += masks[p, i]
        several = others > 0
        grown, left = (1.0 + others * r, 1.0 - r) if several else (1.0, 1.0)
        if several:
            determinant[p] = others * np.log(left) + np.log(grown)
            slope[p] = others / grown - others / left
        for i in range(waves):
            for j in range(waves):
                if masks[p, i] > 0 and masks[p, j] > 0:
                    same = 1.0 if i == j else 0.0
                    inverse[p, i, j] = (same - r / grown) / left if several else same
                    if several:
                        by_r[p, i, j] = (same - r / grown) / left**2 - 1.0 / (grown**2 * left)
    return inverse, by_r, determinant, slope


@compiled(__file__, group_likelihood.__file__)
class WavesLikelihood(LogLikelihood):
    """`value` as an operation."""

    differentiable = 5
    value: ClassVar[Any] = value
