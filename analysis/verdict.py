"""What a decision rule reads and what it answers, in values and in words. No rule here; cheap to import."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.documents import Role

Outcome = Literal["scale", "refine", "replace", "indeterminate"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rule reads of one measure's effect; None: no data, or it could not be fitted."""

    measure: str
    role: Role
    p_benefit: float | None = None
    p_meaningful: float | None = None
    p_below_zero: float | None = None
    p_harm: float | None = None
    p_benefit_sceptical: float | None = None
    p_not_worse: float | None = None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition, met or not; `met` None means it could not be assessed and does not block."""

    name: str
    measure: str | None
    value: float | str | None
    threshold: float | str | None
    met: bool | None
    decides: Literal["any", "replace", "scale", "stop"] = "scale"

    def as_dict(self) -> dict[str, float | str | bool | None]:
        """The criterion as the answer holds it."""
        return {
            "name": self.name,
            "measure": self.measure,
            "value": self.value,
            "threshold": self.threshold,
            "met": self.met,
            "decides": self.decides,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with everything it stands on.

    `stop` says that the pilot should not go on to its next planned look because success has become unlikely. That is
    no verdict on the intervention: the outcome stays `refine` (a larger or a changed pilot), never `replace`.
    """

    outcome: Outcome
    provisional: bool
    criteria: tuple[Criterion, ...]
    says: str
    stop: bool = False

    def as_dict(self) -> dict[str, object]:
        """The recommendation as the answer holds it."""
        return {
            "outcome": self.outcome,
            "provisional": self.provisional,
            "stop_for_futility": self.stop,
            "says": self.says,
            "criteria": [c.as_dict() for c in self.criteria],
        }


def not_assessed(criteria: Sequence[Criterion]) -> str:
    """What the verdict does not stand on, as the end of a sentence."""
    names = {"tipping_point": "loss to follow-up"}
    open_ = [names.get(c.name, c.name) for c in criteria if c.decides == "scale" and c.met is None]
    return f"; not assessed: {', '.join(open_)}" if open_ else ""


def at_least(value: float | None, threshold: float) -> bool:
    """Whether a probability reaches its threshold; one that is not there does not."""
    return value is not None and value >= threshold


def percent(p: float | str | None) -> str:
    """A probability in words: never 0 or 100 %."""
    if not isinstance(p, float):
        return "an unknown"
    rounded = round(100 * p)
    return "over 99 %" if rounded == 100 else "under 1 %" if rounded == 0 else f"{rounded} %"  # noqa: PLR2004


def _of(c: Criterion, what: str) -> str:
    if not isinstance(c.value, float) or not isinstance(c.threshold, float):
        return f"{what} unknown"
    # A value just below its threshold must not read as the same number.
    digits = 0 if f"{100 * c.value:.0f}" != f"{100 * c.threshold:.0f}" else 2
    return f"{what} {100 * c.value:.{digits}f} % (needs {100 * c.threshold:.{digits}f} %)"


def reason(c: Criterion) -> str:
    """Why a criterion stands in the way (or, of `replace`, decides), as half a sentence."""
    deciding = {
        "p_meaningful": "a meaningful benefit is unlikely",
        "p_below_zero": "it probably does harm",
        "balancing_breached": f"{c.measure} has probably become worse than tolerated",
    }
    missing = {
        "grade": f"the evidence is of grade {c.value}",
        "tipping_point": "people lost to follow-up could overturn it",
        "followup_months": "length of the follow-up unknown"
        if c.value is None or c.threshold is None
        else f"follow-up of {c.value} months (needs {c.threshold})",
        "cap": f"{c.value}",
    }
    short = {
        "p_benefit": "probability of a benefit",
        "p_meaningful": "probability of a meaningful benefit",
        "p_benefit_sceptical": "probability of a benefit to a sceptic",
        "balancing": f"probability that {c.measure} is safe",
        "global": f"probability that {c.measure} is not worse",
    }
    if c.decides == "replace":
        return deciding[c.name]
    return missing[c.name] if c.name in missing else _of(c, short[c.name])
