"""From a request to an answer: prepare, compute every posterior, judge. The front of the library; JSON in, JSON out.

Sampling itself is in `sampling.py`, statistics in the modules named in the imports; no formula lives here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from analysis import exact, gates
from analysis.decide import TIPPING_STEPS, DecisionRule
from analysis.designs import prepare
from analysis.designs.prepared import ONE_GROUP, Note, Prepared, Question
from analysis.documents import (
    Engine,
    FitRequest,
    MeasureData,
    Plan,
    PlannedLook,
    PlannedMeasure,
    Role,
    confirmatory_seed,
)
from analysis.draws import as_tree
from analysis.effects import Fitted, effect, judged, missing, probabilities, summary
from analysis.engine import Work, settings_of
from analysis.errors import Refused, computable
from analysis.futility import predictive_probability
from analysis.grade import Circumstances, Grade, grade, would_raise
from analysis.models import label
from analysis.posterior import Posterior
from analysis.priors import Run
from analysis.runs import ADJUSTED, EVIDENCE, PLAIN, SCEPTICAL, runs_of
from analysis.sampling import warm
from analysis.sensitivity import notes as sensitivity_notes
from analysis.sensitivity import prior_predictive_outside
from analysis.verdict import Judged, Verdict

__all__ = ["Fit", "exact_posteriors", "fit", "fit_with_draws", "warm"]

PACKAGES = ("pilotlight", "pymc", "nutpie", "pytensor", "arviz", "numpy", "scipy")


@dataclass(frozen=True, eq=False)
class Fit:
    """An answer (or refusal) as JSON-able dict, and the draws behind it as a DataTree (`draws.as_tree`); None: none.

    `posteriors` are of every fitted measure by run (`adjusted`, `as_observed`, …), by the engine of record: for plots.
    """

    answer: dict[str, Any]
    draws: Any = None
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


def exact_posteriors(request: FitRequest) -> dict[str, dict[str, Posterior]]:
    """The exact posterior of δ of every fitted measure, by run (`adjusted`, `as_observed`, …); raises `Refused`.

    In milliseconds and without PyMC: for plots and previews.
    """
    with computable():
        plan = _plan_in_force(request)
        prepared, _ = _prepare_all(request.data, plan, _look(plan, request.look), [])
        graded = grade(_circumstances(plan, next(p for p in prepared if p.measure.role is Role.PRIMARY)))
        return {
            p.measure.measure: {run.name: exact.posterior(p.inputs, run) for run in runs_of(plan, p, graded)}
            for p in prepared
        }


def exact_verdict(plan: Plan, data: Mapping[str, MeasureData], look: PlannedLook) -> Verdict:
    """The verdict of the exact engine from only the posteriors a decision reads; raises `Refused`.

    For simulation: the same path as `fit`. `plan` is in its long form and holds the attrition in force.
    """
    with computable():
        prepared, absent = _prepare_all(data, plan, look, [])
        primary = next(p for p in prepared if p.measure.role is Role.PRIMARY)
        circumstances = _circumstances(plan, primary)
        graded = grade(circumstances)
        rule = _rule(plan, look, graded, primary)
        deciding = {ADJUSTED, SCEPTICAL, *([EVIDENCE] if rule.early else [])}
        runs = {p.measure.measure: [r for r in runs_of(plan, p, graded) if r.name in deciding] for p in prepared}
        fitted = [
            Fitted(p, {r.name: exact.posterior(p.inputs, r) for r in runs[p.measure.measure]})
            for p in prepared
            if p.measure.role is not Role.SECONDARY
        ]
        effects = [judged(f) for f in fitted] + [Judged(m.measure, m.role) for m, _ in absent]
        first = next(f for f in fitted if f.prepared is primary)
        _, shifted = _tipping(rule, circumstances, plan, first, effects)
        success = _success(rule, first, {r.name: r for r in runs[primary.measure.measure]})
        return rule.judge(effects, shifted, success)


def _plan_in_force(request: FitRequest) -> Plan:
    """The long form; what the waves show of attrition goes before what the plan declares.

    The plan's hash stays that of the plan as locked.
    """
    return request.plan.expanded().model_copy(update={"attrition": request.attrition_in_force})


def _fit(request: FitRequest, progress: Callable[[float], None]) -> Fit:
    plan = _plan_in_force(request)
    look = _look(plan, request.look)
    notes: list[Note] = []
    prepared, absent = _prepare_all(request.data, plan, look, notes)
    primary = next(p for p in prepared if p.measure.role is Role.PRIMARY)
    circumstances = _circumstances(plan, primary)
    graded = grade(circumstances)
    notes += _plan_notes(plan, primary, graded)
    seed = request.seed
    if seed is None:
        seed = confirmatory_seed(request.plan.hash(), request.data_hash())

    work = Work(request.engine, seed, progress, sum(len(runs_of(plan, p, graded)) for p in prepared), plan.interval)
    rule = _rule(plan, look, graded, primary)
    fitted = [work.solve(p, runs_of(plan, p, graded), rule) for p in prepared]
    progress(1.0)
    notes += work.notes

    gate_lines = gates.report(work.readings)
    failed = tuple(dict.fromkeys(str(g["name"]) for g in gate_lines if g["passed"] is False))
    rule = _rule(plan, look, graded, primary, failed)
    effects = [judged(f) for f in fitted] + [Judged(m.measure, m.role) for m, _ in absent]
    first = next(f for f in fitted if f.prepared is primary)
    tipping, shifted = _tipping(rule, circumstances, plan, first, effects)
    success = _success(rule, first, {r.name: r for r in runs_of(plan, primary, graded)})
    verdict = rule.judge(effects, shifted, success)
    blocks = {f.measure.measure: effect(f, work.exact[f.measure.measure], plan.rule, plan.interval) for f in fitted}
    for name, slope in work.slopes.items():
        if slope is not None:
            blocks[name]["slope"] = {"mean": slope[0], "sd": slope[1]}
    for f in fitted:
        outside = prior_predictive_outside(plan, f.prepared)
        lean = work.leaning[f.measure.measure]
        blocks[f.measure.measure] |= {"prior_sensitivity": lean, "prior_predictive_outside": outside}
        notes += sensitivity_notes(f.prepared, lean, outside)
    blocks |= {m.measure: missing(m, reason) for m, reason in absent}
    answer = {
        "grade": graded.letter,
        "gates": gate_lines,
        "effects": [blocks[m.measure] for m in plan.measures],
        "recommendation": verdict.as_dict(),
        "tipping_point": tipping,
        "predictive_probability_of_success": success,
        **_borrowed(first, plan, runs_of(plan, primary, graded), rule, effects),
        "would_raise_grade": would_raise(circumstances),
        "warnings": [n.as_dict() for n in notes],
        "provenance": _provenance(request, look, seed, prepared, primary, work),
    }
    json.dumps(answer, allow_nan=False)  # a number that is none is not an answer
    return Fit(answer, as_tree(work.trees) if work.trees else None, {f.measure.measure: f.runs for f in fitted})


# --- what is asked ----------------------------------------------------------------------------------------------


def _look(plan: Plan, number: int | None) -> PlannedLook:
    if number is None:
        return plan.looks[-1]
    for look in plan.looks:
        if look.look == number:
            return look
    planned = ", ".join(str(look.look) for look in plan.looks)
    raise Refused("unknown_look", f"The plan has no look {number}.", f"Planned looks: {planned}.")


def _prepare_all(
    given: Mapping[str, MeasureData], plan: Plan, look: PlannedLook, notes: list[Note]
) -> tuple[list[Prepared], list[tuple[PlannedMeasure, str]]]:
    """Prepared measures in the plan's order, and those that could not be with the reason; the primary must be."""
    primaries = [m.measure for m in plan.measures if m.role is Role.PRIMARY]
    if len(primaries) != 1:
        raise Refused(
            "no_primary" if not primaries else "several_primaries",
            "The plan names no primary measure; nothing can be decided on side effects and global outcomes alone."
            if not primaries
            else f"The plan names {len(primaries)} primary measures ({', '.join(primaries)}); a decision needs one.",
            "Give exactly one measure the role `primary`: the one that matches what the intervention changes.",
        )
    prepared: list[Prepared] = []
    absent: list[tuple[PlannedMeasure, str]] = []
    for measure in plan.measures:
        try:
            prepared.append(_prepare(given, plan, measure, look))
            notes.extend(prepared[-1].warnings)
        except Refused as refusal:
            if measure.role is Role.PRIMARY:
                raise
            absent.append((measure, refusal.code))
            notes.append(Note(refusal.code, f"{refusal.message} {refusal.what_would_help}", measure.measure))
    return prepared, absent


def _prepare(given: Mapping[str, MeasureData], plan: Plan, measure: PlannedMeasure, look: PlannedLook) -> Prepared:
    data = given.get(measure.measure)
    if data is None:
        raise Refused(
            "data_missing",
            f"There are no data of {measure.measure}.",
            "Enter its measurements or a summary for the waves of this look.",
        )
    return prepare(Question(plan, measure, data, look.wave))


def _circumstances(plan: Plan, primary: Prepared) -> Circumstances:
    arms = {arm for arm in (plan.treated, plan.control) if arm is not None and plan.design not in ONE_GROUP}
    arms |= {plan.treated}
    declared = plan.attrition if plan.attrition and arms <= plan.attrition.keys() else None
    attrition = {a: s for a, s in declared.items() if a in arms} if declared else primary.attrition
    return Circumstances(
        design=plan.design,
        randomised=plan.randomised,
        units_per_arm=primary.units_per_arm,
        pre_waves=primary.pre_waves,
        attrition=attrition,
        n=primary.n,
    )


def _plan_notes(plan: Plan, primary: Prepared, graded: Grade) -> list[Note]:
    notes = []
    name = primary.measure.measure
    if primary.measure.scope == "global":
        message = (
            f"{name} is a global outcome, moved by many things; a primary measure should match the intervention itself."
        )
        notes.append(Note("global_primary", message, name))
    if not graded.attrition_known:
        message = (
            "How many were lost to follow-up is not known; the grade is not lowered and the tipping point not assessed."
        )
        notes.append(Note("attrition_unknown", message))
    elif graded.letter != graded.by_design:
        message = f"Loss to follow-up lowered the grade from {graded.by_design} to {graded.letter}."
        notes.append(Note("attrition_lowers_grade", message))
    if plan.priors.effect == "flat":
        notes.append(Note("flat_effect_prior", "A flat prior on the effect caps the outcome at refine.", name))
    return notes


def _rule(
    plan: Plan, look: PlannedLook, graded: Grade, primary: Prepared, failed: tuple[str, ...] = ()
) -> DecisionRule:
    caps = [primary.cap] if primary.cap else []
    if plan.priors.effect == "flat":
        caps.append("flat prior on the effect")
    last = look == plan.looks[-1]
    return DecisionRule(
        thresholds=plan.rule,
        grade=graded.letter,
        followup_months=plan.followup_months if last and plan.followup_months is not None else look.months,
        min_followup_months=plan.min_followup_months,
        early=not last,
        caps=tuple(caps),
        failed_gates=failed,
    )


# --- what is answered -------------------------------------------------------------------------------------------


def _tipping(
    rule: DecisionRule, c: Circumstances, plan: Plan, first: Fitted, effects: list[Judged]
) -> tuple[dict[str, Any], list[tuple[float, Judged]] | None]:
    """The effect with non-responders of the treated arm k SD worse: effect − k × attrition of that arm."""
    if not c.attrition:
        return {"status": "not_assessed", "flips_at": None, "steps": []}, None
    lost = c.attrition[plan.treated]
    ks = sorted({*TIPPING_STEPS, plan.rule.tipping_k})
    shifted = [(k, judged(first, k * lost)) for k in ks]
    now = rule.judge(effects).outcome
    outcomes = rule.tipping(effects, shifted)
    steps = [
        {
            "k": k,
            "shift": -k * lost,
            "p_benefit": e.p_benefit,
            "p_meaningful": e.p_meaningful,
            "p_benefit_sceptical": e.p_benefit_sceptical,
            "outcome": outcome,
        }
        for (k, e), (_, outcome) in zip(shifted, outcomes, strict=True)
    ]
    flips = next((k for k, outcome in outcomes if outcome != now), None)
    return {"status": "assessed", "attrition_treated": lost, "flips_at": flips, "steps": steps}, shifted


def _success(rule: DecisionRule, first: Fitted, runs: Mapping[str, Run]) -> float | None:
    """Predictive probability of success at a look before the last; None at the last, and without a finite estimate."""
    if not rule.early or EVIDENCE not in first.runs:
        return None
    now = first.runs[EVIDENCE]
    return predictive_probability(now.mean, now.sd, runs[ADJUSTED], runs[SCEPTICAL], rule.thresholds, first.measure.mmd)


def _borrowed(first: Fitted, plan: Plan, runs: list[Run], rule: DecisionRule, effects: list[Judged]) -> dict[str, Any]:
    """The weight the data leave to what was borrowed, and the result without it; null where nothing is borrowed."""
    if PLAIN not in first.runs:
        return {"borrowed_weight": None, "without_borrowing": None}
    mixture = next(r for r in runs if r.name == ADJUSTED)
    alone = Fitted(first.prepared, {**first.runs, ADJUSTED: first.runs[PLAIN]})
    others = [e for e in effects if e.role is not Role.PRIMARY]
    return {
        "borrowed_weight": _weight(first.prepared, mixture, plan),
        "without_borrowing": {
            "adjusted": summary(first.runs[PLAIN], plan.interval),
            **probabilities(first.runs[PLAIN], first.measure),
            "outcome": rule.judge([judged(alone), *others]).outcome,
        },
    }


def _weight(primary: Prepared, mixture: Run, plan: Plan) -> float:
    """Posterior weight of what was borrowed; a planned weight of 0 has no such part in the mixture."""
    planned = plan.priors.borrow.weight if plan.priors.borrow is not None else 0.0
    return float(exact.component_weights(primary.inputs, mixture)[0]) if planned > 0 else 0.0


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Versions of the packages an answer depends on; to look them up takes longer than an exact fit."""
    return {name: version(name) for name in PACKAGES}


def _provenance(
    request: FitRequest, look: PlannedLook, seed: int, prepared: list[Prepared], primary: Prepared, work: Work
) -> dict[str, Any]:
    settings = settings_of(primary)
    return {
        "seed": seed,
        "data_hash": request.data_hash(),
        "attrition": request.attrition_in_force,
        "plan_hash": request.plan.hash(),
        "look": look.look,
        "model": label(primary.inputs.structure),
        "models": {p.measure.measure: label(p.inputs.structure) for p in prepared},
        "engine": request.engine.value,
        "sampler": None if request.engine is Engine.EXACT else {**asdict(settings), "refits": work.refits},
        "versions": dict(versions()),
    }
