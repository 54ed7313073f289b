"""Staged rows against each other and against what stands; by the database, whatever their number.

The rules are those of single rows (`measures/rows.py`), where a file is one long request. People whose rows depend
on their order are judged by the very same code (`measures/people.py`), all others as sets.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from app.imports.anonymous import beside
from app.imports.came_before import standing_rows
from app.imports.faults import MOST, Faults
from app.imports.models import STAGED
from app.imports.one_by_one import AT_ONCE, HELD, TOLD, parts, verdicts
from app.imports.placing import Placing
from app.measures.linkage import mixed, standing
from app.measures.models import UNASSIGNED, Measurement, Summary
from app.measures.rules import ARM_CHANGED, UNIT_ADDED, UNIT_CHANGED, Context, duplicate
from app.measures.same_answers import is_repeated, same_answers
from app.pilots.models import Pilot

Condition = ColumnElement[bool]
MIXED_SHAPES = "this measure was entered as summaries in this iteration; values of it cannot be added"


def named_arms(rows: Any, mine: Iterable[Condition]) -> Any:
    """The arm of each person that any of these rows gives one, to be joined.

    One pass over the rows; asked person by person it would be one pass each.
    """
    named = (*mine, rows.participant.is_not(None), rows.arm != UNASSIGNED)
    arm = sa.func.max(rows.arm).label("arm")
    return sa.select(rows.participant, arm).where(*named).group_by(rows.participant).subquery("placed")


class Judge:
    """The rows of one attempt at one import, and what stands in the pilot."""

    def __init__(
        self, connection: Connection, pilot: Pilot, context: Context, place: tuple[str, str], faults: Faults
    ) -> None:
        self._connection, self._pilot, self._context, self._faults = connection, pilot, context, faults
        self._s: Any = STAGED.c
        self._mine = (self._s.import_id == place[0], self._s.attempt == place[1])
        self._held: Any = sa.alias(Measurement.__table__, "held")  # type: ignore[attr-defined]
        self.on_top = 0

    def run(
        self, *, repeated: Sequence[int], again: bool = False, step: Callable[[], object] = lambda: None
    ) -> tuple[int, int]:
        """How many rows are new, and how many stand already. Rows that are wrong are taken out and noted.

        `repeated`: the revisions in which the very same file was entered before, so that the anonymous rows that came
        then stand already. `again`: those that are the same as such that stand are of others. `step` follows each rule.
        """
        # Judged anew when something was entered or corrected meanwhile: what stood then may not stand now.
        anew = sa.update(STAGED).where(*self._mine, self._s.unchanged).values(unchanged=False)
        self._connection.execute(anew)
        self._place()
        for measure in self._measures():
            if self._has_summaries(measure):
                self._refuse(self._s.measure == measure, None, "mixed_shapes", _saying(MIXED_SHAPES))
            else:
                self._judge_linkage(measure)
        step()
        if repeated:
            self._mark(self._s.seq.in_(standing_rows(self._pilot, self._mine, repeated)))
        self._judge_several()
        step()
        named = self._s.participant.is_not(None)
        if self._any_held():
            self._mark(sa.and_(named, self._is_held(self._same_as_held())))
            step()
            other = sa.and_(named, ~self._s.unchanged, self._is_held(self._s.wave == self._held.c.wave))
            self._refuse(other, None, "duplicate", duplicate)
            step()
            for field, code, message, differs in self._moved(self._held.c):
                moved = sa.and_(named, ~self._s.unchanged, self._is_held(differs))
                self._refuse(moved, field, code, _saying(message))
                step()
        self.on_top = self._judge_anonymous(known=again or bool(repeated))
        step()
        counts = self._connection.execute(
            sa.select(self._s.unchanged, sa.func.count()).where(*self._mine).group_by(self._s.unchanged)
        )
        found = {bool(unchanged): n for unchanged, n in counts}
        return found.get(False, 0), found.get(True, 0)

    def _place(self) -> None:
        """Fill in what rows leave out of their person's arm and unit, and refuse those that need what nobody knows."""
        placing = Placing(self._connection, self._pilot, self._mine)
        placing.fill(self._context)
        for there, (field, message, code) in placing.faults(self._context):
            self._refuse(there, field, code, _saying(message))

    def _measures(self) -> list[str]:
        return sorted(self._connection.scalars(sa.select(self._s.measure).where(*self._mine).distinct()))

    def _of_pilot(self, table: Any) -> list[Condition]:
        return [table.pilot_id == self._pilot.id, table.iteration == self._pilot.iteration]

    def _has_summaries(self, measure: str) -> bool:
        held: Any = Summary
        statement = sa.select(held.id).where(*self._of_pilot(held), held.measure == measure).limit(1)
        return self._connection.scalar(statement) is not None

    def _any_held(self) -> bool:
        held: Any = Measurement
        statement = sa.select(held.id).where(*self._of_pilot(held), held.participant.is_not(None)).limit(1)
        return self._connection.scalar(statement) is not None

    def _judge_linkage(self, measure: str) -> None:
        """All rows of a measure have a pseudonym or none has; what stands decides, else the first of the file."""
        linked = standing(self._connection, self._pilot, measure)
        of_measure = self._s.measure == measure
        if linked is None:
            linked = self._connection.scalar(
                sa.select(self._s.participant.is_not(None))
                .where(*self._mine, of_measure)
                .order_by(self._s.seq)
                .limit(1)
            )
        wrong = self._s.participant.is_(None) if linked else self._s.participant.is_not(None)

        def says(of: str, _wave: str) -> str:
            return mixed(self._connection, self._pilot, of, linked=bool(linked))

        self._refuse(sa.and_(of_measure, wrong), "participant", "mixed_linkage", says)

    def _judge_anonymous(self, *, known: bool) -> int:
        """How many anonymous answers stand on top of which others come; unless `known`, the same are refused."""
        on_top = 0
        for measure, wave, stand, new, same in beside(self._connection, self._pilot, self._mine):
            if known or not is_repeated(stand, new, same):
                on_top += stand
                continue
            s = self._s
            wrong = (s.measure == measure, s.wave == wave, s.participant.is_(None), ~s.unchanged)
            self._refuse_together(wrong, "same_answers", same_answers(measure, wave, stand, same))
        return on_top

    def _same_as_held(self) -> Condition:
        s, h = self._s, self._held.c
        return sa.and_(
            h.wave == s.wave,
            h.value == s.value,
            h.arm.in_([UNASSIGNED, s.arm]),
            h.unit_id.is_not_distinct_from(s.unit_id),
            h.collected_on.is_not_distinct_from(s.collected_on),
        )

    def _is_held(self, condition: Condition) -> Condition:
        """Whether the person of a row has one that stands, of its measure, of which the condition holds."""
        s, h = self._s, self._held.c
        return (
            sa.select(sa.literal(1))
            .select_from(self._held)
            .where(*self._of_pilot(h), h.measure == s.measure, h.participant == s.participant, condition)
            .correlate(STAGED)
            .exists()
        )

    def _moved(self, ref: Any) -> Iterable[tuple[str, str, str, Condition]]:
        s = self._s
        yield "arm", "arm_changed", ARM_CHANGED, sa.and_(ref.arm != UNASSIGNED, ref.arm != s.arm)
        yield "unit_id", "unit_changed", UNIT_ADDED, sa.and_(ref.unit_id.is_(None), s.unit_id.is_not(None))
        yield "unit_id", "unit_changed", UNIT_CHANGED, ref.unit_id.is_distinct_from(s.unit_id)

    def _judge_several(self) -> None:
        """People whose rows in the file depend on their order: of several places, or several at one wave.

        They are few in most files, and judged one row after the other as single rows are.
        """
        s = self._s
        named = (*self._mine, s.participant.is_not(None))
        who = (s.measure, s.participant)
        unit = sa.func.coalesce(s.unit_id, "")
        elsewhere = sa.or_(sa.func.min(s.arm) != sa.func.max(s.arm), sa.func.min(unit) != sa.func.max(unit))
        places = sa.select(*who).where(*named).group_by(*who).having(elsewhere)
        repeats = sa.select(*who).where(*named).group_by(*who, s.wave).having(sa.func.count() > 1)
        several = sa.union(places, repeats).subquery("several")
        if self._connection.execute(sa.select(several).limit(1)).first() is None:
            return
        h = self._held.c
        held, staged = (
            sa.select(seq.label("seq"), *(table[name] for name in TOLD))
            .join(several, sa.and_(*(table[name] == several.c[name] for name in TOLD[:2])))
            .where(*those)
            for table, seq, those in ((h, sa.literal(HELD), self._of_pilot(h)), (s, s.seq, self._mine))
        )
        rows = sa.union_all(held, staged).subquery()
        ordered = sa.select(rows).order_by(rows.c.measure, rows.c.participant, rows.c.seq)
        found = self._connection.execute(ordered, execution_options={"yield_per": AT_ONCE})
        verdict = verdicts(found)
        for seqs in parts(verdict.unchanged):
            self._mark(s.seq.in_(seqs))
        for (code, field, message), wrong in verdict.faults.items():
            for seqs in parts(wrong):
                says = duplicate if code == "duplicate" else _saying(message)
                self._refuse(s.seq.in_(seqs), field, code, says)

    def _mark(self, condition: Condition) -> None:
        self._connection.execute(sa.update(STAGED).where(*self._mine, condition).values(unchanged=True))

    def _refuse(self, condition: Condition, field: str | None, code: str, says: Callable[[str, str], str]) -> None:
        """Take rows out and note their fault: of each value in its column, or of a row of the file in its `field`."""
        wrong = (*self._mine, condition)
        if field is None:
            self._note_values(wrong, code, says)
        else:
            self._note_rows(wrong, field, code, says)
        self._connection.execute(sa.delete(STAGED).where(*wrong))

    def _refuse_together(self, these: Sequence[Condition], code: str, message: str) -> None:
        """Take rows out that are wrong together: it is one fault, told of the first."""
        s, wrong = self._s, (*self._mine, *these)
        told = sa.select(sa.func.count(), sa.func.min(s.row), sa.func.min(s.column)).where(*wrong)
        values, row, column = self._connection.execute(told).one()
        self._faults.add(row, column, code, message)
        self._faults.rejected += values
        self._connection.execute(sa.delete(STAGED).where(*wrong))

    def _note_values(self, wrong: Sequence[Condition], code: str, says: Callable[[str, str], str]) -> None:
        s = self._s
        kinds = (s.column, s.measure, s.wave)
        counting = sa.select(*kinds, sa.func.count(), sa.func.min(s.row)).where(*wrong).group_by(*kinds)
        counted = self._connection.execute(counting.order_by(*kinds)).all()
        if not counted:
            return
        showing = sa.select(s.row, *kinds).where(*wrong).order_by(s.seq).limit(MOST)
        for row, column, measure, wave in self._connection.execute(showing).all():
            self._faults.tell(row, column, code, says(measure, wave))
        for column, measure, wave, times, row in counted:
            self._faults.count(row, column, code, says(measure, wave), times)
            self._faults.rejected += times

    def _note_rows(self, wrong: Sequence[Condition], field: str, code: str, says: Callable[[str, str], str]) -> None:
        """The place or person of a row is wrong once, and loses each of its values."""
        s = self._s
        counting = sa.select(
            sa.func.count(), sa.func.count(s.row.distinct()), sa.func.min(s.row), sa.func.min(s.measure)
        )
        values, rows, first, measure = self._connection.execute(counting.where(*wrong)).one()
        if not values:
            return
        message = says(measure, "")
        shown = self._connection.scalars(sa.select(s.row).where(*wrong).distinct().order_by(s.row).limit(MOST)).all()
        already = sum(not self._faults.tell(row, field, code, message) for row in shown)
        self._faults.count(first, field, code, message, rows - already)
        self._faults.rejected += values


def _saying(message: str) -> Callable[[str, str], str]:
    return lambda _measure, _wave: message
