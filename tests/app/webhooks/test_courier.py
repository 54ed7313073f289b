"""The courier against real receivers: nothing is lost, nobody is held up by another, whatever happens to it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from app.config import Settings
from app.db import transaction
from app.jobs.runner import Runner
from app.main import create_app
from app.webhooks import courier, subscription
from app.webhooks.models import Webhook
from app.webhooks.settling import settle
from app.webhooks.standing import hold
from tests.app.steps import ok, start
from tests.app.webhooks.peer import Peer
from tests.app.webhooks.steps import deliveries, register, rests, until
from tests.conftest import Client, House, on_postgresql, on_sqlite

pytestmark = pytest.mark.anyio
type Deliver = Callable[..., Runner]


async def pinged(client: Client, hook: dict[str, Any]) -> dict[str, Any]:
    sent: dict[str, Any] = await ok(client.post(f"/v1/webhooks/{hook['id']}/ping"), 202)
    return sent


async def test_every_try_has_the_same_id_and_bytes_and_is_in_the_log(
    house: House, peer: Peer, deliver: Deliver
) -> None:
    deliver(webhook_timeout_seconds=0.5)
    peer.instead += [500, 2.0]
    hook = await register(house.administrator, peer)
    path = await start(house)
    [line] = await deliveries(house.administrator, hook, event="pilot.created")
    found = await rests(house.administrator, line["id"])
    assert [(t["number"], t["status"], (t["error"] or {}).get("code")) for t in found["log"]] == [
        (1, 500, None),
        (2, None, "timeout"),
        (3, 204, None),
    ]
    assert 500 <= found["log"][1]["duration_ms"] < 2000
    assert len(peer.came) == 3
    assert {(came.headers["webhook-id"], came.body) for came in peer.came} == {(line["event_id"], peer.came[0].body)}
    assert found["payload"]["data"]["pilot"]["id"] == path.rpartition("/")[2]
    assert found["last_try"] == found["log"][2]


@on_sqlite
async def test_the_slow_hold_up_nobody(house: House, make_peer: Callable[[], Peer], deliver: Deliver) -> None:
    slow, quick = make_peer(), make_peer()
    slow.instead += [30.0] * 100
    slow_hooks = [await register(house.administrator, slow) for _ in range(2)]
    hook = await register(house.administrator, quick)
    for _ in range(12):
        await start(house)
    deliver(webhook_timeout_seconds=3)
    await until(lambda: len(quick.inbox.copies()) == 12)
    for number in range(13, 18):
        began = time.monotonic()
        await start(house)
        await until(lambda expected=number: len(quick.inbox.copies()) == expected)
        assert time.monotonic() - began < 1.5
    for line in await deliveries(house.administrator, hook):
        assert (await rests(house.administrator, line["id"]))["status"] == "delivered"
    for held in slow_hooks:
        assert "delivered" not in {d["status"] for d in await deliveries(house.administrator, held)}


async def test_a_commit_is_heard_at_once(
    house: House, peer: Peer, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "SWEEP", 60.0)
    deliver()
    hook = await register(house.administrator, peer)
    await asyncio.sleep(1)  # by now it sleeps, and on PostgreSQL it listens
    sent = await pinged(house.administrator, hook)
    assert (await rests(house.administrator, sent["id"]))["status"] == "delivered"


@on_sqlite
async def test_what_no_poke_told_of_is_found(
    house: House, peer: Peer, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "poke", lambda *_: None)
    deliver()
    hook = await register(house.administrator, peer)
    await asyncio.sleep(0.2)
    sent = await pinged(house.administrator, hook)
    assert (await rests(house.administrator, sent["id"]))["status"] == "delivered"


async def test_a_worker_that_stops_gives_back_what_is_under_way(house: House, peer: Peer, deliver: Deliver) -> None:
    peer.instead.append(30.0)
    hook = await register(house.administrator, peer)
    sent = await pinged(house.administrator, hook)
    first = deliver()
    await until(lambda: peer.came)
    began = time.monotonic()
    await asyncio.to_thread(first.stop)
    assert time.monotonic() - began < 5
    deliver()
    found = await rests(house.administrator, sent["id"])
    assert found["status"] == "delivered"
    assert [(t["error"] or {}).get("code") for t in found["log"]] == ["interrupted", None]


@on_postgresql
async def test_a_worker_that_stops_writes_what_ended_also_while_another_writes(
    app: FastAPI, house: House, peer: Peer, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.instead.append(0.5)
    hook = await register(house.administrator, peer)
    sent = await pinged(house.administrator, hook)
    runner = deliver()
    monkeypatch.setattr(courier, "GRACE", 5.0)
    await until(lambda: peer.came)
    with transaction(app.state.engine) as session:
        hold(session, session.get_one(Webhook, hook["id"]))
        stopping = asyncio.create_task(asyncio.to_thread(runner.stop))
        await until(peer.inbox.copies)
        await asyncio.sleep(0.1)
    await stopping
    assert (await ok(house.administrator.get(f"/v1/deliveries/{sent['id']}")))["status"] == "delivered"


@on_sqlite
async def test_an_answer_is_kept_while_the_database_is_away(
    house: House, peer: Peer, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = 3

    def sometimes(session: Any, results: Any, *more: Any) -> Any:
        nonlocal away
        if results and away:
            away -= 1
            raise OperationalError("settle", {}, Exception("away"))
        return settle(session, results, *more)

    monkeypatch.setattr(courier, "settle", sometimes)
    deliver()
    hook = await register(house.administrator, peer)
    sent = await pinged(house.administrator, hook)
    assert (await rests(house.administrator, sent["id"]))["status"] == "delivered"
    assert away == 0
    assert len(peer.came) == 1


@on_sqlite
async def test_a_result_that_cannot_be_written_holds_up_no_other(
    house: House, peer: Peer, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = await register(house.administrator, peer)
    poison, fine = await pinged(house.administrator, hook), await pinged(house.administrator, hook)
    spoilt = 2

    def choking(session: Any, results: Any, *more: Any) -> Any:
        nonlocal spoilt
        if spoilt and any(r.parcel.delivery_id == poison["id"] for r in results):
            spoilt -= 1
            msg = "cannot be written"
            raise ValueError(msg)
        return settle(session, results, *more)

    monkeypatch.setattr(courier, "settle", choking)
    deliver(webhook_timeout_seconds=0.5, lease_seconds=0.5)
    assert (await rests(house.administrator, fine["id"]))["status"] == "delivered"
    found = await rests(house.administrator, poison["id"])
    assert found["status"] == "delivered"
    assert [(t["error"] or {}).get("code") for t in found["log"]] == ["interrupted", None]


@on_sqlite
async def test_a_courier_that_breaks_starts_anew(
    house: House, peer: Peer, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, turn = 2, courier.Courier._turn

    def breaking(self: courier.Courier, under_way: Any) -> Any:
        nonlocal faults
        if faults:
            faults -= 1
            msg = "a fault nobody thought of"
            raise RuntimeError(msg)
        return turn(self, under_way)

    monkeypatch.setattr(courier.Courier, "_turn", breaking)
    deliver()
    hook = await register(house.administrator, peer)
    sent = await pinged(house.administrator, hook)
    assert (await rests(house.administrator, sent["id"]))["status"] == "delivered"
    assert faults == 0


@on_sqlite
async def test_a_fault_of_our_own_is_a_failed_try(
    house: House, peer: Peer, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> dict[str, str]:
        msg = "no signature today"
        raise RuntimeError(msg)

    monkeypatch.setattr(courier, "signed_headers", broken)
    deliver()
    hook = await register(house.administrator, peer)
    found = await rests(house.administrator, (await pinged(house.administrator, hook))["id"])
    assert (found["status"], found["tries"]) == ("failed", 3)
    assert found["last_try"]["error"]["code"] == "internal"
    assert "no signature today" not in str(found)
    assert peer.came == []


@on_sqlite
async def test_settings_that_cannot_be_read_are_named_at_the_start(app: FastAPI, settings: Settings) -> None:
    hosts = settings.model_copy(update={"webhook_allow": "not a host"})
    with pytest.raises(ValueError, match="PILOTLIGHT_WEBHOOK_ALLOW: 'not a host'"):
        create_app(hosts)
    waits = settings.model_copy(update={"webhook_retry_seconds": "soon"})
    for unreadable, named in ((hosts, "ALLOW: 'not a host'"), (waits, "RETRY_SECONDS: 'soon'")):
        with pytest.raises(ValueError, match=f"PILOTLIGHT_WEBHOOK_{named}"):
            Runner(app.state.engine, unreadable, [], [courier.Courier])
