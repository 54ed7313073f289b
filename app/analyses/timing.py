"""How long after the start a look's wave was really collected: the plan's months are held against the dates."""

from sqlmodel import Session

from analysis.documents import Plan, PlannedLook
from app.measures.dates import days_of_wave
from app.pilots.models import Pilot

DAYS_A_MONTH = 365.25 / 12
TOLERANCE = 1.0
"""Months by which a wave may come early: a survey is open for weeks."""


def months_apart(session: Session, pilot: Pilot, plan: Plan, wave: str) -> float | None:
    """Months from the first day of the baseline to the last day of a wave; None where one of the two is not known."""
    begun = [] if plan.baseline is None else days_of_wave(session, pilot, plan, plan.baseline)
    ended = days_of_wave(session, pilot, plan, wave)
    if not begun or not ended:
        return None
    return (max(ended) - min(begun)).days / DAYS_A_MONTH


def too_early(plan: Plan, look: PlannedLook, apart: float | None) -> str | None:
    """Why a look is not the planned one: its wave was collected well before the planned month. Pure."""
    months = look.months if look.months is not None else plan.followup_months
    if months is None or apart is None or apart >= months - TOLERANCE:
        return None
    return (
        f"{look.wave} was collected {max(apart, 0):.1f} months after the start, the plan says {months:g}: correct the "
        "dates of the waves (PUT …/waves), or plan a look that early"
    )


UNDATED = {
    "code": "dates_unknown",
    "message": "no dates of baseline and follow-up are recorded: how long the follow-up was is the plan's word",
}
