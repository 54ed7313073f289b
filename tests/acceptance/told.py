"""What a database says was told, beside what receivers heard."""

import hashlib
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import reading
from app.lifecycle.models import Move
from app.outbox.models import OutboxEvent
from app.webhooks.models import Delivery, DeliveryStatus, Try
from tests.acceptance.receivers import Arrival, Receiver

MOVED = "pilot.stage_changed"


def events(engine: sa.Engine) -> dict[str, OutboxEvent]:
    """The moves that were recorded, by id."""
    with reading(engine) as session:
        return {event.id: event for event in session.exec(select(OutboxEvent).where(OutboxEvent.type == MOVED))}


def moves(engine: sa.Engine) -> int:
    """How many moves there were."""
    with reading(engine) as session:
        return int(session.exec(select(sa.func.count(col(Move.id)))).one())


def waiting(engine: sa.Engine, *webhook_ids: str) -> int:
    """How many deliveries to these endpoints have not been received."""
    with reading(engine) as session:
        open_ = col(Delivery.webhook_id).in_(webhook_ids), col(Delivery.status) != DeliveryStatus.DELIVERED
        return int(session.exec(select(sa.func.count(col(Delivery.id))).where(*open_)).one())


def names(told: dict[str, OutboxEvent]) -> dict[str, str]:
    """The pilot and where it moved, of each event."""
    found = {key: json.loads(event.payload or b"")["data"] for key, event in told.items()}
    return {key: f"{data['pilot']['id']} {data['to']}" for key, data in found.items()}


def statuses(session: Session, webhook_id: str) -> Counter[str]:
    """How many deliveries of an endpoint stand where."""
    found = session.exec(select(Delivery.status).where(Delivery.webhook_id == webhook_id))
    return Counter(status.value for status in found)


def errors(engine: sa.Engine, webhook_id: str) -> Counter[str]:
    """How often tries at an endpoint ended without an answer, by code."""
    of_delivery = col(Delivery.id) == col(Try.delivery_id)
    failed = select(Try.error).join(Delivery, of_delivery).where(Delivery.webhook_id == webhook_id)
    with reading(engine) as session:
        return Counter(error["code"] for error in session.exec(failed) if error)


def heard_all(receiver: Receiver, told: dict[str, OutboxEvent]) -> list[Arrival]:
    """Assert that a receiver has every event, each with the bytes that were frozen at every arrival; the arrivals."""
    arrivals = receiver.arrivals()
    digests = {key: hashlib.sha256(event.payload or b"").hexdigest() for key, event in told.items()}
    strange = [a for a in arrivals if digests.get(a.event_id) != a.digest]
    assert not strange, f"{len(strange)} arrivals that nobody sent, or with other bytes: {strange[:3]}"
    refused = [a for a in arrivals if a.end.startswith("4")]
    assert not refused, f"{len(refused)} signatures did not verify"
    lost = set(told) - {a.event_id for a in arrivals if a.answered}
    assert not lost, f"{len(lost)} events were never received: {sorted(lost)[:3]}"
    kept = receiver.kept().copies()
    assert set(kept) == set(told)
    assert sum(kept.values()) == sum(a.end in {"204", "answer_lost"} for a in arrivals)
    return arrivals


def ends(arrivals: Sequence[Arrival]) -> dict[str, int]:
    """How many requests ended how."""
    return dict(Counter(arrival.end for arrival in arrivals))


def in_order(told: dict[str, OutboxEvent], receiver: Receiver) -> None:
    """Assert that each pilot's moves, put in order by `sequence`, have no gap, and that the receiver knows the last."""
    by_pilot: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for event in told.values():
        data = json.loads(event.payload or b"")["data"]
        by_pilot[data["pilot"]["id"]][data["sequence"]] = data
    kept = receiver.kept()
    for pilot, found in by_pilot.items():
        assert sorted(found) == list(range(1, len(found) + 1)), f"gaps in the sequence of {pilot}"
        assert all(found[a]["to"] == found[b]["from"] for a, b in pairwise(sorted(found)))
        assert kept.stage(pilot) == found[len(found)]["to"]


@dataclass(frozen=True)
class Delay:
    """Seconds from the change to its receipt."""

    median: float
    p95: float
    longest: float
    n: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Delay":
        """Of some events."""
        cuts = statistics.quantiles(seconds, n=20, method="inclusive")
        return cls(statistics.median(seconds), cuts[18], max(seconds), len(seconds))

    def __str__(self) -> str:
        return f"p50 {self.median:.3f} s, p95 {self.p95:.3f} s, longest {self.longest:.3f} s (n = {self.n})"


def first_received(arrivals: Sequence[Arrival]) -> dict[str, float]:
    """When each event was first received, by id."""
    first: dict[str, float] = {}
    for arrival in arrivals:
        if arrival.answered:
            first[arrival.event_id] = min(arrival.at, first.get(arrival.event_id, arrival.at))
    return first


def delays(told: dict[str, OutboxEvent], arrivals: Sequence[Arrival]) -> dict[datetime, float]:
    """Seconds until each event was first received, by when it was recorded."""
    first = first_received(arrivals)
    return {told[key].created_at: at - told[key].created_at.timestamp() for key, at in first.items()}
