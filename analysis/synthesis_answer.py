"""What the rule reads of a synthesis, and what its answer shows: pure assembly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import ndtr

from analysis.designs.prepared import Note
from analysis.evidence import Evidence, EvidenceRole, SynthesisPriors, SynthesisRequest, TauKind
from analysis.foundational import Findings, Organization, Verdict
from analysis.posterior import Posterior, summary
from analysis.synthesis_exact import Inputs, Pooled, surprise
from analysis.synthesis_studies import Study, entry_moments

SURPRISING = 0.001
STEADY, STEADY_FLAT = 4, 5
"""Studies from which on a half-Cauchy prior leaves the draws of τ² a finite variance, with a proper and a flat μ."""


@dataclass(frozen=True, eq=False)
class PooledRun:
    """Some of the studies under one prior on τ: the exact posterior, `twin`, and that of the engine asked for."""

    inputs: Inputs
    studies: Sequence[Study]
    twin: Pooled
    pooled: Pooled


# --- what the rule reads ----------------------------------------------------------------------------------------


def _alone(request: SynthesisRequest, effect: float, variance: float) -> tuple[float, float]:
    """Mean and SD of δ from one estimate, bias in it, under the prior of μ: as `adjusted` of a fit."""
    mu = request.priors.mu
    mean, precision = (0.0, 0.0) if mu == "flat" else (mu.mean, mu.sd**-2)
    total = 1 / variance + precision
    return (effect / variance + precision * mean) / total, float(total**-0.5)


def _below_zero(effect: float, variance: float) -> float:
    """P(δ < 0) of one estimate with its bias, drawn neither towards the others nor towards a prior: harm shall show."""
    return float(ndtr(-effect / variance**0.5))


def retained_of(request: SynthesisRequest) -> dict[str, Any] | None:
    """δ at the origin's retention wave; its design is taken to be that of the origin unless a grade is given."""
    if request.retained is None:
        return None
    origins = [e.grade for e in request.evidence if e.role is EvidenceRole.ORIGIN]
    grade = request.retained.grade or max(origins or [e.grade for e in request.evidence])
    mean, sd = _alone(request, *entry_moments(request.retained, grade, bias=request.bias))
    return {"mean": mean, "sd": sd, "grade": grade, "p_benefit": float(ndtr(mean / sd))}


def findings_of(request: SynthesisRequest, every: list[Study], main: PooledRun, alone: PooledRun | None) -> Findings:
    """What the foundational rule reads of all studies and of adopters alone (None: could not be pooled)."""
    retained = retained_of(request)
    return Findings(
        organizations=[Organization(s.organization, s.role, s.grade) for s in every],
        p_below_zero=_harm(request, every),
        p_meaningful=main.pooled.mu.above(request.mmd),
        p_benefit_new=main.pooled.new.above(0.0),
        p_benefit_adopters=alone.pooled.mu.above(0.0) if alone else None,
        p_meaningful_adopters=alone.pooled.mu.above(request.mmd) if alone else None,
        p_retained=retained["p_benefit"] if retained else None,
    )


def _harm(request: SynthesisRequest, every: list[Study]) -> dict[str, float]:
    """P(δ < 0) of every adopter: the highest of its entries and of them together, so that none hides another."""
    worst: dict[str, float] = {}
    for study in every:
        entries = [request.evidence[i] for i in study.entries]
        values = [
            _below_zero(*entry_moments(e, e.grade, bias=request.bias))
            for e in entries
            if e.role is EvidenceRole.ADOPTER
        ]
        if study.adopter:
            values.append(_below_zero(study.effect, study.variance))
        if values:
            worst[study.organization] = max(values)
    return worst


# --- what is answered -------------------------------------------------------------------------------------------


def block_of(request: SynthesisRequest, run: PooledRun) -> dict[str, Any]:
    """`mu`, `tau`, `new` and `studies` of one run, the studies in the order of their entries."""
    of_entry = {
        i: (study, theta)
        for study, theta in zip(run.studies, run.pooled.studies, strict=True)
        for i in study.entries
    }  # fmt: skip
    p = run.pooled
    return {
        "mu": _summary(p.mu, request.interval) | _probabilities(p.mu, request.mmd),
        "tau": _summary(p.tau, request.interval),
        "new": _summary(p.new, request.interval) | _probabilities(p.new, request.mmd),
        "studies": [
            _entry(request, request.evidence[i], study, theta) for i, (study, theta) in sorted(of_entry.items())
        ],
    }


def _summary(posterior: Posterior, prob: float) -> dict[str, Any]:
    return summary(posterior, prob) | {"median": posterior.quantile(0.5)}


def _probabilities(posterior: Posterior, mmd: float) -> dict[str, float]:
    return {"p_benefit": posterior.above(0.0), "p_meaningful": posterior.above(mmd)}


def _entry(request: SynthesisRequest, entry: Evidence, study: Study, theta: Posterior) -> dict[str, Any]:
    """θ of the entry's organization (shrunken), and what the entry alone says."""
    effect, variance = entry_moments(entry, entry.grade, bias=request.bias)
    mean, sd = _alone(request, effect, variance)
    return {
        "organization": entry.organization,
        "role": entry.role.value,
        "grade": entry.grade,
        "source": entry.source,
        "counted_as": {"organization": study.organization, "role": study.role.value, "grade": study.grade},
        **_summary(theta, request.interval),
        "p_below_zero": _below_zero(effect, variance),
        "p_below_zero_shrunken": 1 - theta.above(0.0),
        "adjusted": {"mean": mean, "sd": sd},
    }


def twin_of(request: SynthesisRequest, main: PooledRun, alone: PooledRun | None) -> dict[str, Any]:
    """Moments and deciding probabilities by the exact engine."""

    def of(run: PooledRun) -> dict[str, Any]:
        t = run.twin
        values: Mapping[str, Posterior] = {"mu": t.mu, "tau": t.tau, "new": t.new}
        block: dict[str, Any] = {name: {"mean": v.mean, "sd": v.sd} for name, v in values.items()}
        for name in ("mu", "new"):
            block[name] |= _probabilities(values[name], request.mmd)
        return block

    return {**of(main), "adopters_only": of(alone) if alone else None}


def recommendation_of(request: SynthesisRequest, verdict: Verdict) -> dict[str, Any]:
    """The verdict, its sentence followed by what departs from the defaults: nobody shall have to look it up."""
    answer: dict[str, Any] = verdict.as_dict()
    default = SynthesisPriors()
    mu, tau = request.priors.mu, request.priors.tau
    departures = [
        *([] if request.bias else ["bias of the designs left out"]),
        *([] if request.mmd == SynthesisRequest.model_fields["mmd"].default else [f"MMD {request.mmd:g}"]),
        *([] if mu == default.mu else ["flat μ" if mu == "flat" else f"μ ~ N({mu.mean:g}, {mu.sd:g})"]),
        *([] if tau == default.tau else [f"τ ~ {tau.kind.value}({tau.scale:g})"]),
    ]
    if departures and verdict.outcome != "indeterminate":
        answer["says"] += f" This departs from the default ({', '.join(departures)})."
    return answer


def notes_of(request: SynthesisRequest, every: list[Study], main: PooledRun) -> list[Note]:
    """Warnings about the evidence as a whole."""
    flat, tau = request.priors.mu == "flat", request.priors.tau
    heavy = tau.kind is TauKind.HALF_CAUCHY and len(every) < (STEADY_FLAT if flat else STEADY)
    adopters = sum(s.adopter for s in every)
    odd = surprise(main.inputs)
    rows = (
        (adopters == len(every), "no_origin", "There is no entry of the origin."),
        (not adopters, "no_adopter", "There is no entry of an adopting organization; nothing is shown elsewhere."),
        (len(every) == 1, "one_study", "With one organization τ is known from its prior alone."),
        (flat, "flat_mu_prior", "A flat prior on the mean caps the outcome at not_yet."),
        (not request.bias, "bias_left_out", "The bias that the designs may carry is left out."),
        (
            heavy,
            "heavy_tails",
            "With a half-Cauchy prior and so few studies the SDs of τ and `new` hang on the tail; read the intervals.",
        ),
        (
            odd < SURPRISING,
            "does_not_fit",
            f"An estimate lies far from what the others and the prior lead to expect (p = {odd:.2g}).",
        ),
    )
    return [Note(code, message) for holds, code, message in rows if holds]
