"""Where a plan asks for less than the default rule, or brings priors of its own; pure.

What departs takes an approver before the lock, is told at every result and decision, and never counts toward a
foundational program (docs/decisions/0012-who-approves-what-departs.md).
"""

from collections.abc import Iterator

from analysis.documents import Plan, Priors, Role, Rule
from app.plans.rules import Remark

# docs/methods.md §5: months of follow-up, and SD units of what is meaningful and what is tolerated.
FOLLOWUP, MEANINGFUL, TOLERATED = 6, 0.2, 0.2
# +1: a higher threshold is stricter; -1: a lower one is.
STRICTER = {
    "p_benefit": 1,
    "p_meaningful": 1,
    "p_benefit_sceptical": 1,
    "replace_p_meaningful": 1,
    "replace_p_below_zero": -1,
    "balancing_passed": 1,
    "balancing_breached": -1,
    "global_not_worse": 1,
    "tipping_k": 1,
    "early_p_benefit": 1,
    "futility": 1,
}


def departures(plan: Plan) -> list[Remark]:
    """Everything that departs: thresholds looser than the default, own priors, a short follow-up that may scale."""
    found = []
    if looser := [*_thresholds(plan.rule), *_of_measures(plan)]:
        found.append(Remark("rule_looser", f"asks for less than the default rule: {', '.join(looser)}"))
    if own := [name for name in Priors.model_fields if getattr(plan.priors, name) != getattr(Priors(), name)]:
        found.append(Remark("own_priors", f"the priors differ from the defaults: {', '.join(own)}"))
    months = plan.min_followup_months
    if months is None or months < FOLLOWUP:
        shown = "missing" if months is None else f"{months:g}"
        found.append(Remark("short_followup", f"min_followup_months is {shown}; the default rule asks for {FOLLOWUP}"))
    return found


def _thresholds(rule: Rule) -> Iterator[str]:
    for name, sign in STRICTER.items():
        own, default = getattr(rule, name), getattr(Rule(), name)
        if sign * own < sign * default:
            yield f"{name} {own:g} instead of {default:g}"


def _of_measures(plan: Plan) -> Iterator[str]:
    for m in plan.measures:
        if m.role is Role.PRIMARY and m.mmd < MEANINGFUL:
            yield f"mmd of {m.measure} {m.mmd:g} instead of {MEANINGFUL:g}"
        if m.role is Role.BALANCING and m.tolerated_harm > TOLERATED:
            yield f"margin of {m.measure} {m.tolerated_harm:g} instead of {TOLERATED:g}"
