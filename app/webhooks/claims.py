"""Which deliveries a worker takes: guarded updates under a token, a fair share for every endpoint; no network here.

pending ──claim──▶ sending ──settle──▶ delivered | failed | pending (tried again later)
                     │
                     └── its worker fell silent: `due_at` passes and another one claims it
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from app.db import new_id
from app.outbox.models import OutboxEvent
from app.webhooks.delivery import allowance
from app.webhooks.models import Delivery, DeliveryStatus, Try, Webhook, WebhookSecret
from app.webhooks.room import Room, places
from app.webhooks.subscription import at_rest, uncalled

INTERRUPTED: Final = {"code": "interrupted", "message": "the worker ended before it knew the answer; it is tried again"}
SILENT: Final = {"code": "interrupted", "message": "the worker ended in the middle of the last try; send it again"}
UNSEEN: Final = {"synchronize_session": False}
"""No delivery is an object in the sessions here; there is nothing to bring up to date."""
EXPUNGED: Final = {"code": "payload_expunged", "message": "its time was over: the payload is not kept any more"}


@dataclass(frozen=True)
class Parcel:
    """A claimed delivery with everything that its try takes; `attempts` counts this try."""

    delivery_id: str
    webhook_id: str
    try_id: str
    claim: str
    attempts: int
    event_id: str
    url: str
    payload: bytes
    sealed: tuple[str, ...]
    request_id: str | None = None


def anything_due(session: Session, now: datetime) -> bool:
    """Whether a delivery waits for a worker, or for nobody because its endpoint is not called any more."""
    unpaused = sa.or_(~_called(), _unpaused(now))
    waiting = (_has_due(DeliveryStatus.PENDING, now), _has_due(DeliveryStatus.SENDING, now))
    return session.scalar(sa.select(col(Webhook.id)).where(unpaused, sa.or_(*waiting)).limit(1)) is not None


def tend(session: Session, now: datetime) -> None:
    """Put in order what nobody else does: deliveries of dead workers, and of endpoints that are not called."""
    _reopen_silent(session, now)
    _fail_uncalled(session, now)


def _reopen_silent(session: Session, now: datetime) -> None:
    """Put back what is with a worker that fell silent; the log tells that its try was interrupted.

    All of it at once: behind an endpoint's long queue it would read `sending` for as long as the queue lasts.
    """
    endpoints = session.scalars(sa.select(col(Webhook.id)).where(_has_due(DeliveryStatus.SENDING, now))).all()
    if not endpoints:
        return
    overdue = (col(Delivery.status) == DeliveryStatus.SENDING, col(Delivery.due_at) <= now)
    silent = sa.select(col(Delivery.id)).where(col(Delivery.webhook_id).in_(endpoints), *overdue)
    if session.get_bind().dialect.name == "postgresql":
        silent = silent.with_for_update(skip_locked=True)
    ids = session.scalars(silent).all()
    again = {"status": DeliveryStatus.PENDING, "claim": None}
    session.execute(sa.update(Delivery).where(col(Delivery.id).in_(ids)).values(**again))
    unknown = (col(Try.duration_ms).is_(None), col(Try.error).is_(None))
    session.execute(sa.update(Try).where(col(Try.delivery_id).in_(ids), *unknown).values(error=INTERRUPTED))


def _fail_uncalled(session: Session, now: datetime) -> None:
    """Fail what still waits for endpoints that are disabled or removed, so that nothing rests unseen."""
    for webhook in session.exec(select(Webhook).where(~_called(), _has_due(DeliveryStatus.PENDING, now))).all():
        waiting = (col(Delivery.webhook_id) == webhook.id, col(Delivery.status) == DeliveryStatus.PENDING)
        session.execute(sa.update(Delivery).where(*waiting).values(**at_rest(uncalled(webhook))))


def claim_due(
    session: Session,
    now: datetime,
    lease: timedelta,
    under_way: Mapping[str, int],
    room: Room,
    limit: int,
    chance: Callable[[], float] = random.random,
) -> list[Parcel]:
    """Take what is due, as far as there is room beside the tries `under_way` (how many, by endpoint).

    The log has a row for each before its request leaves. A delivery that was tried `limit` times in this round without
    an end known (its worker died each time) fails. `chance` decides between endpoints when there is no place for all.
    """
    taken = [
        (webhook, row)
        for webhook, number in _places(session, now, under_way, room, chance)
        for row in _oldest(session, webhook, min(number, _pace(session, webhook, now)), now)
    ]
    if not taken:
        return []
    payloads = _payloads(session, {row.event_id for _, row in taken})
    sealed = _sealed(session, {webhook.id for webhook, _ in taken}, now)
    claim, parcels, tries = str(uuid4()), [], []
    for webhook, row in taken:
        payload, request_id = payloads[row.event_id]
        if payload is None or row.attempts >= limit:
            _fail(session, row.id, EXPUNGED if payload is None else SILENT)
            continue
        tries.append({"id": new_id(), "delivery_id": row.id, "number": row.tries + 1, "started_at": now})
        parcels.append(
            Parcel(
                delivery_id=row.id,
                webhook_id=webhook.id,
                try_id=tries[-1]["id"],
                claim=claim,
                attempts=row.attempts + 1,
                event_id=row.event_id,
                url=webhook.url,
                payload=payload,
                sealed=sealed.get(webhook.id, ()),
                request_id=request_id,
            )
        )
        if webhook.rate_limit is not None:
            _, step = allowance(webhook.paced_until, now, webhook.rate_limit)
            webhook.paced_until = max(webhook.paced_until or now, now) + step
    if parcels:
        sending = {"status": DeliveryStatus.SENDING, "claim": claim, "due_at": now + lease}
        more = {"attempts": col(Delivery.attempts) + 1, "tries": col(Delivery.tries) + 1}
        mine = col(Delivery.id).in_([parcel.delivery_id for parcel in parcels])
        session.execute(sa.update(Delivery).where(mine).values(**sending, **more), execution_options=UNSEEN)
        session.execute(sa.insert(Try), tries)
    session.flush()
    return parcels


def release(session: Session, parcels: Collection[Parcel], now: datetime) -> None:
    """Give back what is under way in a worker that stops: due at once, the try is told to be interrupted."""
    for parcel in parcels:
        mine = (col(Delivery.id) == parcel.delivery_id, col(Delivery.claim) == parcel.claim)
        given = {"status": DeliveryStatus.PENDING, "claim": None, "due_at": now, "attempts": parcel.attempts - 1}
        session.execute(sa.update(Delivery).where(*mine).values(**given))
        session.execute(sa.update(Try).where(col(Try.id) == parcel.try_id).values(error=INTERRUPTED))


def _has_due(status: DeliveryStatus, now: datetime) -> ColumnElement[bool]:
    """Whether an endpoint has something due: a look at the end of an index, however much waits or was delivered.

    As the least of its instants, not as EXISTS, which PostgreSQL may answer by reading all that was ever delivered.
    """
    there = (col(Delivery.webhook_id) == col(Webhook.id), col(Delivery.status) == status)
    return sa.select(sa.func.min(col(Delivery.due_at))).where(*there).scalar_subquery() <= now


def _called() -> ColumnElement[bool]:
    return sa.and_(col(Webhook.enabled).is_(True), col(Webhook.removed_at).is_(None))


def _unpaused(now: datetime) -> ColumnElement[bool]:
    return sa.or_(col(Webhook.paused_until).is_(None), col(Webhook.paused_until) <= now)


def _places(
    session: Session, now: datetime, under_way: Mapping[str, int], room: Room, chance: Callable[[], float]
) -> list[tuple[Webhook, int]]:
    """Endpoints with something due and how many tries each may start."""
    due = sa.and_(_called(), _unpaused(now), _has_due(DeliveryStatus.PENDING, now))
    statement = select(Webhook, due).where(sa.or_(due, col(Webhook.id).in_(list(under_way))))
    known = {w.id: (w, is_due) for w, is_due in session.exec(statement, execution_options={"populate_existing": True})}
    failing = {webhook_id for webhook_id, (webhook, _) in known.items() if webhook.failing_since is not None}
    failing_under_way = sum(number for webhook_id, number in under_way.items() if webhook_id in failing)
    asking = [(webhook_id, webhook_id in failing) for webhook_id, (_, is_due) in known.items() if is_due]
    found = places(asking, under_way, failing_under_way, room, chance)
    return [(known[webhook_id][0], number) for webhook_id, number in found.items()]


def _pace(session: Session, webhook: Webhook, now: datetime) -> int:
    """How many tries the rate limit leaves; none while another worker counts them for this endpoint."""
    if webhook.rate_limit is None:
        return 2**31
    statement = select(Webhook).where(col(Webhook.id) == webhook.id)
    if session.get_bind().dialect.name == "postgresql":
        statement = statement.with_for_update(key_share=True, skip_locked=True)
    row = session.exec(statement, execution_options={"populate_existing": True}).one_or_none()
    return 0 if row is None or row.rate_limit is None else allowance(row.paced_until, now, row.rate_limit)[0]


def _oldest(session: Session, webhook: Webhook, number: int, now: datetime) -> Sequence[Any]:
    """The deliveries that wait longest, ours until the transaction ends.

    In the order of the index, so that nothing is sorted, however much waits.
    """
    if number <= 0:
        return []
    columns = (col(Delivery.id), col(Delivery.event_id), col(Delivery.attempts), col(Delivery.tries))
    pending = (col(Delivery.webhook_id) == webhook.id, col(Delivery.status) == DeliveryStatus.PENDING)
    oldest = sa.select(*columns).where(*pending, col(Delivery.due_at) <= now)
    oldest = oldest.order_by(col(Delivery.due_at), col(Delivery.id)).limit(number)
    if session.get_bind().dialect.name == "postgresql":
        oldest = oldest.with_for_update(skip_locked=True)
    return session.execute(oldest).all()


def _fail(session: Session, delivery_id: str, failure: dict[str, str]) -> None:
    mine = sa.update(Delivery).where(col(Delivery.id) == delivery_id)
    session.execute(mine.values(**at_rest(failure)), execution_options=UNSEEN)


def _payloads(session: Session, event_ids: Collection[str]) -> dict[str, tuple[bytes | None, str | None]]:
    """The bytes of each event, and the request that it came of."""
    columns = (col(OutboxEvent.id), col(OutboxEvent.payload), col(OutboxEvent.request_id))
    rows = session.execute(sa.select(*columns).where(col(OutboxEvent.id).in_(event_ids)))
    return {row.id: (row.payload, row.request_id) for row in rows}


def _sealed(session: Session, webhook_ids: Collection[str], now: datetime) -> dict[str, tuple[str, ...]]:
    """The secrets in force, the newest first."""
    in_force = sa.or_(col(WebhookSecret.expires_at).is_(None), col(WebhookSecret.expires_at) > now)
    statement = select(WebhookSecret).where(col(WebhookSecret.webhook_id).in_(webhook_ids), in_force)
    found: dict[str, tuple[str, ...]] = {}
    for secret in session.exec(statement.order_by(col(WebhookSecret.id).desc())):
        found[secret.webhook_id] = (*found.get(secret.webhook_id, ()), secret.sealed)
    return found
