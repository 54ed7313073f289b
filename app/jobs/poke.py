"""What the rest of the service calls: a row is to be worked on, or no longer; the row is the truth.

The poke only saves waiting. A lost poke costs half a second: the workers' sweep finds the row.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import event
from sqlalchemy.orm import Session as AnySession
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session

from app.jobs import claims
from app.jobs.models import Claimable
from app.jobs.work import Work

POKED = "app.jobs.poked"

_wakes: set[Callable[[], None]] = set()


def poke(session: Session, work_name: str, row_id: str) -> None:
    """Call the workers to a queued row as soon as this transaction is committed."""
    session.info[POKED] = True
    if session.get_bind().dialect.name == "postgresql":
        from app.jobs import postgres  # noqa: PLC0415 - the engine costs half a second to import; SQLite needs none

        postgres.defer(session, work_name, row_id)


def enqueue[Row: Claimable](session: Session, work: Work[Row], row: Row) -> Row:
    """Add a row for the workers; gives it back."""
    session.add(row)
    session.flush()
    poke(session, work.name, row.id)
    return row


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
