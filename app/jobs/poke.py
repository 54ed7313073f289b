"""What the rest of the service calls: a row is to be worked on, or no longer; the row is the truth.

The poke only saves waiting. A lost poke costs half a second: the workers' sweep finds the row.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import event
from sqlalchemy.orm import Session as AnySession
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session

from app import metrics
from app.config import Settings
from app.errors import TooMany
from app.jobs import claims
from app.jobs.models import Claimable
from app.jobs.work import Work

POKED = "app.jobs.poked"
RETRY_FULL_SECONDS = 30
"""When somebody whose queue is full may ask again: about what some pieces of work take."""

_wakes: set[Callable[[], None]] = set()


def poke(session: Session, work_name: str, row_id: str) -> None:
    """Call the workers to a queued row as soon as this transaction is committed."""
    session.info[POKED] = True
    if session.get_bind().dialect.name == "postgresql":
        from app.jobs import postgres  # noqa: PLC0415 - the engine costs half a second to import; SQLite needs none

        postgres.defer(session, work_name, row_id)


class QueueFull(TooMany):
    """An organization has as much waiting as it may."""

    default_code = "queue_full"


def enqueue[Row: Claimable](session: Session, work: Work[Row], row: Row) -> Row:
    """Add a row for the workers; gives it back. Raises QueueFull where the organization has too many waiting."""
    enqueue_all(session, work, [row])
    return row


def enqueue_all[Row: Claimable](session: Session, work: Work[Row], rows: Sequence[Row]) -> None:
    """Add rows of one organization for the workers. Raises QueueFull where it has too many waiting already."""
    _require_room(session, work, getattr(rows[0], "organization_id", None))
    for row in rows:
        row.request_id = session.info.get("request_id")
    session.add_all(rows)
    session.flush()
    poke(session, work.name, rows[0].id)


def _require_room[Row: Claimable](session: Session, work: Work[Row], organization_id: str | None) -> None:
    settings: Settings | None = session.info.get("settings")
    if settings is None or organization_id is None:
        return
    waiting = claims.queued(session, work.model, organization_id)
    if waiting >= settings.queue_per_organization:
        msg = (
            f"{waiting} others of this kind ({work.name}) of your organization wait for a worker, which is as many as "
            "may; ask again when some have ended, or cancel what is not needed any more"
        )
        metrics.REFUSED.labels("queue_full").inc()
        raise QueueFull(msg, headers={"Retry-After": str(RETRY_FULL_SECONDS)})


def request_cancel[Row: Claimable](session: Session, work: Work[Row], row: Row, now: datetime) -> bool:
    """Cancel at once what is queued, ask the worker to stop what runs; False when it was over already.

    The row is brought up to date, and the domain's `cancelled` runs in this transaction when the row ended by it.
    """
    changed = claims.cancel(session, work.model, row.id, now)
    if changed is None:
        session.refresh(row)
        return False
    work.settle(session, changed)
    session.info[POKED] = True
    return True


def subscribe(wake: Callable[[], None]) -> None:
    """Have `wake` called after a commit in this process; it must not block."""
    _wakes.add(wake)


def unsubscribe(wake: Callable[[], None]) -> None:
    """No longer."""
    _wakes.discard(wake)


@event.listens_for(AnySession, "after_transaction_end")
def _wake(session: AnySession, transaction: SessionTransaction) -> None:
    # The end of the outermost transaction, when others can see the row; after a rollback it wakes them for nothing.
    if transaction.parent is None and session.info.pop(POKED, False):
        for wake in tuple(_wakes):
            wake()
