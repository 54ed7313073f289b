"""What tries leave behind: in the log, on their deliveries, on their endpoints."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app import metrics
from app.webhooks import delivery as rules
from app.webhooks.claims import Parcel
from app.webhooks.delivery import Answered, Delivered, GiveUp, Outcome, RetryAt
from app.webhooks.models import Delivery, DeliveryStatus, Try, Webhook
from app.webhooks.standing import disable
from app.webhooks.subscription import at_rest, uncalled

log = structlog.get_logger(__name__)
REDIRECT = {"code": "redirect", "message": "redirects are not followed; register the address it points to"}


@dataclass(frozen=True)
class Result:
    """How the try of a parcel ended."""

    parcel: Parcel
    outcome: Outcome
    seconds: float
    ended_at: datetime


def settle(
    session: Session, results: Sequence[Result], waits: Sequence[timedelta], chance: Callable[[], float]
) -> list[Result]:
    """Write results, all in a few statements; those that were written.

    Those of an endpoint that somebody else is changing at the moment are left for the next time: nobody waits here.
    """
    endpoints = _hold_free(session, {result.parcel.webhook_id for result in results})
    held = sorted((r for r in results if r.parcel.webhook_id in endpoints), key=lambda r: r.ended_at)
    judged = [(r, rules.plan(r.parcel.attempts, r.outcome, r.ended_at, waits, chance())) for r in held]
    for result, following in judged:
        _judge_endpoint(session, endpoints[result.parcel.webhook_id], result, following)
    _write(session, TRIES, [_tried(result) for result in held])
    for kind, statement in DELIVERIES.items():
        rows = [
            _row(result, following, uncalled(endpoints[result.parcel.webhook_id]))
            for result, following in judged
            if kind is _kind(following, endpoints[result.parcel.webhook_id])
        ]
        _write(session, statement, rows)
    session.flush()
    return held


def _hold_free(session: Session, webhook_ids: Collection[str]) -> dict[str, Webhook]:
    """The endpoints, held as `standing.hold` does, but for those that others hold."""
    statement = select(Webhook).where(col(Webhook.id).in_(webhook_ids)).order_by(col(Webhook.id))
    if session.get_bind().dialect.name == "postgresql":
        statement = statement.with_for_update(key_share=True, skip_locked=True)
    return {w.id: w for w in session.exec(statement, execution_options={"populate_existing": True})}


def _judge_endpoint(session: Session, webhook: Webhook, result: Result, following: rules.Next) -> None:
    """Keep how the endpoint fares; it may be called no more."""
    outcome, at = result.outcome, result.ended_at
    if isinstance(outcome, Answered) and outcome.received:
        webhook.failing_since = webhook.last_error = None
    elif isinstance(outcome, Answered) or not outcome.ours:
        webhook.failing_since = webhook.failing_since or at
        webhook.last_error = rules.told(outcome)
    until = rules.pause(outcome, at)
    if until is not None:
        webhook.paused_until = max(webhook.paused_until or until, until)
    if uncalled(webhook) is None and webhook.failing_since is not None:
        why = rules.disable(webhook.failing_since, outcome, following, at)
        if why is not None:
            log.warning("webhook_disabled", webhook=webhook.id, code=why.code)
            disable(session, webhook, {"code": why.code, "message": why.message}, at)


def _kind(following: rules.Next, webhook: Webhook) -> type[rules.Next]:
    """How a delivery goes on: a try that would follow is none where nothing is sent any more."""
    return GiveUp if isinstance(following, RetryAt) and uncalled(webhook) is not None else type(following)


def _row(result: Result, following: rules.Next, stopped: dict[str, str] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"its_id": result.parcel.delivery_id, "its_claim": result.parcel.claim}
    match following:
        case Delivered():
            return row | {"at": result.ended_at}
        case RetryAt(at) if stopped is None:
            return row | {"at": at}
        case RetryAt():
            return row | {"why": stopped}
        case GiveUp(code, message):
            log.warning("delivery_failed", delivery=row["its_id"], webhook=result.parcel.webhook_id, code=code)
            return row | {"why": {"code": code, "message": message}}


def _tried(result: Result) -> dict[str, Any]:
    """The line of the log."""
    outcome = result.outcome
    row = {"its_id": result.parcel.try_id, "took": round(1000 * result.seconds), "said": None, "text": None}
    if isinstance(outcome, Answered):
        moved = 300 <= outcome.status < 400  # noqa: PLR2004 - HTTP's class of redirects
        row |= {"said": outcome.status, "text": _text(outcome.body), "fault": REDIRECT if moved else None}
    else:
        row |= {"fault": {"code": outcome.code, "message": outcome.message}}
    received = isinstance(outcome, Answered) and outcome.received
    log.info(
        "delivered" if received else "try_failed",
        delivery=result.parcel.delivery_id,
        event_id=result.parcel.event_id,
        outcome=rules.told(outcome),
        request_id=result.parcel.request_id,
    )
    metrics.TRIES.labels("received" if received else "failed").inc()
    metrics.TRY_SECONDS.observe(result.seconds)
    return row


def _text(body: bytes) -> str:
    """The answer as text that any database can hold."""
    return body.decode(errors="replace").replace("\x00", "\ufffd")[:1024]


def _write(session: Session, statement: sa.Update, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.connection().execute(statement, rows)


def _bound(name: str, column: Any) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


_tries: Any = Try.__table__  # type: ignore[attr-defined]
_deliveries: Any = Delivery.__table__  # type: ignore[attr-defined]
_mine = (_deliveries.c.id == sa.bindparam("its_id"), _deliveries.c.claim == sa.bindparam("its_claim"))

TRIES: Final = (
    sa.update(_tries)
    .where(_tries.c.id == sa.bindparam("its_id"))
    .values(
        duration_ms=_bound("took", _tries.c.duration_ms),
        status=_bound("said", _tries.c.status),
        answer=_bound("text", _tries.c.answer),
        error=_bound("fault", _tries.c.error),
    )
)
DELIVERIES: Final[Mapping[type[rules.Next], sa.Update]] = {
    Delivered: sa.update(_deliveries)
    .where(*_mine)
    .values(
        status=DeliveryStatus.DELIVERED, delivered_at=_bound("at", _deliveries.c.delivered_at), failure=None, claim=None
    ),
    RetryAt: sa.update(_deliveries)
    .where(*_mine)
    .values(status=DeliveryStatus.PENDING, due_at=_bound("at", _deliveries.c.due_at), claim=None),
    GiveUp: sa.update(_deliveries)
    .where(*_mine)
    .values(**{**at_rest(None), "failure": _bound("why", _deliveries.c.failure)}),
}
"""Under the token of who sent it: what another worker has taken over since is not touched."""
