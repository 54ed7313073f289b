"""An endpoint that is gone or fails for days: disabled, told to the others, enabled again, nothing lost."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from app.db import now, transaction
from app.jobs.runner import Runner
from app.webhooks.models import Webhook
from tests.app.steps import ok, start
from tests.app.webhooks.peer import Peer
from tests.app.webhooks.steps import LOOPBACK, PATIENCE, deliveries, register, rests, until
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio


async def sent(client: Client, webhook: dict[str, Any]) -> dict[str, Any]:
    """A ping that came to its end."""
    ping = await ok(client.post(f"/v1/webhooks/{webhook['id']}/ping"), 202)
    return await rests(client, ping["id"])


async def test_a_receiver_that_is_gone_is_disabled_and_what_it_missed_is_recovered(
    house: House, neighbour: House, make_peer: Callable[[], Peer], deliver: Callable[..., Runner]
) -> None:
    admin, gone, well = house.administrator, make_peer(), make_peer()
    hook = await register(admin, gone, description="Board", events=["pilot.created"])
    other = await register(admin, well, events=["webhook.disabled"])
    next_door = await register(neighbour.administrator)
    gone.instead.append(410)
    deliver()
    failed = await sent(admin, hook)
    assert (failed["status"], failed["failure"]["code"], failed["tries"]) == ("failed", "gone", 1)
    told = await ok(admin.get(f"/v1/webhooks/{hook['id']}"))
    assert (told["enabled"], told["notice"]["code"]) == (False, "gone")
    assert '"enabled": true' in told["notice"]["what_would_help"]

    # The others of the organization are told, without the address; nobody else is.
    (line,) = await deliveries(admin, other)
    event = (await rests(admin, line["id"]))["payload"]
    assert event["data"]["webhook"] == {
        "id": hook["id"],
        "organization_id": house.id,
        "description": "Board",
        "host": "127.0.0.1",
    }
    assert event["data"]["reason"]["code"] == "gone"
    assert well.inbox.copies() == {line["event_id"]: 1}
    assert await deliveries(neighbour.administrator, next_door) == []
    entries = (await ok(admin.get(f"/v1/audit?resource_id={hook['id']}")))["items"]
    assert ("pilotlight", [True, False]) in [(e["person"], (e["changes"] or {}).get("enabled")) for e in entries]

    # What happens meanwhile is kept as failed: nothing is called, nothing is lost.
    for _ in range(2):
        await start(house)
    missed = await deliveries(admin, hook, event="pilot.created")
    assert {(m["status"], m["failure"]["code"], m["tries"]) for m in missed} == {("failed", "webhook_disabled", 0)}
    assert len(gone.came) == 1
    await ok(admin.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": True}))
    again = await ok(admin.post(f"/v1/webhooks/{hook['id']}/recover", json={"since": failed["created_at"]}), 202)
    assert again == {"recovered": 3, "expunged": 0}
    for delivery in [failed, *missed]:
        assert (await rests(admin, delivery["id"]))["status"] == "delivered"
    assert gone.inbox.copies() == {d["event_id"]: 1 for d in [failed, *missed]}


async def test_days_of_failure_disable_and_one_success_starts_them_anew(
    app: FastAPI, house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    admin = house.administrator
    hook = await register(admin, peer, events=["plan.locked"])
    path = f"/v1/webhooks/{hook['id']}"

    def days_pass(days: float) -> None:
        with transaction(app.state.engine) as session:
            row = session.get_one(Webhook, hook["id"])
            row.failing_since = now() - timedelta(days=days)
            session.add(row)

    deliver(webhook_retry_seconds="0")
    peer.instead += [500, 500]
    failed_first = await sent(admin, hook)
    assert failed_first["status"] == "failed"
    failing = await ok(admin.get(path))
    assert (failing["enabled"], failing["notice"]["code"]) == (True, "failing")
    assert failing["failing_since"] is not None
    assert failing["last_error"] == "answered 500"
    assert "answered 500" in failing["notice"]["message"]
    days_pass(4.99)
    peer.instead += [500, 500]
    assert (await sent(admin, hook))["status"] == "failed"
    assert (await ok(admin.get(path)))["enabled"] is True
    assert (await sent(admin, hook))["status"] == "delivered"  # one success
    well = await ok(admin.get(path))
    assert (well["notice"]["code"], well["failed"], well["failing_since"]) == ("failed_deliveries", 2, None)
    assert well["notice"]["message"] == "2 deliveries failed for good"

    peer.instead += [500, 500]
    await sent(admin, hook)
    days_pass(5.01)
    peer.instead.append(500)
    assert (await sent(admin, hook))["status"] == "delivered"  # seldom called, it may fail once
    peer.instead += [500, 500]
    await sent(admin, hook)
    days_pass(5.01)
    peer.instead += [500, 500]
    assert (await sent(admin, hook))["failure"]["code"] == "gave_up"
    disabled = await ok(admin.get(path))
    assert (disabled["enabled"], disabled["notice"]["code"]) == (False, "failed_for_days")
    assert "every try has failed since" in disabled["notice"]["message"]
    enabled = await ok(admin.patch(path, json={"enabled": True}))
    assert (enabled["failing_since"], enabled["last_error"], enabled["failed"]) == (None, None, 5)
    assert enabled["failed_since"] == failed_first["created_at"]
    assert await ok(admin.post(f"{path}/recover"), 202) == {"recovered": 5, "expunged": 0}
    assert (await ok(admin.get(path)))["notice"] is None


@on_sqlite
async def test_a_new_address_starts_without_the_old_ones_failures(
    app: FastAPI, house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    admin = house.administrator
    hook = await register(admin, LOOPBACK)
    peer.secrets.append(hook["secret"])
    path = f"/v1/webhooks/{hook['id']}"
    with transaction(app.state.engine) as session:
        row = session.get_one(Webhook, hook["id"])
        row.failing_since, row.paused_until = now() - timedelta(days=6), now() + timedelta(hours=1)
        session.add(row)
    assert (await ok(admin.patch(path, json={"description": "Board"})))["notice"]["code"] == "failing"
    moved = await ok(admin.patch(path, json={"url": peer.url}))
    assert (moved["notice"], moved["paused_until"]) == (None, None)
    deliver()
    peer.instead.append(500)
    assert (await sent(admin, hook))["status"] == "delivered"  # at the second try; the first did not disable it
    assert (await ok(admin.get(path)))["enabled"] is True


async def test_who_asks_for_time_is_told_of_and_a_person_may_end_it(
    house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    admin = house.administrator
    hook = await register(admin, peer)
    path = f"/v1/webhooks/{hook['id']}"
    deliver()
    peer.instead.append(Response(status_code=429, headers={"retry-after": "3600"}))
    first = await ok(admin.post(f"{path}/ping"), 202)
    await until(lambda: peer.came)

    async def paused() -> Any:
        return (await ok(admin.get(path)))["paused_until"]

    deadline = time.monotonic() + PATIENCE
    while await paused() is None:
        assert time.monotonic() < deadline
    assert "nothing is sent before" in (await ok(admin.get(path)))["notice"]["message"]
    until_then = datetime.fromisoformat(await paused())
    assert timedelta(minutes=59) < until_then - now() <= timedelta(hours=1)
    second = await ok(admin.post(f"{path}/ping"), 202)
    for ping in (first, second):
        waiting = await ok(admin.get(f"/v1/deliveries/{ping['id']}"))
        assert (waiting["status"], waiting["next_try_at"]) == ("pending", await paused())
    await ok(admin.patch(path, json={"enabled": True}))
    assert (await ok(admin.get(path)))["notice"] is None
    assert (await rests(admin, second["id"]))["status"] == "delivered"


@on_sqlite
async def test_a_pause_alone_is_a_notice(app: FastAPI, house: House) -> None:
    hook = await register(house.administrator)
    path = f"/v1/webhooks/{hook['id']}"
    for pause, code in ((timedelta(hours=1), "paused"), (timedelta(seconds=-1), None)):
        with transaction(app.state.engine) as session:
            session.get_one(Webhook, hook["id"]).paused_until = now() + pause
        found = await ok(house.administrator.get(path))
        assert (found["notice"] or {}).get("code") == code
        assert (found["paused_until"] is None) == (code is None)


async def test_a_person_disables_and_the_others_are_told_once(house: House) -> None:
    admin = house.administrator
    hook, other = await register(admin), await register(admin)
    waiting = await ok(admin.post(f"/v1/webhooks/{hook['id']}/ping"), 202)
    for _ in range(2):
        await ok(admin.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": False}))
    failed = await ok(admin.get(f"/v1/deliveries/{waiting['id']}"))
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "webhook_disabled")
    (line,) = await deliveries(admin, other)
    data = (await ok(admin.get(f"/v1/deliveries/{line['id']}")))["payload"]["data"]
    assert (data["reason"]["code"], data["failing_since"]) == ("disabled_by_person", None)


@on_sqlite
async def test_removed_while_a_try_is_under_way(house: House, peer: Peer, deliver: Callable[..., Runner]) -> None:
    hook = await register(house.administrator, peer)
    peer.instead.append(0.3)
    peer.secrets.clear()  # so that it refuses
    deliver()
    ping = await ok(house.administrator.post(f"/v1/webhooks/{hook['id']}/ping"), 202)
    await until(lambda: peer.came)
    await ok(house.administrator.delete(f"/v1/webhooks/{hook['id']}"))
    failed = await rests(house.administrator, ping["id"])
    assert (failed["failure"]["code"], failed["last_try"]["status"]) == ("webhook_removed", 401)
    assert len(peer.came) == 1
