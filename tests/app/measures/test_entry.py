"""Entering rows and summaries: what is taken, what is refused and where, all or nothing."""

from typing import Any

import pytest

from app.config import Settings
from tests.app.steps import PLAN, codes, in_test, ok, planned, refused, start
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Every group is shown: what is hidden of small ones is tried in test_hidden.py."""
    return settings.model_copy(update={"smallest_cell": 1})


MEASURES = [
    {"measure": "mbi_ee", "role": "primary", "reference_sd": 10.3},
    {"measure": "mbi_burnout", "role": "secondary"},
    {"measure": "burnout_single", "role": "secondary"},
    {"measure": "ehr_time8", "role": "secondary"},
    {"measure": "inbox_messages", "role": "secondary"},
    {"measure": "teamword", "role": "secondary"},
]
WIDE = {**PLAN, "measures": MEASURES}
A, B = {"arm": "intervention"}, {"arm": "control"}


def rows(*given: dict[str, Any], measure: str = "mbi_ee", wave: str = "pre") -> dict[str, Any]:
    return {"measure": measure, "wave": wave, "rows": list(given)}


async def post(client: Client, path: str, body: dict[str, Any], query: str = "") -> Any:
    where = "measurements" if "rows" in body else "summaries"
    return await client.post(f"{path}/{where}{query}", json=body)


async def nothing_entered(house: House, path: str) -> None:
    assert (await ok(house.lead.get(f"{path}/cells")))["data"] == {}


SHAPES: list[dict[str, Any]] = [
    rows({"value": 27, **A}, {"value": 0, **B}, {"value": 54, **B}),
    rows({"value": 27.5, "participant": "p-1", "collected_on": "2026-03-01", **A}),
    rows({"value": 1, **A}, {"value": 0, **B}, measure="mbi_burnout", wave="post"),
    rows({"value": 3, **A}, measure="burnout_single"),
    rows({"value": 0.25, **A}, measure="ehr_time8"),
    rows({"value": 12, **A}, measure="inbox_messages"),
    {"measure": "mbi_ee", "cells": [{**A, "wave": "pre", "n": 20, "mean": 25.5, "sd": 9}]},
    {"measure": "mbi_ee", "cells": [{**A, "wave": "pre", "n": 1, "mean": 25.5}]},
    {"measure": "mbi_ee", "pairs": [{**A, "n": 20, "mean": [25, 20], "sd": [9, 8], "r": 0.6}]},
    {"measure": "mbi_ee", "pairs": [{**A, "n": 20, "mean": [25, 20], "sd": [9, 8]}]},
    {"measure": "mbi_ee", "changes": [{**A, "n": 41, "mean": -5.2, "sd": 8.7}, {**B, "n": 41, "mean": 1, "sd": 7}]},
    {"measure": "mbi_burnout", "counts": [{**A, "wave": "post", "x": 19, "n": 51}]},
    {"measure": "burnout_single", "categories": [{**A, "wave": "pre", "counts": [5, 9, 3, 0, 1]}]},
    {"measure": "inbox_messages", "events": [{**A, "wave": "pre", "events": 900, "exposure": 75.5}]},
    {"measure": "inbox_messages", "series": [{**A, "t": 1, "value": 900, "exposure": 75}]},
    {"measure": "teamword", "counts": [{**A, "wave": "pre", "x": 21, "n": 60}]},
    {"measure": "ehr_time8", "pairs": [{**A, "n": 20, "mean": [5.5, 5], "sd": [2, 2], "r": 0.6}]},
    {"measure": "teamword", "cells": [{**A, "wave": "pre", "n": 9, "mean": 0.4, "sd": 0.1}]},
]


async def test_each_shape_is_taken_and_the_same_again_changes_nothing(house: House) -> None:
    for body in SHAPES:
        path = await planned(house, WIDE)
        given = next(value for key, value in body.items() if isinstance(value, list))
        report = (await post(house.lead, path, body)).json()
        assert report.items() >= {"accepted": len(given), "unchanged": 0, "rejected": 0, "errors": []}.items()
        cells = await ok(house.lead.get(f"{path}/cells"))
        assert list(cells["data"]) == [body["measure"]]
        if "rows" in body and "participant" not in body["rows"][0]:
            continue  # anonymous answers cannot be told apart: a few that say the same are of others
        report = (await post(house.lead, path, body)).json()
        assert report.items() >= {"accepted": 0, "unchanged": len(given), "rejected": 0, "errors": []}.items()
        assert await ok(house.lead.get(f"{path}/cells")) == cells


P = {"participant": "p-1"}
FAULTS: list[tuple[dict[str, Any], list[tuple[tuple[Any, ...], str]]]] = [
    (rows({"value": 55, **A}), [(("rows", 0, "value"), "off_scale")]),
    (rows({"value": 27, **A}, {"value": -1, **A}), [(("rows", 1, "value"), "off_scale")]),
    (rows({"value": 27, "arm": "placebo"}), [(("rows", 0, "arm"), "unknown_arm")]),
    (rows({"value": 27}), [(("rows", 0, "arm"), "missing")]),
    (rows({"value": 27, **A, "unit_id": "elsewhere"}), [(("rows", 0, "unit_id"), "unknown_unit")]),
    (
        rows({"value": 99, "arm": "placebo", "unit_id": "elsewhere"}),
        [
            (("rows", 0, "value"), "off_scale"),
            (("rows", 0, "unit_id"), "unknown_unit"),
            (("rows", 0, "arm"), "unknown_arm"),
        ],
    ),
    (rows({"value": 27, **A}, wave="later"), [(("wave",), "unknown_wave")]),
    (rows({"value": 27, **A}, measure="pfi_burnout"), [(("measure",), "unknown_measure")]),
    (rows({"value": 2, **A}, measure="mbi_burnout"), [(("rows", 0, "value"), "off_scale")]),
    (rows({"value": 0.5, **A}, measure="mbi_burnout"), [(("rows", 0, "value"), "not_binary")]),
    (rows({"value": 2.5, **A}, measure="burnout_single"), [(("rows", 0, "value"), "not_whole")]),
    (rows({"value": 0, **A}, measure="ehr_time8"), [(("rows", 0, "value"), "not_positive")]),
    (rows({"value": 27, **A, "name": "Ana"}), [(("rows", 0, "name"), "extra_forbidden")]),
    (
        rows({"value": 27, **A, "participant": "ana.ruiz@north.org"}),
        [(("rows", 0, "participant"), "looks_identifying")],
    ),
    (rows({"value": 27, **A, "participant": "Ana Ruiz"}), [(("rows", 0, "participant"), "looks_identifying")]),
    (rows({"value": 1e300, **A}, measure="inbox_messages"), [(("rows", 0, "value"), "less_than_equal")]),
    (rows({"value": 1e-200, **A}, measure="ehr_time8"), [(("rows", 0, "value"), "value_error")]),
    (rows({"value": None, **A}), [(("rows", 0, "value"), "float_type")]),
    (rows({**A}), [(("rows", 0, "value"), "missing")]),
    (rows(), [(("rows",), "too_short")]),
    (rows({"value": 27, **A, **P}, {"value": 28, **A, **P}), [(("rows", 1, "value"), "duplicate")]),
    (rows({"value": 27, **A, **P}, {"value": 27, **B, **P}), [(("rows", 1, "participant"), "duplicate")]),
    (rows({"value": 27, **A, **P}, {"value": 28, **A}), [(("rows", 1, "participant"), "mixed_linkage")]),
    (
        {"measure": "mbi_ee", "cells": [{**A, "wave": "pre", "n": 20, "mean": 60, "sd": 9}]},
        [(("cells", 0, "mean"), "off_scale")],
    ),
    (
        {"measure": "mbi_ee", "cells": [{**A, "wave": "pre", "n": 20, "mean": 27, "sd": 28}]},
        [(("cells", 0, "sd"), "impossible_sd")],
    ),
    (
        {"measure": "mbi_ee", "cells": [{**A, "wave": "pre", "n": 20, "mean": 27}]},
        [(("cells", 0, "sd"), "missing")],
    ),
    (
        {"measure": "mbi_ee", "cells": [{**A, "wave": "pre", "mean": 27, "sd": 9}]},
        [(("cells", 0, "n"), "missing")],
    ),
    (
        {"measure": "mbi_ee", "cells": [{**A, "wave": "never", "n": 20, "mean": 27, "sd": 9}]},
        [(("cells", 0, "wave"), "unknown_wave")],
    ),
    (
        {"measure": "mbi_ee", "changes": [{**A, "n": 41, "mean": -5.2}]},
        [(("changes", 0, "sd"), "missing")],
    ),
    (
        {"measure": "mbi_ee", "changes": [{**A, "n": 41, "mean": -70, "sd": 9}]},
        [(("changes", 0, "mean"), "off_scale")],
    ),
    (
        {"measure": "mbi_ee", "changes": [{**A, "n": 41, "mean": -5, "sd": 90}]},
        [(("changes", 0, "sd"), "impossible_sd")],
    ),
    (
        {"measure": "mbi_ee", "changes": [{**A, "unit": "elsewhere", "n": 41, "mean": -5, "sd": 9}]},
        [(("changes", 0, "unit"), "unknown_unit")],
    ),
    (
        {"measure": "mbi_ee", "pairs": [{**A, "n": 20, "mean": [25, 70], "sd": [9, 8]}]},
        [(("pairs", 0, "mean"), "off_scale")],
    ),
    (
        {"measure": "mbi_ee", "pairs": [{**A, "n": 20, "mean": [25, 20], "sd": [9, 8], "r": 1.2}]},
        [(("pairs", 0, "r"), "less_than_equal")],
    ),
    (
        {"measure": "mbi_burnout", "counts": [{**A, "wave": "pre", "x": 52, "n": 51}]},
        [(("counts", 0), "value_error")],
    ),
    (
        {"measure": "mbi_burnout", "counts": [{**A, "wave": "pre", "x": -1, "n": 51}]},
        [(("counts", 0, "x"), "greater_than_equal")],
    ),
    (
        {"measure": "mbi_burnout", "changes": [{**A, "n": 41, "mean": -0.2, "sd": 0.5}]},
        [(("changes",), "wrong_shape")],
    ),
    (
        {"measure": "mbi_ee", "counts": [{**A, "wave": "pre", "x": 5, "n": 51}]},
        [(("counts",), "wrong_shape")],
    ),
    (
        {
            "measure": "mbi_ee",
            "changes": [{**A, "n": 41, "mean": -5, "sd": 9}, {**A, "n": 41, "mean": -4, "sd": 9}],
        },
        [(("changes", 1, "n"), "duplicate")],
    ),
    ({"measure": "mbi_ee"}, [((), "value_error")]),
    ({"measure": "mbi_ee", "cells": []}, [((), "value_error")]),
    (
        {
            "measure": "mbi_ee",
            "changes": [{**A, "n": 41, "mean": -5, "sd": 9}],
            "cells": [{**A, "wave": "pre", "n": 20, "mean": 27, "sd": 9}],
        },
        [((), "value_error")],
    ),
]


@on_sqlite
async def test_each_fault_has_its_place_and_code_and_nothing_is_entered(house: House) -> None:
    path = await planned(house, WIDE)
    for body, expected in FAULTS:
        response = await post(house.lead, path, body)
        assert response.status_code == 422, (body, response.text)
        problem = response.json()
        assert codes(problem) == expected, body
        assert all(error["msg"] for error in problem["errors"])
    await nothing_entered(house, path)


@on_sqlite
async def test_what_is_no_number_is_refused(house: House) -> None:
    path = await planned(house)
    json = {"content-type": "application/json"}
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = f'{{"measure": "mbi_ee", "wave": "pre", "rows": [{{"arm": "control", "value": {number}}}]}}'
        problem = await refused(house.lead.post(f"{path}/measurements", content=body, headers=json), 422, "invalid")
        assert codes(problem) == [(("rows", 0, "value"), "finite_number")]
        body = f'{{"measure": "mbi_ee", "changes": [{{"arm": "control", "n": 5, "mean": 5, "sd": {number}}}]}}'
        problem = await refused(house.lead.post(f"{path}/summaries", content=body, headers=json), 422, "invalid")
        assert codes(problem) == [(("changes", 0, "sd"), "finite_number")]


async def test_a_unit_of_another_organization_is_unknown(house: House, neighbour: House) -> None:
    path = await planned(house)
    body = rows({"value": 27, **A, "unit_id": neighbour.unit["id"]})
    problem = await refused(post(house.lead, path, body), 422, "invalid")
    assert codes(problem) == [(("rows", 0, "unit_id"), "unknown_unit")]
    report = (await post(house.lead, path, rows({"value": 27, **A, "unit_id": house.unit["id"]}))).json()
    assert report["accepted"] == 1


async def test_partial_enters_what_is_right_and_reports_the_rest(house: House) -> None:
    path = await planned(house)
    body = rows({"value": 27, **A, **P}, {"value": 99, "arm": "x"}, {"value": 20, **B, "participant": "p-2"})
    problem = await refused(post(house.lead, path, body), 422, "invalid")
    assert "1 of 3" in problem["detail"]
    await nothing_entered(house, path)
    report = await ok(post(house.lead, path, body, "?partial=true"), 201)
    assert (report["accepted"], report["unchanged"], report["rejected"]) == (2, 0, 1)
    assert codes({"errors": report["errors"]})[0] == (("rows", 1, "value"), "off_scale")
    report = await ok(post(house.lead, path, body, "?partial=true"), 201)
    assert (report["accepted"], report["unchanged"], report["rejected"]) == (0, 2, 1)
    other = rows({"value": 28, **A, **P}, {"value": 20, **B, "participant": "p-2"})
    problem = await refused(post(house.lead, path, other), 422, "invalid")
    assert codes(problem) == [(("rows", 0, "value"), "duplicate")]


async def test_people_stay_in_their_arm_and_unit(house: House) -> None:
    other = await ok(house.administrator.post(f"/v1/organizations/{house.id}/units", json={"name": "Ward 2"}), 201)
    path = await planned(house, unit_ids=[house.unit["id"], other["id"]])
    await ok(post(house.lead, path, rows({"value": 27, **A, **P, "unit_id": house.unit["id"]})), 201)
    for change, code in (({**B}, "arm_changed"), ({"unit_id": other["id"]}, "unit_changed")):
        body = rows({"value": 20, **P, **change}, wave="post")
        assert [c for _, c in codes(await refused(post(house.lead, path, body), 422, "invalid"))] == [code]
    await ok(post(house.lead, path, rows({"value": 20, **P}, wave="post")), 201)
    [post_row] = (await ok(house.lead.get(f"{path}/measurements?wave=post")))["items"]
    assert (post_row["arm"], post_row["unit_id"]) == ("intervention", house.unit["id"])
    again = await ok(post(house.lead, path, rows({"value": 27, **P})), 201)
    assert (again["accepted"], again["unchanged"]) == (0, 1)


async def test_who_stands_without_a_unit_is_told_so(house: House) -> None:
    path = await planned(house)
    await ok(post(house.lead, path, rows({"value": 27, **A, **P})), 201)
    body = rows({"value": 20, **P, "unit_id": house.unit["id"]}, wave="post")
    problem = await refused(post(house.lead, path, body), 422, "invalid")
    assert codes(problem) == [(("rows", 0, "unit_id"), "unit_changed")]
    assert "stand without a unit; leave the unit out" in problem["errors"][0]["msg"]


@on_sqlite
async def test_the_arm_follows_from_the_planned_unit(house: House) -> None:
    unit = house.unit["id"]
    path = await planned(house, {**PLAN, "units": [{"unit_id": unit, "arm": "control"}]})
    await ok(post(house.lead, path, rows({"value": 27, "unit_id": unit})), 201)
    cells = (await ok(house.lead.get(f"{path}/cells")))["data"]["mbi_ee"]["cells"]
    assert [(c["unit"], c["arm"]) for c in cells] == [(unit, "control")]
    problem = await refused(post(house.lead, path, rows({"value": 27, "unit_id": unit, **A})), 422, "invalid")
    assert codes(problem) == [(("rows", 0, "arm"), "arm_differs")]


async def test_rows_and_summaries_of_one_measure_do_not_mix(house: House) -> None:
    path = await planned(house, WIDE)
    changes = {"measure": "mbi_ee", "changes": [{**A, "n": 41, "mean": -5, "sd": 9}]}
    cells = {"measure": "mbi_ee", "cells": [{**A, "wave": "pre", "n": 41, "mean": 25, "sd": 9}]}
    await ok(post(house.lead, path, changes), 201)
    await refused(post(house.lead, path, rows({"value": 27, **A})), 409, "mixed_shapes")
    await refused(post(house.lead, path, cells), 409, "mixed_shapes")
    counted = {"measure": "mbi_burnout", "counts": [{**A, "wave": "pre", "x": 5, "n": 51}]}
    await ok(post(house.lead, path, rows({"value": 1, **A}, measure="mbi_burnout")), 201)
    await refused(post(house.lead, path, counted), 409, "mixed_shapes")


@on_sqlite
async def test_without_a_plan_nothing_is_entered(house: House) -> None:
    path = await start(house)
    await refused(post(house.lead, path, rows({"value": 27, **A})), 409, "no_plan")
    await refused(house.lead.put(f"{path}/waves/pre", json={"invited": {}}), 409, "no_plan")
    await refused(house.lead.get(f"{path}/cells"), 409, "no_plan")


# --- waves ------------------------------------------------------------------------------------------------------


async def test_response_and_attrition_are_computed(house: House) -> None:
    path = await planned(house)
    invited = {"intervention": 4, "control": 0}
    wave = await ok(house.lead.put(f"{path}/waves/post", json={"invited": invited, "starts_on": "2026-09-01"}))
    assert (wave["kind"], wave["responded"], wave["attrition"]) == (
        "followup",
        {},
        {"intervention": None, "control": None},
    )
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {"intervention": 4, "control": 4}}))
    for key, answers in (("pre", 4), ("post", 3)):
        given = [{"value": 20 + i, **A, "participant": f"p-{i}"} for i in range(answers)]
        await ok(post(house.lead, path, rows(*given, wave=key)), 201)
    waves = {w["key"]: w for w in (await ok(house.lead.get(f"{path}/waves")))["items"]}
    assert waves["post"]["responded"] == {"intervention": 3}
    assert waves["post"]["response_rate"] == {"intervention": 0.75, "control": None}
    assert waves["post"]["attrition"] == {"intervention": 0.25, "control": None}
    assert waves["pre"]["attrition"] == {"intervention": None, "control": None}
    assert waves["pre"]["response_rate"] == {"intervention": 1.0, "control": 0.0}


async def test_more_answers_than_invitations_are_refused_from_either_side(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": {"intervention": 1}}))
    two = rows({"value": 20, **A}, {"value": 21, **A}, wave="post")
    await refused(post(house.lead, path, two), 409, "more_than_invited")
    await nothing_entered(house, path)
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": {"intervention": 2}}))
    await ok(post(house.lead, path, two), 201)
    problem = await refused(house.lead.put(f"{path}/waves/post", json={"invited": {"intervention": 1}}), 422, "invalid")
    assert codes(problem) == [(("invited", "intervention"), "fewer_than_responded")]
    changes = {"measure": "mbi_ee", "changes": [{**A, "n": 3, "mean": -5, "sd": 9}]}
    other = await in_test(house)
    problem = await refused(
        house.lead.put(f"{other}/waves/pre", json={"invited": {"intervention": 40}}), 422, "invalid"
    )
    assert codes(problem) == [(("invited", "intervention"), "fewer_than_responded")]
    third = await planned(house)
    await ok(house.lead.put(f"{third}/waves/pre", json={"invited": {"intervention": 2}}))
    await refused(post(house.lead, third, changes), 409, "more_than_invited")


WAVE_FAULTS: list[tuple[str, dict[str, Any], Any]] = [
    ("later", {"invited": {"control": 3}}, [(("key",), "unknown_wave")]),
    ("pre", {"invited": {"placebo": 3}}, [(("invited", "placebo"), "unknown_arm")]),
    ("pre", {"invited": {"control": -1}}, [(("invited", "control"), "greater_than_equal")]),
    ("pre", {"invited": {}, "starts_on": "2026-03-02", "ends_on": "2026-03-01"}, [((), "value_error")]),
    ("pre", {}, [(("invited",), "missing")]),
]


@on_sqlite
async def test_a_wave_that_does_not_fit(house: House) -> None:
    path = await planned(house)
    for key, body, expected in WAVE_FAULTS:
        problem = await refused(house.lead.put(f"{path}/waves/{key}", json=body), 422, "invalid")
        assert codes(problem) == expected
    shown = (await ok(house.lead.get(f"{path}/waves")))["items"]
    assert [(w["key"], w["recorded"], w["version"]) for w in shown] == [("pre", False, 0), ("post", False, 0)]


@on_sqlite
@pytest.mark.parametrize("design", ["paired", "cross_section"])
async def test_one_group_needs_no_arm_and_has_no_other(house: House, design: str) -> None:
    path = await planned(house, {**PLAN, "design": design, "control": None})
    body = {"measure": "mbi_ee", "wave": "pre"}
    given = [{"value": 27, "participant": "p-1"}, {"value": 30, "arm": "intervention", "participant": "p-2"}]
    report = await ok(house.lead.post(f"{path}/measurements", json={**body, "rows": given}), 201)
    assert report["accepted"] == 2
    other = {**body, "rows": [{"value": 27, "arm": "control", "participant": "p-3"}]}
    problem = await refused(house.lead.post(f"{path}/measurements", json=other), 422, "invalid")
    assert codes(problem) == [(("rows", 0, "arm"), "unknown_arm")]
    held = (await ok(house.lead.get(f"{path}/cells")))["data"]["mbi_ee"]
    (entries,) = held.values()
    assert {entry["arm"] for entry in entries} == {"intervention"}
