"""The delivery log: every try, filters and pages, sending again; with a real receiver at the other end."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.responses import Response

from app.jobs.runner import Runner
from tests.app.steps import in_test, move, ok, refused, start
from tests.app.webhooks.peer import Peer
from tests.app.webhooks.steps import deliveries, register, rests, signed_by, until
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio
COMPACT: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":")}


async def ping(client: Client, webhook: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = await ok(client.post(f"/v1/webhooks/{webhook['id']}/ping"), 202)
    return made


async def test_every_try_is_in_the_log(house: House, peer: Peer, deliver: Callable[..., Runner]) -> None:
    admin = house.administrator
    hook = await register(admin, peer, events=["pilot.created"])
    peer.instead += [Response("Überlast " * 300, 500), Response(status_code=302, headers={"location": peer.url})]
    path = await start(house, title="Coaching – Überlastung")
    (waiting,) = await deliveries(admin, hook)
    assert (waiting["status"], waiting["tries"], waiting["last_try"]) == ("pending", 0, None)
    assert waiting["next_try_at"] == waiting["created_at"]
    deliver()
    found = await rests(admin, waiting["id"])
    assert (found["status"], found["tries"], found["failure"], found["next_try_at"]) == ("delivered", 3, None, None)
    assert found["delivered_at"] > found["created_at"]
    assert [(t["number"], t["status"]) for t in found["log"]] == [(1, 500), (2, 302), (3, 204)]
    assert all(t["duration_ms"] >= 0 for t in found["log"])
    assert sorted(found["log"], key=lambda t: t["started_at"]) == found["log"]
    assert found["log"][-1] == found["last_try"] == (await deliveries(admin, hook))[0]["last_try"]
    first, redirect, last = found["log"]
    assert first["answer"].startswith("Überlast Überlast")
    assert len(first["answer"]) <= 1024
    assert redirect["error"]["code"] == "redirect"
    assert (first["error"], last["error"], last["answer"]) == (None, None, "")
    # The same bytes under the same id at every try, each signed anew.
    assert {came.headers["webhook-id"] for came in peer.came} == {found["event_id"]}
    assert {came.body for came in peer.came} == {json.dumps(found["payload"], **COMPACT).encode()}
    assert all(signed_by(came, hook["secret"]) for came in peer.came)
    assert found["payload"]["data"]["pilot"]["id"] == path.rpartition("/")[2]
    assert peer.inbox.copies() == {found["event_id"]: 1}


@on_sqlite
async def test_a_real_pilot_is_in_its_place_at_the_receiver(
    house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    hook = await register(house.administrator, peer)
    deliver()
    path = await in_test(house)
    await move(house, path, "retired", retirement="stopped", reason="No budget.", lessons="Ask first.")
    sent = [line["id"] for line in await deliveries(house.administrator, hook)]
    for delivery in sent:
        assert (await rests(house.administrator, delivery))["status"] == "delivered"
    assert set(peer.inbox.copies().values()) == {1}
    assert len(peer.inbox.copies()) == len(sent) == 5
    assert peer.inbox.stage(path.rpartition("/")[2]) == "retired"


@on_sqlite
async def test_an_example_of_every_event_arrives_and_says_that_it_is_one(
    house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    admin = house.administrator
    hook = await register(admin, peer, events=["plan.locked"])
    deliver()
    catalogue = {item["type"]: item for item in (await ok(admin.get("/v1/webhook-events")))["items"]}
    for kind in catalogue:
        answer = await admin.post(f"/v1/webhooks/{hook['id']}/examples", json={"type": kind})
        assert answer.status_code == 202, answer.text
        line = answer.json()
        assert answer.headers["location"] == f"/v1/deliveries/{line['id']}"
        assert (await rests(admin, line["id"]))["status"] == "delivered"
    bodies = {body["type"]: body for body in (json.loads(came.body) for came in peer.came)}
    assert set(bodies) == set(catalogue)
    for kind, body in bodies.items():
        assert body["example"] is True
        assert list(jsonschema_rs.validator_for(catalogue[kind]["schema"]).iter_errors(body)) == []
        assert body["data"] == catalogue[kind]["example"]["data"]
    for wrong in ("pilot.moved", "*"):
        problem = await refused(admin.post(f"/v1/webhooks/{hook['id']}/examples", json={"type": wrong}), 422, "invalid")
        assert problem["errors"][0]["code"] == "unknown_event"


@on_sqlite
async def test_a_ping_tells_who_asked_and_is_made_once(
    house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    admin, once = house.administrator, {"Idempotency-Key": "once"}
    hook, other = await register(admin, peer, description="Board"), await register(admin)
    path = f"/v1/webhooks/{hook['id']}/ping"
    first = await ok(admin.post(path, headers=once), 202)
    assert await ok(admin.post(path, headers=once), 202) == first
    deliver()
    found = await rests(admin, first["id"])
    assert found["payload"]["data"]["by"] == "Northfield administrator"
    assert found["payload"]["data"]["webhook"]["description"] == "Board"
    assert len(peer.came) == 1
    assert await deliveries(admin, other) == []


async def test_sending_again_whatever_became_of_it(
    app: FastAPI, house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    admin = house.administrator
    hook = await register(admin, peer)
    line = await ping(admin, hook)
    path = f"/v1/deliveries/{line['id']}"
    # While it waits: at once, from the beginning of the schedule.
    assert (await ok(admin.post(f"{path}/redeliver"), 202))["status"] == "pending"
    # While a try is under way: not.
    peer.instead.append(0.5)
    deliver(webhook_retry_seconds="0")
    await until(lambda: peer.came)
    assert "under way" in (await refused(admin.post(f"{path}/redeliver"), 409, "under_way"))["detail"]
    assert (await rests(admin, line["id"]))["status"] == "delivered"
    # What was received: the receiver knows it by its id.
    asked = await ok(admin.post(f"{path}/redeliver"), 202)
    assert (asked["status"], asked["event_id"]) == ("pending", line["event_id"])
    assert (await rests(admin, line["id"]))["tries"] == 2
    assert peer.inbox.copies() == {line["event_id"]: 2}
    # What has failed.
    peer.instead += [500, 500]
    lost = await ping(admin, hook)
    failed = await rests(admin, lost["id"])
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "gave_up")
    assert "answered 500" in failed["failure"]["message"]
    again = await ok(admin.post(f"/v1/deliveries/{lost['id']}/redeliver"), 202)
    assert (again["status"], again["failure"], again["tries"]) == ("pending", None, 2)
    assert [t["number"] for t in (await rests(admin, lost["id"]))["log"]] == [1, 2, 3]
    # What is not kept any more.
    with app.state.engine.begin() as connection:
        connection.execute(sa.text("UPDATE outbox_events SET payload = NULL"))
    assert (await ok(admin.get(path)))["payload"] is None
    problem = await refused(admin.post(f"{path}/redeliver"), 409, "payload_expunged")
    assert "PILOTLIGHT_WEBHOOK_PAYLOAD_DAYS" in problem["detail"]


async def test_filters_and_pages(app: FastAPI, house: House) -> None:
    admin = house.administrator
    hook = await register(admin)
    made = [await ping(admin, hook) for _ in range(3)]
    for _ in range(2):
        await start(house)
    made += reversed(await deliveries(admin, hook, event="pilot.created"))
    with app.state.engine.begin() as connection:
        failed = sa.text("UPDATE webhook_deliveries SET status = 'failed' WHERE id = :id")
        connection.execute(failed, [{"id": made[0]["id"]}, {"id": made[3]["id"]}])
    ids = [line["id"] for line in made]

    async def found(**query: Any) -> list[int]:
        return [ids.index(line["id"]) for line in await deliveries(admin, hook, **query)]

    assert await found() == [4, 3, 2, 1, 0]
    assert await found(status="failed") == [3, 0]
    assert await found(status="delivered") == []
    assert await found(event="webhook.ping") == [2, 1, 0]
    assert await found(event="webhook.ping", status="failed") == [0]
    assert await found(event_id=made[2]["event_id"]) == [2]
    assert await found(since=made[2]["created_at"]) == [4, 3, 2]
    assert await found(until=made[2]["created_at"]) == [2, 1, 0]
    assert await found(since=made[1]["created_at"], until=made[3]["created_at"], status="pending") == [2, 1]
    path = f"/v1/webhooks/{hook['id']}/deliveries"
    seen, cursor = list[int](), ""
    while cursor is not None:
        page = await ok(admin.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {})))
        assert len(page["items"]) <= 2
        seen, cursor = [*seen, *(ids.index(line["id"]) for line in page["items"])], page["next_cursor"]
    assert seen == [4, 3, 2, 1, 0]
    for query in ("status=lost", "since=2026-01-01", "cursor=x", "event_type=webhook.ping", "limit=0"):
        await refused(admin.get(f"{path}?{query}"), 422, "invalid")


async def test_what_is_sent_again_of_a_time(
    app: FastAPI, house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    admin = house.administrator
    hook = await register(admin, peer)
    await ok(admin.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": False}))
    for _ in range(5):
        await start(house)
    await ok(admin.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": True}))
    missed = list(reversed(await deliveries(admin, hook, event="pilot.created")))
    assert {line["failure"]["code"] for line in missed} == {"webhook_disabled"}
    with app.state.engine.begin() as connection:
        gone = sa.text("UPDATE outbox_events SET payload = NULL WHERE id = :id")
        connection.execute(gone, {"id": missed[3]["event_id"]})
    deliver()

    async def recovered(**body: Any) -> tuple[int, int]:
        answer = await ok(admin.post(f"/v1/webhooks/{hook['id']}/recover", json=body), 202)
        return answer["recovered"], answer["expunged"]

    assert await recovered(since=missed[1]["created_at"], until=missed[3]["created_at"]) == (2, 1)
    for line in missed[1:3]:
        assert (await rests(admin, line["id"]))["status"] == "delivered"
    assert set(peer.inbox.copies()) == {line["event_id"] for line in missed[1:3]}
    assert await recovered(since=missed[1]["created_at"], until=missed[3]["created_at"]) == (0, 1)
    # Of all time: the two others; an endpoint does not hear that it was disabled itself.
    assert await recovered() == (2, 1)
    for index in (0, 4):
        assert (await rests(admin, missed[index]["id"]))["status"] == "delivered"
    for body in ({"since": "2026-01-01"}, {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}):
        await refused(admin.post(f"/v1/webhooks/{hook['id']}/recover", json=body), 422, "invalid")
