"""What was withdrawn and has nothing in its place: a row that says the same again would bring it back."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from app.measures.models import FormerMeasurement, Measurement
from app.pilots.models import Pilot

type Condition = ColumnElement[bool]
SAME = ("measure", "wave", "participant", "value")
PLACE = ("arm", "unit_id")


def any_withdrawn(connection: Connection, pilot: Pilot) -> bool:
    """Whether any value of the current iteration was withdrawn: where none was, nothing has to be compared."""
    f: Any = FormerMeasurement
    mine = (f.pilot_id == pilot.id, f.iteration == pilot.iteration, f.new_value.is_(None))
    return connection.scalar(sa.select(f.id).where(*mine).limit(1)) is not None


def withdrawn_values(pilot: Pilot, measure: str | None = None, wave: str | None = None) -> Any:
    """A subquery of the values of named people that were withdrawn, but where another stands at their place by now.

    All that a value was before it was withdrawn counts: the file that it came with has what stood before it was
    corrected. `revision` is the last that withdrew it.
    """
    table: Any = FormerMeasurement.__table__  # type: ignore[attr-defined]
    was, end = sa.alias(table, "was").c, sa.alias(table, "taken_back").c
    held: Any = sa.alias(Measurement.__table__, "in_place")  # type: ignore[attr-defined]
    mine: list[Condition] = [was.pilot_id == pilot.id, was.iteration == pilot.iteration]
    mine += [was.measure == measure] if measure is not None else []
    mine += [was.wave == wave] if wave is not None else []
    stands = sa.select(sa.literal(1)).where(
        held.c.pilot_id == pilot.id,
        held.c.iteration == pilot.iteration,
        *(held.c[name] == was[name] for name in ("measure", "participant", "wave")),
    )
    columns = [was[name] for name in (*SAME, *PLACE)]
    return (
        sa.select(*columns, sa.func.max(end.replaced_in).label("revision"))
        .where(*mine, was.participant.is_not(None))
        .where(end.measurement_id == was.measurement_id, end.new_value.is_(None), ~stands.exists())
        .group_by(*columns)
        .subquery("withdrawn")
    )


def is_elsewhere(told: str | None, was: str | None) -> bool:
    """Whether a row names another arm, or another unit, than a value had: then it moves there, and is a new one."""
    return bool(told) and bool(was) and told != was
