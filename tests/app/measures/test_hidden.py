"""What a reader sees of groups under five: marks instead of numbers, a reason, and no effect of too small an arm."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from app.analyses.models import Analysis
from app.db import transaction
from tests.app.steps import PLAN, Finish, an_answer, analysed, in_test, move, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
ARMS = ("intervention", "control")


async def units_of(house: House, number: int) -> list[str]:
    path = f"/v1/organizations/{house.id}/units"
    return [(await ok(house.administrator.post(path, json={"name": f"Clinic {i}"}), 201))["id"] for i in range(number)]


def cells(units: list[str], sizes: list[int], wave: str, arm: str) -> list[dict[str, Any]]:
    return [
        {"unit": unit, "arm": arm, "wave": wave, "n": n, "mean": 20.0 + i, "sd": 8.0}
        for i, (unit, n) in enumerate(zip(units, sizes, strict=True))
    ]


def rows(sizes: dict[str, int], wave: str, measure: str = "mbi_ee", **more: Any) -> dict[str, Any]:
    given = [
        {"arm": arm, "participant": f"p-{arm[0]}{i}", "value": 1 if measure == "mbi_burnout" else 20 + i, **more}
        for arm, n in sizes.items()
        for i in range(n)
    ]
    return {"measure": measure, "wave": wave, "rows": given}


async def codes_of(request: Any) -> list[str]:
    return [w["code"] for w in (await ok(request))["warnings"]]


async def test_a_small_cell_and_the_next_smallest_are_marked_in_every_wave(house: House) -> None:
    units = await units_of(house, 3)
    path = await planned(house, unit_ids=units)
    body = {
        "measure": "mbi_ee",
        "cells": [
            *cells(units, [9, 8, 20], "pre", "control"),
            *cells(units, [3, 9, 7], "post", "control"),
        ],
    }
    await ok(house.lead.post(f"{path}/summaries", json=body), 201)
    listed = await ok(house.lead.get(f"{path}/summaries"))
    assert [w["code"] for w in listed["warnings"]] == ["cells_suppressed"]
    assert "4 cells" in listed["warnings"][0]["message"]
    assert "fewer than 5 people" in listed["warnings"][0]["message"]
    for item in listed["items"]:
        content = item["content"]
        assert item["suppressed"] is (content["unit"] != units[1])
        if item["suppressed"]:
            assert content == {k: content[k] for k in ("unit", "arm", "wave")} | {"suppressed": True}
        else:
            assert content["mean"] == 21
    held = await ok(house.lead.get(f"{path}/cells"))
    assert sorted(e["unit"] for e in held["data"]["mbi_ee"]["cells"] if "n" in e) == [units[1]] * 2
    assert "cells_suppressed" in [w["code"] for w in held["warnings"]]


async def test_rows_of_small_cells_are_one_mark(house: House) -> None:
    units = await units_of(house, 3)
    path = await planned(house, unit_ids=units)
    for unit, n, start in ((units[0], 3, 0), (units[1], 6, 3), (units[2], 7, 9)):
        given = [
            {"arm": "control", "unit_id": unit, "value": 10 + i, "participant": f"p-{start + i}"} for i in range(n)
        ]
        body = {"measure": "mbi_ee", "wave": "pre", "rows": given}
        await ok(house.lead.post(f"{path}/measurements", json=body), 201)
    items, cursor = [], ""
    while cursor is not None:
        answer = await ok(house.lead.get(f"{path}/measurements?limit=3{cursor and '&cursor=' + cursor}"))
        items, cursor = [*items, *answer["items"]], answer["next_cursor"]
        assert [w["code"] for w in answer["warnings"]] == ["cells_suppressed"]
    assert [i["unit_id"] for i in items] == [units[2]] * 7 + [None]
    assert items[-1] == dict.fromkeys(items[0]) | {
        "iteration": 1,
        "measure": "mbi_ee",
        "wave": "pre",
        "arm": "control",
        "suppressed": True,
    }
    assert (await ok(house.lead.get(f"{path}/measurements?wave=post")))["items"] == []
    audit = (await ok(house.administrator.get("/v1/audit?resource=measurements")))["items"]
    assert [entry["changes"]["rows"] for entry in audit] == ["<5", 6, 7]


async def test_an_arm_of_too_few_shows_no_response_and_no_refusal_tells_how_many(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/measurements", json=rows({"control": 3, "intervention": 6}, "pre")), 201)
    for invited in (10, 2):  # fewer than answered: to refuse it would tell
        body = {"invited": {"control": invited, "intervention": 12}}
        shown = await ok(house.lead.put(f"{path}/waves/pre", json=body))
        assert shown["responded"] == {"control": None, "intervention": 6}
        assert shown["response_rate"] == {"control": None, "intervention": 0.5}
        assert shown["suppressed"] == ["control"]
    few = {"invited": {"control": 10, "intervention": 5}}
    await refused(house.lead.put(f"{path}/waves/pre", json=few), 422, "invalid")
    more = rows({"control": 5}, "pre")
    problem = await refused(house.lead.post(f"{path}/measurements", json=more), 409, "more_than_invited")
    assert "5 would have answered" in problem["detail"]


async def test_who_of_too_few_answered_twice_is_not_told(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/measurements", json=rows({"control": 6}, "pre")), 201)
    shown = (await ok(house.lead.get(f"{path}/measurements")))["items"]
    assert {item["participant"] for item in shown} == {f"p-c{i}" for i in range(6)}
    later = rows({"control": 6}, "post")
    for i, row in enumerate(later["rows"][2:]):
        row["participant"] = f"p-new{i}"
    await ok(house.lead.post(f"{path}/measurements", json=later), 201)
    shown = (await ok(house.lead.get(f"{path}/measurements")))["items"]
    assert {item["participant"] for item in shown} == {None}
    assert len(shown) == 12
    held = (await ok(house.lead.get(f"{path}/cells")))["data"]["mbi_ee"]["pairs"]
    assert held == [{"unit": None, "arm": "control", "suppressed": True}]


@on_sqlite
@pytest.mark.parametrize("shape", ["rows", "pairs", "cells"])
async def test_an_effect_of_too_small_an_arm_is_refused(house: House, shape: str) -> None:
    path = await planned(house)
    if shape == "rows":
        for wave, n in (("pre", 8), ("post", 4)):
            await ok(house.lead.post(f"{path}/measurements", json=rows({"control": n, "intervention": 8}, wave)), 201)
    elif shape == "pairs":
        pairs = [
            {"arm": arm, "n": n, "mean": [25, 20], "sd": [9, 8], "r": 0.5} for arm, n in zip(ARMS, (8, 4), strict=True)
        ]
        await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "pairs": pairs}), 201)
    else:
        given = [{"arm": arm, "wave": "post", "n": n, "mean": 20, "sd": 8} for arm, n in zip(ARMS, (8, 4), strict=True)]
        await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": given}), 201)
    problem = await refused(house.analyst.post(f"{path}/analyses"), 409, "too_few_people")
    assert problem["too_few"][0] == {"measure": "mbi_ee", "arm": "control", "wave": "post"}
    assert "arm control at post" in problem["detail"]
    assert " 4 " not in problem["detail"]


async def test_a_secondary_measure_of_too_few_is_left_out(house: House, finish: Finish, app: FastAPI) -> None:
    path = await planned(
        house, {**PLAN, "measures": [*PLAN["measures"], {"measure": "mbi_burnout", "role": "secondary"}]}
    )
    for wave in ("pre", "post"):
        await ok(house.lead.post(f"{path}/measurements", json=rows({"control": 8, "intervention": 8}, wave)), 201)
        few = rows({"control": 8, "intervention": 3}, wave, "mbi_burnout")
        await ok(house.lead.post(f"{path}/measurements", json=few), 201)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert "too_few_people" in [w["code"] for w in asked["warnings"]]
    with transaction(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == asked["id"])).one()
        assert list(row.request["data"]) == ["mbi_ee"]
    finish(asked["id"], an_answer())
    assert "data_changed" not in await codes_of(house.lead.get(f"/v1/analyses/{asked['id']}"))


def units_answer(units: list[str]) -> dict[str, Any]:
    answer = an_answer()
    one = {"mean": 0.1, "sd": 0.1, "interval": {"low": 0, "high": 0.2, "prob": 0.95, "kind": "equal-tailed"}}
    answer["effects"][0]["units"] = [
        {"unit": unit, "arm": "control", "n": 7, "departure": one, "effect": None} for unit in units
    ]
    return answer


async def test_units_hidden_once_an_analysis_was_asked_for_stay_so(house: House, finish: Finish) -> None:
    units = await units_of(house, 4)
    plan = {
        **PLAN,
        "waves": [
            {"key": "pre", "kind": "baseline"},
            {"key": "mid", "kind": "interim"},
            {"key": "post", "kind": "followup"},
        ],
        "looks": [{"look": 1, "wave": "mid", "months": 3}, {"look": 2, "wave": "post", "months": 6}],
    }
    path = await planned(house, plan, unit_ids=units)
    for wave, sizes in (("pre", [9, 8, 7, 20]), ("mid", [4, 9, 6, 20])):
        body = {
            "measure": "mbi_ee",
            "cells": cells(units, sizes, wave, "control") + cells(units[:1], [30], wave, "intervention"),
        }
        await ok(house.lead.post(f"{path}/summaries", json=body), 201)
    asked = await ok(house.analyst.post(f"{path}/analyses", json={"look": 1}), 202)
    finish(asked["id"], units_answer(units), [{"measure": "mbi_ee", "name": "units", "svg": "<svg/>"}])
    plot = f"/v1/analyses/{asked['id']}/plots/units.svg"
    assert (await house.lead.get(plot)).status_code == 200
    shown = (await ok(house.lead.get(f"/v1/analyses/{asked['id']}")))["result"]["effects"][0]["units"]
    assert [u.get("suppressed", False) for u in shown] == [True, False, True, False]
    assert shown[0] == {
        "unit": units[0], "arm": "control", "n": None, "departure": None, "effect": None, "suppressed": True,
    }  # fmt: skip
    # Now another unit is small, which alone would bring another one with it.
    body = {"measure": "mbi_ee", "cells": cells(units[:2], [12, 3], "post", "control")}
    await ok(house.lead.post(f"{path}/summaries", json=body), 201)
    shown = (await ok(house.lead.get(f"/v1/analyses/{asked['id']}")))["result"]["effects"][0]["units"]
    assert [u.get("suppressed", False) for u in shown] == [True, True, True, False]
    assert (await refused(house.lead.get(plot), 404, "suppressed"))["detail"]


async def test_hashes_of_hidden_data_are_keyed_and_still_tell_what_changed(house: House, finish: Finish) -> None:
    units = await units_of(house, 3)
    path = await planned(house, unit_ids=units)
    given = [e for arm in ARMS for e in cells(units, [3, 9, 12], "post", arm)]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": given[:-1]}), 201)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    finish(asked["id"], an_answer())
    address = f"/v1/analyses/{asked['id']}"
    first = await ok(house.lead.get(address))
    assert "data_changed" not in [w["code"] for w in first["warnings"]]
    again = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert again["provenance"]["data_hash"] == first["provenance"]["data_hash"]
    assert again["provenance"]["seed"] == first["provenance"]["seed"]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": given[-1:]}), 201)
    assert "data_changed" in await codes_of(house.lead.get(address))


async def test_an_analysis_from_before_shows_no_hash_of_small_cells(house: House, finish: Finish, app: FastAPI) -> None:
    path = await in_test(house)
    analysis = await analysed(house, path, finish)
    plain = (await ok(house.lead.get(f"/v1/analyses/{analysis}")))["provenance"]
    with transaction(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == analysis)).one()
        row.suppressed = None
        session.add(row)
    assert (await ok(house.lead.get(f"/v1/analyses/{analysis}")))["provenance"] == plain
    with transaction(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == analysis)).one()
        changes = [{**entry, "n": 4} for entry in row.request["data"]["mbi_ee"]["changes"]]
        row.request = {**row.request, "data": {"mbi_ee": {"changes": changes}}}
        session.add(row)
    old = (await ok(house.lead.get(f"/v1/analyses/{analysis}")))["provenance"]
    assert old["data_hash"] != plain["data_hash"]
    assert old["seed"] is None


@on_sqlite
async def test_the_message_of_a_refused_pseudonym_does_not_repeat_it(house: House) -> None:
    path = await planned(house)
    for name in ("Ana Ruiz", "ana.ruiz@north.org", "ana_ruiz", "507-284-2511"):
        body = {"measure": "mbi_ee", "wave": "pre", "rows": [{"value": 20, "arm": "control", "participant": name}]}
        response = await house.lead.post(f"{path}/measurements", json=body)
        assert response.status_code == 422
        assert response.json()["errors"][0]["code"] == "looks_identifying"
        assert name.lower() not in response.text.lower()
        assert name not in (await house.administrator.get("/v1/audit?limit=200")).text


@on_sqlite
async def test_moves_go_on_with_small_cells(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/measurements", json=rows({"control": 3, "intervention": 3}, "pre")), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    assert (await move(house, path, "test"))["to"] == "test"


async def test_an_allocation_does_not_count_small_strata(house: House) -> None:
    units = await units_of(house, 2)
    path = await planned(house, unit_ids=units)
    people_ = [{"participant": f"p-{i}", "unit_id": units[i % 7 == 0]} for i in range(40)]
    made = await ok(
        house.lead.post(f"{path}/plan/allocate", json={"level": "participant", "participants": people_}), 201
    )
    assert {entry["stratum"] for entry in made["entries"]} == set(units)
    (shown,) = (await ok(house.analyst.get(f"{path}/plan/allocations")))["items"]
    assert {(e["stratum"], e["position"]) for e in shown["entries"]} == {(None, None)}
    assert {e["subject"]: e["arm"] for e in shown["entries"]} == {e["subject"]: e["arm"] for e in made["entries"]}
