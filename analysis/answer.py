"""The parts of an answer that are of the whole analysis: tipping point, borrowing, success to come, provenance."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from analysis import exact
from analysis.case import Case
from analysis.decide import TIPPING_STEPS, DecisionRule
from analysis.documents import Engine, FitRequest, Role
from analysis.effects import Fitted, judged, probabilities
from analysis.engine import Work, settings_of
from analysis.futility import predictive_probability
from analysis.models import label
from analysis.posterior import summary
from analysis.runs import ADJUSTED, EVIDENCE, PLAIN, SCEPTICAL
from analysis.verdict import Judged

PACKAGES = ("pilotlight", "pymc", "nutpie", "pytensor", "arviz", "numpy", "scipy")


def tipping(
    case: Case, rule: DecisionRule, first: Fitted, effects: list[Judged]
) -> tuple[dict[str, Any], list[tuple[float, Judged]] | None]:
    """The effect with non-responders of the treated arm k SD worse: effect − k × attrition of that arm."""
    attrition, plan = case.circumstances.attrition, case.plan
    if not attrition:
        return {"status": "not_assessed", "flips_at": None, "steps": []}, None
    lost = attrition[plan.treated]
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


def success(case: Case, rule: DecisionRule, first: Fitted) -> float | None:
    """Predictive probability of success at a look before the last; None at the last, and without a finite estimate."""
    if not rule.early or EVIDENCE not in first.runs:
        return None
    now, runs = first.runs[EVIDENCE], {run.name: run for run in case.runs(first.prepared)}
    return predictive_probability(now.mean, now.sd, runs[ADJUSTED], runs[SCEPTICAL], rule.thresholds, first.measure.mmd)


def borrowed(case: Case, rule: DecisionRule, first: Fitted, effects: list[Judged]) -> dict[str, Any]:
    """The weight the data leave to what was borrowed, and the result without it; null where nothing is borrowed."""
    if PLAIN not in first.runs:
        return {"borrowed_weight": None, "without_borrowing": None}
    alone = Fitted(first.prepared, {**first.runs, ADJUSTED: first.runs[PLAIN]})
    others = [e for e in effects if e.role is not Role.PRIMARY]
    return {
        "borrowed_weight": _weight(case),
        "without_borrowing": {
            "adjusted": summary(first.runs[PLAIN], case.plan.interval),
            **probabilities(first.runs[PLAIN], first.measure),
            "outcome": rule.judge([judged(alone), *others]).outcome,
        },
    }


def _weight(case: Case) -> float:
    """Posterior weight of what was borrowed; a planned weight of 0 has no such part in the mixture."""
    borrow = case.plan.priors.borrow
    if borrow is None or borrow.weight == 0:
        return 0.0
    mixture = next(run for run in case.runs(case.primary) if run.name == ADJUSTED)
    return float(exact.component_weights(case.primary.inputs, mixture)[0])


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Versions of the packages an answer depends on; to look them up takes longer than an exact fit."""
    return {name: version(name) for name in PACKAGES}


def provenance(request: FitRequest, case: Case, work: Work) -> dict[str, Any]:
    """What it takes to compute the same numbers again."""
    settings = settings_of(case.primary)
    return {
        "seed": work.seed,
        "data_hash": request.data_hash(),
        "attrition": request.attrition_in_force,
        "plan_hash": request.plan.hash(),
        "look": case.look.look,
        "model": label(case.primary.inputs.structure),
        "models": {p.measure.measure: label(p.inputs.structure) for p in case.prepared},
        "engine": request.engine.value,
        "sampler": None if request.engine is Engine.EXACT else {**asdict(settings), "refits": work.refits},
        "versions": dict(versions()),
    }
