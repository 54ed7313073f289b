"""Contextual events: recorded, found, and told wherever they fall into an evaluation interval."""

from typing import Any

import pytest

from tests.app.steps import PLAN, Finish, an_answer, codes, in_test, ok, refused, signed
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio

EVENT = {"title": "EHR go-live", "starts_on": "2026-03-01", "ends_on": "2026-03-14"}
DATED: dict[str, Any] = {
    **PLAN,
    "waves": [
        {"key": "pre", "kind": "baseline", "starts_on": "2026-01-05", "ends_on": "2026-01-16"},
        {"key": "post", "kind": "followup", "starts_on": "2026-07-06", "ends_on": "2026-07-17"},
    ],
}


async def event(house: House, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await ok(house.lead.post("/v1/context-events", json={**EVENT, **fields}), 201)
    return made


def told(warnings: list[dict[str, str]]) -> list[str]:
    return [w["message"] for w in warnings if w["code"] == "context_event"]


async def test_recorded_read_changed_and_filtered(house: House, neighbour: House, root: Client) -> None:
    one = await event(house, unit_id=house.unit["id"], description="Two weeks of support on site.")
    two = await event(house, title="Merger", starts_on="2026-05-01", ends_on=None)
    path = f"/v1/context-events/{one['id']}"
    read = await house.analyst.get(path)
    assert read.json() == one
    assert (one["created_by"], one["organization_id"], two["ends_on"]) == ("Northfield lead", house.id, None)

    async def listed(query: str) -> list[str]:
        return [e["title"] for e in (await ok(house.approver.get(f"/v1/context-events?{query}")))["items"]]

    assert await listed("") == ["EHR go-live", "Merger"]
    assert await listed(f"unit_id={house.unit['id']}") == ["EHR go-live"]
    assert await listed("from=2026-03-14&to=2026-04-30") == ["EHR go-live"]
    assert await listed("from=2026-03-15") == ["Merger"]
    assert await listed("to=2026-02-28") == []
    first = await ok(house.lead.get("/v1/context-events?limit=1"))
    assert (await ok(house.lead.get(f"/v1/context-events?cursor={first['next_cursor']}")))["items"] == [two]
    assert (await ok(neighbour.lead.get(f"/v1/context-events?organization_id={house.id}")))["items"] == []
    problem = await refused(house.lead.get("/v1/context-events?from=2026-03-15&to=2026-03-14"), 422, "invalid")
    assert codes(problem) == [(("to",), "ends_before_it_starts")]

    changed = await house.lead.patch(path, json={"ends_on": None}, headers={"If-Match": read.headers["etag"]})
    assert (changed.json()["ends_on"], changed.json()["version"]) == (None, 2)
    await refused(house.lead.patch(path, json={}, headers={"If-Match": read.headers["etag"]}), 412, "stale")
    for body, place, code in (
        ({"ends_on": "2026-02-28"}, ("ends_on",), "ends_before_it_starts"),
        ({"unit_id": neighbour.unit["id"]}, ("unit_id", 0), "unknown_unit"),
        ({"starts_on": None}, ("starts_on",), "missing"),
        ({"title": None}, ("title",), "missing"),
    ):
        assert codes(await refused(house.lead.patch(path, json=body), 422, "invalid")) == [(place, code)]
    assert await ok(house.lead.get(path)) == changed.json()
    for body, place, code in (
        ({**EVENT, "ends_on": "2026-02-28"}, ("ends_on",), "ends_before_it_starts"),
        ({**EVENT, "unit_id": neighbour.unit["id"]}, ("unit_id", 0), "unknown_unit"),
        ({"title": "No day"}, ("starts_on",), "missing"),
    ):
        problem = await refused(house.lead.post("/v1/context-events", json=body), 422, "invalid")
        assert codes(problem) == [(place, code)]
    problem = await refused(root.post("/v1/context-events", json=EVENT), 422, "invalid")
    assert codes(problem) == [(("organization_id",), "missing")]
    foreign = {**EVENT, "organization_id": house.id}
    await refused(neighbour.lead.post("/v1/context-events", json=foreign), 404, "not_found")


@on_sqlite
async def test_told_at_the_analysis_the_decision_and_the_iteration(house: House, finish: Finish) -> None:
    units = f"/v1/organizations/{house.id}/units"
    hospital = (await ok(house.administrator.post(units, json={"name": "Hospital"}), 201))["id"]
    other = (await ok(house.administrator.post(units, json={"name": "Clinic"}), 201))["id"]
    await ok(house.administrator.patch(f"/v1/units/{house.unit['id']}", json={"parent_id": hospital}))
    ehr = await event(house, unit_id=hospital)
    await event(house, title="Elsewhere", unit_id=other)
    await event(house, title="Before", starts_on="2025-12-01", ends_on="2026-01-04")
    await event(house, title="Afterwards", starts_on="2026-07-18", ends_on=None)
    path = await in_test(house, DATED)
    asked = await ok(house.analyst.post(f"{path}/analyses", json={}), 202)
    said = ["EHR go-live in Hospital, 2026-03-01 to 2026-03-14, falls into the evaluation interval"]
    assert told(asked["warnings"]) == said
    finish(asked["id"], an_answer("refine"))

    # What is recorded later, or told otherwise, is seen at the analysis and frozen into the decision.
    await event(house, title="Second wave of influenza", starts_on="2026-02-02", ends_on="2026-02-20")
    await ok(house.lead.patch(f"/v1/context-events/{ehr['id']}", json={"ends_on": "2026-03-21"}))
    since = "(recorded since this analysis was asked for)"
    said += [
        f"Second wave of influenza, 2026-02-02 to 2026-02-20, falls into the evaluation interval {since}",
        f"EHR go-live in Hospital, 2026-03-01 to 2026-03-21, falls into the evaluation interval {since}",
    ]
    assert told((await ok(house.lead.get(f"/v1/analyses/{asked['id']}")))["warnings"]) == said
    assert told((await signed(house, path, asked["id"], "refine"))["warnings"]) == said

    (iteration,) = (await ok(house.lead.get(f"{path}/iterations")))["items"]
    assert iteration["interval"] == {"starts_on": "2026-01-05", "ends_on": "2026-07-17"}
    assert [e["title"] for e in iteration["context_events"]] == ["Second wave of influenza", "EHR go-live"]
    assert iteration["more_context_events"] == 0
    story = [i for i in (await ok(house.lead.get(f"{path}/timeline")))["items"] if i["what"] == "context.event"]
    assert [i["says"] for i in story] == [
        "Second wave of influenza, 2026-02-02 to 2026-02-20, fell into the evaluation interval.",
        "EHR go-live in Hospital, 2026-03-01 to 2026-03-21, fell into the evaluation interval.",
    ]

    # Dates as they were recorded go before dates as planned.
    wave = {"invited": {}, "starts_on": "2026-01-04", "ends_on": "2026-01-16"}
    await ok(house.lead.put(f"{path}/waves/pre", json=wave))
    (iteration,) = (await ok(house.lead.get(f"{path}/iterations")))["items"]
    assert iteration["interval"]["starts_on"] == "2026-01-04"
    assert iteration["context_events"][0]["title"] == "Before"


@on_sqlite
async def test_many_events_give_a_readable_number_of_warnings(house: House) -> None:
    for i in range(12):
        await event(house, title=f"Event {i}")
    path = await in_test(house, DATED)
    said = told((await ok(house.analyst.post(f"{path}/analyses", json={}), 202))["warnings"])
    assert len(said) == 11
    assert said[-1] == "2 more contextual events fall into the evaluation interval; see /v1/context-events"
