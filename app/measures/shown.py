"""What a reader gets of rows, summaries and sufficient statistics: as they are, or marked where they are hidden."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from app.measures.confidential import Entry, arm_in, people_in, table_of
from app.measures.models import Measurement, Summary
from app.measures.schemas import MeasurementOut, SummaryOut
from app.measures.suppression import Suppressed

PLACE = ("unit", "arm", "wave", "t")


def is_shown(suppressed: Suppressed) -> Any:
    """The condition of rows whose cell is shown."""
    m = Measurement
    table = sa.tuple_(col(m.measure), col(m.arm), col(m.wave))
    hidden, alone = ([t[:3] for t in sorted(of) if not t.linked] for of in (suppressed.tables, suppressed.alone))
    unit = col(m.unit_id).not_in([unit for unit in suppressed.units if unit is not None])
    nobodys = col(m.unit_id).is_(None)
    of_unit = sa.and_(~nobodys, unit) if None in suppressed.units else sa.or_(nobodys, unit)
    return sa.and_(table.not_in(hidden), sa.or_(of_unit, table.in_(alone)))


def row_out(row: Measurement, suppressed: Suppressed) -> MeasurementOut:
    """A row that is shown, without its pseudonym where it would tell who of too few was seen twice."""
    answer = MeasurementOut.model_validate(row)
    if suppressed.unlinks(row.measure, row.arm):
        answer.participant = None
    return answer


def marks(session: Session, statement: Any, iteration: int, suppressed: Suppressed) -> list[MeasurementOut]:
    """One entry for each measure, wave and arm with rows that are not shown: no unit, person, number or time."""
    if not suppressed:
        return []
    m = Measurement
    hidden = statement.where(~is_shown(suppressed)).with_only_columns(col(m.measure), col(m.wave), col(m.arm))
    empty = dict.fromkeys(MeasurementOut.model_fields)
    return [
        MeasurementOut.model_validate(
            {**empty, "iteration": iteration, "measure": measure, "wave": wave, "arm": arm, "suppressed": True}
        )
        for measure, wave, arm in sorted(tuple(place) for place in session.connection().execute(hidden.distinct()))
    ]


def summary_out(row: Summary, suppressed: Suppressed, followup: str) -> SummaryOut:
    """A summary; `followup` is the wave that pairs and changes lead to unless they name one of retention."""
    answer = SummaryOut.model_validate(row)
    answer.content = entry_out(row.measure, row.shape.value, row.content, suppressed, row.wave or followup)
    answer.suppressed = answer.content is not row.content
    return answer


def entry_out(measure: str, shape: str, entry: Entry, suppressed: Suppressed, wave: str) -> dict[str, Any]:
    """An entry as it is; of a hidden cell only where it belongs, and `suppressed: true`."""
    counted = people_in(shape, entry) is not None
    if counted and suppressed.hides(table_of(measure, entry, wave), entry["unit"]):
        return {**{name: entry[name] for name in PLACE if name in entry}, "suppressed": True}
    if shape == "rows" and suppressed.unlinks(measure, arm_in(entry)):
        return {**entry, "participant": None}
    return entry if isinstance(entry, dict) else dict(entry)


def data_out(
    data: Mapping[str, Mapping[str, Sequence[Entry]]], suppressed: Suppressed, wave: str
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The data of an analysis at `wave`; a hidden cell of rows is one entry, however many rows it has."""
    return {
        measure: {
            shape: list(_once(sorted((entry_out(measure, shape, e, suppressed, wave) for e in entries), key=_place)))
            for shape, entries in shapes.items()
        }
        for measure, shapes in data.items()
    }


def _place(entry: Entry) -> tuple[Any, ...]:
    """By cell, so that the order of what has no pseudonym links nobody."""
    place = [str(entry.get(name) or "") for name in ("arm", "unit", "wave", "participant")]
    return (*place, entry.get("t") or 0.0, str(entry.get("value", "")))


def _once(entries: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Without the repetitions of a mark, which would tell how many there are."""
    for i, entry in enumerate(entries):
        if "suppressed" not in entry or i == 0 or entry != entries[i - 1]:
            yield entry
