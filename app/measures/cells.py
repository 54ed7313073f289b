"""The data of a pilot as an analysis takes them: rows reduced to sufficient statistics by the database.

The cost of an analysis does not grow with the number of rows (docs/methods.md, principles): linked people become
`pairs` (n, means, SDs, r per unit and arm), anonymous answers `cells`, yes/no answers `counts`; summaries pass as they
were entered. Squares are of deviations from the mean of their cell, so that nothing cancels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from analysis.documents import Family, Plan, PlannedMeasure, Role
from app.measures.models import Measurement, Summary, Wave
from app.measures.service import responses

# Equal values differ from their computed mean by rounding alone.
ROUNDING = 1e-12
# Linked pairs serve the families whose designs read them; others count per wave.
PAIRED = frozenset({Family.NORMAL})


@dataclass
class Snapshot:
    """Data of every measure in the library's shapes, the observed attrition, and what was left out."""

    data: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    attrition: dict[str, float] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)


def snapshot(session: Session, pilot_id: str, iteration: int, plan: Plan, followup: str) -> Snapshot:
    """What an analysis of the look at wave `followup` would take, as of this transaction."""
    taken = Snapshot()
    for measure in plan.measures:
        rows = _Rows(session, pilot_id, iteration, measure, plan.baseline, followup)
        held = session.exec(
            select(Summary)
            .where(Summary.pilot_id == pilot_id, Summary.iteration == iteration, Summary.measure == measure.measure)
            .order_by(col(Summary.cell))
        ).all()
        if held:
            taken.data[measure.measure] = {held[0].shape.value: [s.content for s in held]}
        elif rows.exist():
            taken.data[measure.measure] = rows.reduced(taken)
    taken.attrition = observed_attrition(session, pilot_id, iteration, plan, followup)
    return taken


def observed_attrition(session: Session, pilot_id: str, iteration: int, plan: Plan, followup: str) -> dict[str, float]:
    """Share lost at the follow-up, by arm; empty unless every arm's is known.

    Of those invited, where the wave says how many were; else of the linked people with a baseline value.
    """
    arms = [arm.key for arm in plan.arms]
    wave = session.exec(
        select(Wave).where(Wave.pilot_id == pilot_id, Wave.iteration == iteration, Wave.key == followup)
    ).one_or_none()
    answered = responses(session, pilot_id, iteration, plan).get(followup, {})
    if wave is not None and all(wave.invited.get(arm) and arm in answered for arm in arms):
        return {arm: 1 - answered[arm] / wave.invited[arm] for arm in arms}
    primary = next((m for m in plan.measures if m.role is Role.PRIMARY), None)
    if primary is None or plan.baseline is None:
        return {}
    lost = _Rows(session, pilot_id, iteration, primary, plan.baseline, followup).lost()
    return lost if set(arms) <= lost.keys() else {}


class _Rows:
    """The rows of one measure at the two waves of a look."""

    def __init__(
        self,
        session: Session,
        pilot_id: str,
        iteration: int,
        measure: PlannedMeasure,
        baseline: str | None,
        followup: str,
    ) -> None:
        self.session, self.measure = session, measure
        self.pilot_id, self.iteration = pilot_id, iteration
        self.baseline, self.followup = baseline, followup
        self.mine: Any = (
            Measurement.pilot_id == pilot_id,
            Measurement.iteration == iteration,
            Measurement.measure == measure.measure,
        )

    def exist(self) -> bool:
        return self.session.exec(select(Measurement.id).where(*self.mine).limit(1)).first() is not None

    def reduced(self, taken: Snapshot) -> dict[str, list[dict[str, Any]]]:
        if self.measure.family is Family.BINARY:
            return {"counts": self._counts()}
        linked = self.session.exec(
            select(Measurement.id).where(*self.mine, col(Measurement.participant).is_not(None)).limit(1)
        ).first()
        if linked is not None and self.measure.family in PAIRED and self.baseline is not None:
            pairs = self._pairs()
            if pairs:
                self._warn_of_incomplete(taken, sum(p["n"] for p in pairs))
                return {"pairs": pairs}
        return {"cells": self._cells()}

    def lost(self) -> dict[str, float]:
        """Share of the linked people of each arm with a baseline but no follow-up value; empty for anonymous rows."""
        before, after = aliased(Measurement), aliased(Measurement)
        same = sa.and_(
            col(after.pilot_id) == self.pilot_id,
            col(after.iteration) == self.iteration,
            col(after.measure) == self.measure.measure,
            col(after.wave) == self.followup,
            col(after.participant) == col(before.participant),
        )
        grouped = self.session.connection().execute(
            sa.select(col(before.arm), sa.func.count(), sa.func.count(col(after.id)))
            .join_from(before, after, same, isouter=True)
            .where(
                col(before.pilot_id) == self.pilot_id,
                col(before.iteration) == self.iteration,
                col(before.measure) == self.measure.measure,
                col(before.wave) == self.baseline,
                col(before.participant).is_not(None),
            )
            .group_by(col(before.arm))
        )
        return {arm: 1 - kept / n for arm, n, kept in grouped}

    def _shift(self) -> float:
        """The smallest value: near the others, so that means of large values keep their digits."""
        return float(self.session.exec(select(sa.func.min(Measurement.value)).where(*self.mine)).one() or 0.0)

    def _cells(self) -> list[dict[str, Any]]:
        m, shift = Measurement, self._shift()
        place: Sequence[Any] = [col(m.unit_id), col(m.arm), col(m.wave)]
        x = col(m.value) - shift
        rows = sa.select(
            *place, x.label("x"), (x - sa.func.avg(x).over(partition_by=place)).label("dx")
        ).where(*self.mine).subquery()  # fmt: skip
        c = rows.c
        by = [c.unit_id, c.arm, c.wave]
        grouped: Any = self.session.connection().execute(
            sa.select(*by, sa.func.count(), sa.func.avg(c.x), sa.func.sum(c.dx * c.dx)).group_by(*by).order_by(*by)
        )
        return [
            {"unit": unit, "arm": arm, "wave": wave, "n": n, "mean": shift + _settled(mean), "sd": _sd(n, ss)}
            for unit, arm, wave, n, mean, ss in grouped
        ]

    def _counts(self) -> list[dict[str, Any]]:
        m = Measurement
        grouped = self.session.exec(
            select(m.unit_id, m.arm, m.wave, sa.func.count(), sa.func.sum(m.value))  # type: ignore[call-overload]
            .where(*self.mine)
            .group_by(m.unit_id, m.arm, m.wave)
            .order_by(m.unit_id, m.arm, m.wave)
        ).all()
        return [{"unit": unit, "arm": arm, "wave": wave, "x": round(x), "n": n} for unit, arm, wave, n, x in grouped]

    def _pairs(self) -> list[dict[str, Any]]:
        before, after, shift = aliased(Measurement), aliased(Measurement), self._shift()
        place: Sequence[Any] = [col(after.unit_id), col(after.arm)]
        x, y = col(before.value) - shift, col(after.value) - shift
        centred = [
            term - sa.func.avg(term).over(partition_by=place) for term in (x, y)
        ]  # fmt: skip
        own: list[Any] = [
            column
            for side in (before, after)
            for column in (
                side.pilot_id == self.pilot_id,
                side.iteration == self.iteration,
                side.measure == self.measure.measure,
            )
        ]
        rows = (
            sa.select(*place, x.label("x"), y.label("y"), centred[0].label("dx"), centred[1].label("dy"))
            .join_from(before, after, col(before.participant) == col(after.participant))
            .where(*own, col(before.wave) == self.baseline, col(after.wave) == self.followup)
            .subquery()
        )
        c = rows.c
        sums = [sa.func.sum(term) for term in (c.dx * c.dx, c.dy * c.dy, c.dx * c.dy)]
        by = [c.unit_id, c.arm]
        grouped: Any = self.session.connection().execute(
            sa.select(*by, sa.func.count(), sa.func.avg(c.x), sa.func.avg(c.y), *sums).group_by(*by).order_by(*by)
        )
        return [
            {
                "unit": unit,
                "arm": arm,
                "n": n,
                "mean": [shift + _settled(mx), shift + _settled(my)],
                "sd": [_sd(n, sxx) or 0.0, _sd(n, syy) or 0.0],
                "r": _correlation(sxx, syy, sxy),
            }
            for unit, arm, n, mx, my, sxx, syy, sxy in grouped
        ]

    def _warn_of_incomplete(self, taken: Snapshot, complete: int) -> None:
        waves = [self.baseline, self.followup]
        people = self.session.exec(
            select(sa.func.count(sa.distinct(col(Measurement.participant)))).where(
                *self.mine, col(Measurement.wave).in_(waves)
            )
        ).one()
        if people > complete:
            taken.warnings.append(
                {
                    "code": "incomplete_pairs",
                    "message": f"{self.measure.measure}: {people - complete} of {people} "
                    "people answered only once and do not enter the comparison before and after",
                }
            )


def _settled(value: float) -> float:
    """Twelve digits: the last ones hang on the order in which a database adds up, and a snapshot must hash alike."""
    return float(f"{value:.12g}")


def _sd(n: int, squares: float) -> float | None:
    """The SD (n − 1) from the sum of squared deviations; None for a single value."""
    if n <= 1:
        return None
    sd = math.sqrt(squares / (n - 1))
    return _settled(sd) if sd > ROUNDING else 0.0


def _correlation(sxx: float, syy: float, sxy: float) -> float | None:
    """r, or None where one of the two does not vary."""
    spread = math.sqrt(sxx * syy)
    return max(-1.0, min(1.0, _settled(sxy / spread))) if spread > 0 else None
