"""Unit effects integrated out of counts in cells: nested Gauss-Hermite sums about the joint mode, many nodes at once.

Knows no parameters and no prior: logits (or what stands for them) and SDs come in. `x` successes of `n` trials with
x θ − n log(1 + e^θ) as the log likelihood of a cell, where `n` need not be whole: negative binomial counts have that
form too, and ordered categories as one such term a cut-point. Units come last in arrays: operations run along the
longest axis.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
Term = tuple[Array, Array, Array]
"""x, n, and the cut-point that θ is taken from."""
AT_ONCE = 60_000
"""Numbers an intermediate array holds: what fits a processor's cache."""
RULES = ((5, 3), (5, 5), (7, 5), (7, 7), (11, 11), (25, 17))
"""Nodes for u and for v, tried in this order."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Nodes and weights of the Gauss-Hermite rules for N(0, 1): of u and of v; a single node where there is none."""

    outer: Array
    outer_weights: Array
    inner: Array
    inner_weights: Array

    @classmethod
    def of(cls, outer: int, inner: int, *, unit: bool, unit_time: bool) -> "Rule":
        """Rules of so many nodes for the effects that there are."""
        return cls(*_hermite(outer if unit else 1), *_hermite(inner if unit_time else 1))

    @property
    def points(self) -> int:
        """Nodes of both rules together."""
        return len(self.outer) * len(self.inner)

    @property
    def arrays(self) -> dict[str, Array]:
        """The rules as a PyMC model takes them: nodes and weights (2, R)."""
        return {
            "outer": np.stack([self.outer, self.outer_weights]),
            "inner": np.stack([self.inner, self.inner_weights]),
        }


def fitting(rules: Sequence[Rule], log_likelihood: Callable[[Rule], Array], tolerance: float) -> Rule:
    """The first rule whose error against the last one, as an SD over the points of `log_likelihood`, is small.

    An error that is the same everywhere changes no posterior.
    """
    fine = log_likelihood(rules[-1])
    return next((rule for rule in rules[:-1] if np.std(log_likelihood(rule) - fine) < tolerance), rules[-1])


def _hermite(count: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


@dataclass(frozen=True, slots=True, eq=False)
class Integrand:
    """Of K parameter values: log integrand at the nodes of u (Q, K, G), u and, given it, moments of v (Q, K, S, G).

    Without `moments` asked for the last two are empty.
    """

    log_value: Array
    u: Array
    v: Array
    v_variance: Array

    @property
    def log_likelihood(self) -> Array:
        """Log of the sums over the nodes, added up over units (K,)."""
        best = self.log_value.max(axis=0)
        return np.asarray((best + np.log(np.exp(self.log_value - best).sum(axis=0))).sum(axis=-1))


def integrand(
    x: Array,
    n: Array,
    eta: Array,
    sds: tuple[Array, Array],
    rule: Rule,
    *,
    cuts: Array | None = None,
    moments: bool = False,
) -> Integrand:
    """What the sums over nodes are made of: `x`, `n` (S, G) or (K, S, G), `eta` (K, S, G), SDs of u and of v (K,).

    With `cuts` (K, M) a cell has M terms, `x` and `n` (M, S, G), each at θ less its cut-point.
    """
    su, sv = (s[:, None, None] for s in sds)
    terms: list[Term] = [(x, n, np.zeros(1))] if cuts is None else list(zip(x, n, cuts.T[..., None, None], strict=True))
    # Start from the empirical logits, then Newton's steps to the joint mode of u and v, both in their own SDs.
    theta, w = _empirical(terms)
    u, v = _newton(eta, theta, 0.0, w, su, sv)
    for _ in range(2 if cuts is None else 3):
        theta = eta + su * u + sv * v
        gradient, w = _slopes(terms, theta)
        u, v = _newton(eta, theta, gradient, w, su, sv)
    _, w = _slopes(terms, eta + su * u + sv * v)
    within = 1 + sv**2 * w
    width = 1 / np.sqrt(1 + su**2 * (w / within).sum(axis=1, keepdims=True))
    outer, inner = rule.outer[:, None, None, None], rule.inner[:, None, None, None, None]
    at_u = u + width * outer  # (Q, K, 1, G)
    inner_width = 1 / np.sqrt(within)
    middle = v - sv * su * w / within * (at_u - u)  # (Q, K, S, G)
    # Of nodes t of the inner rule: v = middle + width t, so that all but softplus is a quadratic in t.
    level, step = eta + su * at_u + sv * middle, sv * inner_width
    linear = sum(x for x, _, _ in terms) * step - middle * inner_width
    value = sum(x * (level - cut) for x, _, cut in terms) - 0.5 * middle**2 + inner * linear  # (R, Q, K, S, G)
    value += 0.5 * inner**2 * (1 - inner_width**2) + np.log(rule.inner_weights)[:, None, None, None, None]
    for _, trials, cut in terms:
        value -= trials * _softplus(level - cut + inner * step)
    best = value.max(axis=0)
    value -= best
    relative = np.exp(value, out=value)
    mass = relative.sum(axis=0)
    log_inner = (best + np.log(mass * inner_width)).sum(axis=2)
    log_weights = np.log(rule.outer_weights)[:, None, None]
    at_u = at_u[:, :, 0]
    log_value = log_inner + 0.5 * (outer[..., 0] ** 2 - at_u**2) + log_weights + np.log(width[:, 0])
    if not moments:
        return Integrand(log_value, at_u, np.empty(0), np.empty(0))
    mean = (relative * inner).sum(axis=0) / mass
    variance = (relative * (inner - mean) ** 2).sum(axis=0) / mass
    return Integrand(log_value, at_u, middle + inner_width * mean, inner_width**2 * variance)


def _empirical(terms: Sequence[Term]) -> tuple[Array, Array]:
    """The logits of the cells' counts, half a person added, and what the counts tell of them (Whitehead 1993)."""
    counts = [*(n - x for x, n, _ in terms), terms[-1][0]]
    total = sum(counts)
    share = [(count + 1 / len(counts)) / (total + 1) for count in counts]
    below, weights, weighted = np.full(1, 0.5), np.zeros(1), np.zeros(1)
    for count, (_, _, cut) in zip(counts[:-1], terms, strict=True):
        below = below + count
        weight = below * (total + 1 - below)
        weights = weights + weight
        weighted = weighted + weight * (np.log((total + 1 - below) / below) + cut)
    return weighted / weights, np.asarray(total * (1 - sum(p**3 for p in share)) / 3)


def _slopes(terms: Sequence[Term], theta: Array) -> tuple[Array, Array]:
    """Gradient and negative curvature of the log likelihood in θ (K, S, G)."""
    gradient, curvature = np.zeros_like(theta), np.zeros_like(theta)
    for x, n, cut in terms:
        p = expit(theta - cut)
        gradient += x - n * p
        curvature += n * p * (1 - p)
    return gradient, curvature


def _newton(eta: Array, theta: Array, gradient: Array | float, w: Array, su: Array, sv: Array) -> tuple[Array, Array]:
    """The mode (K, 1, G) of u and (K, S, G) of v were the log likelihood quadratic about θ with curvature −w."""
    pull = w * (theta - eta) + gradient
    within = 1 + sv**2 * w
    u = su * (pull / within).sum(axis=1, keepdims=True)
    u /= 1 + su**2 * (w / within).sum(axis=1, keepdims=True)
    return u, sv * (pull - w * su * u) / within


def _softplus(values: Array) -> Array:
    found = np.abs(values)
    np.log1p(np.exp(np.negative(found, out=found), out=found), out=found)
    found += np.maximum(values, 0.0)
    return np.asarray(found)
