"""Whether an entry fits its measure, plan and units; pure. Each fault names its field and what would help."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.documents import Design, Family, Plan, PlannedMeasure
from app.measures.models import Shape
from app.pilots.pseudonyms import pseudonym_fault
from app.plans.allocated import Allocated

Fault = tuple[str, str, str]
WHOLE = frozenset({Family.ORDINAL, Family.COUNT})
SHAPES: Mapping[Shape, frozenset[Family]] = {
    # Of shares cells are kept as they are published; an analysis needs the counts, and says so.
    Shape.CELLS: frozenset({Family.NORMAL, Family.DURATION, Family.SHARE}),
    Shape.PAIRS: frozenset({Family.NORMAL, Family.DURATION}),
    Shape.CHANGES: frozenset({Family.NORMAL}),
    Shape.COUNTS: frozenset({Family.BINARY, Family.SHARE}),
    Shape.CATEGORIES: frozenset({Family.ORDINAL}),
    Shape.EVENTS: frozenset({Family.COUNT}),
    Shape.SERIES: frozenset({Family.DURATION, Family.COUNT}),
}
ARM_CHANGED = "this person was in another arm before; people stay in their arm"
UNIT_CHANGED = "this person was in another unit before; people stay in theirs"
UNIT_ADDED = (
    "values of this person and measure stand without a unit; leave the unit out, or withdraw those "
    "(POST …/corrections) and enter them with it"
)
NOT_ALLOCATED_HELP = "POST …/plan/allocate assigns who is new"


@dataclass(frozen=True)
class Context:
    """What entries are checked against: the plan in its long form, the units of the pilot, who was allocated here.

    `arms_known`: it is declared that the arms were assigned elsewhere, so nobody waits for one.
    """

    plan: Plan
    units: frozenset[str]
    allocated: Allocated = field(default_factory=Allocated)
    arms_known: bool = False

    @property
    def arms(self) -> list[str]:
        """The arms of the plan."""
        return [arm.key for arm in self.plan.arms]

    @property
    def in_steps(self) -> bool:
        """Whether units start one after another."""
        return self.plan.design is Design.STEPPED_WEDGE

    @property
    def waves(self) -> list[str]:
        """The waves of the plan."""
        return [wave.key for wave in self.plan.waves]

    def arm_of(self, unit_id: str | None, participant: str | None = None) -> str | None:
        """The arm chance or the plan puts a person or a unit in; the only arm of a plan without comparison.

        In a stepped wedge a unit's is the one it ends in; which held at a wave follows from its days.
        """
        assigned = self.allocated.people.get(participant or "") or self.allocated.units.get(unit_id or "")
        if assigned is not None:
            return assigned
        for unit in self.plan.units:
            if unit.unit_id == unit_id and self.in_steps:
                return self.plan.treated if unit.starts_on is not None else self.plan.control
            if unit.unit_id == unit_id and unit.arm is not None:
                return unit.arm
        return self.arms[0] if len(self.arms) == 1 else None

    def awaits_allocation(self, wave: str | None) -> bool:
        """Whether a row of this wave may still be without an arm: of a baseline, before chance assigns them here."""
        return self.plan.randomised and not self.arms_known and not self.allocated.arms and self._is(wave, "baseline")

    def takes_newcomers(self, wave: str | None) -> bool:
        """Whether people and units that were not assigned may answer: after scaling everybody has the program."""
        return self._is(wave, "retention")

    def _is(self, wave: str | None, kind: str) -> bool:
        return any(planned.key == wave and planned.kind == kind for planned in self.plan.waves)


def place_faults(
    context: Context,
    arm: str | None,
    unit: str | None,
    *,
    unit_field: str,
    wave: str | None = None,
    may_wait: bool = False,
) -> Iterator[Fault]:
    """Faults of the arm and unit an entry names; one that `may_wait` needs no arm yet."""
    newcomer = context.allocated.units and unit not in context.allocated.units
    if unit is not None and unit not in context.units:
        yield unit_field, f"{unit!r} is not a unit of this pilot; add it to the pilot's unit_ids first", "unknown_unit"
    elif unit is not None and newcomer and not context.takes_newcomers(wave):
        yield unit_field, f"{unit!r} was not assigned to an arm; {NOT_ALLOCATED_HELP}", "not_allocated"
        return
    planned = context.arm_of(unit)
    if arm is None and planned is None and not may_wait:
        yield "arm", arm_missing(context), "missing"
    elif arm is not None and arm not in context.arms:
        yield "arm", f"the plan has no arm {arm!r}; it has {', '.join(context.arms)}", "unknown_arm"
    elif arm is not None and planned is not None and arm != planned and context.in_steps:
        message = "units start one after another: leave the arm out, it follows from the unit's starts_on in the plan"
        yield "arm", message, "arm_differs"
    elif arm is not None and planned is not None and arm != planned:
        by = "chance" if unit in context.allocated.units else "the plan"
        yield "arm", f"{by} puts unit {unit!r} in {planned!r}, not {arm!r}", "arm_differs"


def arm_missing(context: Context) -> str:
    """The sentence about an arm that is needed and not named."""
    return f"name the arm: {' or '.join(context.arms)}, in a column or field of the row"


def filled_faults(context: Context, wave: str, arm: str, unit_id: str | None) -> Iterator[Fault]:
    """Faults of the place of a named person's row once what it left out is filled in; `arm` "": nobody knows it."""
    # Where people were assigned here, their arms were judged with the row.
    of_unit = None if context.allocated.people else arm or None
    found = list(place_faults(context, of_unit, unit_id, unit_field="unit_id", wave=wave, may_wait=True))
    yield from found
    if not found and not arm and not context.awaits_allocation(wave):
        yield (
            "arm",
            f"{arm_missing(context)}; no other value of this person tells it (was the pseudonym another one before?)",
            "missing",
        )


def person_faults(context: Context, arm: str | None, participant: str | None, wave: str) -> Iterator[Fault]:
    """Faults of a row where people were allocated here: of somebody else, or of another arm."""
    assigned = context.allocated.people.get(participant or "")
    if not context.allocated.people:
        return
    if assigned is None and context.takes_newcomers(wave):
        if arm is None and participant is None:
            yield "arm", arm_missing(context), "missing"
    elif assigned is None:
        who = "a row without a pseudonym" if participant is None else "one who has no arm yet"
        yield "participant", f"people were assigned to arms, and this is {who}; {NOT_ALLOCATED_HELP}", "not_allocated"
    elif arm is not None and arm != assigned:
        yield "arm", f"chance puts this person in another arm than {arm!r}; leave it out", "arm_differs"


def duplicate(measure: str, wave: str) -> str:
    """The sentence about a second value of one person that is not the first again."""
    return (
        f"this person has another value or place of {measure} at {wave} already; one value of a person, measure and "
        "wave. To correct what was entered, POST …/corrections"
    )


def wave_faults(context: Context, wave: str) -> Iterator[Fault]:
    """Faults of the wave an entry names."""
    if wave not in context.waves:
        yield "wave", f"the plan has no wave {wave!r}; it has {', '.join(context.waves)}", "unknown_wave"


def _scale(measure: PlannedMeasure) -> str:
    low = "−∞" if measure.minimum is None else f"{measure.minimum:g}"
    high = "∞" if measure.maximum is None else f"{measure.maximum:g}"
    return f"{low} to {high}"


def _off(measure: PlannedMeasure, value: float) -> bool:
    low, high = measure.minimum, measure.maximum
    return (low is not None and value < low) or (high is not None and value > high)


def value_faults(measure: PlannedMeasure, value: float, field: str = "value") -> Iterator[Fault]:
    """Faults of a single value against the measure's scale and family."""
    if _off(measure, value):
        yield field, f"{value:g} is off the scale of {measure.measure}, {_scale(measure)}", "off_scale"
    elif measure.family is Family.BINARY and value not in {0, 1}:
        yield field, f"{measure.measure} is yes or no: 1 or 0, not {value:g}", "not_binary"
    elif measure.family in WHOLE and value != int(value):
        yield field, f"{measure.measure} takes whole numbers, not {value:g}", "not_whole"
    elif measure.family is Family.DURATION and value <= 0:
        yield field, f"a duration is above 0, not {value:g}", "not_positive"


def row_faults(
    context: Context,
    measure: PlannedMeasure,
    wave: str,
    *,
    value: float,
    arm: str | None,
    unit_id: str | None,
    participant: str | None,
) -> Iterator[Fault]:
    """Faults of one row by itself, however it came."""
    yield from value_faults(measure, value)
    yield from where_faults(context, wave, arm=arm, unit_id=unit_id, participant=participant)
    yield from participant_faults(participant)


def where_faults(
    context: Context, wave: str, *, arm: str | None, unit_id: str | None, participant: str | None
) -> Iterator[Fault]:
    """Faults of the place a row names; where nobody was allocated, whoever the participant is.

    An arm that a named person's row leaves out may be known from another one: `filled_faults` tells when it is not.
    """
    may_wait = participant is not None or (context.awaits_allocation(wave) and unit_id is not None)
    may_wait = may_wait or bool(context.allocated.people)
    yield from place_faults(context, arm, unit_id, unit_field="unit_id", wave=wave, may_wait=may_wait)
    yield from person_faults(context, arm, participant, wave)


def participant_faults(participant: str | None) -> Iterator[Fault]:
    """Only pseudonyms: nobody is to be recognised in the data (National Academy of Medicine 2020)."""
    if participant is not None and (message := pseudonym_fault(participant)) is not None:
        yield "participant", message, "looks_identifying"


def shape_faults(measure: PlannedMeasure, shape: Shape) -> Iterator[Fault]:
    """Faults of a shape for the family of the measure."""
    if measure.family not in SHAPES[shape]:
        fitting = [s.value for s, families in SHAPES.items() if measure.family in families]
        yield (
            shape.value,
            f"{measure.measure} is {measure.family.value}: enter rows or {', '.join(fitting)}, not {shape.value}",
            "wrong_shape",
        )


def _spread_faults(
    measure: PlannedMeasure, n: int, mean: float, sd: float | None, *, mean_field: str, sd_field: str
) -> Iterator[Fault]:
    if _off(measure, mean):
        yield mean_field, f"a mean of {mean:g} is off the scale of {measure.measure}, {_scale(measure)}", "off_scale"
        return
    if sd is None or measure.minimum is None or measure.maximum is None:
        return
    largest = math.sqrt((mean - measure.minimum) * (measure.maximum - mean) * n / max(n - 1, 1))
    if sd > largest * 1.01 + 1e-9:
        yield (
            sd_field,
            (
                f"an SD of {sd:g} cannot be with n = {n} and a mean of {mean:g} on the scale "
                f"{_scale(measure)}; at most {largest:.3g}"
            ),
            "impossible_sd",
        )


def content_faults(measure: PlannedMeasure, shape: Shape, content: Mapping[str, Any]) -> Iterator[Fault]:
    """Faults of the numbers of one summary entry against the measure's scale."""
    if shape is Shape.CELLS:
        if content["sd"] is None and content["n"] > 1:
            yield "sd", "the SD is missing; without it the precision of the mean cannot be known", "missing"
        yield from _spread_faults(
            measure, content["n"], content["mean"], content["sd"], mean_field="mean", sd_field="sd"
        )
    elif shape is Shape.PAIRS:
        for mean, sd in zip(content["mean"], content["sd"], strict=True):
            yield from _spread_faults(measure, content["n"], mean, sd, mean_field="mean", sd_field="sd")
    elif shape is Shape.SERIES:
        yield from value_faults(measure, content["value"])
    elif shape is Shape.CHANGES:
        yield from _change_faults(measure, content)


def _change_faults(measure: PlannedMeasure, content: Mapping[str, Any]) -> Iterator[Fault]:
    if content["sd"] is None and content["n"] > 1:
        yield "sd", "the SD of the change is missing; without it the precision cannot be known", "missing"
    if measure.minimum is not None and measure.maximum is not None:
        width = measure.maximum - measure.minimum
        if abs(content["mean"]) > width:
            yield (
                "mean",
                f"a change of {content['mean']:g} is larger than the scale of {measure.measure}, {_scale(measure)}",
                "off_scale",
            )
        elif content["sd"] is not None and content["sd"] > width * math.sqrt(content["n"] / max(content["n"] - 1, 1)):
            yield "sd", f"an SD of {content['sd']:g} is wider than the scale allows", "impossible_sd"
