"""What follows a pilot that retires: a failed remedy does not retire the driver."""

from datetime import datetime

from sqlmodel import Session

from app.errors import Invalid, fault
from app.lifecycle.schemas import MoveIn
from app.pilots.models import Intervention, Pilot
from app.pilots.schemas import PilotIn
from app.pilots.service import create_pilot, units_of


def successor_of(session: Session, pilot: Pilot, asked: MoveIn, person: str, at: datetime) -> str | None:
    """The id of the pilot that follows: the one that was named, or a new one for the same driver, lead and units.

    Raises Invalid for an unknown intervention.
    """
    if asked.successor is None:
        return asked.successor_id
    intervention_id = asked.successor.intervention_id
    tried = session.get(Intervention, intervention_id) if intervention_id is not None else None
    if tried is not None and tried.driver != pilot.driver:
        msg = f"the successor is for the same driver, {pilot.driver}; this intervention is for {tried.driver}"
        raise Invalid(msg, [fault(["successor", "intervention_id"], msg, "other_driver")])
    body = PilotIn(
        title=asked.successor.title,
        driver=pilot.driver,
        intervention_id=intervention_id,
        lead=pilot.lead,
        unit_ids=units_of(session, pilot.id),
    )
    return create_pilot(session, body, pilot.organization_id, person, at).id
