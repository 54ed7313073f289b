"""What a worker writes about rows of one kind of work, each time in a transaction; no child process here."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlmodel import Session

from app import metrics
from app.config import Settings
from app.db import now, reading, transaction
from app.jobs import claims
from app.jobs.failures import PASSING, Failure, of
from app.jobs.models import Claimable, JobStatus
from app.jobs.work import Work

AWAY = (OperationalError, InterfaceError, InternalError)  # not to be reached, full or read-only: worth another try
RETRY_SECONDS = 0.5
PATIENCE_LEASES = 4  # then the row has been silent for so long that starting over is no loss

log = structlog.get_logger(__name__)


class Ledger[Row: Claimable]:
    """Rows of one kind of work, as the worker changes them."""

    def __init__(self, engine: Engine, settings: Settings, work: Work[Row], stopping: threading.Event) -> None:
        self.work = work
        self.attempts = settings.analysis_attempts
        self._engine, self._settings = engine, settings
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._patience = PATIENCE_LEASES * settings.lease_seconds
        self._stopping = stopping
        self._log = log.bind(work=work.name)

    def take(self) -> Row | None:
        """Claim the oldest row that waits; None when there is none or the database is away."""
        try:
            with reading(self._engine) as session:
                waiting = claims.due(session, self.work.model, now())
            for row_id in waiting:
                row = self._ending(partial(self._claim, row_id))
                if row is not None and row.status is JobStatus.RUNNING:
                    return row
        except DBAPIError as error:
            self._log.warning("database_away", error=str(error))
        return None

    def request(self, row: Row) -> dict[str, Any]:
        """Build what the child is asked."""
        with reading(self._engine) as session:
            session.info["settings"] = self._settings
            return self.work.request(session, row)

    def beat(self, row: Row, progress: float) -> bool:
        """Prolong the lease; whether the work should go on."""
        try:
            with transaction(self._engine) as session:
                mine = claims.heartbeat(session, row, progress, now(), self._lease)
        except AWAY as error:
            self._log.warning("database_away", error=str(error))
            return True  # the token decides at the end
        if mine is None:
            self._log.warning("lease_lost", id=row.id)
        return mine is not None and mine.cancel_requested_at is None

    def succeed(self, row: Row, answer: dict[str, Any]) -> None:
        """Keep the answer; one that the domain cannot keep is a failure."""
        try:
            self._finish(row, JobStatus.SUCCEEDED, answer=answer)
        except AWAY:
            raise  # nothing can be written now; the row's lease runs out and it starts anew
        except Exception as error:  # noqa: BLE001 - whatever the domain raises is the row's reason
            self._log.exception("answer_refused", id=row.id)
            self.fail(row, of(error))

    def fail(self, row: Row, failure: Failure) -> None:
        """End the row with a reason; one that may be gone at the next attempt gives it back, as long as it has one."""
        if failure["code"] in PASSING and row.attempts < self.attempts:
            self._log.warning("starts_anew", id=row.id, request_id=row.request_id, why=failure["code"])
            self.release(row, counted=True)
            return
        self._log.warning("failed", id=row.id, request_id=row.request_id, **failure)
        self._finish(row, JobStatus.FAILED, failure=failure)

    def cancelled(self, row: Row) -> None:
        """End the row as its requester asked."""
        self._finish(row, JobStatus.CANCELLED)

    def release(self, row: Row, *, counted: bool) -> None:
        """Give the row back; another worker starts it anew."""
        self._ending(lambda session: claims.release(session, row, now(), counted=counted))

    def _claim(self, row_id: str, session: Session) -> Row | None:
        return claims.claim(session, self.work.model, row_id, now(), self._lease, self.attempts)

    def _finish(
        self, row: Row, status: JobStatus, *, answer: dict[str, Any] | None = None, failure: Failure | None = None
    ) -> None:
        ended = self._ending(lambda session: claims.finish(session, row, status, now(), failure), answer)
        if ended is None:
            self._log.warning("late_result_refused", id=row.id, status=status)
        else:
            self._told(ended)

    def _told(self, row: Row) -> None:
        seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at and row.started_at else None
        self._log.info(
            "ended",
            id=row.id,
            status=row.status,
            attempts=row.attempts,
            seconds=seconds,
            request_id=row.request_id,
        )
        metrics.JOBS.labels(self.work.name, row.status).inc()
        if seconds is not None:
            metrics.JOB_SECONDS.labels(self.work.name).observe(seconds)

    def _ending(self, change: Callable[[Session], Row | None], answer: dict[str, Any] | None = None) -> Row | None:
        """Apply a change and tell the domain, in one transaction; again while the database is away.

        A domain that fails on hearing of a failure must not keep the row alive for ever: the row then ends without it.
        """
        tell = True
        until = monotonic() + self._patience
        while True:
            try:
                with transaction(self._engine) as session:
                    session.info["settings"] = self._settings
                    row = change(session)
                    if row is not None and tell:
                        session.info["request_id"] = row.request_id  # what follows from it came of that request
                        self.work.settle(session, row, answer)
            except AWAY as error:
                self._log.warning("database_away", error=str(error))
                if monotonic() > until or self._stopping.wait(RETRY_SECONDS):
                    raise
            except Exception:
                if answer is not None or not tell:
                    raise
                self._log.exception("domain_not_told")
                tell = False
            else:
                return row
