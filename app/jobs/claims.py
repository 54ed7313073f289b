"""Who may work on a row, and how its work ends: guarded updates that name the token they rely on; no thread here.

    queued ──claim──▶ running ──finish──▶ succeeded | failed | cancelled
      ▲  ╲               │ ╲
      │   cancel         │  lease runs out: claimed by another, or ended when cancelled or tried too often
      └────release───────┘

A row whose work is split is set aside (`park`): running under no token, until its parts are done.
A guard that matches nothing means that somebody else was faster: the function returns None and nothing has changed.
A worker passes the row as it claimed it: `row.claim` is its token, whatever the database says by now.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlmodel import Session

from app.jobs import failures
from app.jobs.failures import Failure
from app.jobs.models import Claimable, JobStatus

OVER: dict[str, Any] = {"claim": None, "lease_expires_at": None}


def due[Row: Claimable](session: Session, model: type[Row], now: datetime, limit: int = 20) -> Sequence[str]:
    """Ids of rows that wait for a worker: queued ones and those whose worker fell silent.

    The oldest first; between organizations in turns. A row waits for as many others as its organization has running
    and queued before it, so that who asks for a thousand things keeps nobody waiting who asks for one.
    """
    table = _columns(model)
    waiting = sa.select(table.id).where(_waits(table, now))
    if not hasattr(table, "organization_id"):
        return session.scalars(waiting.order_by(table.id).limit(limit)).all()
    of = table.organization_id
    running = sa.and_(table.status == JobStatus.RUNNING, table.lease_expires_at >= now)
    busy = sa.select(of, sa.func.count().label("running")).where(running).group_by(of).subquery()
    turn = sa.func.row_number().over(partition_by=of, order_by=table.id).label("turn")
    queue = waiting.add_columns(of, turn).subquery()
    ahead = queue.c.turn + sa.func.coalesce(busy.c.running, 0)
    statement = sa.select(queue.c.id).outerjoin(busy, busy.c.organization_id == queue.c.organization_id)
    return session.scalars(statement.order_by(ahead, queue.c.id).limit(limit)).all()


def queued[Row: Claimable](session: Session, model: type[Row], organization_id: str | None) -> int:
    """How many rows of an organization wait for a worker."""
    table = _columns(model)
    mine = table.organization_id == organization_id
    return session.scalar(sa.select(sa.func.count()).where(table.status == JobStatus.QUEUED, mine)) or 0


def claim[Row: Claimable](
    session: Session, model: type[Row], row_id: str, now: datetime, lease: timedelta, attempts: int
) -> Row | None:
    """Take the row when it waits; it comes back `running` under a new token.

    A row that was tried `attempts` times comes back `failed`, one that a dead worker was to cancel `cancelled`:
    the caller tells its domain. None: somebody else has it, or it is over.
    """
    table = _columns(model)
    waits = (table.id == row_id, _waits(table, now))
    if not _free(session, sa.select(table.id).where(*waits)):
        return None
    taken = _change(
        session,
        model,
        (*waits, table.attempts < attempts, table.cancel_requested_at.is_(None)),
        status=JobStatus.RUNNING,
        claim=str(uuid4()),
        attempts=table.attempts + 1,
        lease_expires_at=now + lease,
        started_at=now,
    )
    if taken is not None:
        return taken
    ended = {**OVER, "finished_at": now}
    unwanted = (*waits, table.cancel_requested_at.is_not(None))
    return _change(session, model, unwanted, status=JobStatus.CANCELLED, **ended) or _change(
        session, model, waits, status=JobStatus.FAILED, failure=failures.gave_up(attempts), **ended
    )


def heartbeat[Row: Claimable](
    session: Session, row: Row, progress: float, now: datetime, lease: timedelta
) -> Row | None:
    """Prolong the lease, raise the progress; the answer says whether to cancel. None: the row is no longer ours."""
    table = _columns(type(row))
    higher = sa.case((table.progress < progress, progress), else_=table.progress)  # also when the work starts over
    return _change(session, type(row), _mine(row), progress=higher, lease_expires_at=now + lease)


def finish[Row: Claimable](
    session: Session, row: Row, status: JobStatus, now: datetime, failure: Failure | None = None
) -> Row | None:
    """End the row; None when its token is not the current one: a late result is refused.

    A cancel that was accepted holds: the row then ends `cancelled`, whatever came out.
    """
    table = _columns(type(row))
    ended = {**OVER, "finished_at": now}
    if status is not JobStatus.CANCELLED:
        wanted = (*_mine(row), table.cancel_requested_at.is_(None))
        progress = 1.0 if status is JobStatus.SUCCEEDED else table.progress
        done = _change(session, type(row), wanted, status=status, progress=progress, failure=failure, **ended)
        if done is not None:
            return done
    return _change(session, type(row), _mine(row), status=JobStatus.CANCELLED, **ended)


def release[Row: Claimable](session: Session, row: Row, now: datetime, *, counted: bool) -> Row | None:
    """Give the row back as `queued`, or `cancelled` when asked for; without `counted` the attempt is forgotten."""
    table = _columns(type(row))
    attempts = table.attempts if counted else table.attempts - 1
    queued = {"status": JobStatus.QUEUED, "attempts": attempts, "started_at": None}
    return _change(session, type(row), (*_mine(row), table.cancel_requested_at.is_(None)), **queued, **OVER) or _change(
        session, type(row), _mine(row), status=JobStatus.CANCELLED, finished_at=now, **OVER
    )


def park[Row: Claimable](session: Session, row: Row, now: datetime) -> Row | None:
    """Set a queued row aside: `running`, but no worker's own; its parts are worked on instead."""
    table = _columns(type(row))
    queued = (table.id == row.id, table.status == JobStatus.QUEUED)
    return _change(session, type(row), queued, status=JobStatus.RUNNING, started_at=now, **OVER)


def advance[Row: Claimable](session: Session, row: Row, progress: float) -> Row | None:
    """Raise the progress of a row set aside."""
    table = _columns(type(row))
    return _change(session, type(row), (*_parked(row), table.progress < progress), progress=progress)


def resume[Row: Claimable](session: Session, row: Row) -> Row | None:
    """Let a worker take a row that was set aside: all its parts are done."""
    return _change(session, type(row), _parked(row), status=JobStatus.QUEUED)


def give_up[Row: Claimable](session: Session, row: Row, now: datetime, failure: Failure) -> Row | None:
    """End a row that was set aside: a part of it failed."""
    ended = {**OVER, "finished_at": now, "failure": failure}
    return _change(session, type(row), _parked(row), status=JobStatus.FAILED, **ended)


def _parked(row: Claimable) -> tuple[ColumnElement[bool], ...]:
    table = _columns(type(row))
    return table.id == row.id, table.status == JobStatus.RUNNING, table.claim.is_(None)


def cancel[Row: Claimable](session: Session, model: type[Row], row_id: str, now: datetime) -> Row | None:
    """End a queued row `cancelled` at once, mark a running one for its worker; None: it was over already."""
    table = _columns(model)
    nobodys = sa.or_(
        table.status == JobStatus.QUEUED, sa.and_(table.status == JobStatus.RUNNING, table.claim.is_(None))
    )
    return _change(
        session,
        model,
        (table.id == row_id, nobodys),
        status=JobStatus.CANCELLED,
        cancel_requested_at=now,
        finished_at=now,
    ) or _change(
        session,
        model,
        (table.id == row_id, table.status == JobStatus.RUNNING),
        cancel_requested_at=sa.func.coalesce(table.cancel_requested_at, now),
    )


def _free(session: Session, found: sa.Select[Any]) -> bool:
    """Whether the row is there and nobody holds it: one that is just being ended is not waited for (PostgreSQL)."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return session.scalar(found.with_for_update(skip_locked=True)) is not None


def _columns(model: type[Claimable]) -> Any:
    """See the model as SQLAlchemy does: its attributes are columns, not values."""
    return cast("Any", model)


def _waits(table: Any, now: datetime) -> ColumnElement[bool]:
    silent = sa.and_(table.status == JobStatus.RUNNING, table.lease_expires_at < now)
    return sa.or_(table.status == JobStatus.QUEUED, silent)


def _mine(row: Claimable) -> tuple[ColumnElement[bool], ...]:
    table = _columns(type(row))
    return table.id == row.id, table.status == JobStatus.RUNNING, table.claim == row.claim


def _change[Row: Claimable](
    session: Session, model: type[Row], guard: Sequence[ColumnElement[bool]], **values: Any
) -> Row | None:
    """One guarded update; the row as it is now, or None when the guard did not hold."""
    statement = sa.update(model).where(*guard).values(**values).returning(model)
    fresh = {"synchronize_session": False, "populate_existing": True}
    return session.scalars(statement, execution_options=fresh).one_or_none()
