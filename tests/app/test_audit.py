"""The audit log: every change with who, what and when; nothing secret; for administrators of the organization."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from tests.app.steps import PLAN, REVIEW, Finish, analysed, in_test, move, ok, refused, signed, start
from tests.conftest import Client, House

pytestmark = pytest.mark.anyio


async def log(client: Client, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await ok(client.get(f"/v1/audit?limit=200{query}" + (f"&cursor={cursor}" if cursor else "")))
        found, cursor = [*found, *page["items"]], page["next_cursor"]
    return found


async def test_every_change_of_a_whole_pilot_is_there(house: House, finish: Finish) -> None:
    began = datetime.now(UTC)
    path = await in_test(house)
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {"intervention": 44, "control": 44}}))
    analysis = await analysed(house, path, finish)
    decision = await signed(house, path, analysis, "scale")
    await ok(house.lead.patch(path, json={"sustainability_review": REVIEW, "title": "Coaching, at scale"}))
    await move(house, path, "scale", reason="As decided.")
    pilot = path.rpartition("/")[2]
    entries = await log(house.administrator)
    seen = {(e["action"], e["resource"], e["person"]) for e in entries}
    lead, approver = "Northfield lead", "Northfield approver"
    assert seen >= {
        ("created", "interventions", lead),
        ("created", "pilots", lead),
        ("changed", "pilots", lead),
        ("created", "plan_versions", lead),
        ("changed", "plan_versions", lead),
        ("created", "waves", lead),
        ("entered", "summaries", lead),
        ("created", "moves", lead),
        ("created", "analyses", "Northfield analyst"),
        ("ended", "analyses", "pilotlight"),
        ("created", "decisions", approver),
        ("created", "api_keys", "root"),
        ("created", "organizations", "root"),
        ("created", "units", "root"),
    }
    ours = [e for e in entries if e["resource_id"] == pilot and e["resource"] == "pilots"]
    assert [e["changes"]["stage"] for e in ours if "stage" in e["changes"]] == [
        "discover",
        ["discover", "develop"],
        ["develop", "test"],
        ["test", "scale"],
    ]
    assert ["Coaching", "Coaching, at scale"] in [e["changes"].get("title") for e in ours]
    (signature,) = [e for e in entries if e["resource_id"] == decision["id"]]
    assert signature["changes"]["outcome"] == "scale"
    keys = {k["id"]: k["person"] for k in (await ok(house.administrator.get("/v1/keys")))["items"]}
    assert keys[signature["key_id"]] == approver
    for entry in entries:
        at = datetime.fromisoformat(entry["at"])
        assert began - timedelta(minutes=5) < at <= datetime.now(UTC)
        assert entry["organization_id"] == house.id
    assert [e["id"] for e in entries] == sorted(e["id"] for e in entries)


async def test_what_is_refused_leaves_no_trace(house: House) -> None:
    path = await start(house)
    before = await log(house.administrator)
    await refused(house.lead.post(f"{path}/moves", json={"to": "scale"}), 409, "move_refused")
    await refused(house.lead.patch(path, json={"lessons": "L", "colour": 1}), 422, "invalid")
    await refused(house.analyst.patch(path, json={"lessons": "L"}), 403, "forbidden")
    await refused(house.lead.put(f"{path}/plan", json={**PLAN, "measures": [{"measure": "no"}]}), 422, "invalid")
    await ok(house.lead.get(path))
    assert await log(house.administrator) == before


async def test_no_secret_in_it(root: Client, house: House) -> None:
    secrets = [
        (await ok(house.administrator.post("/v1/keys", json={"role": role, "label": "x"}), 201))["key"]
        for role in ("lead", "administrator")
    ]
    text = str(await log(root)) + str(await ok(root.get("/v1/keys?limit=200")))
    for secret in secrets:
        assert secret not in text
        assert secret[12:30] not in text
    assert "digest" not in text


async def test_it_is_for_administrators_of_the_organization(root: Client, house: House, neighbour: House) -> None:
    await start(house)
    for role in ("lead", "analyst", "approver"):
        await refused(house.of(role).get("/v1/audit"), 403, "forbidden")
    assert {e["organization_id"] for e in await log(house.administrator)} == {house.id}
    assert {e["organization_id"] for e in await log(neighbour.administrator)} == {neighbour.id}
    assert {e["organization_id"] for e in await log(root)} >= {house.id, neighbour.id}
    assert await log(neighbour.administrator, f"&resource_id={house.id}") == []
    only = await log(house.administrator, "&resource=pilots&person=Northfield lead")
    assert [e["action"] for e in only] == ["created"]


async def test_it_is_append_only(house: House) -> None:
    entry = (await log(house.administrator))[0]["id"]
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        response = await house.administrator.request(method, f"/v1/audit/{entry}", json={})
        assert response.status_code in {404, 405}
    await refused(house.administrator.delete("/v1/audit"), 405, "method_not_allowed")


async def test_changes_at_once_keep_their_own_names(house: House) -> None:
    answers = await asyncio.gather(
        *(
            client.post(
                "/v1/interventions",
                json={"title": f"{i}", "description": "D", "driver": "workload", "ownership_role": "own"},
            )
            for i in range(5)
            for client in (house.lead, house.administrator)
        )
    )
    assert {a.status_code for a in answers} == {201}
    people = [e["person"] for e in await log(house.administrator, "&resource=interventions")]
    assert sorted(people) == ["Northfield administrator"] * 5 + ["Northfield lead"] * 5


async def test_the_log_is_written_with_the_change_or_not_at_all(app: FastAPI, house: House) -> None:
    """A row that cannot be written takes its entry with it."""
    body = {"key": "workload", "name": "Taken"}
    await refused(house.administrator.post("/v1/drivers", json=body), 409, "key_taken")
    with app.state.engine.connect() as connection:
        ours = "SELECT count(*) FROM audit WHERE resource = 'drivers' AND person != 'pilotlight'"
        count = connection.scalar(sa.text(ours))
    assert count == 0
