"""Whether an effect lasts: retention waves after scaling, their analyses, and the comparison that is left by then."""

from typing import Any

import pytest

from analysis.documents import FitRequest, Plan
from analysis.fit import fit
from app.analyses.retention import retained as judged
from app.analyses.retention import retention_plan, retention_waves
from tests.app.steps import (
    A_YEAR_LATER,
    LASTING,
    PLAN,
    Finish,
    an_answer,
    codes,
    in_test,
    ok,
    planned,
    refused,
    retained,
    scaled,
)
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
MEASURE = {
    "measure": "mbi_ee",
    "role": "primary",
    "family": "normal",
    "direction": "lower_is_better",
    "reference_sd": 10.3,
}
LONG = Plan.model_validate({**LASTING, "measures": [MEASURE], "attrition": {"intervention": 0.1, "control": 0.2}})


def test_with_a_control_the_design_stays() -> None:
    plan = retention_plan(LONG, "y1", controlled=True, linked=True)
    assert (plan.design, plan.followup, plan.randomised) == ("parallel", "y1", True)
    assert [a.key for a in plan.arms] == ["intervention", "control"]
    assert [w.key for w in plan.waves] == ["pre", "y1"]
    assert [(x.look, x.wave) for x in plan.looks] == [(1, "y1")]


@pytest.mark.parametrize(("linked", "design"), [(True, "paired"), (False, "cross_section")])
def test_without_one_it_is_before_and_after(linked: bool, design: str) -> None:  # noqa: FBT001
    plan = retention_plan(LONG, "y1", controlled=False, linked=linked)
    assert (plan.design, plan.control, plan.randomised) == (design, None, False)
    assert [a.key for a in plan.arms] == ["intervention"]
    assert plan.attrition == {"intervention": 0.1}


def test_which_waves_are_of_retention() -> None:
    assert retention_waves(LONG) == ["y1"]
    assert retention_waves(Plan.model_validate({**PLAN, "measures": [MEASURE]})) == []


def test_what_counts_as_retained() -> None:
    answer = an_answer()
    assert judged("y1", answer).retained is True
    answer["effects"][0]["p_benefit"] = 0.899
    assert judged("y1", answer).retained is False
    assert judged("y1", an_answer(gates_passed=False)).retained is None
    assert judged("y1", {"refused": {}}).retained is None
    assert judged("y1", None).retained is None


async def ask(house: House, path: str, status: int = 202, **body: Any) -> dict[str, Any]:
    found: dict[str, Any] = await ok(house.analyst.post(f"{path}/analyses", json={"wave": "y1", **body}), status)
    return found


@on_sqlite
async def test_a_retention_wave_is_analysed_on_its_own_data(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    decided = (await ok(house.lead.get(f"{path}/analyses")))["items"][0]
    analysis = await retained(house, path, finish)
    found = await ok(house.lead.get(f"/v1/analyses/{analysis}"))
    assert (found["kind"], found["retention_wave"]) == ("confirmatory", "y1")
    assert found["retention"] == {"wave": "y1", "p_benefit": 0.999, "threshold": 0.9, "retained": True}
    assert (
        found["provenance"]["data_hash"]
        != (await ok(house.lead.get(f"/v1/analyses/{decided['id']}")))["provenance"]["data_hash"]
    )
    # The decision's own analysis saw none of it: nothing of its data has changed.
    before = await ok(house.lead.get(f"/v1/analyses/{decided['id']}"))
    assert "data_changed" not in {w["code"] for w in before["warnings"]}
    assert before["retention"] is None
    again = await ask(house, path)
    assert again["kind"] == "exploratory"
    said = {w["code"]: w["message"] for w in again["warnings"]}
    assert "confirmatory analysis already" in said["exploratory"]
    assert (await ask(house, path, seed=3))["kind"] == "exploratory"


@on_sqlite
async def test_the_request_holds_just_the_wave(house: House, finish: Finish) -> None:
    """What the child would get is what the numbers entered for the wave say, by the library alone."""
    path = await scaled(house, finish)
    analysis = await retained(house, path, finish)
    kept = await ok(house.lead.get(f"/v1/analyses/{analysis}"))
    plan = {**LASTING, "followup": "y1", "measures": [MEASURE], "looks": [{"look": 1, "wave": "y1", "months": 6}]}
    plan["waves"] = [LASTING["waves"][0], LASTING["waves"][2]]
    data = {"mbi_ee": {"changes": [{"unit": None, **entry} for entry in reversed(A_YEAR_LATER["changes"])]}}
    request = FitRequest.model_validate({"plan": plan, "data": data, "engine": "exact"})
    assert kept["provenance"]["data_hash"] == request.data_hash()
    answer = fit(request)
    [effect] = answer["effects"]
    assert effect["evidence"]["effect_sd"] == pytest.approx((4.8 + 0.9) / 10.3, abs=0.01)


@on_sqlite
async def test_a_control_that_has_the_program_by_now_is_none(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    body = {**A_YEAR_LATER, "changes": A_YEAR_LATER["changes"][:1]}
    await ok(house.lead.post(f"{path}/summaries", json=body), 201)
    asked = await ask(house, path)
    finish(asked["id"], an_answer(grade="D"))
    found = await ok(house.lead.get(f"/v1/analyses/{asked['id']}"))
    assert found["retention"]["retained"] is True
    assert found["result"]["grade"] == "D"
    assert found["provenance"]["plan_hash"] != (await ok(house.lead.get(f"{path}/plan")))["hash"]


@on_sqlite
async def test_what_is_refused(house: House, finish: Finish) -> None:
    path = await in_test(house, LASTING)
    await refused(house.analyst.post(f"{path}/analyses", json={"wave": "y1"}), 409, "not_scaled")
    problem = await refused(house.analyst.post(f"{path}/analyses", json={"wave": "post"}), 422, "invalid")
    assert codes(problem) == [(("wave",), "unknown_wave")]
    both = await refused(house.analyst.post(f"{path}/analyses", json={"wave": "y1", "look": 1}), 422, "invalid")
    assert "no planned look" in both["errors"][0]["msg"]
    path = await scaled(house, finish)
    await refused(house.analyst.post(f"{path}/analyses", json={"wave": "y1"}), 409, "no_data")
    analysis = await retained(house, path, finish)
    body = {"analysis_id": analysis, "outcome": "scale", "rationale": "R"}
    await refused(house.approver.post(f"{path}/decisions", json=body), 409, "not_in_test")


@on_sqlite
async def test_changes_to_a_retention_wave_stay_apart(house: House) -> None:
    path = await planned(house, LASTING)
    entered = {**A_YEAR_LATER, "wave": "post"}  # the follow-up by its name is the follow-up
    assert (await ok(house.lead.post(f"{path}/summaries", json=entered), 201))["accepted"] == 2
    assert (await ok(house.lead.post(f"{path}/summaries", json=A_YEAR_LATER), 201))["accepted"] == 2
    assert (await ok(house.lead.post(f"{path}/summaries", json=A_YEAR_LATER), 201))["unchanged"] == 2
    listed = (await ok(house.lead.get(f"{path}/summaries")))["items"]
    assert [item["wave"] for item in listed] == [None, None, "y1", "y1"]
    cells = (await ok(house.lead.get(f"{path}/cells")))["data"]["mbi_ee"]["changes"]
    assert len(cells) == 2
    problem = await refused(house.lead.post(f"{path}/summaries", json={**entered, "wave": "pre"}), 422, "invalid")
    assert codes(problem) == [(("wave",), "unknown_wave")]
    cell = {"measure": "mbi_ee", "wave": "y1", "cells": [{"arm": "control", "wave": "y1", "n": 9, "mean": 1, "sd": 1}]}
    await refused(house.lead.post(f"{path}/summaries", json=cell), 422, "invalid")


@on_sqlite
async def test_a_broken_retention_analysis_may_be_asked_again(house: House, finish: Finish, break_off: Finish) -> None:
    path = await scaled(house, finish)
    await ok(house.lead.post(f"{path}/summaries", json=A_YEAR_LATER), 201)
    break_off((await ask(house, path))["id"])
    assert (await ask(house, path))["kind"] == "confirmatory"


@on_sqlite
async def test_a_pilot_that_came_back_to_test_is_decided_on_its_own_data(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    analysis = await retained(house, path, finish)
    await ok(house.lead.post(f"{path}/moves", json={"to": "refine", "reason": "Not retained."}), 201)
    body = {"analysis_id": analysis, "outcome": "refine", "rationale": "R"}
    problem = await refused(house.approver.post(f"{path}/decisions", json=body), 409, "other_iteration")
    assert "other_iteration" in {code for _, code in codes(problem)}
