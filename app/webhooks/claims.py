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
from app.webhooks.subscription import DISABLED

INTERRUPTED: Final = {"code": "interrupted", "message": "the worker ended before it knew the answer; it is tried again"}
SILENT: Final = {"code": "interrupted", "message": "the worker ended in the middle of the last try; send it again"}
UNDER_WAY: Final = (DeliveryStatus.PENDING, DeliveryStatus.SENDING)
EXPUNGED: Final = {"code": "payload_expunged", "message": "its time was over: the payload is not kept any more"}


@dataclass(frozen=True)
class Room:
    """How many tries one process has under way at most: for an endpoint, for one that fails, in all, all that fail.

    An endpoint that fails gets one at a time, and those that fail never more than half of the places: the slow and the
    dead do not hold up the others.
    """

    each: int = 8
    each_failing: int = 1
    together: int = 256
    together_failing: int = 128


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


def anything_due(session: Session, now: datetime) -> bool:
    """Whether a delivery waits for a worker, or for nobody because its endpoint is not called any more."""
    unpaused = sa.or_(~_called(), _unpaused(now))
    return session.scalar(sa.select(col(Webhook.id)).where(unpaused, _something_waits(now)).limit(1)) is not None


def fail_uncalled(session: Session, now: datetime) -> None:
    """Fail what still waits for endpoints that are disabled or removed, so that nothing rests unseen."""
    uncalled = session.scalars(sa.select(col(Webhook.id)).where(~_called(), _something_waits(now))).all()
    if not uncalled:
        return
    there = (*_waits(now), col(Delivery.webhook_id).in_(uncalled))
    silent = sa.select(col(Delivery.id)).where(*there, col(Delivery.status) == DeliveryStatus.SENDING)
    _interrupt(session, silent, SILENT)
    failed = {"status": DeliveryStatus.FAILED, "claim": None, "failure": DISABLED}
    session.execute(sa.update(Delivery).where(*there).values(**failed))


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
    fail_uncalled(session, now)
    taken: list[tuple[Webhook, Delivery]] = []
    for webhook, places in _places(session, now, under_way, room, chance):
        taken += [
            (webhook, row) for row in _take(session, webhook, min(places, _pace(session, webhook, now)), now, lease)
        ]
    if not taken:
        return []
    ids = [row.id for _, row in taken]
    _interrupt(session, ids, INTERRUPTED)
    payloads = _payloads(session, {row.event_id for _, row in taken})
    sealed = _sealed(session, {webhook.id for webhook, _ in taken}, now)
    parcels = []
    for webhook, row in taken:
        payload = payloads[row.event_id]
        if payload is None or row.attempts > limit:
            row.status, row.claim = DeliveryStatus.FAILED, None
            row.failure = EXPUNGED if payload is None else SILENT
            row.attempts -= 1
            continue
        row.tries += 1
        made = Try(id=new_id(), delivery_id=row.id, number=row.tries, started_at=now)
        session.add(made)
        parcels.append(
            Parcel(
                delivery_id=row.id,
                webhook_id=webhook.id,
                try_id=made.id,
                claim=str(row.claim),
                attempts=row.attempts,
                event_id=row.event_id,
                url=webhook.url,
                payload=payload,
                sealed=sealed.get(webhook.id, ()),
            )
        )
    session.flush()
    return parcels


def release(session: Session, parcels: Collection[Parcel], now: datetime) -> None:
    """Give back what is under way in a worker that stops: due at once, the try is told to be interrupted."""
    for parcel in parcels:
        mine = (col(Delivery.id) == parcel.delivery_id, col(Delivery.claim) == parcel.claim)
        given = {"status": DeliveryStatus.PENDING, "claim": None, "due_at": now, "attempts": parcel.attempts - 1}
        session.execute(sa.update(Delivery).where(*mine).values(**given))
        session.execute(sa.update(Try).where(col(Try.id) == parcel.try_id).values(error=INTERRUPTED))


def _interrupt(session: Session, deliveries: Any, told: dict[str, str]) -> None:
    """Tell it of tries whose end nobody will write any more; `deliveries`: ids, or a query of them."""
    unknown = (col(Try.duration_ms).is_(None), col(Try.error).is_(None))
    session.execute(sa.update(Try).where(col(Try.delivery_id).in_(deliveries), *unknown).values(error=told))


def _waits(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Whether a delivery waits: for its (next) try, or since its worker fell silent."""
    return col(Delivery.status).in_(UNDER_WAY), col(Delivery.due_at) <= now


def _something_waits(now: datetime) -> ColumnElement[bool]:
    """Whether an endpoint has something due: a look at the ends of an index, however much waits or was delivered.

    As the least of each status, not as EXISTS, which PostgreSQL may answer by reading all that was ever delivered.
    """
    return sa.or_(
        *(
            sa.select(sa.func.min(col(Delivery.due_at)))
            .where(col(Delivery.webhook_id) == col(Webhook.id), col(Delivery.status) == status)
            .scalar_subquery()
            <= now
            for status in UNDER_WAY
        )
    )


def _called() -> ColumnElement[bool]:
    return sa.and_(col(Webhook.enabled).is_(True), col(Webhook.removed_at).is_(None))


def _unpaused(now: datetime) -> ColumnElement[bool]:
    return sa.or_(col(Webhook.paused_until).is_(None), col(Webhook.paused_until) <= now)


def _places(
    session: Session, now: datetime, under_way: Mapping[str, int], room: Room, chance: Callable[[], float]
) -> list[tuple[Webhook, int]]:
    """Endpoints with something due and how many tries each may start, those with the fewest under way first.

    Among equals chance decides: by any fixed order those behind would wait for ever while those before have a backlog.
    """
    due = set(session.scalars(sa.select(col(Webhook.id)).where(_called(), _unpaused(now), _something_waits(now))))
    statement = select(Webhook).where(col(Webhook.id).in_(due | set(under_way)))
    known = session.exec(statement, execution_options={"populate_existing": True}).all()
    free = room.together - sum(under_way.values())
    free_failing = room.together_failing - sum(under_way.get(w.id, 0) for w in known if w.failing_since)
    found = []
    for webhook in sorted(known, key=lambda w: (under_way.get(w.id, 0), chance())):
        if webhook.id not in due:
            continue
        each = room.each_failing if webhook.failing_since else room.each
        places = min(each - under_way.get(webhook.id, 0), free, free_failing if webhook.failing_since else free)
        if places > 0:
            found.append((webhook, places))
            free -= places
            free_failing -= places if webhook.failing_since else 0
    return found


def _pace(session: Session, webhook: Webhook, now: datetime) -> int:
    """How many tries the rate limit leaves; none while another worker counts them for this endpoint."""
    if webhook.rate_limit is None:
        return 2**31
    statement = select(Webhook).where(col(Webhook.id) == webhook.id)
    if session.get_bind().dialect.name == "postgresql":
        statement = statement.with_for_update(key_share=True, skip_locked=True)
    row = session.exec(statement, execution_options={"populate_existing": True}).one_or_none()
    return 0 if row is None or row.rate_limit is None else allowance(row.paced_until, now, row.rate_limit)[0]


def _take(session: Session, webhook: Webhook, places: int, now: datetime, lease: timedelta) -> Sequence[Delivery]:
    if places <= 0:
        return []
    # Each status alone, so that the order is that of the index: nothing is sorted, however much waits.
    oldest = [row for status in UNDER_WAY for row in _oldest(session, webhook, status, places, now)]
    rows = sorted(oldest, key=lambda row: (row.due_at, row.id))[:places]
    claim = str(uuid4())
    for row in rows:
        row.status, row.claim, row.due_at = DeliveryStatus.SENDING, claim, now + lease
        row.attempts += 1
    if webhook.rate_limit is not None and rows:
        _, step = allowance(webhook.paced_until, now, webhook.rate_limit)
        webhook.paced_until = max(webhook.paced_until or now, now) + len(rows) * step
        session.add(webhook)
    return rows


def _oldest(
    session: Session, webhook: Webhook, status: DeliveryStatus, number: int, now: datetime
) -> Sequence[Delivery]:
    here = (col(Delivery.webhook_id) == webhook.id, col(Delivery.status) == status, col(Delivery.due_at) <= now)
    statement = select(Delivery).where(*here).order_by(col(Delivery.due_at), col(Delivery.id)).limit(number)
    if session.get_bind().dialect.name == "postgresql":
        statement = statement.with_for_update(skip_locked=True)
    return session.exec(statement, execution_options={"populate_existing": True}).all()


def _payloads(session: Session, event_ids: Collection[str]) -> dict[str, bytes | None]:
    rows = session.execute(
        sa.select(col(OutboxEvent.id), col(OutboxEvent.payload)).where(col(OutboxEvent.id).in_(event_ids))
    )
    return {row.id: row.payload for row in rows}


def _sealed(session: Session, webhook_ids: Collection[str], now: datetime) -> dict[str, tuple[str, ...]]:
    """The secrets in force, the newest first."""
    in_force = sa.or_(col(WebhookSecret.expires_at).is_(None), col(WebhookSecret.expires_at) > now)
    statement = select(WebhookSecret).where(col(WebhookSecret.webhook_id).in_(webhook_ids), in_force)
    found: dict[str, tuple[str, ...]] = {}
    for secret in session.exec(statement.order_by(col(WebhookSecret.id).desc())):
        found[secret.webhook_id] = (*found.get(secret.webhook_id, ()), secret.sealed)
    return found
