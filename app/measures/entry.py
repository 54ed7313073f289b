"""What entering rows and entering summaries have in common: what entries are checked against, and the report."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, select

from analysis.documents import PlannedMeasure
from app.errors import Conflict, Invalid, fault
from app.measures.models import Measurement, Shape, Summary
from app.measures.rules import Context
from app.measures.schemas import EntryFault, EntryReport
from app.pilots.models import Pilot, Stage
from app.pilots.service import units_of
from app.plans.allocated import allocated, allocations_of
from app.plans.models import AllocationKind
from app.plans.service import plan_of, require_version

CLOSED = frozenset({Stage.RETIRED})


def context_of(session: Session, pilot: Pilot) -> Context:
    """What entries of the current iteration are checked against; Conflict `no_plan` without a plan."""
    if pilot.stage in CLOSED:
        msg = "the pilot is retired; nothing more is entered"
        raise Conflict(msg, "retired")
    version = require_version(session, pilot)
    declared = any(a.kind is AllocationKind.ELSEWHERE for a in allocations_of(session, version))
    return Context(
        plan_of(version), frozenset(units_of(session, pilot.id)), allocated(session, pilot), arms_known=declared
    )


def known_measure(context: Context, key: str) -> PlannedMeasure:
    """The planned measure of this key; Invalid `unknown_measure` when the plan has none."""
    measure = context.plan.measure(key)
    if measure is None:
        names = ", ".join(m.measure for m in context.plan.measures)
        msg = f"the plan has no measure {key!r}; it has {names}"
        raise Invalid(msg, [fault(["measure"], msg, "unknown_measure")])
    return measure


def of_measure(model: type[Measurement] | type[Summary], pilot: Pilot, measure: str) -> list[Any]:
    """The conditions of what was entered of a measure in the current iteration."""
    return [model.pilot_id == pilot.id, model.iteration == pilot.iteration, model.measure == measure]


def refuse_mixture(session: Session, pilot: Pilot, measure: str, shape: Shape | None) -> None:
    """Rows and summaries of one measure do not mix, nor do two shapes: an analysis could not add them up."""
    held = session.exec(select(Summary.shape).where(*of_measure(Summary, pilot, measure)).limit(1)).first()
    if held is not None and held is not shape:
        msg = f"{measure} was entered as {Shape(held).value} in this iteration; add to those, or use another measure"
        raise Conflict(msg, "mixed_shapes")
    if shape is not None:
        rows = session.exec(select(Measurement.id).where(*of_measure(Measurement, pilot, measure)).limit(1)).first()
        if rows is not None:
            msg = f"{measure} was entered as rows in this iteration; summaries of it cannot be added"
            raise Conflict(msg, "mixed_shapes")


def refuse_unless_partial(errors: Sequence[EntryFault], total: int, *, partial: bool) -> None:
    """Raise Invalid with every fault, unless what is right may be entered without the rest."""
    if errors and not partial:
        places = len({tuple(e.loc[:2]) for e in errors})
        msg = f"{places} of {total} entries are wrong; nothing was entered. Correct them, or ask for ?partial=true"
        raise Invalid(msg, [e.model_dump() for e in errors])


def report(accepted: int, unchanged: int, errors: list[EntryFault]) -> EntryReport:
    """How many entries went where; one entry may have several faults."""
    rejected = len({tuple(e.loc[:2]) for e in errors})
    return EntryReport(accepted=accepted, unchanged=unchanged, rejected=rejected, errors=errors)
