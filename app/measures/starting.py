"""When units start with the intervention, held against the days of waves and the months of series; pure.

The library wants a stepped wedge's entries in the arm that holds at their wave, and the months of a series counted
from the start of the intervention. People enter neither: units have a day of starting in the plan.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from analysis.documents import Design, Plan
from app.catalog.months import between, month_of
from app.measures.interval import day_of

Entry = dict[str, Any]
Days = tuple[date | None, date | None]
"""First and last day of a wave, as far as they are known."""
INSIDE = "inside"
"""In the place of an arm: the unit started while the wave was being collected."""


def starts(plan: Plan) -> dict[str, date]:
    """The day each unit starts; units that never do, or of which the plan does not say when, are left out."""
    days = {unit.unit_id: day_of(unit.starts_on) for unit in plan.units}
    return {unit: day for unit, day in days.items() if day is not None}


# --- stepped wedge ------------------------------------------------------------------------------------------------


def crossing(plan: Plan, days: Mapping[str, Days]) -> dict[tuple[str, str], str]:
    """The arm of each unit at each wave with known days: treated from its start on; `INSIDE` in between."""
    began, found = starts(plan), {}
    for unit in plan.units:
        start = began.get(unit.unit_id)
        for wave, (first, last) in days.items():
            if first is None:
                continue
            if start is None or (last or first) < start:
                arm = str(plan.control)
            else:
                arm = plan.treated if start <= first else INSIDE
            found[unit.unit_id, wave] = arm
    return found


def by_crossing(entries: Sequence[Entry], arms: Mapping[tuple[str, str], str]) -> list[Entry]:
    """Entries in the arm that holds at their wave; those of a wave inside which their unit started are left out.

    An arm that cannot be told stays open: the library then asks the plan.
    """
    placed = [{**entry, "arm": arms.get((entry.get("unit") or "", entry.get("wave") or ""))} for entry in entries]
    return [entry for entry in placed if entry["arm"] != INSIDE]


def inside(measure: str, entries: Sequence[Entry], arms: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, str]]:
    """A warning where units started while a wave was being collected."""
    between_them = sorted(
        {
            (str(entry["unit"]), str(entry["wave"]))
            for entry in entries
            if arms.get((entry.get("unit") or "", entry.get("wave") or "")) == INSIDE
        }
    )
    if between_them:
        told = ", ".join(f"{unit} at {wave}" for unit, wave in between_them)
        message = f"{measure}: started while the wave was being collected, and left out there: {told}"
        yield "started_inside_wave", message


# --- monthly series -----------------------------------------------------------------------------------------------


def month_of_start(plan: Plan) -> str | None:
    """The month in which the first treated unit starts; None where the plan does not say."""
    treated = {unit.unit_id for unit in plan.units if unit.arm in {None, plan.treated}}
    days = [day for unit, day in starts(plan).items() if unit in treated]
    return month_of(min(days)) if days else None


def several_starts(plan: Plan) -> Iterator[tuple[str, str]]:
    """A warning where the treated units of a series start in different months."""
    months = sorted({month_of(day) for day in starts(plan).values()})
    if plan.design is Design.ITS and len(months) > 1:
        message = (
            f"units start in different months ({', '.join(months)}); the series counts from the first. A stepped_wedge "
            "takes each unit's own start"
        )
        yield "starts_differ", message


def since_start(
    entries: Iterable[Entry], plan: Plan, first: str | None, definitions: Mapping[tuple[Any, ...], str | None]
) -> list[Entry]:
    """Points with t counted from the start of the intervention, each with the definition it was measured by.

    `first` is the month in which t is 0 as entered; where it or the start is unknown t stays as it is. `definitions`
    are by unit, arm and t as entered.
    """
    start = month_of_start(plan)
    by = between(first, start) if first is not None and start is not None else 0
    return [
        {
            **entry,
            "t": entry["t"] - by,
            "definition": definitions.get((entry.get("unit"), entry.get("arm"), entry["t"])),
        }
        for entry in entries
    ]
