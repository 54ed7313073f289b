"""Random-effects meta-analysis exactly: normal given τ, the SD between organizations; quadrature over τ alone.

y_j ~ N(θ_j, √v_j), θ_j ~ N(μ, τ) (DerSimonian & Laird's model; Bayesian as in Gelman et al., BDA3 §5.4). Given τ, the
posteriors of μ, of every θ_j and of θ_new of another organization are normal, so each is a mixture of normals over τ.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from analysis.errors import Refused
from analysis.evidence import SynthesisPriors, TauKind, TauPrior
from analysis.posterior import Density, NormalMixture, Posterior
from analysis.synthesis_studies import Study

Array = NDArray[np.float64]
COARSE, FINE = 4001, 2001
REACH = 25.0
"""The search for τ goes e²⁵ below the smallest and above the largest number there is."""
SUSPECTS = 5
FAR = 50.0
"""Nodes whose log density lies this far below the peak are left out; heavy tails go on for long."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Estimates (J,) and variances (J,), bias taken into account; mean and precision (0: flat) of μ; prior on τ."""

    effect: Array
    variance: Array
    mu_prior: tuple[float, float]
    tau: TauPrior

    def model_data(self) -> dict[str, Array]:
        """The data of `models/synthesis.py`."""
        return {
            "effect": self.effect,
            "variance": self.variance,
            "mu_prior": np.array(self.mu_prior),
            "tau_scale": np.array(self.tau.scale),
            "half_cauchy": np.array(float(self.tau.kind is TauKind.HALF_CAUCHY)),
        }


def inputs_of(studies: list[Study], priors: SynthesisPriors, tau: TauPrior) -> Inputs:
    """The model's inputs; raises `Refused` where the posterior would have no finite SD.

    Far out the likelihood of J studies falls as τ^-J, with a flat μ as τ^-(J-1), and a half-Cauchy prior as τ^-2; the
    second moment of τ is finite from J = 2 on, with a flat μ from J = 3 on. A half-normal prior always serves.
    """
    flat = priors.mu == "flat"
    least = (3 if flat else 2) if tau.kind is TauKind.HALF_CAUCHY else 1
    if len(studies) < least:
        raise Refused(
            "too_few_studies",
            f"With a half-Cauchy prior on τ{' and a flat one on μ' if flat else ''} {len(studies)} "
            f"{'study leaves' if len(studies) == 1 else 'studies leave'} τ without a finite SD.",
            f"Give at least {least} organizations, or a half-normal prior on τ.",
        )
    return Inputs(
        np.array([s.effect for s in studies]),
        np.array([s.variance for s in studies]),
        (0.0, 0.0) if priors.mu == "flat" else (priors.mu.mean, priors.mu.sd**-2),
        tau,
    )


def mean_given_tau(inputs: Inputs, tau: Array) -> tuple[Array, Array]:
    """Mean and variance of μ given τ, in the shape of `tau`."""
    mean, precision = inputs.mu_prior
    inverse = 1 / (inputs.variance + tau[..., None] ** 2)
    total = precision + inverse.sum(-1)
    return (precision * mean + inverse @ inputs.effect) / total, 1 / total


def log_density(inputs: Inputs, tau: Array) -> Array:
    """Log posterior density of τ up to a constant, μ integrated out, in the shape of `tau`."""
    prior_mean, precision = inputs.mu_prior
    mean, variance = mean_given_tau(inputs, tau)
    total = inputs.variance + tau[..., None] ** 2
    misfit = ((inputs.effect - mean[..., None]) ** 2 / total).sum(-1) + precision * (mean - prior_mean) ** 2
    ratio = (tau / inputs.tau.scale) ** 2
    prior = -np.log1p(ratio) if inputs.tau.kind is TauKind.HALF_CAUCHY else -0.5 * ratio
    return np.asarray(prior - 0.5 * np.log(total).sum(-1) + 0.5 * np.log(variance) - 0.5 * misfit)


@dataclass(frozen=True, eq=False)
class Spread:
    """The posterior of τ: even nodes of log τ (K,), the density of log τ there, weights that sum to 1."""

    log_tau: Array
    density: Array

    @cached_property
    def tau(self) -> Array:
        """Nodes of τ (K,)."""
        return np.asarray(np.exp(self.log_tau))

    @cached_property
    def weights(self) -> Array:
        """Weights of the trapezoid rule (K,); the ends carry none to speak of."""
        return np.asarray(self.density / self.density.sum())

    @cached_property
    def mean(self) -> float:
        """Posterior mean."""
        return float(self.weights @ self.tau)

    @cached_property
    def sd(self) -> float:
        """Posterior SD."""
        return float(np.sqrt(self.weights @ (self.tau - self.mean) ** 2))

    @cached_property
    def log_moments(self) -> tuple[float, float]:
        """Mean and SD of log τ."""
        mean = float(self.weights @ self.log_tau)
        return mean, float(np.sqrt(self.weights @ (self.log_tau - mean) ** 2))

    def quantile(self, p: float) -> float:
        """The value below which τ lies with probability p."""
        return float(np.exp(Density(self.log_tau, self.density).quantile(p)))

    def above(self, threshold: float) -> float:
        """P(τ > threshold)."""
        if threshold <= 0:
            return 1.0
        return Density(self.log_tau, self.density).above(float(np.log(threshold)))


def spread(inputs: Inputs) -> Spread:
    """The posterior of τ on even nodes of log τ.

    A smooth density that vanishes at both ends: the trapezoid rule is as exact as its spacing is fine. A coarse search
    over all sizes first, then the nodes where there is any density.
    """
    gaps = np.abs(inputs.effect - inputs.effect.mean())
    sizes = np.array([inputs.tau.scale, *np.sqrt(inputs.variance), *gaps[gaps > 0]])
    at = np.linspace(np.log(sizes.min()) - REACH, np.log(sizes.max()) + REACH, COARSE)
    for count in (COARSE, FINE):
        log = _log_density_of_log(inputs, at)
        held = np.flatnonzero(log > log.max() - FAR)
        low, high = max(int(held[0]) - 1, 0), min(int(held[-1]) + 1, len(at) - 1)
        at = np.linspace(at[low], at[high], count)
    log = _log_density_of_log(inputs, at)
    return Spread(at, np.exp(log - log.max()))


def _log_density_of_log(inputs: Inputs, log_tau: Array) -> Array:
    return log_density(inputs, np.exp(log_tau)) + log_tau


@dataclass(frozen=True, eq=False)
class Pooled:
    """What a synthesis reports: μ, τ, θ_new of another organization, θ_j of each study (shrunken)."""

    mu: Posterior
    tau: Posterior
    new: Posterior
    studies: tuple[Posterior, ...]


def pooled(inputs: Inputs) -> Pooled:
    """The exact posterior."""
    tau = spread(inputs)
    kept = tau.weights > 0
    mu, new, *studies = mixtures(inputs, tau.tau[kept], tau.weights[kept])
    return Pooled(mu, tau, new, tuple(studies))


def mixtures(inputs: Inputs, tau: Array, weights: Array) -> list[NormalMixture]:
    """μ, θ_new and every θ_j as mixtures over τ (K,) with weights (K,)."""
    mean, variance = mean_given_tau(inputs, tau)
    parts = [(mean, variance), (mean, variance + tau**2)]
    parts += [_study_given_tau(y, v, tau, mean, variance) for y, v in zip(inputs.effect, inputs.variance, strict=True)]
    return [NormalMixture(weights, m, np.sqrt(v)) for m, v in parts]


def _study_given_tau(y: float, v: float, tau: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    """Mean and variance of θ_j given τ: its estimate drawn towards μ by the share B, whose own error it takes over."""
    towards = v / (v + tau**2)
    return towards * mean + (1 - towards) * y, (1 - towards) * v + towards**2 * variance


def surprise(inputs: Inputs) -> float:
    """The smallest two-sided p-value of an estimate under what the others predict, times the number of studies.

    Looked at are the few that lie furthest out; with one study there are no others, and it is 1.
    """
    count = len(inputs.effect)
    if count == 1:
        return 1.0
    at = np.array(spread(inputs).quantile(0.5))
    centre, _ = mean_given_tau(inputs, at)
    far = np.argsort(-np.abs(inputs.effect - centre) / np.sqrt(inputs.variance + at**2))[:SUSPECTS]
    return min(1.0, count * min(_unexpected(inputs, int(j)) for j in far))


def _unexpected(inputs: Inputs, j: int) -> float:
    """Two-sided p-value of the estimate of study j under its predictive distribution given the other studies."""
    others = replace(inputs, effect=np.delete(inputs.effect, j), variance=np.delete(inputs.variance, j))
    tau = spread(others)
    mean, variance = mean_given_tau(others, tau.tau)
    sd = np.sqrt(variance + tau.tau**2 + inputs.variance[j])
    return float(2 * min(tau.weights @ ndtr((inputs.effect[j] - mean) / sd * sign) for sign in (1.0, -1.0)))
