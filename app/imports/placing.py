"""What rows of named people leave out of arm and unit is filled in from their other rows; by the database, as sets.

The rules are those of single rows (`measures/places.py`). Nothing is asked of a file whose rows leave nothing out, or
of which no row tells more. What was filled in is written to the staged rows: cells and units' effects follow it.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from app.imports.models import STAGED
from app.measures.models import UNASSIGNED, Measurement
from app.measures.rules import Context, Fault, filled_faults
from app.pilots.models import Pilot

FIELDS = ("arm", "unit_id")
BY_MEASURE = ("measure", "participant")

type Condition = ColumnElement[bool]


def _told(table: Any, field: str) -> Any:
    """An arm or unit of a row, NULL where it names none."""
    return sa.func.nullif(table.arm, UNASSIGNED) if field == "arm" else table.unit_id


class Placing:
    """The staged rows of an attempt (`mine`) and those that stand in the pilot."""

    def __init__(self, connection: Connection, pilot: Pilot, mine: Sequence[Condition]) -> None:
        self._connection = connection
        self._s: Any = STAGED.c
        self._named: tuple[Condition, ...] = (*mine, self._s.participant.is_not(None))
        h = self._held = sa.alias(Measurement.__table__, "held").c  # type: ignore[attr-defined]
        self._standing = (h.pilot_id == pilot.id, h.iteration == pilot.iteration, h.participant.is_not(None))

    def fill(self, context: Context) -> None:
        """Fill in what is known: from rows of the measure that stand, then the first of the file, then any others."""
        fields = [field for field in FIELDS if self._lacking(field) and self._is_told(field)]
        if not fields:
            return
        s, h = self._s, self._held
        stands = sa.select(h.measure, h.participant, h.arm, h.unit_id).where(*self._standing).subquery().c
        self._take(self._agreed(stands, fields, BY_MEASURE), fields, BY_MEASURE)
        for field in filter(self._lacking, fields):
            self._take(self._first(field), [field], BY_MEASURE, *self._free(field))
        any_row = sa.union_all(
            sa.select(h.participant, h.arm, h.unit_id).where(*self._standing),
            sa.select(s.participant, s.arm, s.unit_id).where(*self._named),
        ).subquery()
        for field in filter(self._lacking, fields):
            self._take(self._agreed(any_row.c, [field], BY_MEASURE[1:]), [field], BY_MEASURE[1:], *self._free(field))
        self._follow_units(context)

    def faults(self, context: Context) -> list[tuple[Condition, Fault]]:
        """The rows whose place is wrong, now that nothing more is known of it, and why."""
        s = self._s
        places = self._connection.execute(sa.select(s.wave, s.arm, s.unit_id).where(*self._named).distinct()).all()
        found = []
        for wave, arm, unit in places:
            for fault in filled_faults(context, wave, arm, unit):
                there = (s.wave == wave, s.arm == arm, s.unit_id.is_not_distinct_from(unit), s.participant.is_not(None))
                found.append((sa.and_(*there), fault))
        return found

    def _lacking(self, field: str) -> bool:
        return self._any(sa.select(self._s.seq).where(*self._named, _told(self._s, field).is_(None)))

    def _is_told(self, field: str) -> bool:
        s, h = self._s, self._held
        beside = sa.select(s.seq).where(*self._named, _told(s, field).is_not(None))
        return self._any(beside) or self._any(sa.select(h.id).where(*self._standing, _told(h, field).is_not(None)))

    def _any(self, statement: Any) -> bool:
        return self._connection.execute(statement.limit(1)).first() is not None

    def _agreed(self, rows: Any, fields: Sequence[str], by: Sequence[str]) -> Any:
        """By person (and measure): the arm and unit that all of these rows agree on which name one."""
        told = [(field, _told(rows, field)) for field in fields]
        chosen = [
            sa.case((sa.func.min(value) == sa.func.max(value), sa.func.max(value))).label(field)
            for field, value in told
        ]
        keys = [rows[name] for name in by]
        return sa.select(*keys, *chosen).group_by(*keys).subquery("known").c

    def _first(self, field: str) -> Any:
        """By measure and person: what the first row of the file says that names it."""
        s = self._s
        keys = [s[name] for name in BY_MEASURE]
        place = sa.func.row_number().over(partition_by=keys, order_by=s.seq).label("place")
        named = sa.select(*keys, _told(s, field).label(field), place).where(*self._named, _told(s, field).is_not(None))
        numbered = named.subquery("numbered").c
        return (
            sa.select(*(numbered[name] for name in (*BY_MEASURE, field))).where(numbered.place == 1).subquery("known").c
        )

    def _free(self, field: str) -> list[Condition]:
        """Whoever stands in a measure without a unit stays without one."""
        if field == "arm":
            return []
        s, h = self._s, self._held
        there = (*self._standing, h.measure == s.measure, h.participant == s.participant)
        return [~sa.select(sa.literal(1)).where(*there).correlate(STAGED).exists()]

    def _take(self, known: Any, fields: Sequence[str], by: Sequence[str], *conditions: Condition) -> None:
        s = self._s
        theirs = [s[name] == known[name] for name in by]
        helped = sa.or_(*(sa.and_(_told(s, field).is_(None), known[field].is_not(None)) for field in fields))
        rest = {"arm": UNASSIGNED}
        filled = {
            field: sa.func.coalesce(_told(s, field), known[field], *([rest[field]] if field in rest else []))
            for field in fields
        }
        self._connection.execute(sa.update(STAGED).where(*self._named, *theirs, helped, *conditions).values(filled))

    def _follow_units(self, context: Context) -> None:
        """Rows that got their unit get the arm that plan or chance has put it in."""
        s = self._s
        waiting = (*self._named, s.arm == UNASSIGNED)
        units = self._connection.scalars(sa.select(s.unit_id).where(*waiting, s.unit_id.is_not(None)).distinct()).all()
        for unit in units:
            arm = context.arm_of(unit)
            if arm is not None:
                self._connection.execute(sa.update(STAGED).where(*waiting, s.unit_id == unit).values(arm=arm))
