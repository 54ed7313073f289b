"""A pilot from discovery to each of its ends, over HTTP, as its people take the steps."""

from typing import Any

import pytest

from tests.app.steps import (
    CHANGES,
    NOTES,
    PLAN,
    REVIEW,
    Finish,
    an_answer,
    analysed,
    in_test,
    intervention,
    move,
    ok,
    planned,
    refused,
    signed,
    start,
    unmet,
)
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

ENDED: dict[str, Any] = {"reason": "It ends here.", "lessons": "Sessions after the shift were not attended."}


async def checklist(house: House, path: str) -> dict[str, list[str]]:
    answer = await ok(house.analyst.get(f"{path}/next"))
    assert all(item["allowed"] is (item["unmet"] == []) for item in answer["items"])
    return {item["to"]: [u["code"] for u in item["unmet"]] for item in answer["items"]}


async def test_from_discovery_to_scale(house: House, finish: Finish) -> None:
    lead = house.lead
    path = await start(house)
    assert (await checklist(house, path))["develop"] == ["discovery_note"]
    problem = await refused(lead.post(f"{path}/moves", json={"to": "develop"}), 409, "move_refused")
    assert unmet(problem) == ["discovery_note"]
    await ok(lead.patch(path, json={"discovery_note": NOTES["discovery_note"]}))
    made = await move(house, path, "develop", reason="The survey shows it.")
    assert (made["from"], made["to"], made["by"], made["reason"]) == (
        "discover",
        "develop",
        "Northfield lead",
        "The survey shows it.",
    )

    assert (await checklist(house, path))["test"] == [
        "intervention",
        "feasibility_note",
        "frontline_involved",
        "plan_locked",
        "baseline",
    ]
    await ok(lead.patch(path, json={**NOTES, "intervention_id": await intervention(house)}))
    await ok(lead.put(f"{path}/plan", json=PLAN))
    await ok(lead.put(f"{path}/waves/pre", json={"invited": {"intervention": 5, "control": 5}}))
    rows = [{"arm": arm, "participant": f"{arm}-{i}", "value": 20 + i} for arm in PLAN_ARMS for i in range(5)]
    await ok(lead.post(f"{path}/measurements", json={"measure": "mbi_ee", "wave": "pre", "rows": rows}), 201)
    await ok(lead.post(f"{path}/plan/lock"))
    assert (await checklist(house, path))["test"] == []
    await move(house, path, "test")

    after = [{**row, "value": 15 if row["arm"] == "intervention" else 22} for row in rows]
    await ok(lead.post(f"{path}/measurements", json={"measure": "mbi_ee", "wave": "post", "rows": after}), 201)
    analysis = await analysed(house, path, finish)
    assert (await checklist(house, path))["scale"] == ["decision", "sustainability_review", "scalability"]
    decision = await signed(house, path, analysis, "scale")
    # What the checklist still asks for may be given piece by piece; nothing given before is lost.
    for name, value in REVIEW.items():
        await ok(lead.patch(path, json={"sustainability_review": {name: value}}))
    made = await move(house, path, "scale", reason="As decided.")
    assert made["decision_id"] == decision["id"]
    pilot = await ok(lead.get(path))
    assert (pilot["stage"], pilot["iteration"], pilot["sustainability_review"]["cost"]) == (
        "scale",
        1,
        REVIEW["cost"],
    )

    moves = (await ok(lead.get(f"{path}/moves")))["items"]
    assert [m["to"] for m in moves] == ["develop", "test", "scale"]
    assert [m["sequence"] for m in moves] == [1, 2, 3]
    timeline = (await ok(lead.get(f"{path}/timeline")))["items"]
    assert [item["what"] for item in timeline] == [
        "pilot.created",
        "pilot.stage_changed",
        "plan.written",
        "data.entered",
        "plan.locked",
        "pilot.stage_changed",
        "data.entered",
        "analysis.asked",
        "analysis.succeeded",
        "decision.recorded",
        "pilot.stage_changed",
        "review.opened",
    ]
    assert [item["at"] for item in timeline] == sorted(item["at"] for item in timeline)


PLAN_ARMS = ("intervention", "control")


async def test_refined_a_second_iteration_starts_empty(house: House, finish: Finish) -> None:
    lead = house.lead
    path = await in_test(house)
    analysis = await analysed(house, path, finish, an_answer("refine"))
    first_plan = await ok(lead.get(f"{path}/plan"))
    await signed(house, path, analysis, "refine")
    await move(house, path, "refine", reason="As decided.")

    pilot = await ok(lead.get(path))
    assert (pilot["stage"], pilot["iteration"], pilot["lessons"]) == ("refine", 2, None)
    await refused(lead.get(f"{path}/plan"), 404, "no_plan")
    await refused(lead.post(f"{path}/summaries", json=CHANGES), 409, "no_plan")
    await refused(lead.post(f"{path}/analyses"), 409, "no_plan")
    assert (await checklist(house, path))["develop"] == ["lessons"]
    assert (await checklist(house, path))["test"] == ["lessons", "plan_locked", "baseline"]

    await ok(lead.patch(path, json={"lessons": "Begin before the busy season."}))
    assert (await checklist(house, path))["develop"] == []
    await ok(lead.put(f"{path}/plan", json={**PLAN, "followup_months": 9}))
    assert (await ok(lead.get(f"{path}/cells")))["data"] == {}
    first = (await ok(lead.get(f"{path}/cells?iteration=1")))["data"]["mbi_ee"]["changes"]
    assert sorted(first, key=lambda c: c["mean"]) == [{"unit": None, **c} for c in CHANGES["changes"]]
    assert (await ok(lead.get(f"{path}/plan?iteration=1")))["hash"] == first_plan["hash"]
    # The same measure may be entered anew, in another shape.
    cells = [{"arm": arm, "wave": "pre", "n": 20, "mean": 25, "sd": 9} for arm in PLAN_ARMS]
    await ok(lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": cells}), 201)
    await ok(lead.post(f"{path}/plan/lock"))
    await move(house, path, "test", reason="Once more.")

    rounds = (await ok(lead.get(f"{path}/iterations")))["items"]
    assert [(r["number"], r["lessons"], r["closed_at"] is None) for r in rounds] == [
        (1, "Begin before the busy season.", False),
        (2, None, True),
    ]
    assert rounds[0]["decision"]["outcome"] == "refine"
    assert [a["id"] for a in rounds[0]["analyses"]] == [analysis]
    assert rounds[0]["plan_hash"] != rounds[1]["plan_hash"]
    assert rounds[1]["decision"] is None
    # The first iteration's decision opens no door for the second.
    assert (await checklist(house, path))["scale"] == ["decision", "sustainability_review", "scalability"]
    assert (await checklist(house, path))["refine"] == ["decision"]


@on_sqlite
async def test_a_test_may_be_broken_off_with_a_reason(house: House) -> None:
    path = await in_test(house)
    problem = await refused(house.lead.post(f"{path}/moves", json={"to": "refine"}), 409, "move_refused")
    assert unmet(problem) == ["decision"]
    body = {"to": "refine", "reason": "The unit was closed for water damage.", "lessons": "Plan two units."}
    await ok(house.lead.post(f"{path}/moves", json=body), 201)
    assert (await checklist(house, path))["develop"] == []  # the lessons came with the move


@on_sqlite
async def test_lessons_may_come_with_the_move_out_of_refine(house: House) -> None:
    path = await in_test(house)
    await move(house, path, "refine", reason="Broken off.")
    await move(house, path, "develop", lessons="Two units next time.")
    rounds = (await ok(house.lead.get(f"{path}/iterations")))["items"]
    assert [r["lessons"] for r in rounds] == ["Two units next time.", None]


@on_sqlite
async def test_scale_may_go_back_with_a_reason(house: House, finish: Finish) -> None:
    path = await in_test(house)
    await signed(house, path, await analysed(house, path, finish), "scale")
    await ok(house.lead.patch(path, json={"sustainability_review": REVIEW}))
    await move(house, path, "scale")
    problem = await refused(house.lead.post(f"{path}/moves", json={"to": "refine"}), 409, "move_refused")
    assert unmet(problem) == ["reason"]
    await move(house, path, "refine", reason="The effect was not retained.")
    assert (await ok(house.lead.get(path)))["iteration"] == 2


@on_sqlite
async def test_stopped(house: House) -> None:
    path = await start(house)
    problem = await refused(house.lead.post(f"{path}/moves", json={"to": "retired"}), 409, "move_refused")
    assert unmet(problem) == ["reason", "lessons", "retirement"]
    await move(house, path, "retired", retirement="stopped", **ENDED)
    pilot = await ok(house.lead.get(path))
    assert (pilot["stage"], pilot["retirement"], pilot["lessons"]) == ("retired", "stopped", ENDED["lessons"])
    assert await checklist(house, path) == {}
    problem = await refused(house.lead.post(f"{path}/moves", json={"to": "develop"}), 409, "move_refused")
    assert unmet(problem) == ["no_such_move"]


@on_sqlite
async def test_retired_nothing_more_is_entered(house: House) -> None:
    path = await planned(house)
    await move(house, path, "retired", retirement="stopped", **ENDED)
    await refused(house.lead.post(f"{path}/summaries", json=CHANGES), 409, "retired")
    await refused(house.lead.put(f"{path}/waves/pre", json={"invited": {}}), 409, "retired")
    await refused(house.lead.put(f"{path}/plan", json=PLAN), 409, "not_planning")


@on_sqlite
async def test_replaced_by_a_pilot_for_the_same_driver(house: House, neighbour: House) -> None:
    path = await in_test(house)
    other_driver = (await start(house, driver="isolation")).rpartition("/")[2]
    foreign = (await start(neighbour)).rpartition("/")[2]
    ended = await start(house)
    await move(house, ended, "retired", retirement="stopped", **ENDED)
    for successor in (None, path.rpartition("/")[2], other_driver, foreign, ended.rpartition("/")[2], "no such pilot"):
        body = {"to": "retired", "retirement": "replaced", "successor_id": successor, **ENDED}
        problem = await refused(house.lead.post(f"{path}/moves", json=body), 409, "move_refused")
        assert unmet(problem) == ["successor"], successor
    successor = (await start(house)).rpartition("/")[2]
    await move(house, path, "retired", retirement="replaced", successor_id=successor, **ENDED)
    pilot = await ok(house.lead.get(path))
    assert (pilot["retirement"], pilot["successor_id"]) == ("replaced", successor)


@on_sqlite
async def test_a_successor_that_does_not_exist_is_refused_however_the_pilot_ends(house: House) -> None:
    path = await start(house)
    body = {"to": "retired", "retirement": "stopped", "successor_id": "no such pilot", **ENDED}
    problem = await refused(house.lead.post(f"{path}/moves", json=body), 409, "move_refused")
    assert unmet(problem) == ["successor"]


@on_sqlite
async def test_not_scalable_takes_an_effect(house: House, finish: Finish) -> None:
    path = await in_test(house)
    body = {"to": "retired", "retirement": "not_scalable", **ENDED}
    problem = await refused(house.lead.post(f"{path}/moves", json=body), 409, "move_refused")
    assert unmet(problem) == ["effective"]
    await analysed(house, path, finish, an_answer("scale"))
    await ok(house.lead.patch(path, json={"sustainability_review": {**REVIEW, "scalable": False}}))
    assert "not_scalable" in (await checklist(house, path))["scale"]
    await ok(house.lead.post(f"{path}/moves", json=body), 201)
    assert (await ok(house.lead.get(path)))["retirement"] == "not_scalable"


@on_sqlite
async def test_a_decision_to_replace_does_not_refine(house: House, finish: Finish) -> None:
    path = await in_test(house)
    await signed(house, path, await analysed(house, path, finish, an_answer("replace")), "replace")
    body = {"to": "refine", "reason": "We would rather go on."}
    assert unmet(await refused(house.lead.post(f"{path}/moves", json=body), 409, "move_refused")) == ["decided_replace"]


@on_sqlite
async def test_what_the_test_stands_on_does_not_change_under_it(house: House) -> None:
    path = await in_test(house)
    for change in ({"unit_ids": []}, {"driver": "isolation"}, {"intervention_id": None}):
        await refused(house.lead.patch(path, json=change), 409, "plan_locked")
    same = {"unit_ids": [house.unit["id"]], "driver": "self_valuation", "title": "Coaching, renamed"}
    assert (await ok(house.lead.patch(path, json=same)))["title"] == "Coaching, renamed"
    await move(house, path, "refine", reason="Broken off.", lessons="Two units.")
    await ok(house.lead.put(f"{path}/plan", json=PLAN))
    await ok(house.lead.patch(path, json={"unit_ids": []}))
    await ok(house.lead.post(f"{path}/plan/lock"))
    await refused(house.lead.patch(path, json={"unit_ids": [house.unit["id"]]}), 409, "plan_locked")
