"""What a request asks: the plan in force, the look, prepared measures, the grade and the rule that will judge.

No posterior is computed here, but for the cautions of models that have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from analysis import exact
from analysis.decide import DecisionRule
from analysis.designs import prepare
from analysis.designs.prepared import ONE_GROUP, Note, Prepared, Question
from analysis.documents import Design, FitRequest, MeasureData, Plan, PlannedLook, PlannedMeasure, Role
from analysis.errors import Refused
from analysis.grade import Circumstances, Grade, grade
from analysis.priors import NO_BIAS, Run, effect_prior
from analysis.runs import OBSERVED, runs_of


@dataclass(frozen=True)
class Case:
    """A comparison ready to be computed. `plan` is in its long form and holds the attrition in force.

    `absent` are measures that could not be prepared, each with the reason; the primary always could.
    """

    plan: Plan
    look: PlannedLook
    prepared: tuple[Prepared, ...]
    absent: tuple[tuple[PlannedMeasure, str], ...]
    notes: tuple[Note, ...]

    @cached_property
    def primary(self) -> Prepared:
        """The measure that decides."""
        return next(p for p in self.prepared if p.measure.role is Role.PRIMARY)

    @cached_property
    def circumstances(self) -> Circumstances:
        """What decides the grade."""
        return _circumstances(self.plan, self.primary)

    @cached_property
    def graded(self) -> Grade:
        """The grade of the comparison."""
        return grade(self.circumstances)

    def runs(self, prepared: Prepared) -> list[Run]:
        """Every posterior a measure needs."""
        return runs_of(self.plan, prepared, self.graded)

    def rule(self, failed_gates: tuple[str, ...] = ()) -> DecisionRule:
        """The rule as the plan fixed it, with the grade and what went wrong."""
        plan, look = self.plan, self.look
        caps = [self.primary.cap] if self.primary.cap else []
        if plan.priors.effect == "flat":
            caps.append("flat prior on the effect")
        last = look == plan.looks[-1]
        return DecisionRule(
            thresholds=plan.rule,
            grade=self.graded.letter,
            followup_months=plan.followup_months if last and plan.followup_months is not None else look.months,
            min_followup_months=plan.min_followup_months,
            early=not last,
            caps=tuple(caps),
            failed_gates=failed_gates,
        )

    def plan_notes(self) -> list[Note]:
        """Warnings about the plan and its circumstances."""
        return _plan_notes(self.plan, self.primary, self.graded)


def case_of(request: FitRequest) -> Case:
    """The case of a request; what the waves show of attrition goes before what the plan declares.

    The plan's hash stays that of the plan as locked. Raises `Refused`.
    """
    plan = request.plan.expanded().model_copy(update={"attrition": request.attrition_in_force})
    return prepared_case(plan, request.data, _look(plan, request.look))


def prepared_case(plan: Plan, data: Mapping[str, MeasureData], look: PlannedLook) -> Case:
    """The case of an expanded plan, its data and a look; raises `Refused`."""
    notes: list[Note] = []
    prepared, absent = _prepare_all(data, plan, look, notes)
    return Case(plan, look, tuple(prepared), tuple(absent), tuple(notes))


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
    prepared = prepare(Question(plan, measure, data, look.wave))
    found = exact.cautions(prepared.inputs, Run(OBSERVED, effect_prior(plan.priors), NO_BIAS), measure)
    return replace(prepared, warnings=(*prepared.warnings, *found.notes), cap=prepared.cap or found.cap)


def _circumstances(plan: Plan, primary: Prepared) -> Circumstances:
    arms = {arm for arm in (plan.treated, plan.control) if arm is not None and plan.design not in ONE_GROUP}
    arms |= {plan.treated}
    # Where all units cross over the share lost may be given of everybody, under the treated arm.
    needed = {plan.treated} if plan.design is Design.STEPPED_WEDGE else arms
    declared = plan.attrition if plan.attrition and needed <= plan.attrition.keys() else None
    attrition = {a: s for a, s in declared.items() if a in arms} if declared else primary.attrition
    return Circumstances(
        design=plan.design,
        randomised=plan.randomised,
        units_per_arm=primary.units_per_arm,
        pre_waves=primary.pre_waves,
        controlled=primary.controlled,
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
