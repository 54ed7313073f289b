"""Rows of one measure reduced by the database: to n, means, SDs and r, to counts, or not at all.

The cost of an analysis does not grow with the number of rows (docs/methods.md, principles), but for linked people of
whom some missed a wave: these go as single rows, which is well up to some ten thousand. Squares are of deviations
from the mean of their cell, so that nothing cancels. Entries are ordered here: databases sort text each in its way.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, select

from app.measures.models import UNASSIGNED
from app.measures.revisions import measurements

# Equal values differ from their computed mean by rounding alone.
ROUNDING = 1e-12

Entry = dict[str, Any]


class Rows:
    """The rows of one measure in the waves `before` the start and in that of a look, now or `at` a revision."""

    def __init__(
        self,
        session: Session,
        pilot_id: str,
        iteration: int,
        measure: str,
        before: Sequence[str],
        followup: str,
        at: int | None = None,
    ) -> None:
        self.before, self.followup = before, followup
        self._session = session
        self._at, self._table = at, measurements(at)
        self._pilot_id, self._iteration, self._key = pilot_id, iteration, measure
        self._mine = [*self._of(self._table), self._table.wave.in_([*before, followup])]

    def _of(self, side: Any) -> list[Any]:
        return [*self._entered(side), side.arm != UNASSIGNED]

    def _entered(self, side: Any) -> list[Any]:
        return [side.pilot_id == self._pilot_id, side.iteration == self._iteration, side.measure == self._key]

    def waiting(self) -> int:
        """How many rows have no arm, because nobody was assigned to one: no analysis takes them."""
        mine = self._entered(self._table)
        return self._session.exec(select(sa.func.count()).where(*mine, self._table.arm == UNASSIGNED)).one()

    def exist(self) -> bool:
        """Whether there are any."""
        return self._session.exec(select(self._table.id).where(*self._mine).limit(1)).first() is not None

    def linked(self) -> bool:
        """Whether people have pseudonyms; all rows of a measure have one or none has."""
        named = self._table.participant.is_not(None)
        return self._session.exec(select(self._table.id).where(*self._mine, named).limit(1)).first() is not None

    def people(self) -> int:
        """How many linked people answered in any of the waves."""
        return self._session.exec(select(sa.func.count(sa.distinct(self._table.participant))).where(*self._mine)).one()

    def waves(self) -> list[str]:
        """The waves that anybody answered."""
        return list(self._session.exec(select(self._table.wave).where(*self._mine).distinct()))

    def followed(self) -> dict[str, tuple[int, int]]:
        """How many linked people of each arm have a value before, and how many of them one after."""
        m = self._table
        after = sa.func.max(sa.case((m.wave == self.followup, 1), else_=0))
        early = sa.func.max(sa.case((m.wave != self.followup, 1), else_=0))
        each: Any = (
            sa.select(m.arm.label("arm"), after.label("kept"))
            .where(*self._mine, m.participant.is_not(None))
            .group_by(m.arm, m.participant)
            .having(early == 1)
            .subquery()
        )
        c = each.c
        grouped = self._session.connection().execute(
            sa.select(c.arm, sa.func.count(), sa.func.sum(c.kept)).group_by(c.arm)
        )
        return {arm: (n, int(kept)) for arm, n, kept in grouped}

    def rows(self) -> list[Entry]:
        """Every row as it is, person by person."""
        m = self._table
        found: Any = self._session.connection().execute(
            sa.select(m.unit_id, m.arm, m.wave, m.participant, m.value).where(*self._mine)
        )
        names = ("unit", "arm", "wave", "participant", "value")
        return _ordered(dict(zip(names, row, strict=True)) for row in found)

    def cells(self) -> list[Entry]:
        """n, mean and SD of each unit, arm and wave."""
        m, shift = self._table, self._shift()
        place: Sequence[Any] = [m.unit_id, m.arm, m.wave]
        x = m.value - shift
        rows = sa.select(
            *place, x.label("x"), (x - sa.func.avg(x).over(partition_by=place)).label("dx")
        ).where(*self._mine).subquery()  # fmt: skip
        c = rows.c
        by = [c.unit_id, c.arm, c.wave]
        grouped: Any = self._session.connection().execute(
            sa.select(*by, sa.func.count(), sa.func.avg(c.x), sa.func.sum(c.dx * c.dx)).group_by(*by)
        )
        return _ordered(
            {"unit": unit, "arm": arm, "wave": wave, "n": n, "mean": shift + _settled(mean), "sd": _sd(n, ss)}
            for unit, arm, wave, n, mean, ss in grouped
        )

    def counts(self) -> list[Entry]:
        """Ones among n of each unit, arm and wave."""
        m = self._table
        grouped = self._session.exec(
            select(m.unit_id, m.arm, m.wave, sa.func.count(), sa.func.sum(m.value))  # type: ignore[call-overload]
            .where(*self._mine)
            .group_by(m.unit_id, m.arm, m.wave)
        ).all()
        return _ordered(
            {"unit": unit, "arm": arm, "wave": wave, "x": round(x), "n": n} for unit, arm, wave, n, x in grouped
        )

    def pairs(self) -> list[Entry]:
        """n, means, SDs and r of each unit and arm, of the people seen both in the last wave before and after."""
        m, shift, early = self._table, self._shift(), self.before[-1]
        # Read once, person by person: tables just filled, or read as of a revision, are slow to join with themselves.
        of_wave = {wave: sa.func.max(sa.case((m.wave == wave, m.value))) for wave in (early, self.followup)}
        unit, arm = (sa.func.max(sa.case((m.wave == self.followup, place))) for place in (m.unit_id, m.arm))
        people = (
            sa.select(
                unit.label("unit_id"),
                arm.label("arm"),
                (of_wave[early] - shift).label("x"),
                (of_wave[self.followup] - shift).label("y"),
            )
            .where(*self._of(m), m.participant.is_not(None), m.wave.in_(of_wave))
            .group_by(m.participant)
            .having(sa.func.count() == len(of_wave))
            .subquery()
        )
        p = people.c
        place: Sequence[Any] = [p.unit_id, p.arm]
        dx, dy = (term - sa.func.avg(term).over(partition_by=place) for term in (p.x, p.y))
        rows = sa.select(*place, p.x, p.y, dx.label("dx"), dy.label("dy")).subquery()
        c = rows.c
        sums = [sa.func.sum(term) for term in (c.dx * c.dx, c.dy * c.dy, c.dx * c.dy)]
        by = [c.unit_id, c.arm]
        grouped: Any = self._session.connection().execute(
            sa.select(*by, sa.func.count(), sa.func.avg(c.x), sa.func.avg(c.y), *sums).group_by(*by)
        )
        return _ordered(
            {
                "unit": unit,
                "arm": arm,
                "n": n,
                "mean": [shift + _settled(mx), shift + _settled(my)],
                "sd": [_sd(n, sxx) or 0.0, _sd(n, syy) or 0.0],
                "r": _correlation(sxx, syy, sxy),
            }
            for unit, arm, n, mx, my, sxx, syy, sxy in grouped
        )

    def _shift(self) -> float:
        """The smallest value: near the others, so that means of large values keep their digits."""
        return float(self._session.exec(select(sa.func.min(self._table.value)).where(*self._mine)).one() or 0.0)


def _ordered(entries: Iterable[Entry]) -> list[Entry]:
    # Anonymous rows of one place differ in their value alone.
    place = ("unit", "arm", "participant", "wave")
    return sorted(entries, key=lambda e: (*(e.get(k) or "" for k in place), e.get("value") or 0.0))


def _settled(value: float) -> float:
    """Twelve digits: the last ones hang on the order in which a database adds up, and a snapshot must hash alike."""
    return float(f"{value:.12g}")


def _sd(n: int, squares: float) -> float | None:
    """The SD (n − 1) from the sum of squared deviations; None for a single value."""
    if n <= 1:
        return None
    sd = math.sqrt(squares / (n - 1))
    return _settled(sd) if sd > ROUNDING else 0.0


def _correlation(sxx: float, syy: float, sxy: float) -> float:
    """r; 0 where one of the two does not vary: there is no product then, while null would say that it is unknown."""
    spread = math.sqrt(sxx * syy)
    return max(-1.0, min(1.0, _settled(sxy / spread))) if spread > 0 else 0.0
