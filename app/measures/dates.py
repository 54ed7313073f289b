"""When a wave was collected: as recorded, else as planned, else as its rows say."""

from datetime import date

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.documents import Plan
from app.measures.interval import day_of
from app.measures.models import Measurement, Wave
from app.pilots.models import Pilot


def days_of_wave(session: Session, pilot: Pilot, plan: Plan, key: str, iteration: int | None = None) -> list[date]:
    """The first and the last day of a wave (of the current iteration, unless another is named), as far as known."""
    number = iteration or pilot.iteration
    recorded = session.exec(
        select(Wave).where(Wave.pilot_id == pilot.id, Wave.iteration == number, Wave.key == key)
    ).first()
    planned = next((w for w in plan.waves if w.key == key), None)
    given = [recorded.starts_on, recorded.ends_on] if recorded is not None else []
    if not any(given) and planned is not None:
        given = [day_of(planned.starts_on), day_of(planned.ends_on)]
    if not any(given):
        on = col(Measurement.collected_on)
        mine = (Measurement.pilot_id == pilot.id, Measurement.iteration == number, Measurement.wave == key)
        given = list(session.exec(select(sa.func.min(on), sa.func.max(on)).where(*mine)).one())
    return [day for day in given if day is not None]
