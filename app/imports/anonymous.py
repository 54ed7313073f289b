"""Anonymous rows of a file beside those that stand: how many, and how many say the same."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from app.imports.models import STAGED
from app.measures.models import Measurement
from app.pilots.models import Pilot


class Beside(NamedTuple):
    """Of a measure and wave: how many stand, how many come, and how many are the same in arm, unit and value."""

    measure: str
    wave: str
    standing: int
    new: int
    same: int


def beside(connection: Connection, pilot: Pilot, mine: Sequence[Any]) -> list[Beside]:
    """Of each measure and wave where anonymous answers stand and others come that do not."""
    s: Any = STAGED.c
    fresh = (*mine, s.participant.is_(None), ~s.unchanged)
    coming = sa.select(s.measure, s.wave, sa.func.count()).where(*fresh).group_by(s.measure, s.wave)
    found = []
    for measure, wave, new in connection.execute(coming.order_by(s.measure, s.wave)).all():
        m: Any = Measurement
        held = [m.pilot_id == pilot.id, m.iteration == pilot.iteration, m.measure == measure, m.wave == wave]
        # Counted together rather than joined, which SQLite would do row by row.
        both = sa.union_all(
            _answers(m, 1).where(*held, m.participant.is_(None)),
            _answers(s, 0).where(*fresh, s.measure == measure, s.wave == wave),
        ).subquery()
        stand, come = sa.func.sum(both.c.stands), sa.func.count() - sa.func.sum(both.c.stands)
        counted = sa.select(stand.label("stand"), sa.case((stand < come, stand), else_=come).label("same"))
        alike = counted.group_by(both.c.arm, both.c.unit, both.c.value).subquery().c
        total, same = connection.execute(sa.select(sa.func.sum(alike.stand), sa.func.sum(alike.same))).one()
        if total:
            found.append(Beside(measure, wave, int(total), new, int(same)))
    return found


def _answers(rows: Any, stands: int) -> Any:
    return sa.select(
        rows.arm, sa.func.coalesce(rows.unit_id, "").label("unit"), rows.value, sa.literal(stands).label("stands")
    )
