"""Pools what several organizations found and judges it by the foundational rule; JSON in, JSON out (methods §3, §5).

No formula lives here: the quadrature is in `synthesis_exact.py`, sampling in `synthesis_nuts.py`, the rule in
`foundational.py`, who counts once in `synthesis_studies.py`.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from analysis import foundational, gates
from analysis.answer import PACKAGES
from analysis.designs.prepared import Note
from analysis.documents import Engine
from analysis.errors import Refused, computable
from analysis.evidence import SynthesisRequest, TauKind, TauPrior
from analysis.models import label
from analysis.synthesis_answer import (
    PooledRun,
    block_of,
    findings_of,
    notes_of,
    recommendation_of,
    retained_of,
    twin_of,
)
from analysis.synthesis_exact import inputs_of, pooled
from analysis.synthesis_nuts import SETTINGS, STRUCTURE, Deciding, Work
from analysis.synthesis_studies import Study, checked, studies

SENSITIVITY = TauPrior(kind=TauKind.HALF_NORMAL, scale=0.5)
MAIN, ADOPTERS = "all", "adopters_only"


def synthesise(request: SynthesisRequest, *, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """The contract's answer to a request, or `{"refused": {code, message, what_would_help}}`.

    `progress` gets a monotone 0…1; an exception it raises cancels the sampling and propagates.
    """
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
            return _synthesise(request, report)
    except Refused as refusal:
        return {"refused": refusal.as_dict()}


def _synthesise(request: SynthesisRequest, progress: Callable[[float], None]) -> dict[str, Any]:
    notes = checked(request.evidence, request.retained)
    every, counted = studies(request.evidence, bias=request.bias)
    notes += counted
    adopters = [s for s in every if s.adopter]
    seed, tau = request.seed_in_force(), request.priors.tau
    work = Work(seed, progress, 2 if adopters else 1, request.mmd) if request.engine is Engine.NUTS else None
    main = _run(request, every, tau, work, MAIN)
    alone = None
    try:
        alone = _run(request, adopters, tau, work, ADOPTERS) if adopters else None
    except Refused as refusal:
        notes.append(Note(refusal.code, f"Adopters alone: {refusal.message} {refusal.what_would_help}"))
    # What is shown and decides nothing is exact, and no gate of it blocks a verdict.
    wider = _run(request, every, SENSITIVITY)
    wider_alone = _run(request, adopters, SENSITIVITY) if adopters else None
    progress(1.0)

    lines = [g for g in gates.report(work.readings if work else []) if g["name"] != "predictive"]
    failed = tuple(str(g["name"]) for g in lines if g["passed"] is False)
    caps = ["a flat prior on the mean caps the outcome at not_yet"] if request.priors.mu == "flat" else []
    verdict = foundational.judge(findings_of(request, every, main, alone), caps=caps, failed_gates=failed)
    widened = foundational.judge(findings_of(request, every, wider, wider_alone), caps=caps)
    notes += [*notes_of(request, every, main), *(work.notes if work else [])]
    if verdict.outcome not in ("indeterminate", widened.outcome):
        message = f"With the wider prior τ ~ HN({SENSITIVITY.scale:g}) the outcome would be {widened.outcome}."
        notes.append(Note("outcome_depends_on_tau", message))
    answer = {
        **block_of(request, main),
        "sensitivity": {
            **block_of(request, wider),
            "adopters_only": block_of(request, wider_alone) if wider_alone else None,
            "prior": SENSITIVITY.model_dump(mode="json"),
            "outcome": widened.outcome,
        },
        "adopters_only": block_of(request, alone) if alone else None,
        "retained": retained_of(request),
        "exact": twin_of(request, main, alone),
        "gates": lines,
        "recommendation": recommendation_of(request, verdict),
        "warnings": [n.as_dict() for n in notes],
        "provenance": {
            "seed": seed,
            "data_hash": request.data_hash(),
            "rule_hash": request.rule_hash(),
            "model": label(STRUCTURE),
            "engine": request.engine.value,
            "sampler": {**asdict(SETTINGS), "refits": work.refits} if work else None,
            "versions": {name: version(name) for name in PACKAGES},
        },
    }
    json.dumps(answer, allow_nan=False)  # a number that is none is not an answer
    return answer


def _deciding(name: str, mmd: float) -> list[Deciding]:
    """The probabilities that the rule reads of a run."""
    rule = foundational.RULE
    if name == ADOPTERS:
        wanted = (rule.p_benefit_adopters, rule.no_p_benefit_adopters)
        return [Deciding("p_benefit_adopters", "mu", 0.0, wanted)]
    return [
        Deciding("p_meaningful", "mu", mmd, (rule.p_meaningful,)),
        Deciding("p_benefit_new", "new", 0.0, (rule.p_benefit_new,)),
    ]


def _run(
    request: SynthesisRequest, some: list[Study], tau: TauPrior, work: Work | None = None, name: str = ""
) -> PooledRun:
    """The posterior of some of the studies: exact, and by NUTS where there is `work`."""
    inputs = inputs_of(some, request.priors, tau)
    twin = pooled(inputs)
    answer = work.pooled(name, inputs, twin, _deciding(name, request.mmd)) if work else twin
    return PooledRun(inputs, some, twin, answer)
