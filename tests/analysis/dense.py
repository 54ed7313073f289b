"""A second road to the normal models: every value a row, dense covariance matrices, plain sampling of the priors.

Nothing of it is shared with `analysis.mixed`: coefficients, units and bias stand in the covariance of the values, and
the hyper-parameters are quasi-random points drawn from their own priors and weighted by the likelihood.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from analysis.priors import Run

Array = NDArray[np.float64]
VAGUE = 1e4
"""Variance of what is flat."""
POINTS, AT_ONCE = 2**13, 2048


@dataclass
class Scales:
    """Scales of the half-normal priors, and the prior of r: bounds, mean and SD (0: flat)."""

    sigma: float = 1.0
    unit: float = 0.25
    unit_time: float = 0.10
    r: tuple[float, float, float, float] = (-1.0, 1.0, 0.0, 0.0)


@dataclass
class Hyper:
    """Points (K,) of σ (K, 2), unit SD, unit × time SD and r."""

    sigma: Array
    unit: Array
    unit_time: Array
    r: Array

    def part(self, which: slice) -> "Hyper":
        return Hyper(self.sigma[which], self.unit[which], self.unit_time[which], self.r[which])


def half_normal(u: Array, scale: float) -> Array:
    return scale * ndtri(0.5 + 0.5 * u)


def points(scales: Scales, count: int = POINTS) -> Hyper:
    u = np.clip(qmc.Sobol(5, rng=1).random(count), 1e-9, 1 - 1e-9)
    low, high, mean, sd = scales.r
    r = low + (high - low) * u[:, 4]
    if sd:
        a, b = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
        r = mean + sd * ndtri(a + (b - a) * u[:, 4])
    return Hyper(
        half_normal(u[:, :2], scales.sigma),
        half_normal(u[:, 2], scales.unit),
        half_normal(u[:, 3], scales.unit_time),
        r,
    )


@dataclass
class Dense:
    """Values `y` (N,) with nuisance columns `x` (N, p), their priors, and the column `t` (N,) of the effect.

    `same_unit`, `same_unit_wave` (N, N) hold 1 (or another multiple of the variance) where two values share an effect;
    `correlated` (N, N) is 1 where they are of one person; `spread` (N,) says which σ. `weight` (N,) is the number of
    people a value is the mean of. `squares` lists sums of squares within cells with degrees of freedom and their σ.
    """

    y: Array
    x: Array
    mean: Array
    sd: Array
    flat: Array
    t: Array
    spread: NDArray[np.int64]
    same_unit: Array
    same_unit_wave: Array
    same_person: Array
    weight: Array
    squares: Sequence[tuple[float, float, int]] = ()
    baseline: Array | None = None
    """With unknown r: what r σ multiplies (baseline over its SD); the residual variance is then σ²(1 − r²)."""
    scales: Scales = field(default_factory=Scales)

    def covariance(self, h: Hyper) -> Array:
        s = h.sigma[:, self.spread]
        if self.baseline is not None:
            s = s * np.sqrt(1 - h.r[:, None] ** 2)
            own = np.eye(len(self.y)) / self.weight
            person = s[:, :, None] * s[:, None, :] * own
        else:
            n = len(self.y)
            same = np.eye(n) + h.r[:, None, None] * (self.same_person - np.eye(n))
            person = s[:, :, None] * s[:, None, :] * same / np.sqrt(np.outer(self.weight, self.weight))
        units = h.unit[:, None, None] ** 2 * self.same_unit
        return person + units + h.unit_time[:, None, None] ** 2 * self.same_unit_wave

    def residual(self, h: Hyper) -> Array:
        y = np.tile(self.y, (len(h.r), 1))
        return y if self.baseline is None else y - h.r[:, None] * h.sigma[:, self.spread] * self.baseline

    def within(self, h: Hyper) -> Array:
        value = np.zeros(len(h.r))
        for square, free, which in self.squares:
            value += -free * np.log(h.sigma[:, which]) - square / (2 * h.sigma[:, which] ** 2)
        return value

    def given(self, h: Hyper, run: Run) -> tuple[Array, Array, Array]:
        """Log weight (K,), mean and variance (K,) of δ, components stacked first."""
        variance = np.where(self.flat & (run.intercept == 0), VAGUE, self.sd**2)
        noise = self.covariance(h) + (self.x * variance) @ self.x.T
        logs, means, variances = [], [], []
        for c in run.effect:
            s2 = 1 / c.precision if c.precision else VAGUE
            v = noise + np.outer(self.t, self.t) * (s2 + run.bias.sd**2)
            off = self.residual(h) - self.x @ self.mean - self.t * (c.mean + run.bias.mean)
            solved = np.linalg.solve(v, np.stack([off, np.broadcast_to(self.t, off.shape)], axis=-1))
            log = -0.5 * (off * solved[..., 0]).sum(1) - 0.5 * np.linalg.slogdet(v)[1]
            logs.append(log + self.within(h) + np.log(c.weight))
            means.append(c.mean + s2 * solved[..., 0] @ self.t)
            variances.append(s2 - s2**2 * solved[..., 1] @ self.t)
        return np.array(logs), np.array(means), np.array(variances)

    def posterior(self, run: Run, count: int = POINTS) -> "Mixture":
        h = points(self.scales, count)
        parts = [self.given(h.part(slice(i, i + AT_ONCE)), run) for i in range(0, count, AT_ONCE)]
        logs, means, variances = (np.concatenate(p, axis=1) for p in zip(*parts, strict=True))
        weights = np.exp(logs - logs.max())
        return Mixture((weights / weights.sum()).ravel(), means.ravel(), np.sqrt(variances).ravel())

    def blup(self, run: Run, form: Array, *, of_time: bool, count: int = 2**12) -> tuple[Array, Array]:
        """Mean and SD of Σ form_i effect_i (+ Δ): the conditional normal of effects given the values, then mixed.

        `form` (M, N): linear forms of the effects as they stand in each value. Returns (M, 2): without and with Δ.
        """
        h = points(self.scales, count)
        (c,) = run.effect
        s2 = 1 / c.precision
        first, second, total = np.zeros((len(form), 2)), np.zeros((len(form), 2)), 0.0
        logs = np.concatenate([self.given(h.part(slice(i, i + AT_ONCE)), run)[0] for i in range(0, count, AT_ONCE)], 1)
        weights = np.exp(logs[0] - logs.max())
        for i in range(0, count, AT_ONCE):
            part = h.part(slice(i, i + AT_ONCE))
            scale = (part.unit_time if of_time else part.unit)[:, None, None] ** 2
            shared = self.same_unit_wave if of_time else self.same_unit
            noise = self.covariance(part) + (self.x * self.sd**2) @ self.x.T + np.outer(self.t, self.t) * s2
            off = self.residual(part) - self.x @ self.mean - self.t * c.mean
            for with_effect in (0, 1):
                cross = scale * (form @ shared) + with_effect * s2 * self.t
                prior = scale[:, 0] * np.einsum("mi,ij,mj->m", form, shared, form) + with_effect * s2
                solved = np.linalg.solve(noise, np.swapaxes(cross, 1, 2))
                mean = np.einsum("kn,knm->km", off, solved) + with_effect * c.mean
                var = prior - np.einsum("kmn,knm->km", cross, solved)
                w = weights[i : i + AT_ONCE]
                first[:, with_effect] += w @ mean
                second[:, with_effect] += w @ (var + mean**2)
        total = weights.sum()
        return first / total, np.sqrt(second / total - (first / total) ** 2)


@dataclass
class Mixture:
    """Weighted normals."""

    weights: Array
    means: Array
    sds: Array

    @property
    def mean(self) -> float:
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        return float(np.sqrt(self.weights @ (self.sds**2 + self.means**2) - self.mean**2))

    def above(self, threshold: float) -> float:
        return float(self.weights @ ndtr((self.means - threshold) / self.sds))
