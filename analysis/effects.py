"""An effect in every form an answer shows: SD units, raw units, after bias, as probabilities. Pure assembly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.decide import SIMILAR, balancing_verdict
from analysis.designs.inputs import TwoProportions
from analysis.designs.prepared import Alternative, Prepared
from analysis.documents import PlannedMeasure, Role, Rule
from analysis.percent import PercentChange
from analysis.posterior import Posterior
from analysis.predictive import Check
from analysis.proportions import BetaDifference
from analysis.runs import ADJUSTED, ENTHUSIASTIC, EVIDENCE, OBSERVED, SCEPTICAL
from analysis.verdict import Judged


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A prepared measure with its posteriors by run, its unit by unit effects and its predictive checks.

    `raw` is the effect in raw units where the model gives it and it is no multiple of δ. `alternatives` are the blocks
    of other models of the same data. `detail` is what a model says beside the effect (of each month, say).
    """

    prepared: Prepared
    runs: Mapping[str, Posterior]
    units: Sequence[Mapping[str, Any]] = ()
    checks: Sequence[Check] = ()
    raw: Posterior | None = None
    alternatives: Sequence[Mapping[str, Any]] = ()
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def measure(self) -> PlannedMeasure:
        """The planned measure."""
        return self.prepared.measure


def summary(posterior: Posterior, prob: float, factor: float = 1.0) -> dict[str, Any]:
    """Mean, SD and equal-tailed interval of `factor` × the effect."""
    ends = sorted(factor * posterior.quantile(p) for p in ((1 - prob) / 2, (1 + prob) / 2))
    return {
        "mean": factor * posterior.mean,
        "sd": abs(factor) * posterior.sd,
        "interval": {"low": ends[0], "high": ends[1], "prob": prob, "kind": "equal-tailed"},
    }


def probabilities(posterior: Posterior, measure: PlannedMeasure, shift: float = 0.0) -> dict[str, float]:
    """The probabilities of δ − shift that a rule may read."""
    mmd, margin = measure.mmd, measure.tolerated_harm
    return {
        "p_benefit": posterior.above(shift),
        "p_meaningful": posterior.above(mmd + shift),
        "p_below_zero": 1 - posterior.above(shift),
        "p_harm": 1 - posterior.above(-margin + shift),
        "p_rope": max(posterior.above(-mmd + shift) - posterior.above(mmd + shift), 0.0),
    }


def judged(fitted: Fitted, shift: float = 0.0) -> Judged:
    """What the decision rule reads of an effect, `shift` SD worse."""
    adjusted, p = fitted.runs[ADJUSTED], probabilities(fitted.runs[ADJUSTED], fitted.measure, shift)
    return Judged(
        measure=fitted.measure.measure,
        role=fitted.measure.role,
        p_benefit=p["p_benefit"],
        p_meaningful=p["p_meaningful"],
        p_below_zero=p["p_below_zero"],
        p_harm=p["p_harm"],
        p_benefit_sceptical=fitted.runs[SCEPTICAL].above(shift),
        p_not_worse=adjusted.above(-SIMILAR + shift),
    )


def effect(fitted: Fitted, exact: Mapping[str, Posterior], rule: Rule, prob: float) -> dict[str, Any]:
    """The answer's block of one measure; `exact` holds the twin of every run."""
    measure, prepared, runs = fitted.measure, fitted.prepared, fitted.runs
    answer: dict[str, Any] = {
        "measure": measure.measure,
        "role": measure.role.value,
        "family": measure.family.value,
        "n": dict(prepared.n),
        "sd": summary(runs[OBSERVED], prob),
        "raw": _raw(fitted, prob),
        "adjusted": summary(runs[ADJUSTED], prob),
        **probabilities(runs[ADJUSTED], measure),
        "p_benefit_sceptical": runs[SCEPTICAL].above(0.0),
        "p_benefit_enthusiastic": runs[ENTHUSIASTIC].above(0.0),
        "p_not_worse": runs[ADJUSTED].above(-SIMILAR),
        "unadjusted": _unadjusted(fitted),
        "evidence": _evidence(runs.get(EVIDENCE)),
        "units": _units(fitted),
        "predictive": [check.as_dict() for check in fitted.checks],
        "exact": _twin(measure, exact),
        **prepared.beside,
        **fitted.detail,
    }
    if fitted.alternatives:
        answer["alternatives"] = list(fitted.alternatives)
    if measure.role is Role.BALANCING:
        answer["verdict"] = balancing_verdict(rule, answer["p_harm"])
    return answer


def alternative(
    other: Alternative, observed: Posterior, adjusted: Posterior, measure: PlannedMeasure, prob: float
) -> dict[str, Any]:
    """What another model of the same data says, by the exact engine; it decides nothing."""
    return {
        "model": other.name,
        "why": other.why,
        "sd": summary(observed, prob),
        "adjusted": summary(adjusted, prob),
        **probabilities(adjusted, measure),
    }


def missing(measure: PlannedMeasure, reason: str) -> dict[str, Any]:
    """The block of a measure that has no data or could not be fitted: says so, and no number."""
    answer: dict[str, Any] = {"measure": measure.measure, "role": measure.role.value, "family": measure.family.value}
    answer |= dict.fromkeys(("sd", "raw", "adjusted", "p_benefit", "p_meaningful", "p_below_zero", "p_harm", "p_rope"))
    answer |= dict.fromkeys(("p_benefit_sceptical", "unadjusted", "evidence", "exact"))
    answer |= {"units": [], "reason": reason}
    if measure.role is Role.BALANCING:
        answer["verdict"] = "unknown"
    return answer


def _raw(fitted: Fitted, prob: float) -> dict[str, Any]:
    """Risk difference of two proportions, per cent on a log scale; else in the measure's own direction and unit."""
    prepared, observed = fitted.prepared, fitted.runs[OBSERVED]
    if isinstance(prepared.inputs, TwoProportions):
        return summary(BetaDifference(prepared.inputs), prob) | {"unit": "risk difference"}
    if prepared.percent_per_sd is not None:
        return summary(PercentChange(observed, prepared.percent_per_sd), prob) | {"unit": "%"}
    if fitted.raw is not None:
        return summary(fitted.raw, prob) | {"unit": prepared.raw_unit or "risk difference"}
    return summary(observed, prob, prepared.raw_per_sd or 1.0) | {"unit": prepared.raw_unit or "of the measure"}


def _unadjusted(fitted: Fitted) -> dict[str, float]:
    """P(δ > 0) and P(δ > MMD) with no bias; of proportions under independent Beta(1, 1)."""
    inputs, mmd = fitted.prepared.inputs, fitted.measure.mmd
    if isinstance(inputs, TwoProportions):
        beta = BetaDifference(inputs)
        return {"p_benefit": beta.effect_above(0.0), "p_meaningful": beta.effect_above(mmd)}
    observed = fitted.runs[OBSERVED]
    return {"p_benefit": observed.above(0.0), "p_meaningful": observed.above(mmd)}


def _units(fitted: Fitted) -> list[dict[str, Any]]:
    """Units with the key of their arm; null where a unit has people of both."""
    keys = list(fitted.prepared.n)
    arms = {"treated": keys[0], "control": keys[-1], None: None}
    return [{**row, "arm": arms[row["arm"]]} for row in fitted.units]


def _evidence(flat: Posterior | None) -> dict[str, float | None]:
    """Estimate and SE without prior and bias, as a synthesis wants them; null where a flat prior gives no posterior."""
    if flat is None:
        return {"effect_sd": None, "se_sd": None}
    return {"effect_sd": flat.mean, "se_sd": flat.sd}


def _twin(measure: PlannedMeasure, exact: Mapping[str, Posterior]) -> dict[str, Any]:
    """Mean, SD and probabilities of `adjusted` by the exact engine, and mean and SD of the other runs."""
    adjusted = exact[ADJUSTED]
    return {
        "mean": adjusted.mean,
        "sd": adjusted.sd,
        **probabilities(adjusted, measure),
        "p_benefit_sceptical": exact[SCEPTICAL].above(0.0),
        "runs": {name: {"mean": p.mean, "sd": p.sd} for name, p in exact.items()},
    }
