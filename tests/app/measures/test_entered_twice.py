"""Nobody counts twice, and what only looks like a number is none."""

from typing import Any

import pytest

from tests.app.steps import PLAN, codes, ok, planned, refused
from tests.conftest import House

pytestmark = pytest.mark.anyio


def changes(**more: Any) -> dict[str, Any]:
    entries = [{"arm": arm, "n": 30, "mean": -2.0, "sd": 8.0, **more} for arm in ("intervention", "control")]
    return {"measure": "mbi_ee", "changes": entries}


async def test_an_arm_as_a_whole_and_by_unit_do_not_mix(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/summaries", json=changes()), 201)
    again = changes(unit=house.unit["id"])
    problem = await refused(house.lead.post(f"{path}/summaries", json=again), 422, "invalid")
    assert codes(problem) == [(("changes", i, "unit"), "counted_twice") for i in range(2)]
    held = (await ok(house.lead.get(f"{path}/cells")))["data"]["mbi_ee"]["changes"]
    assert [entry["n"] for entry in held] == [30, 30]


@pytest.mark.parametrize("value", [True, "20", "2e1"])
async def test_what_looks_like_a_number_is_refused(house: House, value: object) -> None:
    path = await planned(house)
    body = {"measure": "mbi_ee", "wave": "pre", "rows": [{"value": value, "arm": "control"}]}
    problem = await refused(house.lead.post(f"{path}/measurements", json=body), 422, "invalid")
    assert problem["errors"][0]["loc"] == ["rows", 0, "value"]
    assert "a number is needed" in problem["errors"][0]["msg"]


async def test_one_wave_cannot_be_both_ends(house: House) -> None:
    path = await planned(house)
    body = {**PLAN, "baseline": "post"}
    problem = await refused(house.lead.put(f"{path}/plan", json=body), 422, "invalid")
    assert "the same wave" in problem["detail"]
