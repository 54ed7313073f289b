"""The anonymous rows of a file that was entered before: which of them stand, and which were withdrawn since.

Anonymous rows cannot be told apart, but the file can: it is the same, read in the same way. Of rows that say the same
as many stand, and as many were withdrawn, as did of those that came with it; a corrected one stands.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.imports.models import STAGED, Import
from app.jobs.models import JobStatus
from app.measures.models import FormerMeasurement, Measurement
from app.pilots.models import Pilot

NO_DAY = date.min
SAYS = ("measure", "wave", "arm", "value", "unit", "day")


def entered_before(session: Session, pilot: Pilot, row: Import, mapping: dict[str, Any]) -> list[int]:
    """The revisions in which the very same file was entered, read in the same way.

    The way is the mapping with all that was found out of the file, whether somebody stated it or not.
    """
    earlier = session.exec(
        select(Import).where(
            Import.pilot_id == pilot.id,
            Import.iteration == row.iteration,
            Import.sha256 == row.sha256,
            Import.status == JobStatus.SUCCEEDED,
            col(Import.revision).is_not(None),
        )
    )
    alike = [before.revision for before in earlier if (before.result or {}).get("mapping") == mapping]
    return [revision for revision in alike if revision is not None]


def standing_rows(pilot: Pilot, mine: Sequence[Any], revisions: Sequence[int]) -> Any:
    """The `seq` of staged rows that came in these revisions and stand."""
    pairs = _pairs(pilot, mine, revisions).c
    return sa.select(pairs.seq).where(pairs.revision.is_(None))


def withdrawn_rows(pilot: Pilot, mine: Sequence[Any], revisions: Sequence[int]) -> Any:
    """The `seq` of staged rows that came in these revisions and were withdrawn, with the revision that did it."""
    pairs = _pairs(pilot, mine, revisions).c
    return sa.select(pairs.seq, pairs.revision).where(pairs.revision.is_not(None))


def _pairs(pilot: Pilot, mine: Sequence[Any], revisions: Sequence[int]) -> Any:
    """Staged rows, each with one that came and says the same; `revision` is the one that withdrew that.

    What stands is taken first: what was withdrawn and came again in another of the revisions is left over. Sorted
    together rather than joined, which SQLite would do row by row.
    """
    s: Any = STAGED.c
    none, came = sa.null().cast(sa.Integer), _came(pilot, revisions).c
    says = [came[name] for name in SAYS]
    staged = sa.select(s.seq, *_said(s), none.label("gone"), sa.literal(0).label("before"))
    both = sa.union_all(
        staged.where(*mine, s.participant.is_(None)),
        sa.select(none.label("seq"), *says, came.withdrawn_in.label("gone"), sa.literal(1).label("before")),
    ).subquery("both")
    by = [both.c[name] for name in SAYS]
    order = [both.c.gone.is_not(None), both.c.gone, both.c.seq]
    number = sa.func.row_number().over(partition_by=[*by, both.c.before], order_by=order).label("number")
    rows = sa.select(both, number).subquery("numbered").c
    paired = sa.select(sa.func.max(rows.seq).label("seq"), sa.func.max(rows.gone).label("revision"))
    same = [*(rows[name] for name in SAYS), rows.number]
    return paired.group_by(*same).having(sa.func.count() == 2).subquery("pairs")  # noqa: PLR2004 - one of each


def _said(row: Any, arm: Any = None) -> list[Any]:
    """What a row says, without nulls; the columns of SAYS."""
    unit, day = sa.func.coalesce(row.unit_id, ""), sa.func.coalesce(row.collected_on, NO_DAY)
    found = (row.measure, row.wave, row.arm if arm is None else arm, row.value, unit, day)
    return [column.label(name) for column, name in zip(found, SAYS, strict=True)]


def _came(pilot: Pilot, revisions: Sequence[int]) -> Any:
    """What came in these revisions as it was then; `withdrawn_in` is null for what stands."""
    m: Any = Measurement
    table: Any = FormerMeasurement.__table__  # type: ignore[attr-defined]
    f, end = sa.alias(table, "was").c, sa.alias(table, "taken_back").c
    ours = [[t.pilot_id == pilot.id, t.iteration == pilot.iteration, t.participant.is_(None)] for t in (m, f)]
    standing = sa.select(*_said(m), sa.null().cast(sa.Integer).label("withdrawn_in")).where(
        *ours[0], m.entered_in.in_(revisions)
    )
    # What waited for an arm when it was corrected has the one that it got since.
    replaced = (
        sa.select(*_said(f, sa.func.coalesce(m.arm, f.arm)), end.replaced_in.label("withdrawn_in"))
        .outerjoin(m, m.id == f.measurement_id)
        .outerjoin(end.id.table, sa.and_(end.measurement_id == f.measurement_id, end.new_value.is_(None)))
        .where(*ours[1], f.entered_in.in_(revisions))
    )
    return sa.union_all(standing, replaced).subquery("came")
