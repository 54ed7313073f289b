"""The foundational rule and the yearly review: probabilities in, a verdict with every criterion out. Pure; cheap.

docs/methods.md §5. Order: gates → no → foundational → not yet. The origin never counts as proof elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis.evidence import EvidenceRole

Outcome = Literal["foundational", "not_yet", "no", "indeterminate"]
CONTROLLED = ("A", "B")
"""Grades that count as proof."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Every threshold of the rule; fixed before the evidence is looked at."""

    p_retained: float = 0.90
    origins: int = 1
    adopters: int = 2
    grade_a: int = 1
    p_benefit_adopters: float = 0.95
    p_meaningful: float = 0.80
    p_benefit_new: float = 0.90
    harmed: float = 0.80
    no_p_benefit_adopters: float = 0.50
    review_p_meaningful: float = 0.50


RULE = Thresholds()


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization of the evidence, counted once."""

    name: str
    role: EvidenceRole
    grade: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What the rule reads of a synthesis; None: not known, or it could not be computed.

    `p_below_zero` = P(δ_j < 0) of every adopter from its own estimate, unshrunken, bias in it; `p_retained` = P(δ > 0)
    at the origin's retention wave. The others are probabilities of μ over all organizations, of μ over the adopters
    alone, and of θ_new.
    """

    organizations: Sequence[Organization]
    p_below_zero: Mapping[str, float]
    p_meaningful: float
    p_benefit_new: float
    p_benefit_adopters: float | None
    p_meaningful_adopters: float | None
    p_retained: float | None = None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition, met or not; `met` None: not assessed here, says why, and does not block."""

    name: str
    value: float | str | None
    threshold: float | None
    met: bool | None
    decides: Literal["any", "foundational", "shown"]
    note: str | None = None

    def as_dict(self) -> dict[str, object]:
        """The criterion as the answer holds it."""
        return {
            "name": self.name,
            "measure": None,
            "value": self.value,
            "threshold": self.threshold,
            "met": self.met,
            "decides": self.decides,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with everything it stands on."""

    outcome: Outcome
    criteria: tuple[Criterion, ...]
    says: str

    def as_dict(self) -> dict[str, object]:
        """The recommendation as the answer holds it."""
        return {
            "outcome": self.outcome,
            "provisional": False,
            "says": self.says,
            "criteria": [c.as_dict() for c in self.criteria],
        }


def judge(
    f: Findings, *, caps: Sequence[str] = (), failed_gates: Sequence[str] = (), rule: Thresholds = RULE
) -> Verdict:
    """The verdict; `caps` are reasons why nothing beyond `not_yet` can be supported."""
    gates = Criterion("gates", float(len(failed_gates)), 0.0, not failed_gates, "any")
    wanted = [*_proof(f, rule), *_effect(f, rule), _harm(f, rule)]
    wanted += [Criterion("cap", cap, None, met=False, decides="foundational") for cap in caps]
    beside = Criterion("p_meaningful_adopters", f.p_meaningful_adopters, None, None, "shown", "Shown, does not decide.")
    against = _against(f, rule)
    outcome: Outcome = "not_yet"
    if failed_gates:
        outcome = "indeterminate"
    elif against:
        outcome = "no"
    elif all(c.met is not False for c in wanted):
        outcome = "foundational"
    return Verdict(outcome, (gates, *wanted, beside), _says(outcome, f, against, wanted, failed_gates))


def harmed(f: Findings, rule: Thresholds = RULE) -> list[str]:
    """Adopters whose own estimate says that it probably does harm."""
    return [name for name, p in f.p_below_zero.items() if p >= rule.harmed]


def _of_role(f: Findings, role: EvidenceRole) -> list[Organization]:
    return [o for o in f.organizations if o.role is role]


def _against(f: Findings, rule: Thresholds) -> list[str]:
    """Reasons for `no`, each as half a sentence."""
    reasons = []
    if names := harmed(f, rule):
        reasons.append(f"it probably does harm at {', '.join(names)}")
    if f.p_benefit_adopters is not None and f.p_benefit_adopters < rule.no_p_benefit_adopters:
        chance = _percent(f.p_benefit_adopters)
        reasons.append(f"where it was adopted it more likely does not help ({chance} probability that it does)")
    return reasons


def _proof(f: Findings, rule: Thresholds) -> list[Criterion]:
    """What was shown where: retained at the origin, adopted elsewhere, by designs that count."""
    unknown = "Whether it was scaled and retained at the origin is checked where the pilots are kept."
    p = f.p_retained
    retained = Criterion("retained", p, rule.p_retained, None if p is None else p >= rule.p_retained, "foundational")
    counts = (
        ("origins", [o.grade in CONTROLLED for o in _of_role(f, EvidenceRole.ORIGIN)], rule.origins),
        ("adopters", [o.grade in CONTROLLED for o in _of_role(f, EvidenceRole.ADOPTER)], rule.adopters),
        ("grade_a", [o.grade == "A" for o in f.organizations], rule.grade_a),
    )
    return [
        replace(retained, note=unknown) if p is None else retained,
        *(Criterion(name, float(sum(n)), float(least), sum(n) >= least, "foundational") for name, n, least in counts),
    ]


def _effect(f: Findings, rule: Thresholds) -> list[Criterion]:
    """The probabilities of the synthesis."""
    rows = (
        ("p_benefit_adopters", f.p_benefit_adopters, rule.p_benefit_adopters),
        ("p_meaningful", f.p_meaningful, rule.p_meaningful),
        ("p_benefit_new", f.p_benefit_new, rule.p_benefit_new),
    )
    return [Criterion(name, p, least, p is not None and p >= least, "foundational") for name, p, least in rows]


def _harm(f: Findings, rule: Thresholds) -> Criterion:
    """The highest P(δ_j < 0) of an adopter; without one there is nothing to assess."""
    highest = max(f.p_below_zero.values(), default=None)
    names = harmed(f, rule)
    note = "There is no adopter." if highest is None else f"Probably harmed: {', '.join(names)}." if names else None
    met = None if highest is None else not names
    return Criterion("no_adopter_harmed", highest, rule.harmed, met, "foundational", note)


@dataclass(frozen=True, slots=True)
class Review:
    """The outcome of a yearly review."""

    demote: bool
    criterion: Criterion
    says: str


def review(p_meaningful: float, rule: Thresholds = RULE) -> Review:
    """Whether a foundational program stays one when its evidence is pooled anew: demoted when P(μ > MMD) < 0.50."""
    least = rule.review_p_meaningful
    holds = p_meaningful >= least
    criterion = Criterion("p_meaningful", p_meaningful, least, holds, "any")
    what = "probability that the average benefit is meaningful"
    says = f"Still holds: {_percent(p_meaningful)} {what}." if holds else f"Demote: {what} {_needs(criterion)}."
    return Review(not holds, criterion, says)


def _says(
    outcome: Outcome, f: Findings, against: Sequence[str], wanted: Sequence[Criterion], failed_gates: Sequence[str]
) -> str:
    numbers = (
        f"{_percent(f.p_meaningful)} probability that the average benefit is meaningful, "
        f"{_percent(f.p_benefit_new)} that the next organization benefits"
    )
    match outcome:
        case "indeterminate":
            return f"No recommendation: the computation cannot be trusted ({', '.join(failed_gates)} failed)."
        case "no":
            return f"No: {'; '.join(against)}; {numbers}."
        case "foundational":
            alone = f"{_percent(f.p_benefit_adopters)} probability that it helps where it was adopted"
            open_ = "; not assessed here: whether it was retained at the origin" if f.p_retained is None else ""
            return f"Foundational: {alone}, {numbers}{open_}."
    return f"Not yet: {numbers}; still open: {'; '.join(_reason(c) for c in wanted if c.met is False)}."


def _reason(c: Criterion) -> str:
    """Why a criterion stands in the way, as half a sentence."""
    counted = {
        "origins": "an evaluation of grade A or B at the origin",
        "adopters": "adopting organizations with an evaluation of grade A or B",
        "grade_a": "at least one evaluation of grade A",
    }
    if c.name in counted and isinstance(c.value, float) and c.threshold is not None:
        return f"{counted[c.name]} ({c.value:.0f} of {c.threshold:.0f})"
    short = {
        "retained": "probability that the effect was retained at the origin",
        "p_benefit_adopters": "probability that it helps where it was adopted",
        "p_meaningful": "probability that the average benefit is meaningful",
        "p_benefit_new": "probability that the next organization benefits",
    }
    return f"{short[c.name]} {_needs(c)}" if c.name in short else f"{c.value}"


def _needs(c: Criterion) -> str:
    if not isinstance(c.value, float) or c.threshold is None:
        return "unknown"
    # A value just below its threshold must not read as the same number.
    digits = 0 if f"{100 * c.value:.0f}" != f"{100 * c.threshold:.0f}" else 2
    return f"{100 * c.value:.{digits}f} % (needs {100 * c.threshold:.{digits}f} %)"


def _percent(p: float | None) -> str:
    """A probability in words: never 0 or 100 %."""
    if p is None:
        return "an unknown"
    rounded = round(100 * p)
    return "over 99 %" if rounded == 100 else "under 1 %" if rounded == 0 else f"{rounded} %"  # noqa: PLR2004
