"""Units of the data: how many an arm has, what must be said of few or none, and unit by unit effects with shrinkage."""

from collections.abc import Iterable, Sequence

from analysis.designs.arms import control_of
from analysis.designs.prepared import Note, Question
from analysis.designs.seen import Seen, refuse_partly_named
from analysis.errors import Refused

FEW_UNITS = 4


def by_arm(found: Iterable[Seen]) -> dict[str, set[str]]:
    """The units each arm has data of; entries without a unit are one unit, named by the arm."""
    units: dict[str, set[str]] = {}
    for entry in found:
        units.setdefault(entry.arm, set()).add(entry.unit or entry.arm)
    return units


def per_arm(units: dict[str, set[str]]) -> int:
    """Units of the smaller arm."""
    return min(len(names) for names in units.values())


def notes_on_units(question: Question, names: Sequence[str | None], units: dict[str, set[str]]) -> list[Note]:
    """Warnings about units that were not named or are few; `Refused` where entries of one measure mix both.

    `names` holds the unit of every entry, None where it has none.
    """
    name = question.measure.measure
    refuse_partly_named(question, names)
    if None in names:
        message = "No units are named: each arm counts as one unit, so what units differ by cannot be told apart."
        return [Note("units_unnamed", message, name)]
    if per_arm(units) < FEW_UNITS:
        listed = ", ".join(f"{arm} {len(of_arm)}" for arm, of_arm in sorted(units.items()))
        message = (
            f"Few units ({listed}): more people in them hardly make up for it, and the grade counts units; "
            "plan four or more an arm."
        )
        return [Note("few_units", message, name)]
    return []


def refuse_shared_units(question: Question, units: dict[str, set[str]]) -> None:
    """Whole units are in one arm: a unit in both is another design."""
    both = units.get(question.plan.treated, set()) & units.get(control_of(question), set())
    if both:
        raise Refused(
            "unit_in_both_arms",
            f"{question.measure.measure}: unit {min(both)!r} is in both arms; in the design "
            f"{question.plan.design.value} whole units are assigned.",
            "Plan the design `parallel` where people were assigned one by one within units, or correct the arm.",
        )
