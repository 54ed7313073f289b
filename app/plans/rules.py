"""What a plan must say before it can be locked, and what is worth a warning; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from analysis.documents import Design, Family, Plan, Role

# Months; shorter intervals show novelty, longer ones other things (Shanafelt et al. 2020).
INTERVAL = (6, 18)
TWO_ARMS = frozenset({Design.PARALLEL, Design.CLUSTER, Design.DID, Design.STEPPED_WEDGE})
ONE_GROUP = frozenset({Design.PAIRED, Design.CROSS_SECTION})
FROM_BEFORE = ONE_GROUP | {Design.DID}  # without a wave before there is nothing that could have changed


@dataclass(frozen=True)
class Remark:
    """A condition that is unmet or a thing to know: a stable code and a sentence."""

    code: str
    message: str


def missing_for_lock(plan: Plan) -> list[Remark]:
    """Every condition that keeps the plan from being locked."""
    plan = plan.expanded()
    unmet = []
    primaries = [m.measure for m in plan.measures if m.role is Role.PRIMARY]
    if len(primaries) != 1:
        unmet.append(Remark("one_primary", f"a plan has exactly one primary measure; this one has {len(primaries)}"))
    unmet += [
        Remark(
            "reference_sd",
            f"{m.measure}: a reference SD is needed to judge its effect (benchmark, pooled "
            "baseline, or the measure's default); never the SD of the change",
        )
        for m in plan.measures
        if m.family is Family.NORMAL and m.reference_sd is None
    ]
    roles = {arm.role for arm in plan.arms}
    if plan.design in TWO_ARMS and roles != {"treated", "control"}:
        unmet.append(Remark("arms", f"the design {plan.design.value} compares a treated with a control arm; name both"))
    if plan.design in ONE_GROUP and roles != {"treated"}:
        message = f"the design {plan.design.value} follows one group; leave the control out, or plan did or parallel"
        unmet.append(Remark("arms", message))
    if plan.design in FROM_BEFORE and plan.baseline is None:
        message = f"the design {plan.design.value} needs a wave before the start; name the baseline"
        unmet.append(Remark("baseline", message))
    if odd := [unit.unit_id for unit in plan.units if unit.starts_on and not _is_day(unit.starts_on)]:
        unmet.append(Remark("starts_on", f"starts_on is a day, as in 2026-03-02; it is not of {', '.join(odd)}"))
    if plan.design is Design.STEPPED_WEDGE:
        unmet += _unknown_crossing(plan)
    months = [look.months for look in plan.looks if look.months is not None]
    if months and not INTERVAL[0] <= max(months) <= INTERVAL[1] and not plan.interval_reason:
        unmet.append(
            Remark(
                "interval_reason",
                f"the evaluation interval of {max(months):g} months lies outside "
                f"{INTERVAL[0]} to {INTERVAL[1]}; give an interval_reason",
            )
        )
    shortest = plan.min_followup_months
    if (shortest is None or shortest < INTERVAL[0]) and not plan.interval_reason:
        shown = "missing" if shortest is None else f"{shortest:g}"
        message = f"min_followup_months is {shown}, less than {INTERVAL[0]}; say why in interval_reason"
        unmet.append(Remark("min_followup_reason", message))
    return unmet


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _unknown_crossing(plan: Plan) -> Iterator[Remark]:
    """What keeps a stepped wedge from knowing who had the intervention at which wave."""
    starts = {unit.starts_on for unit in plan.units}
    if len(starts) < 2:  # noqa: PLR2004 - with one there is no step
        yield Remark(
            "crossing",
            "a stepped wedge needs units that start at different times; list them under units with starts_on (left "
            "out: the unit does not start while the pilot lasts)",
        )
    if undated := [wave.key for wave in plan.waves if wave.kind != "retention" and wave.starts_on is None]:
        message = f"who had started at which wave is told by its days; give starts_on of {', '.join(undated)}"
        yield Remark("crossing_undated", message)


# What this version's analyses can do; held to the library's own table by a test.
OFFERED = frozenset(
    (design, family)
    for design in (
        Design.PARALLEL,
        Design.CLUSTER,
        Design.PAIRED,
        Design.CROSS_SECTION,
        Design.DID,
        Design.STEPPED_WEDGE,
    )
    for family in (Family.NORMAL, Family.BINARY)
) | {
    *((design, Family.COUNT) for design in (Design.PARALLEL, Design.CLUSTER, Design.CROSS_SECTION, Design.DID)),
    (Design.PARALLEL, Family.DURATION),
    (Design.PARALLEL, Family.SHARE),
    *((design, Family.ORDINAL) for design in (Design.PARALLEL, Design.CLUSTER, Design.PAIRED, Design.CROSS_SECTION)),
}


def warnings_of(plan: Plan) -> list[Remark]:
    """What the people who lock the plan should know."""
    plan = plan.expanded()
    found = [
        Remark(
            "not_offered",
            f"{m.measure}: this version cannot analyse the design {plan.design.value} for {m.family.value} measures; "
            f"it can: {', '.join(sorted(f'{d.value} × {f.value}' for d, f in OFFERED))}",
        )
        for m in plan.measures
        if (plan.design, m.family) not in OFFERED
    ]
    found += [
        Remark(
            "global_primary",
            f"{m.measure} is a global outcome, moved by many things; prefer a measure that "
            "matches the intervention itself",
        )
        for m in plan.measures
        if m.role is Role.PRIMARY and m.scope == "global"
    ]
    if not plan.randomised and plan.design in TWO_ARMS:
        found.append(Remark("not_randomised", "the arms are not randomised: the grade will cap what can be concluded"))
    if plan.design is Design.ITS and not any(unit.starts_on for unit in plan.units):
        message = (
            "no unit has a starts_on: the month in which t is 0 is taken for the first with the intervention, and the "
            "months before it have a t below 0"
        )
        found.append(Remark("start_unknown", message))
    if plan.followup_months is None:
        found.append(Remark("followup_unknown", "followup_months is missing: the rule cannot recommend `scale`"))
    return found
