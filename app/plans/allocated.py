"""Who was allocated to which arm in an iteration, and whether a plan still fits it; the act is in `allocations/`."""

from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session, col, select

from analysis.documents import Plan
from app.errors import Conflict
from app.pilots.models import Pilot
from app.plans.models import Allocation, AllocationEntry, AllocationLevel, PlanVersion

SEED_GIVEN = "was given"
"""How the method of an allocation ends whose seed did not follow from plan and list."""


@dataclass(frozen=True)
class Allocated:
    """The arm of every unit (its id) and of every person (the pseudonym) that was allocated here."""

    units: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)

    @property
    def arms(self) -> set[str]:
        """The arms anybody is in."""
        return {*self.units.values(), *self.people.values()}


def allocations_of(session: Session, of: PlanVersion | Allocation) -> list[Allocation]:
    """The allocations of the same pilot and iteration, oldest first: made here, or declared."""
    return list(
        session.exec(
            select(Allocation)
            .where(Allocation.pilot_id == of.pilot_id, Allocation.iteration == of.iteration)
            .order_by(col(Allocation.id))
        )
    )


def named_allocations(session: Session, of: PlanVersion) -> list[dict[str, Any]]:
    """What a result says of how chance assigned the arms: each allocation without who went where."""
    shown = {"id", "kind", "level", "seed", "method", "allocated_on", "source"}
    return [allocation.model_dump(mode="json", include=shown) for allocation in allocations_of(session, of)]


def allocated(session: Session, pilot: Pilot) -> Allocated:
    """Who is in which arm in the current iteration."""
    rows = session.exec(
        select(Allocation.level, AllocationEntry.subject, AllocationEntry.arm)
        .join(AllocationEntry, col(AllocationEntry.allocation_id) == col(Allocation.id))
        .where(AllocationEntry.pilot_id == pilot.id, AllocationEntry.iteration == pilot.iteration)
    ).all()
    found = Allocated()
    for level, subject, arm in rows:
        (found.units if level is AllocationLevel.UNIT else found.people)[subject] = arm
    return found


def refuse_unfit(session: Session, pilot: Pilot, plan: Plan) -> None:
    """Raise Conflict `allocated` for a plan without the arms of those who were allocated, or with others for them."""
    held = allocated(session, pilot)
    lost = held.arms - {arm.key for arm in plan.arms}
    moved = [u.unit_id for u in plan.units if u.arm is not None and held.units.get(u.unit_id, u.arm) != u.arm]
    if lost or moved:
        what = f"has no arm {', '.join(sorted(lost))}" if lost else f"puts {', '.join(moved)} into another arm"
        msg = f"chance has assigned the arms of this iteration already, and this plan {what}; an allocation stands"
        raise Conflict(msg, "allocated")
