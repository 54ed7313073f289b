"""What a reader gets of corrections: before and after, but for what is, or was then, of too few people."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlmodel import Session, col, select

from app.measures.confidential import suppressed_of
from app.measures.correction_schemas import CorrectedOut, CorrectedSummaryOut
from app.measures.models import FormerMeasurement, FormerSummary, Revision
from app.measures.shown import entry_out
from app.measures.suppression import Suppressed, Table
from app.pilots.models import Pilot
from app.plans.service import plan_of, require_version

MARK = {"suppressed": True}


class _History:
    """The revisions that replaced these rows, and what was hidden just before each of them."""

    def __init__(self, session: Session, pilot: Pilot, iteration: int, replaced_in: Sequence[int]) -> None:
        found = session.exec(
            select(Revision).where(
                Revision.pilot_id == pilot.id,
                Revision.iteration == iteration,
                col(Revision.number).in_(set(replaced_in)),
            )
        )
        self._by_number = {revision.number: revision for revision in found}
        self._now = suppressed_of(session, pilot, iteration)
        self._then = cache(lambda number: suppressed_of(session, pilot, iteration, number - 1))

    def hidden(self, replaced_in: int) -> tuple[Suppressed, Suppressed]:
        """What is hidden now, and what was when the row stood: a cell may be gone since, and show nobody any more."""
        return self._now, self._then(replaced_in)

    def who_and_why(self, replaced_in: int) -> dict[str, Any]:
        """The part of an answer that the revision holds."""
        revision = self._by_number[replaced_in]
        return {
            "revision": replaced_in,
            "reason": revision.reason,
            "created_by": revision.created_by,
            "created_at": revision.created_at,
        }


def values_out(session: Session, pilot: Pilot, iteration: int, rows: Sequence[FormerMeasurement]) -> list[CorrectedOut]:
    """Corrected values of an iteration as its readers see them."""
    history = _History(session, pilot, iteration, [row.replaced_in for row in rows])
    return [_value_out(row, history) for row in rows]


def _value_out(row: FormerMeasurement, history: _History) -> CorrectedOut:
    hidden = history.hidden(row.replaced_in)
    empty = dict.fromkeys(CorrectedOut.model_fields)
    told = {**empty, "id": row.id, "measure": row.measure, "wave": row.wave, **history.who_and_why(row.replaced_in)}
    if any(of.hides(Table(row.measure, row.arm, row.wave), row.unit_id) for of in hidden):
        return CorrectedOut.model_validate({**told, **MARK})
    return CorrectedOut.model_validate(
        {
            **told,
            "arm": row.arm or None,
            "unit_id": row.unit_id,
            "participant": None if any(of.unlinks(row.measure, row.arm) for of in hidden) else row.participant,
            "before": row.value,
            "after": row.new_value,
            "collected_on_before": row.collected_on,
            "collected_on_after": row.new_collected_on,
            "suppressed": False,
        }
    )


def summaries_out(
    session: Session, pilot: Pilot, iteration: int, rows: Sequence[FormerSummary]
) -> list[CorrectedSummaryOut]:
    """Corrected summaries of an iteration as its readers see them."""
    history = _History(session, pilot, iteration, [row.replaced_in for row in rows])
    followup = plan_of(require_version(session, pilot, iteration)).followup
    return [_summary_out(row, history, row.wave or followup) for row in rows]


def _summary_out(row: FormerSummary, history: _History, wave: str) -> CorrectedSummaryOut:
    def shown(entry: Mapping[str, Any]) -> bool:
        hidden = history.hidden(row.replaced_in)
        return all("suppressed" not in entry_out(row.measure, row.shape.value, entry, of, wave) for of in hidden)

    # Both or none: where a change is known from elsewhere, one would tell the other.
    whole = shown(row.content) and (row.new_content is None or shown(row.new_content))
    after = None if row.new_content is None else row.new_content if whole else MARK
    return CorrectedSummaryOut.model_validate(
        {
            "id": row.id,
            "measure": row.measure,
            "shape": row.shape,
            "before": row.content if whole else MARK,
            "after": after,
            "suppressed": not whole,
            **history.who_and_why(row.replaced_in),
        }
    )
