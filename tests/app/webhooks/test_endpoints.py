"""Endpoints over HTTP: registered, read, changed, disabled, removed; by whom; and every refusal with its code."""

from typing import Any

import pytest

from app.auth.permissions import Role
from app.webhooks.service import MOST
from tests.app.steps import codes, ok, refused
from tests.app.webhooks.steps import LOOPBACK, deliveries, register
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio
PUBLIC = "https://93.184.215.14/pilotlight"
"""An address that may be registered; no test sends anything there."""


async def test_the_life_of_an_endpoint(house: House) -> None:
    admin = house.administrator
    body = {
        "url": PUBLIC,
        "events": ["pilot.stage_changed", "decision.recorded"],
        "stages": ["scale"],
        "drivers": ["workload"],
        "description": "Board",
        "rate_limit": 30,
    }
    answer = await admin.post("/v1/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    path = f"/v1/webhooks/{made['id']}"
    assert (answer.headers["location"], answer.headers["etag"]) == (path, '"1"')
    assert made.pop("secret").startswith("whsec_")
    assert made.items() >= {**body, "organization_id": house.id, "created_by": "Northfield administrator"}.items()
    assert (made["enabled"], made["notice"], made["removed_at"]) == (True, None, None)
    assert await ok(admin.get(path)) == made
    assert (await ok(admin.get("/v1/webhooks")))["items"] == [made]

    changed = await ok(admin.patch(path, json={"stages": None, "description": "B"}, headers={"If-Match": '"1"'}))
    assert changed == {**made, "stages": None, "description": "B", "version": 2}
    problem = await refused(admin.patch(path, json={"rate_limit": 1}, headers={"If-Match": '"1"'}), 412, "stale")
    assert problem["version"] == 2
    assert await ok(admin.get(path)) == changed

    removed = await ok(admin.delete(path))
    assert removed["removed_at"] is not None
    assert removed["notice"] is None
    assert await ok(admin.delete(path)) == removed
    assert (await ok(admin.get("/v1/webhooks")))["items"] == []
    assert (await ok(admin.get("/v1/webhooks?removed=true")))["items"] == [removed] == [await ok(admin.get(path))]


FITTING: dict[str, Any] = {"url": LOOPBACK, "events": ["*"]}
MALFORMED: tuple[tuple[dict[str, Any], str, tuple[Any, ...], str], ...] = (
    ({"events": ["plan.locked", "pilot.moved"]}, "invalid", ("events", 1), "unknown_event"),
    ({"events": ["plan.locked"], "stages": ["scale"]}, "invalid", ("stages",), "without_effect"),
    ({"drivers": ["workload", "no_such_driver"]}, "invalid", ("drivers",), "unknown_driver"),
    ({"url": "http://10.1.2.3/"}, "address_refused", ("url",), "address_refused"),
    ({"url": "http://169.254.169.254/latest/meta-data"}, "address_refused", ("url",), "address_refused"),
    ({"url": "http://[::ffff:10.0.0.1]/"}, "address_refused", ("url",), "address_refused"),
    ({"url": "https://nowhere.example/"}, "unresolvable", ("url",), "unresolvable"),
    ({"url": "file:///etc/passwd"}, "url_refused", ("url",), "url_refused"),
    ({"url": "https://user:word@example.org/"}, "url_refused", ("url",), "url_refused"),
)
"""What is wrong, the code of the refusal, the place of its fault, and the code there."""
OF_THE_FORM: tuple[tuple[dict[str, Any], str], ...] = (
    ({"url": ""}, "url"),
    ({"url": "https://example.org/" + "x" * 2000}, "url"),
    ({"events": []}, "events"),
    ({"events": "*"}, "events"),
    ({"stages": []}, "stages"),
    ({"stages": ["scaled"]}, "stages"),
    ({"drivers": []}, "drivers"),
    ({"rate_limit": 0}, "rate_limit"),
    ({"rate_limit": 6001}, "rate_limit"),
    ({"description": ""}, "description"),
    ({"secret": "whsec_mine"}, "secret"),
)


@on_sqlite
async def test_what_would_not_work_is_refused_at_once_with_its_place(house: House) -> None:
    admin = house.administrator
    hook = await register(admin)
    path = f"/v1/webhooks/{hook.pop('id')}"
    for wrong, code, place, inner in MALFORMED:
        for request in (admin.post("/v1/webhooks", json=FITTING | wrong), admin.patch(path, json=wrong)):
            assert codes(await refused(request, 422, code)) == [(place, inner)], wrong
    for wrong, name in OF_THE_FORM:
        for request in (admin.post("/v1/webhooks", json=FITTING | wrong), admin.patch(path, json=wrong)):
            problem = await refused(request, 422, "invalid")
            assert [error["loc"][0] for error in problem["errors"]] == [name], problem
    for name in ("url", "events", "enabled"):
        assert codes(await refused(admin.patch(path, json={name: None}), 422, "invalid")) == [((name,), "missing")]
    now = await ok(admin.get(path))
    assert (now["version"], now["url"], now["events"]) == (1, LOOPBACK, ["*"])
    assert len((await ok(admin.get("/v1/webhooks")))["items"]) == 1


@on_sqlite
async def test_a_change_has_to_fit_what_stays(house: House) -> None:
    hook = await register(house.administrator, stages=["scale"])
    path = f"/v1/webhooks/{hook['id']}"
    problem = await refused(house.administrator.patch(path, json={"events": ["plan.locked"]}), 422, "invalid")
    assert codes(problem) == [(("stages",), "without_effect")]
    await ok(house.administrator.patch(path, json={"events": ["plan.locked"], "stages": None}))


async def test_what_is_disabled_or_removed_sends_nothing(house: House) -> None:
    admin = house.administrator
    hook = await register(admin)
    path = f"/v1/webhooks/{hook['id']}"
    ping = await ok(admin.post(f"{path}/ping"), 202)
    disabled = await ok(admin.patch(path, json={"enabled": False}))
    assert disabled["notice"]["code"] == "disabled_by_person"
    assert "recover" in disabled["notice"]["what_would_help"]
    assert disabled["disabled_at"] is not None
    assert (await ok(admin.get("/v1/webhooks?enabled=false")))["items"] == [disabled]
    assert (await ok(admin.get("/v1/webhooks?enabled=true")))["items"] == []

    def attempts() -> list[Any]:
        since = {"since": "2026-01-01T00:00:00Z"}
        return [
            admin.post(f"{path}/ping"),
            admin.post(f"{path}/examples", json={"type": "plan.locked"}),
            admin.post(f"{path}/recover", json=since),
            admin.post(f"/v1/deliveries/{ping['id']}/redeliver"),
        ]

    for attempt in attempts():
        assert "enable it first" in (await refused(attempt, 409, "webhook_disabled"))["detail"]
    enabled = await ok(admin.patch(path, json={"enabled": True}))
    assert (enabled["notice"]["code"], enabled["failed"], enabled["disabled_at"]) == ("failed_deliveries", 1, None)
    await ok(admin.delete(path))
    more = [admin.patch(path, json={"enabled": True}), admin.post(f"{path}/rotate-secret")]
    for attempt in [*attempts(), *more]:
        assert "register it anew" in (await refused(attempt, 409, "webhook_removed"))["detail"]
    log = await deliveries(admin, hook)  # stays
    assert ("webhook.ping", "failed") in {(d["event_type"], d["status"]) for d in log}


@on_sqlite
async def test_a_change_that_others_did_not_see_is_not_overwritten(house: House) -> None:
    admin = house.administrator
    hook = await register(admin)
    path = f"/v1/webhooks/{hook['id']}"
    await ok(admin.patch(path, json={"description": "Board"}, headers={"If-Match": '"1"'}))
    await refused(admin.patch(path, json={"rate_limit": 5}, headers={"If-Match": '"1"'}), 412, "stale")
    await refused(admin.delete(path, headers={"If-Match": '"1"'}), 412, "stale")
    removed = await ok(admin.delete(path, headers={"If-Match": '"2"'}))
    assert (removed["enabled"], removed["notice"]) == (False, None)
    assert removed["removed_at"] is not None


async def test_what_waits_when_an_endpoint_is_removed_says_so(house: House) -> None:
    hook = await register(house.administrator)
    ping = await ok(house.administrator.post(f"/v1/webhooks/{hook['id']}/ping"), 202)
    await ok(house.administrator.delete(f"/v1/webhooks/{hook['id']}"))
    found = await ok(house.administrator.get(f"/v1/deliveries/{ping['id']}"))
    assert (found["status"], found["failure"]["code"], found["next_try_at"]) == ("failed", "webhook_removed", None)


@on_sqlite
async def test_fifty_for_an_organization(house: House, root: Client) -> None:
    made = [await register(house.administrator) for _ in range(MOST)]
    problem = await refused(house.administrator.post("/v1/webhooks", json=FITTING), 409, "too_many_webhooks")
    assert str(MOST) in problem["detail"]
    await register(root)  # the service's are counted apart
    await ok(house.administrator.delete(f"/v1/webhooks/{made[0]['id']}"))
    await register(house.administrator)


async def test_each_organization_has_its_own_and_the_service_sees_all(
    house: House, neighbour: House, root: Client
) -> None:
    ours, theirs = await register(house.administrator), await register(neighbour.administrator)
    all_of_them = await register(root)
    for_us = await register(root, organization_id=house.id)
    assert [hook["organization_id"] for hook in (ours, all_of_them, for_us)] == [house.id, None, house.id]

    async def seen(client: Client, query: str = "") -> list[str]:
        return [item["id"] for item in (await ok(client.get(f"/v1/webhooks{query}")))["items"]]

    assert await seen(house.administrator) == [ours["id"], for_us["id"]]
    assert await seen(neighbour.administrator) == [theirs["id"]]
    assert await seen(root) == [ours["id"], theirs["id"], all_of_them["id"], for_us["id"]]
    assert await seen(root, f"?organization_id={neighbour.id}") == [theirs["id"]]
    assert await seen(house.administrator, f"?organization_id={neighbour.id}") == []
    body = {**FITTING, "organization_id": neighbour.id}
    await refused(house.administrator.post("/v1/webhooks", json=body), 404, "not_found")
    ping = await ok(root.post(f"/v1/webhooks/{all_of_them['id']}/ping"), 202)
    for path in (f"/v1/webhooks/{all_of_them['id']}", f"/v1/webhooks/{theirs['id']}", f"/v1/deliveries/{ping['id']}"):
        await refused(house.administrator.get(path), 404, "not_found")
    await ok(root.patch(f"/v1/webhooks/{ours['id']}", json={"description": "Looked after"}))
    pages, cursor = [], ""
    while cursor is not None:
        page = await ok(root.get("/v1/webhooks?limit=3" + (f"&cursor={cursor}" if cursor else "")))
        pages, cursor = [*pages, [item["id"] for item in page["items"]]], page["next_cursor"]
    assert pages == [[ours["id"], theirs["id"], all_of_them["id"]], [for_us["id"]]]


@on_sqlite
async def test_who_may_not_manage_webhooks_learns_nothing_of_names(house: House) -> None:
    # The refusal of a name would tell whether it exists; a key that may not register one never gets that far.
    for role in set(Role) - {Role.ADMINISTRATOR}:
        body = {**FITTING, "url": "https://inside.example/"}
        await refused(house.of(role.value).post("/v1/webhooks", json=body), 403, "forbidden")


async def test_every_change_is_in_the_audit_log(house: House) -> None:
    admin = house.administrator
    hook = await register(admin)
    path = f"/v1/webhooks/{hook['id']}"
    ping = await ok(admin.post(f"{path}/ping"), 202)
    await ok(admin.post(f"{path}/rotate-secret"))
    await ok(admin.patch(path, json={"enabled": False}))
    await ok(admin.patch(path, json={"enabled": True, "description": "Board"}))
    await ok(admin.post(f"{path}/recover", json={"since": "2026-01-01T00:00:00Z"}), 202)
    await ok(admin.post(f"/v1/deliveries/{ping['id']}/redeliver"), 202)
    await ok(admin.delete(path))
    entries = (await ok(admin.get("/v1/audit?limit=200")))["items"]
    ours = [e for e in entries if e["resource"].startswith("webhook")]
    assert {e["person"] for e in ours} == {"Northfield administrator"}
    assert {e["organization_id"] for e in ours} == {house.id}
    found = sorted(ours, key=lambda e: e["id"])
    assert [(e["action"], e["resource"]) for e in found] == [
        ("created", "webhooks"),
        ("created", "webhook_secrets"),
        ("sent_alone", "webhooks"),
        ("secret_rotated", "webhooks"),
        ("created", "webhook_secrets"),
        ("changed", "webhook_secrets"),
        ("changed", "webhooks"),
        ("changed", "webhooks"),
        ("changed", "webhooks"),
        ("recovered", "webhooks"),
        ("redelivered", "webhooks"),
        ("changed", "webhooks"),
    ]
    assert found[2]["changes"] == {"type": "webhook.ping", "event_id": ping["event_id"]}
    assert found[6]["changes"]["enabled"] == [True, False]
    assert found[9]["changes"] == {"since": "2026-01-01T00:00:00Z", "until": None, "deliveries": 1}
    assert found[10]["changes"] == {"delivery_id": ping["id"], "was": "pending"}
    assert "removed_at" in found[-1]["changes"]
