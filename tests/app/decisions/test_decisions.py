"""Signing over HTTP: four eyes, every refusal, and what a decision freezes."""

import pytest

from tests.app.steps import (
    REFUSAL,
    Finish,
    an_answer,
    analysed,
    in_test,
    move,
    ok,
    refused,
    signed,
)
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


def decision(analysis: str, outcome: str = "scale", **fields: str) -> dict[str, str]:
    return {"analysis_id": analysis, "outcome": outcome, "rationale": "As the rule says.", **fields}


async def test_a_decision_freezes_what_it_rests_on(house: House, finish: Finish) -> None:
    path = await in_test(house)
    analysis = await analysed(house, path, finish, an_answer("scale", grade="B"))
    made = await signed(house, path, analysis, "scale", share_back="In the July unit meetings.")
    asked = await ok(house.lead.get(f"/v1/analyses/{analysis}"))
    assert made["recommendation"] == asked["result"]["recommendation"]
    assert (made["grade"], made["gates_passed"], made["provisional"]) == ("B", True, False)
    assert made["signed_by"] == "Northfield approver"
    assert made["plan_hash"] == asked["provenance"]["plan_hash"]
    assert made["data_hash"] == asked["provenance"]["data_hash"]
    assert await ok(house.lead.get(f"/v1/decisions/{made['id']}")) == made
    assert (await ok(house.lead.get(f"{path}/decisions")))["items"] == [made]
    for method in ("PUT", "PATCH", "DELETE"):
        await refused(house.approver.request(method, f"/v1/decisions/{made['id']}", json={}), 405, "method_not_allowed")
    await refused(house.approver.post(f"{path}/decisions", json=decision(analysis)), 409, "already_decided")


@on_sqlite
async def test_the_lead_does_not_sign(house: House, finish: Finish) -> None:
    path = await in_test(house, lead="Northfield approver")
    analysis = await analysed(house, path, finish)
    await refused(house.approver.post(f"{path}/decisions", json=decision(analysis)), 409, "same_person")
    # Handing the pilot over the moment before does not make two pairs of eyes of one.
    await ok(house.lead.patch(path, json={"lead": "Northfield lead"}))
    await refused(house.approver.post(f"{path}/decisions", json=decision(analysis)), 409, "same_person")
    assert (await ok(house.lead.get(f"{path}/decisions")))["items"] == []


async def test_the_same_person_with_another_key_does_not_sign(house: House, finish: Finish, as_key) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    path = await in_test(house)
    analysis = await analysed(house, path, finish)
    body = {"role": "approver", "label": "second key", "person": "Northfield lead"}
    key = (await ok(house.administrator.post("/v1/keys", json=body), 201))["key"]
    await refused(as_key(key).post(f"{path}/decisions", json=decision(analysis)), 409, "same_person")


@on_sqlite
async def test_only_the_confirmatory_analysis_is_decided_on(house: House, finish: Finish) -> None:
    path = await in_test(house)
    with_seed = await ok(house.analyst.post(f"{path}/analyses", json={"seed": 7}), 202)
    assert with_seed["kind"] == "exploratory"
    finish(with_seed["id"], an_answer())
    await refused(house.approver.post(f"{path}/decisions", json=decision(with_seed["id"])), 409, "not_confirmatory")


@on_sqlite
async def test_not_before_there_is_a_result(house: House, finish: Finish, break_off) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    path = await in_test(house)
    queued = (await ok(house.analyst.post(f"{path}/analyses"), 202))["id"]
    await refused(house.approver.post(f"{path}/decisions", json=decision(queued)), 409, "not_succeeded")
    break_off(queued)
    await refused(house.approver.post(f"{path}/decisions", json=decision(queued)), 409, "not_succeeded")
    again = await analysed(house, path, finish, REFUSAL)  # a failed look may be repeated
    await refused(house.approver.post(f"{path}/decisions", json=decision(again)), 409, "refused")
    assert await analysed(house, path, finish)  # and so may a refused one


@on_sqlite
async def test_an_analysis_of_another_iteration_or_pilot(house: House, finish: Finish) -> None:
    path, other = await in_test(house), await in_test(house)
    analysis = await analysed(house, path, finish)
    await refused(house.approver.post(f"{other}/decisions", json=decision(analysis)), 409, "other_iteration")
    await move(house, path, "refine", reason="Broken off.")
    problem = await refused(house.approver.post(f"{path}/decisions", json=decision(analysis)), 409, "other_iteration")
    assert [error["code"] for error in problem["errors"]] == ["other_iteration", "not_in_test"]


@on_sqlite
async def test_failed_gate_and_grade_cap(house: House, finish: Finish) -> None:
    path = await in_test(house)
    analysis = await analysed(house, path, finish, an_answer("indeterminate", gates_passed=False))
    await refused(house.approver.post(f"{path}/decisions", json=decision(analysis)), 409, "gate_failed")
    body = decision(analysis, "refine")
    await refused(house.approver.post(f"{path}/decisions", json=body), 409, "reason_missing")
    body["override_reason"] = "The sampler failed twice; we change the plan."
    assert (await ok(house.approver.post(f"{path}/decisions", json=body), 201))["gates_passed"] is False

    other = await in_test(house)
    weak = await analysed(house, other, finish, an_answer("refine", grade="D"))
    await refused(house.approver.post(f"{other}/decisions", json=decision(weak)), 409, "grade_cap")
    await signed(house, other, weak, "refine")


@on_sqlite
async def test_more_cautious_takes_a_reason_and_bolder_is_refused(house: House, finish: Finish) -> None:
    path = await in_test(house)
    analysis = await analysed(house, path, finish, an_answer("refine"))
    await refused(house.approver.post(f"{path}/decisions", json=decision(analysis, "scale")), 409, "bolder")
    body = decision(analysis, "replace")
    await refused(house.approver.post(f"{path}/decisions", json=body), 409, "reason_missing")
    # A reason of blanks is none.
    problem = await refused(
        house.approver.post(f"{path}/decisions", json=body | {"override_reason": "  "}), 422, "invalid"
    )
    assert problem["errors"][0]["loc"] == ["override_reason"]
    await ok(house.approver.post(f"{path}/decisions", json=body | {"override_reason": "No money."}), 201)


@on_sqlite
async def test_an_unknown_analysis_is_not_found(house: House) -> None:
    path = await in_test(house)
    await refused(house.approver.post(f"{path}/decisions", json=decision("nothing")), 404, "not_found")


async def test_how_it_is_shared_back_may_be_told_later_and_once(house: House, finish: Finish) -> None:
    path = await in_test(house)
    made = await signed(house, path, await analysed(house, path, finish), "scale")
    assert made["share_back"] is None
    assert "share_back_missing" in {w["code"] for w in made["warnings"]}
    place = f"/v1/decisions/{made['id']}/share-back"
    told = await ok(house.lead.post(place, json={"share_back": "In the unit meetings of July."}), 201)
    assert told == {**made, "share_back": "In the unit meetings of July."}
    await refused(house.approver.post(place, json={"share_back": "Never."}), 409, "already_told")
    other = await in_test(house)
    analysis = await analysed(house, other, finish)
    said = await signed(house, other, analysis, "scale", share_back="In the newsletter.")
    assert "share_back_missing" not in {w["code"] for w in said["warnings"]}
