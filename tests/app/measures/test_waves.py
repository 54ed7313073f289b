"""Waves over HTTP: what is planned is listed too, and the attrition that is shown is the one that grades."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from analysis.case import case_of
from analysis.documents import FitRequest
from app.analyses.models import Analysis
from app.analyses.service import WORK
from app.db import reading
from tests.app.steps import PLAN, codes, move, ok, planned, refused, start
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
WAVES = [
    {"key": "pre", "kind": "baseline", "starts_on": "2026-01-05", "ends_on": "2026-01-23"},
    {"key": "mid", "kind": "interim", "starts_on": "some day"},
    {"key": "post", "kind": "followup", "starts_on": "2026-07-06"},
]
DATED: dict[str, Any] = {**PLAN, "waves": WAVES}


def people(wave: str, intervention: int, control: int, *, linked: bool = True) -> dict[str, Any]:
    rows = [
        {"arm": arm, "value": 20 + i * len(wave) % 11, **({"participant": f"{arm}-{i}"} if linked else {})}
        for arm, n in (("intervention", intervention), ("control", control))
        for i in range(n)
    ]
    return {"measure": "mbi_ee", "wave": wave, "rows": rows}


async def waves(house: House, path: str) -> dict[str, Any]:
    return {wave["key"]: wave for wave in (await ok(house.analyst.get(f"{path}/waves")))["items"]}


async def test_planned_waves_are_listed_in_the_order_of_the_plan(house: House) -> None:
    path = await start(house)
    assert await waves(house, path) == {}
    path = await planned(house, DATED)
    shown = await waves(house, path)
    assert [(w["key"], w["kind"], w["starts_on"], w["ends_on"]) for w in shown.values()] == [
        ("pre", "baseline", "2026-01-05", "2026-01-23"),
        ("mid", "interim", None, None),
        ("post", "followup", "2026-07-06", None),
    ]
    assert {(w["recorded"], w["version"], str(w["invited"]), w["says"]) for w in shown.values()} == {
        (False, 0, "{}", "Nobody has answered yet.")
    }
    bare = await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {}, "ends_on": "2026-01-30"}))
    assert (bare["starts_on"], bare["ends_on"], bare["recorded"]) == ("2026-01-05", "2026-01-30", True)
    put = await ok(house.lead.put(f"{path}/waves/post", json={"invited": {"control": 40}, "starts_on": "2026-08-03"}))
    again = await waves(house, path)
    assert list(again) == ["pre", "mid", "post"]
    assert again["post"] == put
    assert (put["recorded"], put["version"], put["starts_on"]) == (True, 1, "2026-08-03")


@on_sqlite
async def test_pages_of_waves(house: House) -> None:
    path = await planned(house, DATED)
    seen, cursor = [], None
    for _ in range(3):
        page = await ok(house.lead.get(f"{path}/waves", params={"limit": 1, **({"cursor": cursor} if cursor else {})}))
        seen, cursor = [*seen, *(wave["key"] for wave in page["items"])], page["next_cursor"]
    assert (seen, cursor) == (["pre", "mid", "post"], None)
    problem = await refused(house.lead.get(f"{path}/waves?cursor=later"), 422, "invalid")
    assert codes(problem) == [(("cursor",), "unknown_cursor")]


@pytest.mark.parametrize(
    ("invited", "stayed", "grade"), [(40, 34, "A"), (40, 33, "A"), (40, 31, "B"), (None, 34, "A"), (None, 31, "B")]
)
@on_sqlite
async def test_the_attrition_that_is_shown_is_the_one_that_grades(
    house: House, app: FastAPI, invited: int | None, stayed: int, grade: str
) -> None:
    path = await planned(house, DATED)
    await ok(house.lead.post(f"{path}/measurements", json=people("pre", 40, 40)), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await ok(house.lead.post(f"{path}/measurements", json=people("post", stayed, stayed)), 201)
    told = {} if invited is None else {"intervention": invited, "control": invited}
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": told}))
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    with reading(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == asked["id"])).one()
        request = FitRequest.model_validate(WORK.request(session, row)["fit"])
    graded = case_of(request).graded
    assert (graded.by_design, graded.letter) == ("A", grade)
    shown = await waves(house, path)
    assert shown["post"]["attrition"] == pytest.approx(request.attrition)
    assert shown["post"]["attrition_of"] == ("baseline" if invited is None else "invited")
    assert shown["post"]["lowers_grade"] is (grade == "B")
    assert shown["post"]["total"]["attrition"] == pytest.approx(1 - stayed / 40)
    assert shown["mid"]["attrition"] == shown["pre"]["attrition"] == {}
    assert shown["pre"]["lowers_grade"] is None


@on_sqlite
async def test_who_answered_only_something_else_is_lost_to_the_primary(house: House, app: FastAPI) -> None:
    other = {"measure": "mbi_dp", "role": "secondary", "reference_sd": 6.0}
    path = await planned(house, {**DATED, "measures": [*DATED["measures"], other]})
    for wave, n in (("pre", 40), ("post", 20)):
        await ok(house.lead.post(f"{path}/measurements", json=people(wave, n, n)), 201)
        body = {**people(wave, 40, 40), "measure": "mbi_dp"}
        await ok(
            house.lead.post(f"{path}/measurements", json=body | {"rows": [{**r, "value": 2} for r in body["rows"]]}),
            201,
        )
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": {"intervention": 40, "control": 40}}))
    shown = (await waves(house, path))["post"]
    assert (shown["responded"], shown["total"]["response_rate"]) == ({"intervention": 40, "control": 40}, 1.0)
    assert (shown["attrition"], shown["lowers_grade"]) == ({"intervention": 0.5, "control": 0.5}, True)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    with reading(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == asked["id"])).one()
        assert row.request["attrition"] == shown["attrition"]


async def test_nothing_is_told_of_an_arm_of_too_few(house: House) -> None:
    told = []
    for n in (2, 4):
        path = await planned(house, DATED)
        for wave in ("pre", "post"):
            await ok(house.lead.post(f"{path}/measurements", json=people(wave, 30, n, linked=False)), 201)
            body = {"invited": {"intervention": 40, "control": 20}}
            await ok(house.lead.put(f"{path}/waves/{wave}", json=body))
        told.append(await waves(house, path))
    assert told[0] == told[1]
    post = told[0]["post"]
    assert post["total"] == {"invited": 60, "responded": None, "response_rate": None, "attrition": None}
    assert (post["suppressed"], post["lowers_grade"]) == (["control"], None)
    assert post["response_rate"] == {"intervention": 0.75, "control": None}


async def test_answers_that_wait_for_an_arm_count_as_answers(house: House) -> None:
    path = await planned(house)
    rows = [{"participant": f"p-{i}", "value": 20 + i % 7} for i in range(24)]
    await ok(house.lead.post(f"{path}/measurements", json={"measure": "mbi_ee", "wave": "pre", "rows": rows}), 201)
    shown = (await waves(house, path))["pre"]
    assert (shown["responded"], shown["total"]["responded"]) == ({}, 24)
    assert shown["says"] == "24 answered; how many were invited is not recorded for every arm."
