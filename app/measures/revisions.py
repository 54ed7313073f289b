"""Revisions of an iteration's data: every entry and correction is one; what stood at any of them can be read again."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.measures.models import (
    UNASSIGNED,
    FormerMeasurement,
    FormerSummary,
    Measurement,
    Revision,
    RevisionKind,
    Shape,
    Summary,
)
from app.pilots.models import Pilot

OF_MEASUREMENT = ("pilot_id", "iteration", "measure", "wave", "unit_id", "participant", "value", "collected_on")


def latest(session: Session, pilot_id: str, iteration: int) -> int:
    """The number of the newest revision; 0 before there is one."""
    found = select(sa.func.max(Revision.number)).where(Revision.pilot_id == pilot_id, Revision.iteration == iteration)
    return session.exec(found).one() or 0


def revise(
    session: Session,
    pilot: Pilot,
    kind: RevisionKind,
    *,
    entries: int,
    person: str,
    at: datetime,
    reason: str | None = None,
    source: str | None = None,
    sha256: str | None = None,
) -> Revision:
    """A new revision of the pilot's current iteration. The caller holds the pilot: revisions do not overlap."""
    revision = Revision(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        iteration=pilot.iteration,
        number=latest(session, pilot.id, pilot.iteration) + 1,
        kind=kind,
        entries=entries,
        reason=reason,
        source=source,
        sha256=sha256,
        created_by=person,
        created_at=at,
    )
    session.add(revision)
    session.flush()
    return revision


def measurements(at: int | None) -> Any:
    """The columns of the table of rows in a query: its own, or those of all that stood at revision `at`.

    Rows that chance gave their arm later have none at that revision. Nothing joins it with itself: as of a revision it
    has no index, and the plan would go through all rows for each row.
    """
    if at is None:
        return Measurement
    stood: list[Any] = []
    for model, key in ((Measurement, Measurement.id), (FormerMeasurement, FormerMeasurement.measurement_id)):
        table: Any = model
        placed = sa.or_(table.placed_in.is_(None), table.placed_in <= at)
        arm = sa.case((placed, table.arm), else_=UNASSIGNED)
        columns = [getattr(table, name) for name in OF_MEASUREMENT]
        then = [table.entered_in <= at, *([table.replaced_in > at] if model is FormerMeasurement else [])]
        stood.append(sa.select(col(key).label("id"), arm.label("arm"), *columns).where(*then))
    return sa.union_all(*stood).subquery().c


def summaries(session: Session, pilot_id: str, iteration: int, at: int | None = None) -> list[Summary]:
    """The summaries of an iteration that stand now, or stood at revision `at`; these are detached copies."""
    now = session.exec(select(Summary).where(Summary.pilot_id == pilot_id, Summary.iteration == iteration)).all()
    if at is None:
        return list(now)
    then = session.exec(
        select(FormerSummary).where(
            FormerSummary.pilot_id == pilot_id,
            FormerSummary.iteration == iteration,
            FormerSummary.entered_in <= at,
            FormerSummary.replaced_in > at,
        )
    ).all()
    names = ("pilot_id", "iteration", "measure", "wave", "cell", "content", "entered_in")
    copies = [Summary(shape=Shape(former.shape), **{name: getattr(former, name) for name in names}) for former in then]
    return [summary for summary in now if summary.entered_in <= at] + copies
