"""Units against their benchmarks: the most specific of its time, classes with probabilities, small groups hidden."""

from typing import Any

import pytest

from analysis.standing import Reference, place
from app.measures.unit_means import People, pooled
from tests.app.benchmarks.test_benchmarks import BENCHMARK
from tests.app.steps import PLAN, codes, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


async def unit(house: House, name: str, **fields: Any) -> str:
    path = f"/v1/organizations/{house.id}/units"
    return str((await ok(house.administrator.post(path, json={"name": name, **fields}), 201))["id"])


async def published(house: House, **fields: Any) -> str:
    made = await ok(house.administrator.post("/v1/benchmarks", json={**BENCHMARK, **fields}), 201)
    return str(made["id"])


def cell(unit_id: str, n: int, mean: float, wave: str = "pre", arm: str = "control") -> dict[str, Any]:
    return {"unit": unit_id, "arm": arm, "wave": wave, "n": n, "mean": mean, "sd": 10.0}


async def dated(house: House, path: str, key: str = "pre", day: str = "2025-06-01") -> None:
    await ok(house.lead.put(f"{path}/waves/{key}", json={"invited": {}, "starts_on": day}))


async def standing(house: House, path: str, query: str = "wave=pre") -> dict[str, Any]:
    found: dict[str, Any] = await ok(house.lead.get(f"{path}/units/standing?{query}"))
    return found


def by_name(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {found["name"]: found for found in answer["units"]}


async def test_each_unit_stands_against_the_most_specific_benchmark_of_its_time(house: House) -> None:
    medicine = await unit(house, "Medicine", specialty="Internal medicine", occupation="physician")
    nurses = await unit(house, "Nurses", specialty="Surgery", occupation="nurse")
    lab = await unit(house, "Lab")
    own = await published(house)
    await published(house, period_start="2020-01-01", period_end="2020-12-31", mean=10)
    nursing = await published(house, specialty=None, occupation="nurse", mean=30, sd=10)
    everybody = await published(house, specialty=None, occupation=None, mean=26, sd=10, n=9000)
    path = await planned(house, unit_ids=[medicine, nurses, lab])
    cells = [cell(medicine, 40, 17), cell(nurses, 30, 30.5), cell(lab, 200, 35)]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": cells}), 201)
    await dated(house, path)
    answer = await standing(house, path)
    assert (answer["measure"], answer["wave"], answer["starts_on"]) == ("mbi_ee", "pre", "2025-06-01")
    found = by_name(answer)
    assert [(u["standing"], u["benchmark"]["id"], u["benchmark"]["fit"]) for u in found.values()] == [
        ("unfavourable", everybody, "everybody"),
        ("favourable", own, "specialty_and_occupation"),
        ("similar", nursing, "occupation"),
    ]
    expected = place(40, 17, 10, Reference(24, 11, 800), higher_is_better=False)
    shown = found["Medicine"]
    assert shown["difference"]["observed"] == pytest.approx(7 / 11)
    assert shown["difference"]["mean"] == pytest.approx(expected.mean)
    assert shown["probabilities"] == pytest.approx({k.value: v for k, v in expected.probabilities.items()})
    assert shown["says"].startswith("probably favourable against internal medicine, physician: favourable 0.97")
    assert "unfavourable < 0.01" in shown["says"]
    progress = answer["progress"]
    assert progress["counts"] == {"favourable": 1, "similar": 1, "unfavourable": 1}
    assert (progress["unclear"], progress["placed"], progress["not_placed"]) == (0, 3, 0)
    for name in progress["expected"]:
        assert progress["expected"][name] == pytest.approx(sum(u["probabilities"][name] for u in found.values()))


async def test_without_a_benchmark_of_its_time_nothing_is_told(house: House, neighbour: House) -> None:
    ward = await unit(house, "Medicine", specialty="Internal medicine", occupation="physician")
    path = await planned(house, unit_ids=[ward])
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": [cell(ward, 20, 20)]}), 201)

    async def why() -> tuple[str, str]:
        [found] = (await standing(house, path))["units"]
        assert found["standing"] is found["probabilities"] is found["difference"] is None
        assert found["n"] == 20
        return found["not_placed"]["code"], found["not_placed"]["message"]

    assert (await why())[0] == "wave_undated"
    await dated(house, path, day="2026-02-01")
    assert (await why())[0] == "no_benchmark"
    await ok(neighbour.administrator.post("/v1/benchmarks", json=BENCHMARK), 201)
    assert (await why())[0] == "no_benchmark"
    benchmark = await published(house)
    code, message = await why()
    assert code == "not_contemporaneous"
    assert benchmark in message
    answer = await standing(house, path)
    assert (answer["progress"]["placed"], answer["progress"]["not_placed"]) == (0, 1)
    post = await standing(house, path, "")
    assert post["wave"] == "post"
    assert post["units"][0]["not_placed"]["code"] == "no_answers"


async def test_units_of_too_few_people_are_not_told_and_count_nowhere(house: House) -> None:
    names = {"A": 3, "B": 9, "C": 20, "D": 30}
    units = {name: await unit(house, name) for name in names}
    await published(house, specialty=None, occupation=None)
    path = await planned(house, unit_ids=list(units.values()))
    rows = [{"value": 10 + i % 20, "arm": "control", "unit_id": units[u]} for u, n in names.items() for i in range(n)]
    await ok(house.lead.post(f"{path}/measurements", json={"measure": "mbi_ee", "wave": "pre", "rows": rows}), 201)
    await dated(house, path)
    answer = await standing(house, path)
    assert [w["code"] for w in answer["warnings"]] == ["cells_suppressed"]
    found = by_name(answer)
    # The next smallest is hidden too: else the small one is the total less the others.
    assert [name for name, one in found.items() if one["suppressed"]] == ["A", "B"]
    for name in "AB":
        shown = {k for k, v in found[name].items() if v is not None}
        assert shown == {"unit_id", "name", "not_placed", "suppressed"}
        assert not any(str(n) in found[name]["not_placed"]["message"] for n in names.values())
    assert (found["C"]["n"], answer["progress"]["placed"], answer["progress"]["not_placed"]) == (20, 2, 2)
    assert sum(answer["progress"]["expected"].values()) == pytest.approx(2)


async def test_rows_and_pairs_tell_the_same_unit_at_both_ends(house: House) -> None:
    ward = await unit(house, "Ward", occupation="physician")
    await published(house, specialty=None)
    path = await planned(house, unit_ids=[ward])
    pairs = [
        {"unit": ward, "arm": "control", "n": 12, "mean": [20, 25], "sd": [9, 8], "r": 0.6},
        {"unit": ward, "arm": "intervention", "n": 8, "mean": [30, 15], "sd": [9, 8], "r": 0.6},
    ]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "pairs": pairs}), 201)
    for key in ("pre", "post"):
        await dated(house, path, key)
        [found] = (await standing(house, path, f"wave={key}"))["units"]
        assert found["n"] == 20
        assert found["mean"] == pytest.approx({"pre": 24.0, "post": 21.0}[key])
    assert by_name(await standing(house, path))["Ward"]["sd"] == pytest.approx(102**0.5)


@on_sqlite
async def test_what_cannot_be_asked_is_refused(house: House) -> None:
    plan = {**PLAN, "measures": [*PLAN["measures"], {"measure": "mbi_burnout", "role": "secondary"}]}
    path = f"{await planned(house, plan)}/units/standing"
    assert codes(await refused(house.lead.get(f"{path}?wave=x"), 422, "invalid")) == [(("wave",), "unknown_wave")]
    unknown = await refused(house.lead.get(f"{path}?measure=x"), 422, "invalid")
    assert codes(unknown) == [(("measure",), "unknown_measure")]
    problem = await refused(house.lead.get(f"{path}?measure=mbi_burnout"), 409, "no_mean")
    assert "means" in problem["detail"]


def test_groups_are_pooled_with_the_spread_between_them() -> None:
    assert pooled([People(2, 1.0, 0.0), People(2, 3.0, 0.0)]) == People(4, 2.0, pytest.approx(2 / 3**0.5))
    assert pooled([People(1, 4.0, None)]) == People(1, 4.0, None)
    assert pooled([People(1, 4.0, None), People(1, 6.0, None)]).sd == pytest.approx(2**0.5)
    assert pooled([People(3, 4.0, None), People(2, 6.0, 1.0)]).sd is None
