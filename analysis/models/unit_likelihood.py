"""The likelihood of proportions in units, unit effects integrated out, as one operation of PyTensor with its gradient.

Written as plain loops that Numba compiles. The same in tensors takes six times as long to compile and to draw from.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

Array = NDArray[np.float64]
NEWTON_STEPS = 3
DIFFERENTIABLE = 3
"""The first inputs, in which there is a gradient; the others are data."""


class UnitLikelihood(Op):
    """Log likelihood of `x` of `n` (units, slots) with logits `eta` + `su` u + `sv` v, u and v standard normal.

    `outer` and `inner` (2, nodes) are nodes and weights of the rules for u and for v. Outputs are the log likelihood up
    to a constant and its gradients in `eta`, `su` and `sv`, with the nodes held where they are: where they lie does not
    change the integral.
    """

    __props__: ClassVar[tuple[str, ...]] = ()

    def make_node(self, *inputs: Any) -> Any:
        """The node of `eta`, `su`, `sv`, `x`, `n`, `outer`, `inner`."""
        outputs = [pt.dscalar(), pt.dmatrix(), pt.dscalar(), pt.dscalar()]
        return Apply(self, [pt.as_tensor_variable(value) for value in inputs], outputs)

    def perform(self, node: Any, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:  # noqa: ARG002
        """The same outside a compiled model."""
        for storage, value in zip(output_storage, integrated(*inputs), strict=True):
            storage[0] = np.asarray(value)

    def connection_pattern(self, node: Any) -> list[list[bool]]:
        """Only the log likelihood can be differentiated, and not in the data."""
        return [[i < DIFFERENTIABLE, False, False, False] for i in range(len(node.inputs))]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """The gradients that the operation has computed on the way."""
        slopes = [cotangents[0] * slope for slope in outputs[1:]]
        return [*slopes, *(disconnected_type() for _ in inputs[DIFFERENTIABLE:])]


def log_likelihood(*inputs: Any) -> Any:
    """The first output of `UnitLikelihood` of its inputs."""
    value, *_ = UnitLikelihood().make_node(*inputs).outputs
    return value


@numba_njit(fastmath=False, final_function=True)
def integrated(
    eta: Array, su: float, sv: float, x: Array, n: Array, outer: Array, inner: Array
) -> tuple[float, Array, float, float]:
    """Nested Gauss-Hermite sums about the joint mode of a unit's u and its slots' v; outputs of `UnitLikelihood`."""
    units, slots = x.shape
    nodes = outer.shape[1]
    total, by_eta, by_su, by_sv = 0.0, np.zeros((units, slots)), 0.0, 0.0
    v, w = np.zeros(slots), np.zeros(slots)
    at, log_values, slopes_sv, slopes = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes), np.zeros((nodes, slots))
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
                value, slopes[q, s], slope_sv = slot(
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
                by_su += weight * at[q] * slopes[q, s]
    return total, by_eta, by_su, by_sv


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
) -> tuple[float, float, float]:
    """Log of a slot's integral over v, given u, and its slopes in `eta` and `sv`; nodes `spread` about `middle`.

    `inner` (2, nodes) holds nodes and logs of weights.
    """
    best, mass, slope, slope_sv = -np.inf, 0.0, 0.0, 0.0
    for r in range(inner.shape[1]):
        at = middle + spread * inner[0, r]
        theta = eta + sv * at
        tail = np.exp(-abs(theta))
        value = x * theta - n * (max(theta, 0.0) + np.log1p(tail)) + 0.5 * (inner[0, r] ** 2 - at**2) + inner[1, r]
        residual = x - n * (1.0 if theta > 0 else tail) / (1.0 + tail)
        if value > best:  # sums are kept relative to the largest term so far
            shrink = np.exp(best - value)
            mass, slope, slope_sv, best = mass * shrink, slope * shrink, slope_sv * shrink, value
        weight = np.exp(value - best)
        mass += weight
        slope += weight * residual
        slope_sv += weight * residual * at
    return best + np.log(mass * spread), slope / mass, slope_sv / mass


def _compiled(op: Any, **_: Any) -> Any:  # noqa: ARG001
    """What a compiled model calls; kept on disk under this file's text, so that no change is overlooked."""

    @numba_njit
    def call(eta: Any, su: Any, sv: Any, x: Any, n: Any, outer: Any, inner: Any) -> tuple[Any, Any, Any, Any]:
        value, by_eta, by_su, by_sv = integrated(eta, su.item(), sv.item(), x, n, outer, inner)
        return np.asarray(value), by_eta, np.asarray(by_su), np.asarray(by_sv)

    return call, zlib.crc32(Path(__file__).read_bytes())


register_funcify_default_op_cache_key(UnitLikelihood)(_compiled)
