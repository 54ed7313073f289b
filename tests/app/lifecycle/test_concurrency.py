"""Two people at one pilot in the same moment: one wins, the other is told what changed."""

import asyncio

import pytest

from tests.app.steps import NOTES, PLAN, Finish, analysed, in_test, ok, planned, refused, start
from tests.conftest import House

pytestmark = pytest.mark.anyio
TIMES = 20


@pytest.mark.parametrize("times", [TIMES, pytest.param(200, marks=pytest.mark.slow)])
async def test_two_moves_at_once(house: House, times: int) -> None:
    for i in range(times):
        path = await start(house, discovery_note=NOTES["discovery_note"])
        answers = await asyncio.gather(
            *(client.post(f"{path}/moves", json={"to": "develop"}) for client in (house.lead, house.administrator))
        )
        won, lost = sorted(answers, key=lambda a: a.status_code)
        assert (won.status_code, lost.status_code) == (201, 409), (i, won.text, lost.text)
        problem = lost.json()
        assert (problem["code"], problem["stage"]) == ("move_refused", "develop")
        assert "develop" in problem["unmet"][0]["message"]
        moves = (await ok(house.lead.get(f"{path}/moves")))["items"]
        assert [(m["sequence"], m["by"]) for m in moves] == [(1, won.json()["by"])]


async def test_two_moves_at_once_from_one_version(house: House) -> None:
    for _ in range(TIMES):
        path = await start(house, discovery_note=NOTES["discovery_note"])
        tag = {"If-Match": (await house.lead.get(path)).headers["etag"]}
        retire = {"to": "retired", "retirement": "stopped", "reason": "R", "lessons": "L"}
        answers = await asyncio.gather(
            house.lead.post(f"{path}/moves", json={"to": "develop"}, headers=tag),
            house.administrator.post(f"{path}/moves", json=retire, headers=tag),
        )
        assert sorted(a.status_code for a in answers) == [201, 412]
        lost = next(a for a in answers if a.status_code == 412).json()
        stage = (await ok(house.lead.get(path)))["stage"]
        assert stage in lost["detail"]


async def test_two_patches_at_once_from_one_version(house: House) -> None:
    path = await start(house)
    for i in range(TIMES):
        tag = {"If-Match": (await house.lead.get(path)).headers["etag"]}
        answers = await asyncio.gather(
            *(house.lead.patch(path, json={"title": f"{i} {who}"}, headers=tag) for who in ("ana", "ben"))
        )
        assert sorted(a.status_code for a in answers) == [200, 412]
        won = next(a for a in answers if a.status_code == 200).json()
        assert (await ok(house.lead.get(path)))["title"] == won["title"]


async def test_two_locks_two_drafts_and_two_looks_at_once(house: House) -> None:
    for _ in range(5):
        path = await start(house)
        drafts = await asyncio.gather(*(house.lead.put(f"{path}/plan", json=PLAN) for _ in range(3)))
        assert {d.status_code for d in drafts} == {200}
        assert len((await ok(house.lead.get(f"{path}/plan/versions")))["items"]) == 1
        locks = await asyncio.gather(*(house.lead.post(f"{path}/plan/lock") for _ in range(3)))
        assert sorted(a.status_code for a in locks) == [200, 409, 409]
    path = await in_test(house)
    looks = await asyncio.gather(*(house.analyst.post(f"{path}/analyses") for _ in range(4)))
    assert sorted(a.json()["kind"] for a in looks) == ["confirmatory", "exploratory", "exploratory", "exploratory"]


async def test_two_signatures_at_once(house: House, finish: Finish) -> None:
    path = await in_test(house)
    analysis = await analysed(house, path, finish)
    body = {"analysis_id": analysis, "outcome": "scale", "rationale": "As the rule says."}
    answers = await asyncio.gather(*(house.approver.post(f"{path}/decisions", json=body) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]


async def test_the_same_rows_at_once_are_entered_once(house: House) -> None:
    path = await planned(house)
    rows = [{"value": 20 + i, "arm": "control", "participant": f"p-{i}"} for i in range(20)]
    body = {"measure": "mbi_ee", "wave": "pre", "rows": rows}
    answers = await asyncio.gather(*(house.lead.post(f"{path}/measurements", json=body) for _ in range(4)))
    assert {a.status_code for a in answers} == {201}
    assert sorted(a.json()["accepted"] for a in answers) == [0, 0, 0, 20]


async def test_two_catalogue_entries_of_one_key_at_once(house: House) -> None:
    body = {"key": "night_work", "name": "Night work"}
    answers = await asyncio.gather(*(house.administrator.post("/v1/drivers", json=body) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]
    await refused(house.administrator.post("/v1/drivers", json=body), 409, "key_taken")
