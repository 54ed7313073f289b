"""Long-running operations: asked for over HTTP, worked on in the background, read until they have ended.

What the kinds have in common: columns and answers, and what an end or a cancelling leaves behind. A kind adds columns
of its own, what its child module is asked, and what becomes of the answer.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field as AnswerField
from sqlmodel import Field, Session

from app.audit.models import Audited, note_row
from app.db import Json, instant_field
from app.errors import Conflict
from app.forms import Answer, AtInstant
from app.jobs.models import Claimable, JobStatus
from app.jobs.poke import request_cancel
from app.jobs.work import Work


class Operation(Audited, Claimable):
    """Mixin of a table: `request` is word for word what was asked, `provenance` what reproduces the `result`."""

    unaudited: ClassVar[frozenset[str]] = frozenset(
        {"request", "result", "provenance", "warnings", "claim", "lease_expires_at", "progress", "request_id"}
    )

    request: dict[str, Any] = Field(sa_type=Json)
    result: dict[str, Any] | None = Field(default=None, sa_type=Json)
    provenance: dict[str, Any] = Field(sa_type=Json)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()


class OperationLine(Answer):
    """An operation in a list, without its result."""

    id: str
    status: JobStatus
    progress: float = AnswerField(description="Share of the work that is done; never goes backward")
    created_at: AtInstant
    finished_at: AtInstant | None


class OperationOut(OperationLine):
    """An operation: ask again until `status` is final."""

    failure: dict[str, Any] | None = AnswerField(description="Code and message when it failed")
    started_at: AtInstant | None


def cancel[Row: Operation](session: Session, work: Work[Row], row: Row, at: datetime) -> None:
    """Cancel at once what is queued, within seconds what runs; what is cancelled already may be cancelled again.

    Raises Conflict `already_ended`.
    """
    if not request_cancel(session, work, row, at) and row.status is not JobStatus.CANCELLED:
        msg = f"the {work.name} has {row.status.value} already; there is nothing to cancel"
        raise Conflict(msg, "already_ended")
    note_row(session, "cancel_requested", row, {"status": row.status.value})
    session.flush()


def keep(_session: Session, row: Operation, result: dict[str, Any]) -> None:
    """Keep a result. Where both name a thing, the provenance known at the request goes before the result's own."""
    row.result = result
    row.provenance = {**result.get("provenance", {}), **row.provenance}


def _as_asked(_session: Session, row: Operation) -> dict[str, Any]:
    return row.request


def _nothing(_session: Session, _row: Operation) -> None:
    """No more to do than what every end does."""


def work_of[Row: Operation](
    model: type[Row],
    *,
    name: str,
    child: str,
    request: Callable[[Session, Row], dict[str, Any]] = _as_asked,
    kept: Callable[[Session, Row, dict[str, Any]], None] = keep,
    ended: Callable[[Session, Row], None] = _nothing,
) -> Work[Row]:
    """The work of a kind of operation: `kept` keeps the child's answer, `ended` follows however it ended.

    The audit log says of each that it ended, how, and after how many attempts.
    """

    def end(session: Session, row: Row, _failure: object = None) -> None:
        ended(session, row)
        note_row(session, "ended", row, {"status": row.status.value, "attempts": row.attempts})

    def succeed(session: Session, row: Row, answer: dict[str, Any]) -> None:
        kept(session, row, answer)
        end(session, row)

    return Work(name=name, model=model, child=child, request=request, succeed=succeed, fail=end, cancelled=end)
