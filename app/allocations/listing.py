"""Who is to be assigned to an arm: the list of a request, completed from the pilot and checked against it."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlmodel import Session, col, select

from analysis.documents import Plan, Role
from app.allocations.schemas import AllocationIn
from app.errors import Conflict, Invalid, fault
from app.measures.models import UNASSIGNED, Measurement
from app.measures.rules import participant_faults
from app.pilots.models import Pilot
from app.pilots.service import units_of
from app.plans.allocation import Subject
from app.plans.models import AllocationLevel

SHOWN = 5


def listed(session: Session, pilot: Pilot, plan: Plan, body: AllocationIn, level: AllocationLevel) -> list[Subject]:
    """Units or people with their strata.

    Raises Invalid with every fault of the request, Conflict `nobody_to_allocate` for an empty list.
    """
    units = units_of(session, pilot.id)
    if faults := list(_faults(body, set(units))):
        raise Invalid(f"the list is wrong in {len(faults)} places; nobody was assigned", faults)
    strata = body.strata or {}
    if level is AllocationLevel.UNIT:
        named = [unit.unit_id for unit in plan.units] or units
        subjects = [Subject(unit, strata.get(unit, "")) for unit in named]
        helps = "name the pilot's units (PATCH unit_ids)"
    else:
        given = [(p.participant, p.unit_id, p.stratum) for p in body.participants or []]
        people = given or [(name, unit, None) for name, unit in _with_baseline(session, pilot, plan)]
        # People are stratified by unit, but by what the caller says of the person or the unit.
        subjects = [Subject(name, stratum or strata.get(unit or "", unit or "")) for name, unit, stratum in people]
        helps = "name `participants`, or enter baseline values of the primary measure with pseudonyms first"
    if not subjects:
        msg = f"there is nobody to assign to an arm; {helps}"
        raise Conflict(msg, "nobody_to_allocate")
    return subjects


def _faults(body: AllocationIn, units: set[str]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for i, person in enumerate(body.participants or []):
        for field, message, code in participant_faults(person.participant):
            yield fault(["participants", i, field], message, code)
        if person.participant in seen:
            yield fault(["participants", i, "participant"], "this person is named twice", "duplicate")
        seen.add(person.participant)
        if person.unit_id is not None and person.unit_id not in units:
            yield fault(
                ["participants", i, "unit_id"], f"{person.unit_id!r} is not a unit of this pilot", "unknown_unit"
            )
    for unit in sorted((body.strata or {}).keys() - units):
        yield fault(["strata", unit], f"{unit!r} is not a unit of this pilot", "unknown_unit")


def _with_baseline(session: Session, pilot: Pilot, plan: Plan) -> list[tuple[str, str | None]]:
    primary = next((m.measure for m in plan.measures if m.role is Role.PRIMARY), None)
    found = session.exec(
        select(Measurement.participant, Measurement.unit_id).where(
            Measurement.pilot_id == pilot.id,
            Measurement.iteration == pilot.iteration,
            Measurement.measure == primary,
            Measurement.wave == plan.baseline,
            col(Measurement.participant).is_not(None),
        )
    )
    return [(name, unit) for name, unit in found if name is not None]


def refuse_arms_given(session: Session, pilot: Pilot, level: AllocationLevel, keys: Sequence[str]) -> None:
    """Raise Conflict `arms_given` when rows name an arm already: chance cannot assign what was entered before."""
    subject = Measurement.unit_id if level is AllocationLevel.UNIT else Measurement.participant
    rows = session.exec(
        select(subject)
        .where(
            Measurement.pilot_id == pilot.id,
            Measurement.iteration == pilot.iteration,
            Measurement.arm != UNASSIGNED,
        )
        .distinct()
    ).all()
    given = sorted(set(rows) & set(keys), key=str)
    if given:
        shown = ", ".join(map(str, given[:SHOWN])) + (" …" if len(given) > SHOWN else "")
        msg = (
            f"rows of {len(given)} on the list name their arm already ({shown}): declare with `elsewhere` how it came "
            "about. Of people to be assigned here, baseline rows are entered without an arm"
        )
        raise Conflict(msg, "arms_given")
