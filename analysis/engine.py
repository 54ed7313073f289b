"""Computes the posteriors of one request, by NUTS beside the exact engine or by that alone, and reads the gates."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from analysis import exact, gates, predictive, unit_effects
from analysis.decide import SIMILAR, DecisionRule
from analysis.designs.prepared import Note, Prepared
from analysis.documents import Engine, Role
from analysis.effects import Fitted, alternative
from analysis.posterior import FromDraws, Posterior, Sampled, SampledAlong
from analysis.priors import Run
from analysis.runs import ADJUSTED, ENTHUSIASTIC, EVIDENCE, OBSERVED, SCEPTICAL
from analysis.sampling import Draws, Sampler, derived_seed, sample
from analysis.sensitivity import power_scaling

NEAR = 2.0
"""A probability within this many Monte-Carlo errors of its threshold is computed again with four times the draws."""
PRECONDITIONED = Sampler(draws=600, tune=200, target_accept=0.8)
"""Where the posterior is near round: draws are near independent, and longer steps mix its squares better too (R̂)."""
CROSSING = Sampler(draws=800, tune=150)
"""In some thirty dimensions steps as long as those leave squares correlated: shorter ones, and more draws."""
_SAMPLERS = {
    "two_proportions": Sampler(draws=2000),
    "ancova_units": PRECONDITIONED,
    "waves": PRECONDITIONED,
    "wedge_means": CROSSING,
    "wedge_proportions": Sampler(draws=600, tune=150),
    "series": Sampler(draws=800, tune=250),
    "series_counts": Sampler(draws=800, tune=300, target_accept=0.85),
    "unit_proportions": Sampler(tune=300),
    "unit_counts": PRECONDITIONED,
    "share": PRECONDITIONED,
    "paired_proportions": Sampler(tune=300),
    "unit_ordinal": Sampler(tune=300),
    "paired_ordinal": Sampler(tune=300),
}


REFITS = 2
"""Fits that may follow the first: one with smaller steps, one with more draws."""


def refit(settings: Sampler, readings: Mapping[str, float], first: Sampler) -> tuple[Sampler, str] | None:
    """Settings for a posterior that did not pass, and why; each remedy once. None: sampling is not what it lacks."""
    if readings["divergences"] and settings.target_accept < Sampler.CAREFUL:
        return settings.careful(), f"target_accept {Sampler.CAREFUL} after {readings['divergences']:.0f} divergences"
    short = [gate for gate in gates.MORE_DRAWS if not gates.Reading(gate, readings[gate], "", "").passed]
    if short and settings.draws == first.draws:
        return settings.more(4), f"four times the draws ({', '.join(short)})"
    return None


def settings_of(prepared: Prepared) -> Sampler:
    """The sampler's settings for a model.

    Normal outcomes are exact given σ, proportions only along a grid of η: those get more draws.
    """
    return _SAMPLERS.get(prepared.inputs.structure, Sampler())


class Work:
    """The posteriors of one request as they are computed, with progress, gates and draws."""

    def __init__(self, engine: Engine, seed: int, progress: Callable[[float], None], runs: int, prob: float) -> None:
        self.engine, self.seed, self.runs, self.done, self.prob = engine, seed, runs, 0, prob
        self.exact: dict[str, dict[str, Posterior]] = {}
        self.leaning: dict[str, float | None] = {}
        self.slopes: dict[str, tuple[float, float] | None] = {}
        self.readings: list[gates.Reading] = []
        self.draws: dict[str, dict[str, Draws]] = {}
        self.checks: dict[str, list[predictive.Check]] = {}
        self.units: dict[str, list[dict[str, Any]]] = {}
        self.notes: list[Note] = []
        self.refits: list[str] = []
        self._progress, self._shown = progress, 0.0

    def solve(self, prepared: Prepared, runs: list[Run], rule: DecisionRule) -> Fitted:
        """All posteriors of a measure by the engine asked for; the exact twin is computed in any case."""
        name = prepared.measure.measure
        self.exact[name] = {run.name: exact.posterior(prepared.inputs, run) for run in runs}
        observed = next(run for run in runs if run.name == OBSERVED)
        adjusted = next(run for run in runs if run.name == ADJUSTED)
        self.leaning[name] = power_scaling(self.exact[name][ADJUSTED], adjusted)
        self.slopes[name] = exact.slope(prepared.inputs, observed)
        raw = exact.raw(prepared.inputs, observed)
        detail = exact.detail(prepared.inputs, observed, self.prob)
        if EVIDENCE not in self.exact[name]:
            message = (
                "An arm with no event or nothing but events, or one whose categories lie apart from the other's, has "
                "no finite estimate without a prior; a synthesis cannot use it."
            )
            self.notes.append(Note("evidence_unbounded", message, name))
        self.notes += [
            Note("prior_conflict", text, name) for text in unit_effects.far_from_priors(prepared.inputs, observed)
        ]
        others = [
            alternative(
                other,
                exact.posterior(other.inputs, observed),
                exact.posterior(other.inputs, adjusted),
                prepared.measure,
                self.prob,
            )
            for other in prepared.alternatives
        ]
        if self.engine is Engine.EXACT:
            self.done += len(runs)
            self._show(0.0)
            units = unit_effects.of_nodes(prepared.inputs, observed, self.prob)
            return Fitted(prepared, self.exact[name], units, raw=raw, alternatives=others, detail=detail)
        sampled = {run.name: self._posterior(prepared, run) for run in runs}
        fitted = Fitted(prepared, sampled, self.units[name], self.checks[name], raw, others, detail)
        if near := near_threshold(fitted, rule):
            again = [run for run in runs if run.name in {run_name for _, run_name in near}]
            finer = {run.name: self._run(prepared, run, factor=4) for run in again}
            fitted = replace(fitted, runs={**fitted.runs, **finer})
            self.refits.append(f"{name}: four times the draws ({_names(near)} near a threshold)")
            if still := near_threshold(fitted, rule):
                message = f"{_names(still)} within two Monte-Carlo errors of the threshold; the point value decides."
                self.notes.append(Note("near_threshold", message, name))
        return fitted

    def _posterior(self, prepared: Prepared, run: Run) -> Posterior:
        """By NUTS, but for what is shown and decides nothing: that is exact, and no gate of it blocks a verdict."""
        if run.name != ENTHUSIASTIC:
            return self._run(prepared, run)
        self.done += 1
        self._show(0.0)
        return self.exact[prepared.measure.measure][run.name]

    def _run(self, prepared: Prepared, run: Run, factor: int = 1) -> FromDraws:
        name, inputs = prepared.measure.measure, prepared.inputs
        settings = asked = settings_of(prepared).more(factor)
        first = factor == 1
        draws = self._sample(prepared, run, settings, first=first)
        readings = gates.sampler_readings(draws.values, draws.divergences, draws.energy)
        for _ in range(REFITS):
            if (better := refit(settings, readings, asked)) is None:
                break
            settings, why = better
            self.refits.append(f"{name}/{run.name}: {why}")
            draws = self._sample(prepared, run, settings, first=False)
            readings = gates.sampler_readings(draws.values, draws.divergences, draws.energy)
        if first:
            self.done += 1
        posterior = exact.rao_blackwell(inputs, run, draws.values)
        m = prepared.measure
        readings |= gates.agreement_readings(
            posterior, self.exact[name][run.name], (-m.tolerated_harm, -m.mmd, 0.0, m.mmd)
        )
        if run.name == OBSERVED:
            self.units[name] = unit_effects.of_draws(inputs, run, draws.values, self.prob)
        if run.name == ADJUSTED:
            self.checks[name] = predictive.checks(inputs, draws.values)
            readings["predictive"] = gates.predictive_reading(self.checks[name])
        self.readings = [r for r in self.readings if (r.measure, r.run) != (name, run.name)]
        self.readings += [gates.Reading(gate, value, name, run.name) for gate, value in readings.items()]
        self.draws.setdefault(name, {})[run.name] = draws
        return posterior

    def _sample(self, prepared: Prepared, run: Run, settings: Sampler, *, first: bool) -> Draws:
        seed = derived_seed(
            self.seed, prepared.measure.measure, run.name, str(settings.draws), str(settings.target_accept)
        )
        return sample(prepared.inputs, run, settings, seed, self._show if first else self._hold)

    def _show(self, fraction: float) -> None:
        """Progress of the whole from that of the current run; a refit holds it where it is."""
        self._shown = max(self._shown, min((self.done + fraction) / self.runs, 1.0))
        self._progress(self._shown)

    def _hold(self, _: float) -> None:
        self._progress(self._shown)


def _names(near: list[tuple[str, str]]) -> str:
    return ", ".join(dict.fromkeys(name for name, _ in near))


def near_threshold(fitted: Fitted, rule: DecisionRule) -> list[tuple[str, str]]:
    """Deciding probabilities within two Monte-Carlo errors of their threshold, each with the run it comes from."""
    t, m = rule.thresholds, fitted.measure
    benefit = max(t.p_benefit, t.early_p_benefit) if rule.early else t.p_benefit
    checks: list[tuple[str, str, float, float]] = []
    if m.role is Role.PRIMARY:
        checks = [
            ("p_benefit", ADJUSTED, 0.0, benefit),
            ("p_below_zero", ADJUSTED, 0.0, 1 - t.replace_p_below_zero),
            ("p_meaningful", ADJUSTED, m.mmd, t.p_meaningful),
            ("p_meaningful", ADJUSTED, m.mmd, t.replace_p_meaningful),
            ("p_benefit_sceptical", SCEPTICAL, 0.0, t.p_benefit_sceptical),
        ]
    if m.role is Role.BALANCING:
        checks = [("p_harm", ADJUSTED, -m.tolerated_harm, p) for p in (t.balancing_passed, 1 - t.balancing_breached)]
    if m.role is Role.GLOBAL:
        checks = [("p_not_worse", ADJUSTED, -SIMILAR, t.global_not_worse)]
    near = []
    for name, run, at, threshold in checks:
        posterior = fitted.runs[run]
        if isinstance(posterior, Sampled | SampledAlong):
            error = posterior.mcse_above(at)
            if error > 0 and abs(posterior.above(at) - threshold) < NEAR * error:
                near.append((name, run))
    return near
