"""What a try leaves behind: in the log, on its delivery, on its endpoint; one transaction for all that ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col

from app.db import Instant
from app.webhooks import delivery as rules
from app.webhooks.claims import Parcel
from app.webhooks.delivery import Answered, Delivered, GiveUp, Outcome, RetryAt
from app.webhooks.models import Delivery, DeliveryStatus, Try, Webhook
from app.webhooks.standing import disable, hold
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
) -> None:
    """Write all results, endpoint by endpoint so that two workers never wait for each other in a circle."""
    for result in sorted(results, key=lambda r: (r.parcel.webhook_id, r.ended_at)):
        _log(session, result)
        following = rules.plan(result.parcel.attempts, result.outcome, result.ended_at, waits, chance())
        _judge_delivery(session, result, following, stopped=_judge_endpoint(session, result, following))


def _log(session: Session, result: Result) -> None:
    outcome = result.outcome
    values: dict[str, Any] = {"duration_ms": round(1000 * result.seconds), "error": None}
    if isinstance(outcome, Answered):
        values |= {"status": outcome.status, "answer": _text(outcome.body)}
        if 300 <= outcome.status < 400:  # noqa: PLR2004 - HTTP's class of redirects
            values["error"] = REDIRECT
    else:
        values["error"] = {"code": outcome.code, "message": outcome.message}
    session.execute(sa.update(Try).where(col(Try.id) == result.parcel.try_id).values(**values))
    if not (isinstance(outcome, Answered) and outcome.received):
        log.info("try_failed", delivery=result.parcel.delivery_id, outcome=rules.told(outcome))


def _text(body: bytes) -> str:
    """The answer as text that any database can hold."""
    return body.decode(errors="replace").replace("\x00", "\ufffd")[:1024]


def _judge_endpoint(session: Session, result: Result, following: rules.Next) -> dict[str, Any] | None:
    """Keep how the endpoint fares; why it is called no more, None as long as it is."""
    here = col(Webhook.id) == result.parcel.webhook_id
    failing = col(Webhook.failing_since)
    outcome, at = result.outcome, result.ended_at
    if isinstance(outcome, Answered) and outcome.received:
        session.execute(
            sa.update(Webhook).where(here, failing.is_not(None)).values(failing_since=None, last_error=None)
        )
    elif isinstance(outcome, Answered) or not outcome.ours:
        since = sa.func.coalesce(failing, sa.bindparam("at", at, type_=Instant))
        session.execute(sa.update(Webhook).where(here).values(failing_since=since, last_error=rules.told(outcome)))
    if until := rules.pause(outcome, at):
        later = sa.or_(col(Webhook.paused_until).is_(None), col(Webhook.paused_until) < until)
        session.execute(sa.update(Webhook).where(here, later).values(paused_until=until))
    webhook = session.get_one(Webhook, result.parcel.webhook_id, populate_existing=True)
    if _why_disabled(webhook, result, following) is not None:
        hold(session, webhook)  # by now another worker may have disabled it, or a person removed it
        why = _why_disabled(webhook, result, following)
        if why is not None:
            log.warning("webhook_disabled", webhook=webhook.id, code=why.code)
            disable(session, webhook, {"code": why.code, "message": why.message}, at)
    return uncalled(webhook)


def _why_disabled(webhook: Webhook, result: Result, following: rules.Next) -> GiveUp | None:
    if uncalled(webhook) is not None or webhook.failing_since is None:
        return None
    return rules.disable(webhook.failing_since, result.outcome, following, result.ended_at)


def _judge_delivery(session: Session, result: Result, following: rules.Next, *, stopped: dict[str, Any] | None) -> None:
    values: dict[str, Any]
    match following:
        case Delivered():
            values = {"status": DeliveryStatus.DELIVERED, "delivered_at": result.ended_at, "failure": None}
        case RetryAt(at) if stopped is None:
            values = {"status": DeliveryStatus.PENDING, "due_at": at}
        case RetryAt():
            values = at_rest(stopped)
        case GiveUp(code, message):
            values = at_rest({"code": code, "message": message})
            log.warning(
                "delivery_failed", delivery=result.parcel.delivery_id, webhook=result.parcel.webhook_id, code=code
            )
    mine = (col(Delivery.id) == result.parcel.delivery_id, col(Delivery.claim) == result.parcel.claim)
    session.execute(sa.update(Delivery).where(*mine).values(**{"claim": None, **values}))
