"""Which foundational programs cover the driver of a pilot already: experimenting all the same needs a justification."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.catalog.models import Driver
from app.pilots.models import Intervention, Pilot, Program, ProgramStatus
from app.pilots.schemas import Covering

# Put together once: every answer about pilots asks it.
ACTIVE = (
    select(Program, Intervention)
    .join(Intervention, col(Intervention.id) == col(Program.intervention_id))
    .where(
        Program.status == ProgramStatus.ACTIVE, col(Intervention.driver).in_(sa.bindparam("drivers", expanding=True))
    )
    .order_by(col(Program.id))
)


def covering(session: Session, pilots: Sequence[Pilot]) -> dict[str, list[Covering]]:
    """The active programs of any organization for the driver of each pilot, by pilot id.

    Drivers of an organization's own are its alone, whatever key another one chose. A pilot that adopts the very
    program is not covered by it.
    """
    keys = {pilot.driver for pilot in pilots}
    found = session.exec(ACTIVE, params={"drivers": list(keys)}).all()
    if not found:
        return {pilot.id: [] for pilot in pilots}
    own = set(
        session.exec(
            select(Driver.organization_id, Driver.key).where(
                col(Driver.key).in_(keys), col(Driver.organization_id).is_not(None)
            )
        ).all()
    )

    def covers(program: Program, intervention: Intervention, pilot: Pilot) -> bool:
        if intervention.driver != pilot.driver or intervention.id == pilot.intervention_id:
            return False
        parties = {(program.organization_id, pilot.driver), (pilot.organization_id, pilot.driver)}
        return len(parties) == 1 or not parties & own

    return {
        pilot.id: [
            Covering(
                program_id=program.id, intervention_id=made_of.id, title=made_of.title, dimension=program.dimension
            )
            for program, made_of in found
            if covers(program, made_of, pilot)
        ]
        for pilot in pilots
    }
