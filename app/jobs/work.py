"""How a domain registers what is to be done with its rows; the domain itself stays unknown here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from sqlmodel import Session

from app.jobs.failures import Failure
from app.jobs.models import Claimable, JobStatus


def _nothing(*_: object) -> None:
    """No more to do than what the row's own columns say."""


@dataclass(frozen=True, kw_only=True)
class Work[Row: Claimable]:
    """A kind of background work: the rows it is asked by, the module that does it, and what its end means.

    `request` builds the JSON that the child module gets, in a session that only reads. `succeed`, `fail` and
    `cancelled` run in the transaction that ends the row, after its token was checked: what they write is written once,
    together with the new status.
    """

    name: str
    model: type[Row]
    child: str
    request: Callable[[Session, Row], dict[str, Any]]
    succeed: Callable[[Session, Row, dict[str, Any]], None]
    fail: Callable[[Session, Row, Failure], None] = _nothing
    cancelled: Callable[[Session, Row], None] = _nothing

    def settle(self, session: Session, row: Row, answer: dict[str, Any] | None = None) -> None:
        """Tell the domain how the row ended, in the transaction that ended it."""
        if row.status is JobStatus.SUCCEEDED:
            self.succeed(session, row, answer or {})
        elif row.status is JobStatus.FAILED:
            self.fail(session, row, cast("Failure", row.failure))
        elif row.status is JobStatus.CANCELLED:
            self.cancelled(session, row)
