"""What happened around a pilot while it was evaluated, as warnings of its analyses; nothing here judges an effect."""

from sqlmodel import Session, select

from analysis.documents import Plan
from app.analyses.models import Analysis
from app.context.service import events_touching
from app.measures.interval import intervals
from app.pilots.models import Iteration
from app.pilots.service import units_of

CODE = "context_event"
MOST = 10
"""Events named one by one; the others are counted."""


def places_of(session: Session, pilot_id: str, plan: Plan) -> list[str]:
    """The units an iteration was planned in: those the plan names, else the pilot's."""
    return [unit.unit_id for unit in plan.units] or units_of(session, pilot_id)


def context_warnings(session: Session, analysis: Analysis) -> list[dict[str, str]]:
    """A warning for each event that falls into the evaluation interval of an analysis, by the plan it was asked for.

    Of an analysis after scaling the interval ends with the retention wave.
    """
    number, asked_on = analysis.iteration, analysis.created_at.date()
    plan = Plan.model_validate(analysis.request["plan"])
    row = session.exec(
        select(Iteration).where(Iteration.pilot_id == analysis.pilot_id, Iteration.number == number)
    ).one()
    interval = intervals(session, [row], {number: plan}, {number: asked_on}, asked_on)[number]
    if interval is None:
        return []
    units = places_of(session, analysis.pilot_id, plan)
    found = events_touching(session, analysis.organization_id, units, interval, MOST)
    said = [f"{found.says(event)}, falls into the evaluation interval" for event in found.events]
    if found.left_out:
        said.append(
            f"{found.left_out} more contextual events fall into the evaluation interval; see /v1/context-events"
        )
    return [{"code": CODE, "message": message} for message in said]


def context_since(session: Session, analysis: Analysis) -> list[dict[str, str]]:
    """Warnings of events that were recorded, or told otherwise, after the analysis was asked for."""
    known = {warning["message"] for warning in analysis.warnings}
    return [
        {"code": CODE, "message": f"{warning['message']} (recorded since this analysis was asked for)"}
        for warning in context_warnings(session, analysis)
        if warning["message"] not in known
    ]
