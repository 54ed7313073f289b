"""Which deliveries a worker takes, and what a try leaves behind; on both databases, without a network."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlmodel import col, select

from app.audit.models import AuditEntry
from app.db import now, transaction
from app.outbox.models import OutboxEvent, frozen
from app.webhooks import claims
from app.webhooks.claims import Parcel
from app.webhooks.delivery import Answered, Outcome, Unreached
from app.webhooks.models import Delivery, DeliveryStatus, Try, Webhook
from app.webhooks.room import Room
from app.webhooks.service import redeliver
from app.webhooks.settling import Result, settle
from app.webhooks.standing import disable, enable, remove
from app.webhooks.subscription import send

LEASE = timedelta(seconds=30)
WAITS = (timedelta(seconds=5), timedelta(minutes=5))
FINE, BROKEN = Answered(204), Answered(500, body=b"no\x00 \xff")
REFUSED = Unreached("connection_refused", "The receiver's host refused the connection.")


class Post:
    """Endpoints and events of one database, and a worker's steps as of a given instant."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.began = now()

    def endpoint(self, **fields: Any) -> str:
        with transaction(self.engine) as session:
            made = Webhook(url="https://board.example.org/", events=["*"], created_by="root", **fields)
            session.add(made)
        return made.id

    def post(self, webhook_id: str, number: int = 1) -> list[str]:
        """This many events for the endpoint; ids of their deliveries."""
        made = []
        with transaction(self.engine) as session:
            webhook = session.get_one(Webhook, webhook_id)
            for _ in range(number):
                event = frozen("webhook.ping", {}, at=self.began, organization_id=None, subject_id=None)
                made.append(send(session, webhook, event).id)
        return made

    def claim(
        self, *, after: float = 0, room: Room | None = None, under_way: dict[str, int] | None = None
    ) -> list[Parcel]:
        at = self.began + timedelta(seconds=after)
        with transaction(self.engine) as session:
            claims.tend(session, at)
            return claims.claim_due(session, at, LEASE, under_way or {}, room or Room(), len(WAITS) + 1)

    def due(self, *, after: float = 0) -> bool:
        with transaction(self.engine) as session:
            return claims.anything_due(session, self.began + timedelta(seconds=after))

    def end(self, parcel: Parcel, outcome: Outcome, *, after: float = 0) -> None:
        ended = self.began + timedelta(seconds=after)
        with transaction(self.engine) as session:
            settle(session, [Result(parcel, outcome, 0.25, ended)], WAITS, lambda: 0.0)

    def change(self, webhook_id: str, how: Callable[..., None], *more: Any) -> None:
        with transaction(self.engine) as session:
            how(session, session.get_one(Webhook, webhook_id), *more)

    def delivery(self, delivery_id: str) -> Delivery:
        with transaction(self.engine) as session:
            return session.get_one(Delivery, delivery_id)

    def webhook(self, webhook_id: str) -> Webhook:
        with transaction(self.engine) as session:
            return session.get_one(Webhook, webhook_id)

    def tries(self, delivery_id: str) -> list[Try]:
        with transaction(self.engine) as session:
            return list(session.exec(select(Try).where(Try.delivery_id == delivery_id).order_by(col(Try.number))))

    def every(self, status: DeliveryStatus) -> int:
        with transaction(self.engine) as session:
            return len(session.exec(select(Delivery).where(Delivery.status == status)).all())


@pytest.fixture
def post(app: FastAPI) -> Post:
    return Post(app.state.engine)


def test_what_was_claimed_is_claimed_by_nobody_else(post: Post) -> None:
    [delivery] = post.post(post.endpoint())
    [parcel] = post.claim()
    assert (parcel.delivery_id, parcel.attempts, parcel.url) == (delivery, 1, "https://board.example.org/")
    assert post.claim() == []
    assert post.delivery(delivery).status is DeliveryStatus.SENDING
    post.end(parcel, FINE)
    kept = post.delivery(delivery)
    assert (kept.status, kept.claim, kept.failure) == (DeliveryStatus.DELIVERED, None, None)
    [told] = post.tries(delivery)
    assert (told.number, told.status, told.duration_ms, told.error) == (1, 204, 250, None)
    assert not post.due(after=1e6)


def test_a_failed_try_waits_for_its_time_until_the_round_is_over(post: Post) -> None:
    [delivery] = post.post(post.endpoint())
    for attempt, at in enumerate([0, 5, 305], start=1):
        assert post.claim(after=at - 0.1) == []
        [parcel] = post.claim(after=at)
        assert parcel.attempts == attempt
        post.end(parcel, BROKEN, after=at)
    given_up = post.delivery(delivery)
    assert given_up.status is DeliveryStatus.FAILED
    assert given_up.failure == {"code": "gave_up", "message": "tried 3 times; the last try: answered 500"}
    assert [t.answer for t in post.tries(delivery)] == ["no\ufffd \ufffd"] * 3
    assert not post.due(after=1e6)


def test_whose_worker_fell_silent_is_tried_again_and_the_log_says_so(post: Post) -> None:
    [delivery] = post.post(post.endpoint())
    [lost] = post.claim()
    assert not post.due(after=29)
    [again] = post.claim(after=31)
    assert (again.event_id, again.payload, again.attempts) == (lost.event_id, lost.payload, 2)
    assert again.claim != lost.claim
    first, second = post.tries(delivery)
    assert first.error is not None
    assert first.error["code"] == "interrupted"
    assert (second.number, second.error) == (2, None)


def test_what_a_silent_worker_had_is_put_back_although_others_are_taken_first(post: Post) -> None:
    webhook = post.endpoint()
    post.post(webhook, 3)
    lost = post.claim(room=Room(each=2))
    [another] = post.claim(after=31, room=Room(each=1))
    assert another.delivery_id not in {parcel.delivery_id for parcel in lost}
    assert post.every(DeliveryStatus.SENDING) == 1
    assert [t.error for parcel in lost for t in post.tries(parcel.delivery_id)] == [claims.INTERRUPTED] * 2


def test_a_late_result_ends_nothing_but_is_told(post: Post) -> None:
    [delivery] = post.post(post.endpoint())
    [late] = post.claim()
    [current] = post.claim(after=31)
    post.end(late, FINE, after=32)
    assert post.delivery(delivery).status is DeliveryStatus.SENDING
    assert post.tries(delivery)[0].status == 204
    post.end(current, BROKEN, after=33)
    assert post.delivery(delivery).status is DeliveryStatus.PENDING


def test_a_delivery_that_kills_its_worker_each_time_fails(post: Post) -> None:
    [delivery] = post.post(post.endpoint())
    taken = [len(post.claim(after=31 * n)) for n in range(5)]
    assert taken == [1, 1, 1, 0, 0]
    kept = post.delivery(delivery)
    assert kept.status is DeliveryStatus.FAILED
    assert kept.failure is not None
    assert kept.failure["code"] == "interrupted"
    assert (kept.attempts, kept.tries) == (3, 3)


def test_a_worker_that_stops_gives_back_what_it_sends(post: Post) -> None:
    [delivery] = post.post(post.endpoint())
    [parcel] = post.claim()
    with transaction(post.engine) as session:
        claims.release(session, [parcel], post.began + timedelta(seconds=1))
    [again] = post.claim(after=1)
    assert again.attempts == 1
    assert [t.error is not None for t in post.tries(delivery)] == [True, False]


def test_one_that_fails_has_one_try_under_way(post: Post) -> None:
    healthy, failing = post.endpoint(), post.endpoint(failing_since=now())
    for webhook in (healthy, failing):
        post.post(webhook, 9)
    taken = Counter(parcel.webhook_id for parcel in post.claim(room=Room(each=5)))
    assert taken == {healthy: 5, failing: 1}
    assert post.claim(room=Room(each=5), under_way=dict(taken)) == []
    assert Counter(p.webhook_id for p in post.claim(room=Room(each=5), under_way={**taken, healthy: 2})) == {healthy: 3}


def test_the_oldest_go_first(post: Post) -> None:
    webhook = post.endpoint()
    ids = post.post(webhook, 5)
    assert [p.delivery_id for p in post.claim(room=Room(each=3))] == ids[:3]
    assert [p.delivery_id for p in post.claim(room=Room(each=3))] == ids[3:]


def test_a_rate_limit_holds_across_workers(post: Post) -> None:
    post.post(post.endpoint(rate_limit=120), 9)
    taken = [len(post.claim(after=at)) for at in (0, 0, 0.4, 0.6, 5, 5)]
    assert taken == [2, 0, 0, 1, 2, 0]


def test_who_asks_for_time_is_left_alone_and_the_others_are_not(post: Post) -> None:
    busy, other = post.endpoint(), post.endpoint()
    post.post(busy, 2)
    first, second = post.claim()
    post.end(first, Answered(429, retry_after=60))
    post.end(second, FINE)
    post.post(busy)
    post.post(other)
    assert [p.webhook_id for p in post.claim(after=59)] == [other]
    assert {p.webhook_id for p in post.claim(after=61)} == {busy}


def test_five_days_of_failure_disable_and_a_success_in_between_does_not(post: Post) -> None:
    webhook = post.endpoint()

    def send_on(day: float, *outcomes: Outcome) -> str:
        """Send an event that is tried with these outcomes, as the schedule has it."""
        [delivery] = post.post(webhook)
        for seconds, outcome in zip((1, 6, 310), outcomes, strict=False):
            parcel = next(p for p in post.claim(after=86400 * day + seconds) if p.delivery_id == delivery)
            post.end(parcel, outcome, after=86400 * day + seconds)
        return delivery

    send_on(0, BROKEN, BROKEN, REFUSED)
    send_on(4.9, BROKEN, BROKEN, BROKEN)
    send_on(5.1, BROKEN, FINE)
    send_on(5.2, BROKEN, BROKEN, REFUSED)
    send_on(10.1, REFUSED, BROKEN, REFUSED)
    assert post.webhook(webhook).enabled
    delivery = send_on(10.3, REFUSED, REFUSED)
    assert post.webhook(webhook).enabled
    [parcel] = post.claim(after=86400 * 10.3 + 310)
    post.end(parcel, REFUSED, after=86400 * 10.3 + 310)
    found = post.webhook(webhook)
    assert not found.enabled
    since = (post.began + timedelta(days=5.2)).date().isoformat()
    assert found.disabled_reason == {
        "code": "failed_for_days",
        "message": f"every try has failed since {since}; the last one: The receiver's host refused the connection.",
    }
    assert post.delivery(delivery).status is DeliveryStatus.FAILED
    assert post.every(DeliveryStatus.PENDING) == 0
    with transaction(post.engine) as session:
        said = session.exec(select(OutboxEvent).where(OutboxEvent.type == "webhook.disabled")).all()
        assert [event.subject_id for event in said] == [webhook]
        entry = session.exec(select(AuditEntry).where(AuditEntry.resource_id == webhook)).all()[-1]
        assert (entry.person, (entry.changes or {})["enabled"]) == ("pilotlight", [True, False])


def test_our_own_faults_say_nothing_of_the_endpoint(post: Post) -> None:
    webhook = post.endpoint()
    [delivery] = post.post(webhook)
    [parcel] = post.claim()
    post.end(parcel, Unreached("secret_unreadable", "m"))
    assert post.webhook(webhook).failing_since is None
    assert post.delivery(delivery).status is DeliveryStatus.PENDING


def test_what_was_received_once_stays_so_when_sending_it_again_fails(post: Post) -> None:
    webhook = post.endpoint()
    [delivery] = post.post(webhook)
    post.end(post.claim()[0], FINE)
    with transaction(post.engine) as session:
        redeliver(session, session.get_one(Delivery, delivery), post.began)
    for at in (0, 5, 305):
        post.end(post.claim(after=at)[0], BROKEN, after=at)
    kept = post.delivery(delivery)
    assert (kept.status, (kept.failure or {})["code"], kept.tries) == (DeliveryStatus.DELIVERED, "gave_up", 4)


def test_an_answer_410_disables_at_once(post: Post) -> None:
    webhook = post.endpoint()
    post.post(webhook, 3)
    first, second, third = post.claim()
    post.end(first, Answered(410))
    assert not post.webhook(webhook).enabled
    assert (post.delivery(first.delivery_id).failure or {})["code"] == "gone"
    post.end(second, FINE)
    assert post.delivery(second.delivery_id).status is DeliveryStatus.DELIVERED
    post.end(third, BROKEN)
    assert (post.delivery(third.delivery_id).failure or {})["code"] == "webhook_disabled"


@pytest.mark.parametrize("how", [(disable, {"code": "disabled_by_person", "message": "m"}), (remove,)])
def test_nothing_rests_under_way_at_an_endpoint_that_is_not_called(post: Post, how: tuple[Any, ...]) -> None:
    webhook = post.endpoint()
    post.post(webhook, 2)
    [sending] = post.claim(room=Room(each=1))
    act, *more = how
    post.change(webhook, act, *more, post.began)
    assert post.every(DeliveryStatus.PENDING) == 0
    assert not post.due(after=29)
    assert post.due(after=31)
    assert post.claim(after=31) == []
    assert post.delivery(sending.delivery_id).status is DeliveryStatus.FAILED
    [told] = post.tries(sending.delivery_id)
    assert (told.error or {})["code"] == "interrupted"
    assert not post.due(after=1e6)


def test_enabling_forgets_the_failures(post: Post) -> None:
    webhook = post.endpoint(failing_since=now(), paused_until=now() + timedelta(hours=1), enabled=False)
    post.change(webhook, enable)
    found = post.webhook(webhook)
    assert (found.enabled, found.failing_since, found.paused_until, found.disabled_reason) == (True, None, None, None)
    post.post(webhook)
    assert len(post.claim()) == 1


def test_how_an_endpoint_fares_is_no_change_of_it(post: Post) -> None:
    webhook = post.endpoint(rate_limit=600)
    post.post(webhook)
    [parcel] = post.claim()
    post.end(parcel, Answered(503))
    found = post.webhook(webhook)
    assert found.failing_since is not None
    assert found.paused_until is not None
    assert found.version == 1
    with transaction(post.engine) as session:
        entries = session.exec(select(AuditEntry).where(AuditEntry.resource_id == webhook)).all()
    assert [entry.action for entry in entries] == ["created"]


def test_a_payload_that_is_not_kept_any_more_is_told(post: Post) -> None:
    [delivery] = post.post(post.endpoint())
    with transaction(post.engine) as session:
        session.execute(sa.update(OutboxEvent).values(payload=None))
    assert post.claim() == []
    assert (post.delivery(delivery).failure or {})["code"] == "payload_expunged"


def test_many_workers_never_take_the_same(post: Post) -> None:
    webhooks = [post.endpoint(), post.endpoint(rate_limit=6000)]
    for webhook in webhooks:
        post.post(webhook, 60)
    taken: list[str] = []
    faults: list[Exception] = []

    def work() -> None:
        try:
            while post.every(DeliveryStatus.PENDING):
                taken.extend(p.delivery_id for p in post.claim(after=600, room=Room(each=7)))
        except Exception as error:  # noqa: BLE001 - shown below
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(taken) == len(set(taken)) == 120
