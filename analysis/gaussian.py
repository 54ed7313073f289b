"""Exact posteriors of two normal arms: closed forms given the variances, quadrature over them; no sampling.

Given σ of each arm (and r where it is unknown), α, β and Δ are jointly normal. The same conditional serves the
quadrature, where its evidence weighs the nodes, and the draws of NUTS, whose tail probabilities it makes exact.
"""

import math
from collections.abc import Iterator
from functools import lru_cache, singledispatch

import numpy as np
from numpy.typing import NDArray

from analysis.designs.inputs import Ancova, AncovaUnknownR, NormalInputs, TwoMeans
from analysis.posterior import NormalMixture
from analysis.priors import Run, effect_given_total, total_prior

Array = NDArray[np.float64]

R_MEAN, R_SD, R_HIGH = 0.65, 0.15, 0.95
FEWEST_R, MANY_R, MOST_R = 20, 60, 1500
TAIL_R = 0.9
"""r beyond which the prior leaves so little that nodes may lie wider apart."""
COARSE, FINE = 15, 29
SEARCHES, STRIDE = 200, 2.0
START = 11.0
"""Half the width of the first box, in SDs of log σ of one arm alone: mostly the last as well."""
NEGLIGIBLE = 34.0
"""Nodes whose log weight lies this far below the largest are left out (2e-15)."""


def conditional(inputs: NormalInputs, hyper: Array, run: Run) -> tuple[Array, Array, Array]:
    """Given hyper-parameters (K, 2 or 3), the posterior of δ: log weight, mean and variance, (component, K) each.

    `hyper` columns: σ of control, σ of treated, r if unknown. The log weight is the evidence of the data under the
    component, up to a constant common to all nodes; the prior of the hyper-parameters is not in it.
    """
    precision, shift, log_rest = _normal_equations(inputs, hyper)
    precision[0, 0] += run.intercept
    known, push, log_rest = _of_total(precision, shift, log_rest)
    weights, means, variances = [], [], []
    for c in run.effect:
        prior_mean, prior_precision = total_prior(c, run.bias)
        total_var = 1 / (known + prior_precision)
        h = push + prior_precision * prior_mean
        mean, var = effect_given_total(c, run.bias, h * total_var, total_var)
        weights.append(
            log_rest
            + 0.5 * h * h * total_var
            + 0.5 * np.log(total_var)
            + 0.5 * math.log(prior_precision or 1.0)
            - 0.5 * prior_precision * prior_mean**2
            + math.log(c.weight)
        )
        means.append(mean)
        variances.append(var)
    return np.array(weights), np.array(means), np.array(variances)


def _of_total(precision: Array, shift: Array, log_rest: Array) -> tuple[Array, Array, Array]:
    """Precision, shift and what is left of the log likelihood of Δ alone, (K,) each: all before it integrated out.

    Gaussian elimination over all nodes at once, far faster than inverses of many small matrices.
    """
    while len(shift) > 1:
        pivot, first = precision[0, 0], shift[0]
        share = precision[0, 1:] / pivot
        log_rest = log_rest + 0.5 * (first * first / pivot - np.log(pivot))
        shift = shift[1:] - share * first
        precision = precision[1:, 1:] - share[:, None] * precision[:1, 1:]
    return precision[0, 0], shift[0], log_rest


def coefficients(inputs: NormalInputs, hyper: Array, run: Run) -> Iterator[tuple[Array, Array, Array]]:
    """Of each component of the prior: log evidence (K,), mean (K, p) and covariance (K, p, p) of α, β if any, Δ."""
    precision, shift, log_rest = _normal_equations(inputs, hyper)
    precision[0, 0] += run.intercept
    precision, shift = np.moveaxis(precision, -1, 0), shift.T
    for c in run.effect:
        prior_mean, prior_precision = total_prior(c, run.bias)
        a = precision.copy()
        a[:, -1, -1] += prior_precision
        h = shift.copy()
        h[:, -1] += prior_precision * prior_mean
        inverse = np.linalg.inv(a)
        theta = np.einsum("kij,kj->ki", inverse, h)
        log_evidence = (
            log_rest
            + 0.5 * np.einsum("ki,ki->k", h, theta)
            + 0.5 * np.log(np.linalg.det(inverse))
            + 0.5 * math.log(prior_precision or 1.0)
            - 0.5 * prior_precision * prior_mean**2
            + math.log(c.weight)
        )
        yield log_evidence, theta, inverse


@singledispatch
def _normal_equations(inputs: NormalInputs, hyper: Array) -> tuple[Array, Array, Array]:
    """Precision (p, p, K), shift (p, K) and what is left of the log likelihood (K,), without the intercept's prior.

    α is the first coefficient and Δ the last.
    """
    raise NotImplementedError(type(inputs))


@_normal_equations.register
def _(inputs: TwoMeans, hyper: Array) -> tuple[Array, Array, Array]:
    known = 1 / hyper**2
    weighted = inputs.n * inputs.mean
    precision, shift = _means(known, inputs.n, weighted)
    rest = -np.log(hyper) @ inputs.n - 0.5 * (known @ (weighted * inputs.mean + inputs.ss))
    return precision, shift, rest


@_normal_equations.register
def _(inputs: Ancova, hyper: Array) -> tuple[Array, Array, Array]:
    known = 1 / hyper**2
    before, after = inputs.n * inputs.mean1, inputs.n * inputs.mean2
    precision, shift = np.empty((3, 3, len(hyper))), np.empty((3, len(hyper)))
    precision[::2, ::2], shift[::2] = _means(known, inputs.n, after)
    precision[0, 1] = precision[1, 0] = known @ before
    precision[2, 1] = precision[1, 2] = known[:, 1] * before[1]
    precision[1, 1] = known @ (before * inputs.mean1 + inputs.s11) + inputs.slope_precision
    shift[1] = known @ (before * inputs.mean2 + inputs.s12) + inputs.slope_precision * inputs.slope_mean
    rest = -np.log(hyper) @ inputs.n - 0.5 * (known @ (after * inputs.mean2 + inputs.s22))
    return precision, shift, rest


@_normal_equations.register
def _(inputs: AncovaUnknownR, hyper: Array) -> tuple[Array, Array, Array]:
    tau, r = hyper[:, :2], hyper[:, 2:]
    variance = tau**2 * (1 - r**2)
    mean = inputs.mean2 - r * tau / inputs.sd1 * inputs.mean1
    precision, shift = _means(1 / variance, inputs.n, inputs.n * mean)
    square = np.einsum("ki,ki,ki->k", inputs.n / variance, mean, mean)
    spread = -np.log(tau) @ (inputs.n - 1) - (1 / tau**2) @ (inputs.s22 / 2)
    return precision, shift, spread - 0.5 * (np.log(variance[:, 0] * variance[:, 1]) + square)


def _means(known: Array, n: Array, total: Array) -> tuple[Array, Array]:
    """Normal equations of (α, Δ), (2, 2, K) and (2, K); `known` is 1/σ² (K, 2), totals are (2,) or by node (K, 2)."""
    precision, weighted = np.empty((2, 2, len(known))), known * total
    precision[0, 0] = known @ n
    precision[0, 1] = precision[1, 0] = precision[1, 1] = known[:, 1] * n[1]
    return precision, np.array([weighted[:, 0] + weighted[:, 1], weighted[:, 1]])


def posterior(inputs: NormalInputs, run: Run) -> NormalMixture:
    """The posterior of δ."""
    log_weights, means, variances = _integrate(inputs, run)
    keep = log_weights > log_weights.max() - NEGLIGIBLE
    weights = np.exp(log_weights[keep] - log_weights.max())
    return NormalMixture(weights / weights.sum(), means[keep], np.sqrt(variances[keep]))


def slope(inputs: Ancova, run: Run) -> tuple[float, float]:
    """Posterior mean and SD of the slope on the baseline."""
    nodes, log_prior = _nodes(inputs, _box(inputs, run), FINE)
    parts = list(coefficients(inputs, nodes, run))
    log_weights = np.array([part[0] for part in parts]) + log_prior
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    means, variances = np.array([p[1][:, 1] for p in parts]), np.array([p[2][:, 1, 1] for p in parts])
    mean = float((weights * means).sum())
    return mean, math.sqrt(float((weights * (variances + (means - mean) ** 2)).sum()))


def component_weights(inputs: NormalInputs, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    log_weights, _, _ = _integrate(inputs, run)
    weights = np.exp(log_weights - log_weights.max()).sum(axis=1)
    return np.asarray(weights / weights.sum())


def _integrate(inputs: NormalInputs, run: Run) -> tuple[Array, Array, Array]:
    """Log weight, mean and variance of δ, (component, K) each: trapezoids over log σ, Gauss-Legendre over r."""
    box = _box(inputs, run)
    count, count_r = FINE, FEWEST_R
    if isinstance(inputs, AncovaUnknownR):
        count_r = _nodes_of_r(inputs)
        # At the sizes that need many nodes of r the spreads are all but normal, and few nodes of theirs suffice.
        count = FINE if count_r < MANY_R else COARSE
    _, log_weights, means, variances = _evaluate(inputs, run, box, count, count_r)
    return log_weights, means, variances


def _nodes_of_r(inputs: AncovaUnknownR) -> int:
    """Nodes of r so many that Δ given r moves by less than half its own SD from one to the next.

    Where the baselines differ, Δ follows r; in large arms fewer nodes would leave a comb instead of a density.
    """
    tau2 = inputs.s22 / (inputs.n - 1)
    sd = math.sqrt(float((tau2 / inputs.n).sum()) * (1 - TAIL_R**2))
    slopes = np.sqrt(tau2) / inputs.sd1 * inputs.mean1
    return int(np.clip(2 * R_HIGH * abs(slopes[1] - slopes[0]) / sd, FEWEST_R, MOST_R))


def _box(inputs: NormalInputs, run: Run) -> Array:
    """Where log σ of both arms matters, (2, 2).

    The box starts where each arm by itself puts its σ and grows or shrinks until nothing that matters lies outside;
    the integrand is smooth and vanishes at the edges, so the trapezoid rule converges geometrically.
    """
    box = _start(inputs)
    for _ in range(SEARCHES):
        nodes, log_weights, _, _ = _evaluate(inputs, run, box, COARSE)
        dense = _marginal(log_weights, len(nodes))
        relevant = nodes[dense > dense.max() - NEGLIGIBLE]
        width = box[:, 1] - box[:, 0]
        step = width / (COARSE - 1)
        low, high = relevant.min(0), relevant.max(0)
        touches = np.stack([low - step / 2 < box[:, 0], high + step / 2 > box[:, 1]], axis=1)
        if touches.any():
            # About twice as wide, so that no distance is too far, but in bounds; the other arm's side waits.
            stride = np.minimum(width, STRIDE)
            reach = np.stack([low - stride, high + stride], axis=1)
            box = np.where(touches.any(axis=1, keepdims=True), reach, box)
            continue
        grown = np.stack([low - step, high + step], axis=1)
        if (grown[:, 1] - grown[:, 0] > 0.55 * width).all():
            return grown
        box = grown
    raise ArithmeticError("the spread of the arms could not be located")


def _start(inputs: NormalInputs) -> Array:
    """Box in log σ of both arms around what each arm says by itself, (2, 2)."""
    free = np.maximum(inputs.n - 1, 1.0)
    match inputs:
        case TwoMeans():
            scatter = inputs.ss
        case Ancova():  # what the baseline does not tell
            scatter = inputs.s22 - inputs.s12**2 / np.maximum(inputs.s11, 1e-12)
        case AncovaUnknownR():
            scatter = inputs.s22
    centre = 0.5 * np.log(np.maximum(scatter, 1e-12) / free)
    half = START / np.sqrt(2 * free) + 0.05
    return np.stack([centre - half, centre + half], axis=1)


def _evaluate(
    inputs: NormalInputs, run: Run, box: Array, count: int, count_r: int = FEWEST_R
) -> tuple[Array, Array, Array, Array]:
    """Nodes (K, 2) in log σ; log weight, mean and variance of δ, (component, K × nodes of r) each."""
    hyper, log_prior = _nodes(inputs, box, count)
    u = np.log(hyper)
    if isinstance(inputs, AncovaUnknownR):
        r, weights = _legendre(count_r)
        log_r = np.log(weights) - 0.5 * ((r - R_MEAN) / R_SD) ** 2
        log_prior = (log_prior[:, None] + log_r).ravel()
        hyper = np.column_stack([np.repeat(hyper, len(r), axis=0), np.tile(r, len(u))])
    log_weights, means, variances = conditional(inputs, hyper, run)
    return u, log_weights + log_prior, means, variances


def _nodes(inputs: NormalInputs, box: Array, count: int) -> tuple[Array, Array]:
    """Nodes (K, 2) of σ, even in log σ, and the log of their prior density in log σ."""
    axes = np.linspace(box[:, 0], box[:, 1], count)
    u = np.column_stack([np.repeat(axes[:, 0], count), np.tile(axes[:, 1], count)])
    sigma = np.exp(axes)
    log_prior = axes - sigma**2 / (2 * inputs.sigma_scale**2)
    return np.exp(u), np.add.outer(log_prior[:, 0], log_prior[:, 1]).ravel()


@lru_cache(maxsize=16)
def _legendre(count: int) -> tuple[Array, Array]:
    """Nodes of r on (0, 0.95) and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return R_HIGH / 2 * (nodes + 1), weights


def _marginal(log_weights: Array, nodes: int) -> Array:
    """Log weight of each node of σ, summed over components and r."""
    best = log_weights.max()
    with np.errstate(divide="ignore"):
        return np.asarray(best + np.log(np.exp(log_weights - best).sum(0).reshape(nodes, -1).sum(1)))
