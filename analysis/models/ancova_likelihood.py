"""What people in two arms of units say, unit effects integrated out: one operation with its gradient.

On the sums of `designs.unit_inputs.AncovaUnits`: units of one size are one term.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pytensor.link.numba.dispatch.basic import numba_njit

from analysis.models.log_likelihood import LogLikelihood, compiled

Array = NDArray[np.float64]


@numba_njit(fastmath=False, final_function=True)
def value(
    off: Array,
    sigma: Array,
    residual: Array,
    unit: Array,
    within: Array,
    sizes: Array,
    count: Array,
    moments: Array,
    squares: Array,
    free: Array,
    filled: Array,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Log likelihood and gradients in `off` (6,), `sigma` (2,), `residual` (2,), the variance `unit` and `within`.

    A cell lies off what is expected by its columns times `off`; `residual` are the SDs of cell means' people, `sigma`
    those within cells, where `within` is the slope. Data as in `Sizes`, `squares` (2, 3) being s11, s12, s22.
    """
    variance, slope = unit.item(), within.item()
    total, by_unit, by_within = 0.0, 0.0, 0.0
    by_off, by_sigma, by_residual = np.zeros(6), np.zeros(2), np.zeros(2)
    for a in range(2):
        left = squares[a, 2] - 2 * slope * squares[a, 1] + slope**2 * squares[a, 0]
        total -= free[a] * np.log(sigma[a]) + left / (2 * sigma[a] ** 2) + filled[a] * np.log(residual[a])
        by_sigma[a] = -free[a] / sigma[a] + left / sigma[a] ** 3
        by_residual[a] = -filled[a] / residual[a]
        by_within += (squares[a, 1] - slope * squares[a, 0]) / sigma[a] ** 2
    weights, quadratic, moved = np.zeros(4), np.zeros(4), np.zeros((4, 6))
    present = np.zeros(4, dtype=np.bool_)
    for c in range(len(count)):
        present[0], present[1] = sizes[c, 0] > 0, sizes[c, 1] > 0
        present[2] = present[3] = present[0] and present[1]
        for kind in range(4):
            quadratic[kind] = 0.0
            for i in range(6):
                moved[kind, i] = 0.0
                for j in range(6 if present[kind] else 0):
                    moved[kind, i] += moments[kind, c, 6 * i + j] * off[j]
                quadratic[kind] += off[i] * moved[kind, i]
        w0, w1 = sizes[c, 0] / residual[0] ** 2, sizes[c, 1] / residual[1] ** 2
        both = w0 + w1
        grown = 1.0 + variance * both
        shared = 1.0 / (both * grown)
        weights[0], weights[1], weights[2], weights[3] = (
            w0**2 * shared,
            w1**2 * shared,
            w0 * w1 * shared,
            w0 * w1 / both,
        )
        total -= 0.5 * count[c] * np.log(grown)
        for kind in range(4):
            total -= 0.5 * weights[kind] * quadratic[kind]
            for i in range(6):
                by_off[i] -= weights[kind] * moved[kind, i]
        of_mean = w0**2 * quadratic[0] + w1**2 * quadratic[1] + w0 * w1 * quadratic[2]
        by_unit += 0.5 * of_mean / grown**2 - 0.5 * count[c] * both / grown
        by_both = 0.5 * of_mean * (1.0 + 2.0 * variance * both) * shared**2 - 0.5 * count[c] * variance / grown
        by_w0 = by_both - shared * (w0 * quadratic[0] + 0.5 * w1 * quadratic[2]) - 0.5 * (w1 / both) ** 2 * quadratic[3]
        by_w1 = by_both - shared * (w1 * quadratic[1] + 0.5 * w0 * quadratic[2]) - 0.5 * (w0 / both) ** 2 * quadratic[3]
        by_residual[0] -= 2.0 * w0 / residual[0] * by_w0
        by_residual[1] -= 2.0 * w1 / residual[1] * by_w1
    return np.asarray(total), by_off, by_sigma, by_residual, np.asarray(by_unit), np.asarray(by_within)


@compiled(__file__)
class AncovaLikelihood(LogLikelihood):
    """`value` as an operation."""

    differentiable = 5
    value: ClassVar[Any] = value
