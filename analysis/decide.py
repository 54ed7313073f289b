"""The decision rule: probabilities in, a verdict with every criterion out (docs/methods.md §5). Pure; cheap to import.

A rule is a frozen value declared before the data. Order: gates → replace → scale → refine; then the cap of the grade.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.documents import Role
from analysis.documents import Rule as Thresholds
from analysis.verdict import Criterion, Judged, Outcome, Verdict, at_least, not_assessed, percent, reason

PROVISIONAL = "C"
"""The grade that scales only with a controlled evaluation inside the roll-out."""
SIMILAR = 0.2
"""A global measure may not be worse by more than this (SD units)."""
TIPPING_STEPS = (0.1, 0.2, 0.3)
FOLLOWUP_MONTHS = 6
"""The default of a plan's `min_followup_months`."""
EASIER_BELOW = (
    "p_benefit",
    "p_meaningful",
    "p_benefit_sceptical",
    "balancing_passed",
    "global_not_worse",
    "tipping_k",
    "early_p_benefit",
    "replace_p_meaningful",
)
EASIER_ABOVE = ("replace_p_below_zero", "balancing_breached")
"""Thresholds that are easier to pass when they are below, or above, their default."""


def balancing_verdict(rule: Thresholds, p_harm: float | None) -> Literal["passed", "breached", "unknown"]:
    """Whether a balancing measure is safe: P(harm < margin) high enough, P(harm > margin) too high, or neither."""
    if p_harm is None:
        return "unknown"
    if p_harm >= rule.balancing_breached:
        return "breached"
    return "passed" if 1 - p_harm >= rule.balancing_passed else "unknown"


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Thresholds and all circumstances that were fixed before the data were looked at.

    `early` marks a look before the last; `caps` are reasons why nothing beyond `refine` can be supported.
    """

    thresholds: Thresholds
    grade: str
    followup_months: float | None
    min_followup_months: float | None
    early: bool = False
    caps: tuple[str, ...] = ()
    failed_gates: tuple[str, ...] = ()

    def judge(
        self,
        effects: Sequence[Judged],
        shifted: Sequence[tuple[float, Judged]] | None = None,
        success: float | None = None,
    ) -> Verdict:
        """The verdict on these effects; exactly one of them is primary.

        `shifted` holds the primary effect as it would be with non-responders of the treated arm k SD worse, by k;
        None where attrition is unknown: the tipping point is then not assessed and does not block. `success` is the
        predictive probability of success, read at a look before the last; None: not known, and nothing stops.
        """
        primary = next(e for e in effects if e.role is Role.PRIMARY)
        gates = Criterion("gates", None, float(len(self.failed_gates)), 0.0, not self.failed_gates, "any")
        replace_by = self._replace(primary, effects)
        scale_by = self._scale(primary, effects, shifted)
        futility = self._futility(primary, success)
        criteria = (gates, *replace_by, *scale_by, *futility)
        outcome, provisional = self._outcome(replace_by, scale_by)
        stop = outcome == "refine" and any(c.met is False for c in futility)
        says = self._says(outcome, primary, criteria) + self._next_look(outcome, futility) + self._looser(outcome)
        return Verdict(outcome, provisional, criteria, says, stop)

    def tipping(self, effects: Sequence[Judged], shifted: Sequence[tuple[float, Judged]]) -> list[tuple[float, str]]:
        """The outcome at each k, the tipping criterion itself left out."""
        outcomes: list[tuple[float, str]] = []
        for k, primary in shifted:
            others = [e for e in effects if e.role is not Role.PRIMARY]
            outcomes.append((k, self.judge([primary, *others]).outcome))
        return outcomes

    def _outcome(self, replace_by: list[Criterion], scale_by: list[Criterion]) -> tuple[Outcome, bool]:
        if self.failed_gates:
            return "indeterminate", False
        if any(c.met for c in replace_by):
            # Grade D can neither prove nor disprove: it never leads further than another round.
            return ("refine" if self.grade == "D" else "replace"), False
        numbers = all(c.met is not False for c in scale_by if c.name != "grade")
        if numbers and not self.caps and self.grade in "ABC":
            return "scale", self.grade == PROVISIONAL
        return "refine", False

    def _replace(self, primary: Judged, effects: Sequence[Judged]) -> list[Criterion]:
        t, name = self.thresholds, primary.measure
        criteria = [
            Criterion(
                "p_below_zero",
                name,
                primary.p_below_zero,
                t.replace_p_below_zero,
                at_least(primary.p_below_zero, t.replace_p_below_zero),
                "replace",
            )
        ]
        # Listed when it decides; else the criterion of `scale` with this name shows the same value.
        if primary.p_meaningful is not None and primary.p_meaningful <= t.replace_p_meaningful:
            criteria.insert(
                0, Criterion("p_meaningful", name, primary.p_meaningful, t.replace_p_meaningful, True, "replace")
            )
        for effect in effects:
            if effect.role is Role.BALANCING and self.grade != "D":
                breached = balancing_verdict(t, effect.p_harm) == "breached"
                criteria.append(
                    Criterion(
                        "balancing_breached", effect.measure, effect.p_harm, t.balancing_breached, breached, "replace"
                    )
                )
        return criteria

    def _scale(
        self, primary: Judged, effects: Sequence[Judged], shifted: Sequence[tuple[float, Judged]] | None
    ) -> list[Criterion]:
        t, name = self.thresholds, primary.measure
        criteria = [Criterion("grade", None, self.grade, "B", self.grade in "AB")]
        criteria += [Criterion(*row, at_least(row[2], row[3])) for row in self._effect_rows(primary)]
        for effect in effects:
            if effect.role is Role.BALANCING:
                safe = None if effect.p_harm is None else 1 - effect.p_harm
                passed = balancing_verdict(t, effect.p_harm) == "passed"
                criteria.append(Criterion("balancing", effect.measure, safe, t.balancing_passed, passed))
            if effect.role is Role.GLOBAL:
                met = at_least(effect.p_not_worse, t.global_not_worse)
                criteria.append(Criterion("global", effect.measure, effect.p_not_worse, t.global_not_worse, met))
        criteria.append(self._tipping_point(name, primary, shifted))
        months, least = self.followup_months, self.min_followup_months
        criteria.append(
            Criterion(
                "followup_months", None, months, least, months is not None and least is not None and months >= least
            )
        )
        criteria += [Criterion("cap", name, cap, None, met=False) for cap in self.caps]
        return criteria

    def _futility(self, primary: Judged, success: float | None) -> list[Criterion]:
        """Whether the pilot is worth its next look: only where there is one."""
        if not self.early:
            return []
        least = self.thresholds.futility
        met = None if success is None else success >= least
        return [Criterion("futility", primary.measure, success, least, met, "stop")]

    def _next_look(self, outcome: Outcome, futility: Sequence[Criterion]) -> str:
        """What follows for the next look, as a sentence; nothing where the outcome ends the pilot by itself."""
        if outcome != "refine" or not futility:
            return ""
        c = futility[0]
        if not isinstance(c.value, float):
            return " Whether the next look is worth while could not be assessed."
        chance = f"the last look has a {percent(c.value)} chance of meeting the criteria for {c.measure}"
        if c.met is False:
            return f" Stop for futility: {chance} (stops below {percent(c.threshold)}); plan a larger or changed pilot."
        return f" Go on to the next look: {chance}."

    def _scales(self, primary: Judged) -> bool:
        return all(at_least(value, threshold) for _, _, value, threshold in self._effect_rows(primary))

    def _effect_rows(self, primary: Judged) -> list[tuple[str, str, float | None, float]]:
        t, name = self.thresholds, primary.measure
        benefit = max(t.p_benefit, t.early_p_benefit) if self.early else t.p_benefit
        return [
            ("p_benefit", name, primary.p_benefit, benefit),
            ("p_meaningful", name, primary.p_meaningful, t.p_meaningful),
            ("p_benefit_sceptical", name, primary.p_benefit_sceptical, t.p_benefit_sceptical),
        ]

    def _tipping_point(self, name: str, primary: Judged, shifted: Sequence[tuple[float, Judged]] | None) -> Criterion:
        """The largest k up to which the effect still scales.

        Not assessed where attrition is unknown, nor where there is nothing to overturn: the effect as it stands
        does not scale.
        """
        least = self.thresholds.tipping_k
        if shifted is None or not self._scales(primary):
            return Criterion("tipping_point", name, None, least, None)
        holds = 0.0
        for k, effect in sorted(shifted, key=lambda s: s[0]):
            if not self._scales(effect):
                return Criterion("tipping_point", name, holds, least, k > least)
            holds = k
        return Criterion("tipping_point", name, holds, least, met=True)

    def _says(self, outcome: Outcome, primary: Judged, criteria: Sequence[Criterion]) -> str:
        chance = percent(primary.p_benefit)
        enough = percent(primary.p_meaningful)
        numbers = f"{chance} probability of a benefit on {primary.measure}, {enough} of a meaningful one"
        unmet = [reason(c) for c in criteria if c.decides == "scale" and c.met is False]
        match outcome:
            case "indeterminate":
                return f"No recommendation: the computation cannot be trusted ({', '.join(self.failed_gates)} failed)."
            case "replace":
                why = [reason(c) for c in criteria if c.decides == "replace" and c.met]
                return f"Replace: {'; '.join(why)} ({numbers})."
            case "scale" if self.grade == PROVISIONAL:
                return (
                    f"Scale provisionally, with a controlled evaluation inside the roll-out: {numbers}, but grade C"
                    f"{not_assessed(criteria)}."
                )
            case "scale":
                if not (open_ := not_assessed(criteria)):
                    return f"Scale: {numbers}, and every other criterion is met."
                return f"Scale: {numbers}, and every criterion that could be assessed is met{open_}."
        return f"Refine: {numbers}; still open: {'; '.join(unmet)}." if unmet else f"Refine: {numbers}; grade D."

    def _looser(self, outcome: Outcome) -> str:
        """A sentence that names every threshold easier to pass than the default; nobody shall have to look it up."""
        if outcome == "indeterminate":
            return ""
        mine, default = self.thresholds, Thresholds()
        easier = [n for n in EASIER_BELOW if getattr(mine, n) < getattr(default, n)]
        easier += [n for n in EASIER_ABOVE if getattr(mine, n) > getattr(default, n)]
        named = [f"{n} {getattr(mine, n):.2f}" for n in easier]
        if self.min_followup_months is not None and self.min_followup_months < FOLLOWUP_MONTHS:
            named.append(f"min_followup_months {self.min_followup_months:g}")
        return f" This is under a rule looser than the default ({', '.join(named)})." if named else ""
