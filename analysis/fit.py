"""From a request to an answer: prepare, compute every posterior, judge. The front of the library; JSON in, JSON out.

What is asked is in `case.py`, what is computed in `engine.py`, what is answered in `effects.py` and `answer.py`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis import answer, exact, gates
from analysis.case import Case, case_of, prepared_case
from analysis.documents import FitRequest, MeasureData, Plan, PlannedLook, Role, confirmatory_seed
from analysis.effects import Fitted, effect, judged, missing
from analysis.engine import Work
from analysis.errors import Refused, computable
from analysis.grade import would_raise
from analysis.posterior import Posterior
from analysis.runs import ADJUSTED, EVIDENCE, SCEPTICAL
from analysis.sampling import Draws, warm
from analysis.sensitivity import notes as sensitivity_notes
from analysis.sensitivity import prior_predictive_outside
from analysis.threads import one_thread
from analysis.verdict import Judged, Verdict

__all__ = ["Fit", "exact_posteriors", "fit", "fit_with_draws", "warm"]


@dataclass(frozen=True, eq=False)
class Fit:
    """An answer (or refusal) as JSON-able dict, and the draws behind it by measure and run (`draws.as_tree` for files).

    `posteriors` are of every fitted measure by run (`adjusted`, `as_observed`, …), by the engine of record: for plots.
    """

    answer: dict[str, Any]
    draws: Mapping[str, Mapping[str, Draws]] = field(default_factory=dict)
    posteriors: Mapping[str, Mapping[str, Posterior]] = field(default_factory=dict)


def fit(request: FitRequest, *, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """The contract's answer to a request, or `{"refused": {code, message, what_would_help}}`.

    `progress` gets a monotone 0…1 made of the sampler's own draws; an exception it raises cancels the sampling and
    propagates.
    """
    return fit_with_draws(request, progress=progress).answer


def fit_with_draws(request: FitRequest, *, progress: Callable[[float], None] | None = None) -> Fit:
    """As `fit`, with the draws of every run for storage; the exact engine and refusals have none."""
    raised: list[BaseException] = []

    def report(fraction: float) -> None:
        try:
            if progress is not None:
                progress(fraction)
        except BaseException as error:
            raised.append(error)
            raise

    try:
        with computable(raised):
            return _fit(request, report)
    except Refused as refusal:
        return Fit({"refused": refusal.as_dict()})


@one_thread()
def exact_posteriors(request: FitRequest) -> dict[str, dict[str, Posterior]]:
    """The exact posterior of δ of every fitted measure, by run (`adjusted`, `as_observed`, …); raises `Refused`.

    In milliseconds and without PyMC: for plots and previews.
    """
    with computable():
        case = case_of(request)
        return {
            p.measure.measure: {run.name: exact.posterior(p.inputs, run) for run in case.runs(p)} for p in case.prepared
        }


@one_thread()
def exact_verdict(plan: Plan, data: Mapping[str, MeasureData], look: PlannedLook) -> Verdict:
    """The verdict of the exact engine from only the posteriors a decision reads; raises `Refused`.

    For simulation: the same path as `fit`. `plan` is in its long form and holds the attrition in force.
    """
    with computable():
        case = prepared_case(plan, data, look)
        rule = case.rule()
        deciding = {ADJUSTED, SCEPTICAL, *([EVIDENCE] if rule.early else [])}
        fitted = [
            Fitted(p, {r.name: exact.posterior(p.inputs, r) for r in case.runs(p) if r.name in deciding})
            for p in case.prepared
            if p.measure.role is not Role.SECONDARY
        ]
        effects, first = _judged(case, fitted)
        _, shifted = answer.tipping(case, rule, first, effects)
        return rule.judge(effects, shifted, answer.success(case, rule, first))


@one_thread()
def _fit(request: FitRequest, progress: Callable[[float], None]) -> Fit:
    case = case_of(request)
    seed = request.seed
    if seed is None:
        seed = confirmatory_seed(request.plan.hash(), request.data_hash())
    runs = sum(len(case.runs(p)) for p in case.prepared)
    work = Work(request.engine, seed, progress, runs, case.plan.interval)
    fitted = [work.solve(p, case.runs(p), case.rule()) for p in case.prepared]
    progress(1.0)

    gate_lines = gates.report(work.readings)
    rule = case.rule(tuple(dict.fromkeys(str(g["name"]) for g in gate_lines if g["passed"] is False)))
    effects, first = _judged(case, fitted)
    tipping, shifted = answer.tipping(case, rule, first, effects)
    success = answer.success(case, rule, first)
    blocks = _blocks(case, work, fitted)
    notes = [*case.notes, *case.plan_notes(), *work.notes]
    for f in fitted:
        block = blocks[f.measure.measure]
        notes += sensitivity_notes(f.prepared, block["prior_sensitivity"], block["prior_predictive_outside"])
    document = {
        "grade": case.graded.letter,
        "gates": gate_lines,
        "effects": [blocks[m.measure] for m in case.plan.measures],
        "recommendation": rule.judge(effects, shifted, success).as_dict(),
        "tipping_point": tipping,
        "predictive_probability_of_success": success,
        **answer.borrowed(case, rule, first, effects),
        "would_raise_grade": would_raise(case.circumstances),
        "warnings": [n.as_dict() for n in notes],
        "provenance": answer.provenance(request, case, work),
    }
    json.dumps(document, allow_nan=False)  # a number that is none is not an answer
    return Fit(document, work.draws, {f.measure.measure: f.runs for f in fitted})


def _judged(case: Case, fitted: list[Fitted]) -> tuple[list[Judged], Fitted]:
    """What the rule reads of every measure, the absent ones too, and the fitted primary."""
    effects = [judged(f) for f in fitted] + [Judged(m.measure, m.role) for m, _ in case.absent]
    return effects, next(f for f in fitted if f.prepared is case.primary)


def _blocks(case: Case, work: Work, fitted: list[Fitted]) -> dict[str, dict[str, Any]]:
    """The answer's block of every planned measure, by its key."""
    blocks: dict[str, dict[str, Any]] = {}
    for f in fitted:
        name = f.measure.measure
        blocks[name] = effect(f, work.exact[name], case.plan.rule, case.plan.interval)
        if (slope := work.slopes[name]) is not None:
            blocks[name]["slope"] = {"mean": slope[0], "sd": slope[1]}
        outside = prior_predictive_outside(case.plan, f.prepared)
        blocks[name] |= {"prior_sensitivity": work.leaning[name], "prior_predictive_outside": outside}
    return blocks | {m.measure: missing(m, reason) for m, reason in case.absent}
