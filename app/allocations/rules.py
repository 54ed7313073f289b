"""When arms may be assigned, or what was assigned elsewhere be declared; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analysis.documents import Design
from app.pilots.models import Stage
from app.plans.models import AllocationKind, AllocationLevel

CLOSED: Mapping[Stage, str] = {
    Stage.RETIRED: "the pilot is retired",
    Stage.SCALE: "the pilot is scaled: everybody gets the program",
    Stage.FOUNDATIONAL: "the program is foundational: everybody gets it",
}
BY_UNIT = frozenset({Design.CLUSTER})


@dataclass(frozen=True, kw_only=True)
class AllocationFacts:
    """What decides whether an allocation may be made or declared; `earlier` is what this iteration has already.

    `in_steps`: units start one after another, in an order.
    """

    kind: AllocationKind
    stage: Stage
    arms: int
    randomised: bool
    looked: bool
    followup_exists: bool
    units_have_arms: bool
    in_steps: bool = False
    level: AllocationLevel | None = None
    earlier: frozenset[tuple[AllocationKind, AllocationLevel | None]] = frozenset()


def refusals(facts: AllocationFacts) -> Iterator[tuple[str, str]]:
    """Every reason against it, the gravest first: (code, message)."""
    if facts.stage in CLOSED:
        yield facts.stage.value, f"{CLOSED[facts.stage]}; nobody is assigned to an arm any more"
    if facts.arms < 2:  # noqa: PLR2004 - a comparison has two sides
        yield "one_arm", "the plan follows one group; chance assigns people or units to two arms or more"
    if not facts.randomised:
        yield (
            "not_randomised",
            "the plan says `randomised: false`; say true first (PUT the plan, or an approver amends it once locked)",
        )
    if facts.looked:
        yield (
            "after_first_look",
            "an analysis under this plan exists; how arms were assigned is made or declared before the first look",
        )
    if facts.kind is AllocationKind.HERE:
        yield from _against_here(facts)
    elif any(kind is AllocationKind.HERE for kind, _ in facts.earlier):
        yield "allocated_here", "the arms of this iteration were assigned here; that stands, nothing is to be declared"


def _against_here(facts: AllocationFacts) -> Iterator[tuple[str, str]]:
    if facts.in_steps:
        message = (
            "the units of a stepped wedge get an order and not an arm: draw it, enter it as starts_on of the units in "
            "the plan, and declare how it was drawn with `elsewhere`"
        )
        yield "in_steps", message
    if facts.followup_exists:
        yield (
            "followup_exists",
            "data from after the baseline exist; if chance assigned the arms before, declare that with `elsewhere`",
        )
    if facts.units_have_arms:
        yield (
            "arms_given",
            "the plan names the arms of its units already; leave them out, or declare with `elsewhere` whence they are",
        )
    if any(kind is AllocationKind.ELSEWHERE for kind, _ in facts.earlier):
        yield "allocated_elsewhere", "it is declared that the arms of this iteration were assigned elsewhere"
    levels = {level.value for _, level in facts.earlier if level is not None and level is not facts.level}
    if levels:
        yield "other_level", f"this iteration assigns by {levels.pop()}; one cannot be mixed with the other"
