"""Events are written in the transaction of the change, with the body that receivers will read (contract §4)."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from tests.app.steps import NOTES, REVIEW, Finish, an_answer, analysed, in_test, move, ok, refused, signed, start
from tests.conftest import House

pytestmark = pytest.mark.anyio


def events(app: FastAPI) -> list[dict[str, Any]]:
    with app.state.engine.connect() as connection:
        read = "SELECT type, organization_id, subject_id, payload FROM outbox_events ORDER BY id"
        rows = connection.execute(sa.text(read))
        return [
            {"kind": kind, "organization": organization, "subject": subject, **json.loads(bytes(payload))}
            for kind, organization, subject, payload in rows
        ]


async def test_the_events_of_a_whole_pilot(app: FastAPI, house: House, finish: Finish) -> None:
    path = await in_test(house, title="Coaching – Überlastung")
    analysis = await analysed(house, path, finish, an_answer("scale"))
    decision = await signed(house, path, analysis, "scale")
    await ok(house.lead.patch(path, json={"sustainability_review": REVIEW}))
    made = await move(house, path, "scale", reason="As decided.")
    found = events(app)
    assert [e["type"] for e in found] == [
        "pilot.created",
        "pilot.stage_changed",
        "plan.locked",
        "pilot.stage_changed",
        "analysis.finished",
        "decision.recorded",
        "pilot.stage_changed",
    ]
    pilot = {
        "id": path.rpartition("/")[2],
        "title": "Coaching – Überlastung",
        "organization_id": house.id,
        "driver": "self_valuation",
    }
    for event in found:
        assert event["kind"] == event["type"]
        assert event["timestamp"].endswith("Z")
        assert event["data"]["pilot"] == pilot
        assert (event["organization"], event["subject"]) == (house.id, pilot["id"])
    assert found[-1]["data"] == {
        "pilot": pilot,
        "from": "test",
        "to": "scale",
        "reason": "As decided.",
        "by": "Northfield lead",
        "at": made["at"],
        "sequence": 3,
    }
    assert [e["data"]["sequence"] for e in found if e["type"] == "pilot.stage_changed"] == [1, 2, 3]
    by_type = {e["type"]: e["data"] for e in found}
    plan = await ok(house.lead.get(f"{path}/plan"))
    assert (by_type["plan.locked"]["hash"], by_type["plan.locked"]["by"]) == (plan["hash"], "Northfield lead")
    finished = by_type["analysis.finished"]
    assert (finished["analysis_id"], finished["status"], finished["outcome"]) == (analysis, "succeeded", "scale")
    recorded = by_type["decision.recorded"]
    assert (recorded["decision_id"], recorded["outcome"], recorded["by"]) == (
        decision["id"],
        "scale",
        "Northfield approver",
    )


async def test_however_an_analysis_ends_it_is_said(app: FastAPI, house: House, finish: Finish, break_off: Any) -> None:
    path = await in_test(house)
    for _ in range(3):
        await ok(house.analyst.post(f"{path}/analyses", json={"seed": 1}), 202)
    first, second, third = [a["id"] for a in (await ok(house.lead.get(f"{path}/analyses")))["items"]]
    finish(first, {"refused": {"code": "c", "message": "m", "what_would_help": "w"}})
    break_off(second)
    await ok(house.analyst.post(f"/v1/analyses/{third}/cancel"))
    ends = {e["data"]["analysis_id"]: e["data"] for e in events(app) if e["type"] == "analysis.finished"}
    assert {i: (d["status"], d["outcome"]) for i, d in ends.items()} == {
        first: ("succeeded", "refused"),
        second: ("failed", None),
        third: ("cancelled", None),
    }


async def test_what_is_refused_says_nothing(app: FastAPI, house: House) -> None:
    path = await start(house)
    before = events(app)
    await refused(house.lead.post(f"{path}/moves", json={"to": "develop"}), 409, "move_refused")
    await refused(house.lead.post("/v1/pilots", json={"title": "T", "driver": "none"}), 422, "invalid")
    assert events(app) == before
    body = {"to": "develop"}
    await ok(house.lead.patch(path, json={"discovery_note": NOTES["discovery_note"]}))
    for _ in range(2):
        await ok(house.lead.post(f"{path}/moves", json=body, headers={"Idempotency-Key": "once"}), 201)
    assert len(events(app)) == len(before) + 1
