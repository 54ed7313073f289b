"""The synthesis by NUTS: μ and τ sampled, everything else exact given τ; gates, refits, the exact twin beside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis import gates
from analysis.designs.prepared import Note
from analysis.engine import NEAR
from analysis.posterior import Sampled
from analysis.sampling import Draws, Sampler, derived_seed, sampled
from analysis.synthesis_exact import Inputs, Pooled, Spread, mean_given_tau, mixtures

Array = NDArray[np.float64]
STRUCTURE = "synthesis"
SETTINGS = Sampler(draws=2000, tune=1000)
MEASURE = "evidence"
"""Stands in the gates where those of a fit name a measure."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """A probability a rule reads: P(`of` > `at`) against `thresholds`, `of` being `mu` or `new`."""

    name: str
    of: str
    at: float
    thresholds: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class TauDraws:
    """The posterior of τ as bare draws (chain, draw)."""

    draws: Array

    @property
    def mean(self) -> float:
        """Posterior mean."""
        return float(self.draws.mean())

    @property
    def sd(self) -> float:
        """Posterior SD."""
        return float(self.draws.std(ddof=1))

    def above(self, threshold: float) -> float:
        """P(τ > threshold)."""
        return float((self.draws > threshold).mean())

    def quantile(self, p: float) -> float:
        """The value below which τ lies with probability p."""
        return float(np.quantile(self.draws, p))


class Work:
    """The runs of one synthesis as they are sampled, with progress, gates, refits and notes."""

    def __init__(self, seed: int, progress: Callable[[float], None], runs: int, mmd: float) -> None:
        self.seed, self.runs, self.mmd, self.done = seed, runs, mmd, 0
        self.readings: list[gates.Reading] = []
        self.refits: list[str] = []
        self.notes: list[Note] = []
        self._progress, self._shown = progress, 0.0

    def pooled(self, run: str, inputs: Inputs, twin: Pooled, deciding: Sequence[Deciding]) -> Pooled:
        """One run; with four times the draws where a deciding probability is near its threshold."""
        answer, near = self._run(run, inputs, twin, deciding, SETTINGS)
        if near:
            self.refits.append(f"{run}: four times the draws ({', '.join(near)} near a threshold)")
            answer, near = self._run(run, inputs, twin, deciding, SETTINGS.more(4))
        if near:
            names = ", ".join(near)
            message = f"{names} within two Monte-Carlo errors of the threshold; the point value decides."
            self.notes.append(Note("near_threshold", message))
        self.done += 1
        self._show(0.0)
        return answer

    def _run(
        self, run: str, inputs: Inputs, twin: Pooled, deciding: Sequence[Deciding], settings: Sampler
    ) -> tuple[Pooled, list[str]]:
        draws = self._sample(run, inputs, settings)
        readings = _sampler_readings(draws)
        again, why = None, ""
        if draws.divergences:
            again, why = settings.careful(), f"target_accept 0.99 after {draws.divergences} divergences"
        elif short := [gate for gate in gates.MORE_DRAWS if not gates.Reading(gate, readings[gate], "", "").passed]:
            again, why = settings.more(4), f"four times the draws ({', '.join(short)})"
        if again is not None:
            self.refits.append(f"{run}: {why}")
            draws = self._sample(run, inputs, again)
            readings = _sampler_readings(draws)
        answer, mu, new = _answer(inputs, draws.values, derived_seed(self.seed, run, "new"))
        thresholds = (-self.mmd, 0.0, self.mmd)
        readings |= _agreement(mu, new, draws.values["tau"], twin, thresholds)
        self.readings = [r for r in self.readings if r.run != run]
        self.readings += [gates.Reading(name, value, MEASURE, run) for name, value in readings.items()]
        return answer, [d.name for d in deciding if _near(d, {"mu": mu, "new": new})]

    def _sample(self, run: str, inputs: Inputs, settings: Sampler) -> Draws:
        seed = derived_seed(self.seed, run, str(settings.draws), str(settings.target_accept))
        return sampled(STRUCTURE, inputs.model_data(), settings, seed, self._show)

    def _show(self, fraction: float) -> None:
        """Progress of the whole from that of the current run; a refit holds it where it is."""
        self._shown = max(self._shown, min((self.done + fraction) / self.runs, 1.0))
        self._progress(self._shown)


def _sampler_readings(draws: Draws) -> dict[str, float]:
    return gates.sampler_readings(
        {"mu": draws.values["mu"], "tau": draws.values["tau"]}, draws.divergences, draws.energy
    )


def _answer(inputs: Inputs, values: Mapping[str, Array], seed: int) -> tuple[Pooled, Sampled, Sampled]:
    """Everything given the draws of τ; the bare draws of μ and θ_new stay beside for the gates."""
    mu, tau = values["mu"], values["tau"]
    mean, variance = mean_given_tau(inputs, tau)
    one = np.ones((1, *tau.shape))
    new = mu + tau * np.random.default_rng(seed).standard_normal(tau.shape)
    of_mu = Sampled(mu, one, mean[None], np.sqrt(variance)[None])
    of_new = Sampled(new, one, mean[None], np.sqrt(variance + tau**2)[None])
    weights = np.full(tau.size, 1 / tau.size)
    _, _, *studies = mixtures(inputs, tau.ravel(), weights)
    return Pooled(of_mu, TauDraws(tau), of_new, tuple(studies)), of_mu, of_new


def _agreement(mu: Sampled, new: Sampled, tau: Array, twin: Pooled, thresholds: Sequence[float]) -> dict[str, float]:
    """How far NUTS lies from the exact engine: moments of the bare draws of μ and log τ, probabilities of μ and θ_new.

    τ is compared on its log: under a half-Cauchy prior few studies leave τ itself moments that draws find slowly.
    """
    readings = gates.agreement_readings(mu, twin.mu, thresholds)
    if not isinstance(twin.tau, Spread):
        raise TypeError("the twin of NUTS is the quadrature")
    mean, sd = twin.tau.log_moments
    log_tau = np.log(tau)
    others = {
        "agreement_mean": abs(float(log_tau.mean()) - mean) / sd,
        "agreement_sd": abs(float(log_tau.std(ddof=1)) / sd - 1),
        "agreement_probability": max(abs(new.above(t) - twin.new.above(t)) for t in thresholds),
    }
    return {name: max(value, others[name]) for name, value in readings.items()}


def _near(deciding: Deciding, posteriors: Mapping[str, Sampled]) -> bool:
    """Whether a probability lies within two Monte-Carlo errors of a threshold."""
    of = posteriors[deciding.of]
    error, value = of.mcse_above(deciding.at), of.above(deciding.at)
    return any(error > 0 and abs(value - t) < NEAR * error for t in deciding.thresholds)
