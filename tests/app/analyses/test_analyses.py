"""Asking for analyses and keeping their answers; the fitting itself is tried elsewhere."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from analysis.documents import FitRequest, confirmatory_seed
from app.analyses.models import Analysis
from app.db import reading
from tests.app.steps import CHANGES, PLAN, REFUSAL, Finish, an_answer, analysed, codes, in_test, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
# The plan of these steps was not simulated; nothing says how chance assigned its arms, or when a wave was collected.
TOLD = {"no_operating_characteristics", "allocation_undeclared", "dates_unknown"}


def request_of(app: FastAPI, analysis_id: str) -> dict[str, Any]:
    with reading(app.state.engine) as session:
        return session.exec(select(Analysis).where(Analysis.id == analysis_id)).one().request


async def test_asked_for_queued_and_answered(app: FastAPI, house: House, finish: Finish) -> None:
    path = await in_test(house)
    response = await house.analyst.post(f"{path}/analyses", json={})
    asked = response.json()
    assert response.headers["location"] == f"/v1/analyses/{asked['id']}"
    assert (asked["status"], asked["kind"], asked["progress"], asked["result"]) == ("queued", "confirmatory", 0, None)
    document = FitRequest.model_validate(request_of(app, asked["id"]))
    plan = await ok(house.lead.get(f"{path}/plan"))
    assert document.plan.hash() == plan["hash"] == asked["provenance"]["plan_hash"]
    assert document.data_hash() == asked["provenance"]["data_hash"]
    assert document.seed == confirmatory_seed(plan["hash"], document.data_hash()) == asked["provenance"]["seed"]
    finish(asked["id"], an_answer())
    done = await ok(house.lead.get(f"/v1/analyses/{asked['id']}"))
    assert (done["status"], done["progress"], done["result"]) == ("succeeded", 1, an_answer())
    assert next(iter(done["result"])) == "recommendation"
    assert done["provenance"] == {**an_answer()["provenance"], **asked["provenance"]}
    assert done["finished_at"] >= done["started_at"] >= done["created_at"]
    assert {w["code"] for w in done["warnings"]} == TOLD


async def test_only_as_planned_it_is_confirmatory(house: House, finish: Finish) -> None:
    path = await planned(house)
    await refused(house.analyst.post(f"{path}/analyses"), 409, "no_data")
    await ok(house.lead.post(f"{path}/summaries", json=CHANGES), 201)
    draft = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert (draft["kind"], draft["warnings"][0]["code"]) == ("exploratory", "exploratory")
    assert "not locked" in draft["warnings"][0]["message"]
    await ok(house.lead.post(f"{path}/plan/lock"))
    early = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert "develop" in early["warnings"][0]["message"]
    other = await in_test(house)
    assert (await ok(house.analyst.post(f"{other}/analyses", json={"seed": 7}), 202))["kind"] == "exploratory"
    await analysed(house, other, finish)
    second = await ok(house.analyst.post(f"{other}/analyses"), 202)
    assert second["kind"] == "exploratory"
    assert "look 1" in second["warnings"][0]["message"]
    for query, expected in (
        ("kind=confirmatory", 1),
        ("kind=exploratory", 2),
        ("status=queued", 2),
        ("iteration=1", 3),
    ):
        assert len((await ok(house.lead.get(f"{other}/analyses?{query}")))["items"]) == expected, query


@on_sqlite
async def test_looks_are_planned(house: House, finish: Finish) -> None:
    plan = {
        **PLAN,
        "waves": [
            {"key": "pre", "kind": "baseline"},
            {"key": "mid", "kind": "interim"},
            {"key": "post", "kind": "followup"},
        ],
        "looks": [{"look": 1, "wave": "mid", "months": 6}, {"look": 2, "wave": "post", "months": 12}],
    }
    path = await in_test(house, plan)
    problem = await refused(house.analyst.post(f"{path}/analyses", json={"look": 3}), 422, "invalid")
    assert codes(problem) == [(("look",), "unknown_look")]
    for look in (1, 2):
        asked = await ok(house.analyst.post(f"{path}/analyses", json={"look": look}), 202)
        assert (asked["look"], asked["kind"]) == (look, "confirmatory")
        finish(asked["id"], an_answer())


@on_sqlite
async def test_a_look_that_failed_was_cancelled_or_refused_may_be_repeated(
    house: House, finish: Finish, break_off: Any
) -> None:
    path = await in_test(house)
    failed = await ok(house.analyst.post(f"{path}/analyses"), 202)
    break_off(failed["id"])
    shown = await ok(house.lead.get(f"/v1/analyses/{failed['id']}"))
    assert (shown["status"], shown["failure"]["code"]) == ("failed", "crashed")
    cancelled = await ok(house.analyst.post(f"{path}/analyses"), 202)
    for _ in range(2):
        ended = await ok(house.analyst.post(f"/v1/analyses/{cancelled['id']}/cancel"))
        assert ended["status"] == "cancelled"
    refused_one = await analysed(house, path, finish, REFUSAL)
    shown = await ok(house.lead.get(f"/v1/analyses/{refused_one}"))
    assert (shown["status"], shown["result"]) == ("succeeded", REFUSAL)
    last = await analysed(house, path, finish)
    await refused(house.analyst.post(f"/v1/analyses/{last}/cancel"), 409, "already_ended")


async def test_it_says_so_when_data_were_entered_since(house: House, finish: Finish) -> None:
    plan = {**PLAN, "measures": [*PLAN["measures"], {"measure": "mbi_burnout", "role": "secondary"}]}
    path = await in_test(house, plan)
    analysis = await analysed(house, path, finish)
    counts = [{"arm": "control", "wave": "post", "x": 3, "n": 41}]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_burnout", "counts": counts}), 201)
    shown = await ok(house.lead.get(f"/v1/analyses/{analysis}"))
    assert {w["code"] for w in shown["warnings"]} == {*TOLD, "data_changed"}
    again = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert again["provenance"]["data_hash"] != shown["provenance"]["data_hash"]


@on_sqlite
async def test_observed_attrition_goes_with_the_request(app: FastAPI, house: House) -> None:
    path = await in_test(house)
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": {"intervention": 50, "control": 41}}))
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert request_of(app, asked["id"])["attrition"] == {"intervention": pytest.approx(0.18), "control": 0.0}
