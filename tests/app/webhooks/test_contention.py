"""Who waits for whom: people never for endpoints, no endpoint for ever for others, nobody for a backlog."""

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from app.db import now, transaction
from app.outbox.models import OutboxEvent
from app.webhooks import claims, service
from app.webhooks.delivery import Answered
from app.webhooks.models import DeliveryStatus
from app.webhooks.room import Room
from app.webhooks.settling import Result, settle
from tests.app.steps import ok, start
from tests.app.webhooks.steps import register
from tests.app.webhooks.test_claims import LEASE, WAITS, Post
from tests.conftest import House, on_postgresql, on_sqlite

"""SQLite has one writer: there nothing happens at once."""
PATIENCE = 10


@pytest.fixture
def post(app: FastAPI) -> Post:
    return Post(app.state.engine)


@on_postgresql
@pytest.mark.anyio
async def test_nobody_waits_while_an_endpoint_is_changed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = await register(house.administrator)
    entered, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> tuple[int, int]:
        entered.set()
        assert go_on.wait(PATIENCE)
        return 0, 0

    monkeypatch.setattr(service, "recover", slow)
    body = {"since": "2026-01-01T00:00:00Z"}
    recovery = asyncio.create_task(house.administrator.post(f"/v1/webhooks/{hook['id']}/recover", json=body))
    try:
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        await asyncio.wait_for(start(house), PATIENCE / 2)
    finally:
        go_on.set()
    await ok(recovery, 202)


@on_postgresql
@pytest.mark.anyio
async def test_two_that_are_disabled_at_once_do_not_wait_in_a_circle(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = [await register(house.administrator) for _ in range(2)]
    both, disable = threading.Barrier(2, timeout=PATIENCE), service.disable

    def together(*arguments: Any) -> None:
        both.wait()
        disable(*arguments)

    monkeypatch.setattr(service, "disable", together)
    requests = (house.administrator.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": False}) for hook in hooks)
    assert [answer.status_code for answer in await asyncio.gather(*requests)] == [200, 200]


@on_postgresql
def test_two_workers_disable_an_endpoint_once_and_neither_waits(post: Post) -> None:
    webhook = post.endpoint(failing_since=post.began)
    post.post(webhook, 2)
    mine, theirs = (Result(p, Answered(410), 0.1, post.began) for p in post.claim(room=Room(each_failing=2)))
    with transaction(post.engine) as session:
        assert settle(session, [mine], WAITS, lambda: 0.0) == [mine]
        with transaction(post.engine) as other:
            assert settle(other, [theirs], WAITS, lambda: 0.0) == [], "left for the next time"
    with transaction(post.engine) as session:
        assert settle(session, [theirs], WAITS, lambda: 0.0) == [theirs]
    with transaction(post.engine) as session:
        assert len(session.exec(select(OutboxEvent).where(OutboxEvent.type == "webhook.disabled")).all()) == 1
    assert post.webhook(webhook).version == 2
    assert post.every(DeliveryStatus.FAILED) == 2


def test_none_of_many_that_fail_waits_for_ever(post: Post) -> None:
    failing = [post.endpoint(failing_since=now()) for _ in range(3)]
    for webhook in failing:
        post.post(webhook, 40)
    room = Room(together=4)
    taken = Counter(parcel.webhook_id for _ in range(40) for parcel in post.claim(room=room))
    assert set(taken) == set(failing)
    assert min(taken.values()) > 5


@on_sqlite
def test_a_look_for_work_takes_as_long_however_much_waits(post: Post) -> None:
    dead, quiet = post.endpoint(failing_since=now()), post.endpoint()
    post.post(quiet)
    post.post(dead, 20)
    little = _steps_of_a_look(post)
    post.post(dead, 400)
    assert _steps_of_a_look(post) < 2 * little


def _steps_of_a_look(post: Post) -> int:
    """Instructions of SQLite, in tens."""
    steps: list[None] = []
    with transaction(post.engine) as session:
        connection: Any = session.connection().connection.driver_connection
        connection.set_progress_handler(lambda: steps.append(None), 10)
        assert claims.anything_due(session, post.began)
        assert len(claims.claim_due(session, post.began, LEASE, {}, Room(), 3)) == 2
        connection.set_progress_handler(None, 10)
        session.rollback()
    return len(steps)
