"""Monthly series over HTTP: by month or t, twice, with gaps, by which definition, and what an analysis is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from tests.app.steps import PLAN, Finish, an_answer, codes, in_test, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
METRICS: dict[str, Any] = {
    **PLAN,
    "measures": [
        *PLAN["measures"],
        {"measure": "ehr_wow8", "role": "secondary"},
        {"measure": "inbox_messages", "role": "secondary"},
    ],
}
DEFINITION: dict[str, Any] = {
    "version": "v1",
    "definition": "Minutes with activity outside scheduled hours by 8 h scheduled.",
    "valid_from": "2025-01",
    "source": "Release notes",
    "unit": "minutes",
}
DEFINITIONS = "/v1/measures/ehr_wow8/definitions"
LATER = {**DEFINITION, "version": "v2", "valid_from": "2025-06", "definition": "A pause of 5 s ends activity."}


def month(name: str, value: float = 60, **fields: Any) -> dict[str, Any]:
    return {"arm": "intervention", "month": name, "value": value, "exposure": 400, **fields}


def body(*series: dict[str, Any], measure: str = "ehr_wow8", **fields: Any) -> dict[str, Any]:
    return {"measure": measure, "series": list(series), **fields}


async def enter(house: House, path: str, *series: dict[str, Any], **fields: Any) -> dict[str, Any]:
    report: dict[str, Any] = await ok(house.lead.post(f"{path}/series", json=body(*series, **fields)), 201)
    return report


async def told(house: House, path: str) -> dict[str, Any]:
    found: dict[str, Any] = await ok(house.lead.get(f"{path}/series?measure=ehr_wow8"))
    return found


def warned(answer: dict[str, Any], code: str) -> list[str]:
    return [w["message"] for w in answer["warnings"] if w["code"] == code]


async def test_months_become_times_from_the_first_on_and_gaps_are_told(house: House) -> None:
    path = await planned(house, METRICS)
    report = await enter(house, path, month("2025-03"), month("2025-02", 55.5), month("2025-07"))
    assert (report["accepted"], report["unchanged"], report["starts"]) == (3, 0, "2025-02")
    [gap] = warned(report, "months_missing")
    assert gap == "ehr_wow8 (intervention): no values of 2025-04 to 2025-06"
    ward_months = [month(name, unit=house.unit["id"], arm="control") for name in ("2025-01", "2025-02", "2025-03")]
    ward_months[2] |= {"month": None, "t": 1}
    await enter(house, path, *ward_months)
    whole, ward = (await told(house, path))["series"]
    assert [(p["t"], p["month"], p["value"]) for p in whole["points"]] == [
        (0, "2025-02", 55.5),
        (1, "2025-03", 60),
        (5, "2025-07", 60),
    ]
    assert whole["gaps"] == [{"from_t": 2, "to_t": 4, "from_month": "2025-04", "to_month": "2025-06"}]
    assert [(p["t"], p["month"]) for p in ward["points"]] == [(-1, "2025-01"), (0, "2025-02"), (1, "2025-03")]
    cells = await ok(house.lead.get(f"{path}/cells"))
    # The library's own shape, so that a model of series finds what it expects.
    assert set(cells["data"]["ehr_wow8"]["series"][0]) == {"unit", "arm", "t", "value", "exposure"}


async def test_a_month_twice(house: House) -> None:
    path = await planned(house, METRICS)
    await enter(house, path, month("2025-02"), month("2025-03"))
    again = await enter(house, path, month("2025-02"), month("2025-03"))
    assert (again["accepted"], again["unchanged"]) == (0, 2)
    problem = await refused(
        house.lead.post(f"{path}/series", json=body(month("2025-04"), month("2025-02", 61))), 422, "invalid"
    )
    assert codes(problem) == [(("series", 1, "value"), "duplicate")]
    assert len((await told(house, path))["series"][0]["points"]) == 2
    one_request = body(month("2025-04"), month("2025-04"), month("2025-04", 9))
    partly = await ok(house.lead.post(f"{path}/series?partial=true", json=one_request), 201)
    assert (partly["accepted"], partly["unchanged"], partly["rejected"]) == (1, 1, 1)
    assert partly["errors"][0]["loc"] == ["series", 2, "value"]


async def test_where_t_is_zero_has_to_be_known(house: House) -> None:
    path = await planned(house, METRICS)
    await enter(house, path, {"arm": "control", "t": 0, "value": 50}, {"arm": "control", "t": 1, "value": 51})
    found = await told(house, path)
    assert (found["starts"], found["series"][0]["points"][0]["month"]) == (None, None)
    problem = await refused(house.lead.post(f"{path}/series", json=body(month("2025-03"))), 409, "series_start_unknown")
    assert "starts" in problem["detail"]
    await enter(house, path, month("2025-03"), starts="2025-01")
    found = await told(house, path)
    assert [(p["t"], p["month"]) for p in found["series"][0]["points"]] == [(0, "2025-01"), (1, "2025-02")]
    assert found["series"][1]["points"][0]["t"] == 2
    differs = body(month("2025-04"), starts="2025-02")
    problem = await refused(house.lead.post(f"{path}/series", json=differs), 409, "series_start_differs")
    assert problem["starts"] == "2025-01"


@on_sqlite
async def test_a_month_that_has_not_ended_and_other_slips_are_refused(house: House) -> None:
    path = await planned(house, METRICS)
    with time_machine.travel(datetime(2026, 3, 31, 23, tzinfo=UTC), tick=False):
        await enter(house, path, month("2026-02"))
        for given, place, code in (
            (month("2026-03"), "month", "month_running"),
            (month("2026-04"), "month", "month_running"),
            ({"arm": "control", "t": 1, "value": 5}, "t", "month_running"),
            (month("2026-01", 0), "value", "not_positive"),
            (month("2026-01", -3), "value", "off_scale"),
            (month("2026-01", arm="other"), "arm", "unknown_arm"),
            (month("2026-01", unit="nothing"), "unit", "unknown_unit"),
            (month("2026-01", definition="v9"), "definition", "unknown_definition"),
        ):
            problem = await refused(house.lead.post(f"{path}/series", json=body(given)), 422, "invalid")
            assert codes(problem) == [(("series", 0, place), code)], given
    with time_machine.travel(datetime(2026, 4, 1, 0, tzinfo=UTC), tick=False):
        await enter(house, path, month("2026-03"))
    for given in (month("2026-13"), month("26-01"), {"arm": "control", "value": 5}, {**month("2026-01"), "t": 1}):
        await refused(house.lead.post(f"{path}/series", json=body(given)), 422, "invalid")
    wrong = body(month("2026-01"), measure="mbi_ee")
    assert codes(await refused(house.lead.post(f"{path}/series", json=wrong), 422, "invalid")) == [
        (("series",), "wrong_shape")
    ]
    half = body(month("2026-01", 10.5), measure="inbox_messages")
    assert codes(await refused(house.lead.post(f"{path}/series", json=half), 422, "invalid")) == [
        (("series", 0, "value"), "not_whole")
    ]


async def test_definitions_are_versions_that_never_change(house: House, neighbour: House, root: Any) -> None:
    made = await ok(house.administrator.post(DEFINITIONS, json=DEFINITION), 201)
    assert (made["version"], made["measure"], made["organization_id"]) == ("v1", "ehr_wow8", house.id)
    for same in (DEFINITION, {**DEFINITION, "valid_from": "2026-01"}, {**DEFINITION, "version": "v1b"}):
        await refused(house.administrator.post(DEFINITIONS, json=same), 409, "duplicate")
    shared = await ok(root.post(DEFINITIONS, json=LATER), 201)
    assert (await ok(house.lead.get(DEFINITIONS)))["items"] == [made, shared]
    assert (await ok(neighbour.lead.get(DEFINITIONS)))["items"] == [shared]
    await refused(house.administrator.post("/v1/measures/nothing/definitions", json=DEFINITION), 404, "not_found")
    await refused(house.lead.get("/v1/measures/nothing/definitions"), 404, "not_found")
    await refused(house.administrator.post(DEFINITIONS, json={**DEFINITION, "valid_from": "2025"}), 422, "invalid")


async def test_a_changed_definition_interrupts_the_series_up_to_the_analysis(house: House, root: Any) -> None:
    await ok(root.post(DEFINITIONS, json={**DEFINITION, "version": "elsewhere", "valid_from": "2025-04"}), 201)
    await ok(house.administrator.post(DEFINITIONS, json=DEFINITION), 201)
    path = await in_test(house, METRICS)
    await enter(house, path, *(month(f"2025-0{m}") for m in range(3, 9)))
    await enter(house, path, month("2025-05", arm="control"), month("2025-06", arm="control", definition="elsewhere"))
    found = await told(house, path)
    control, treated = sorted(found["series"], key=lambda one: one["arm"])
    # The organization has a definition of its own, so the shared one holds only where a point names it.
    assert treated["interruptions"] == []
    assert control["interruptions"] == [{"t": 3, "month": "2025-06", "before": "v1", "after": "elsewhere"}]
    await ok(house.administrator.post(DEFINITIONS, json=LATER), 201)
    found = await told(house, path)
    control, treated = sorted(found["series"], key=lambda one: one["arm"])
    assert [(s["definition"], s["from_month"], s["to_month"], s["points"]) for s in treated["segments"]] == [
        ("v1", "2025-03", "2025-05", 3),
        ("v2", "2025-06", "2025-08", 3),
    ]
    assert treated["interruptions"] == [{"t": 3, "month": "2025-06", "before": "v1", "after": "v2"}]
    messages = warned(found, "definition_changed")
    assert len(messages) == 2
    assert any("'v2' from 2025-06 on, by the definition 'v1' before (in 1 of 2 series)" in m for m in messages)
    assert all("cannot be told apart" in m for m in messages)
    assert warned(await ok(house.lead.get(f"{path}/cells")), "definition_changed") == messages
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert warned(asked, "definition_changed") == messages


@on_sqlite
async def test_a_stated_definition_is_part_of_the_point(house: House) -> None:
    for definition in (DEFINITION, LATER):
        await ok(house.administrator.post(DEFINITIONS, json=definition), 201)
    path = await planned(house, METRICS)
    await enter(house, path, month("2025-06", definition="v1"), month("2025-07"))
    assert (await enter(house, path, month("2025-06", definition="v1")))["unchanged"] == 1
    assert (await enter(house, path, month("2025-07", definition="v2")))["unchanged"] == 1
    problem = await refused(
        house.lead.post(f"{path}/series", json=body(month("2025-06", definition="v2"))), 422, "invalid"
    )
    assert codes(problem) == [(("series", 0, "definition"), "duplicate")]
    [one] = (await told(house, path))["series"]
    assert [p["definition"] for p in one["points"]] == ["v1", "v2"]


async def test_what_a_withdrawn_point_said_of_its_definition_goes_with_it(house: House) -> None:
    for definition in (DEFINITION, LATER):
        await ok(house.administrator.post(DEFINITIONS, json=definition), 201)
    path = await planned(house, METRICS)
    for again in ("v1", None, "v1", "v2"):
        await enter(house, path, month("2025-07", definition=again))
        [one] = (await told(house, path))["series"]
        assert [p["definition"] for p in one["points"]] == [again or "v2"]
        [held] = (await ok(house.lead.get(f"{path}/summaries")))["items"]
        withdrawn = {"reason": "The wrong system.", "corrections": [{"summary_id": held["id"], "withdraw": True}]}
        await ok(house.lead.post(f"{path}/corrections", json=withdrawn), 201)
        assert (await told(house, path))["series"] == []


async def test_a_corrected_point_keeps_its_definition(house: House) -> None:
    await ok(house.administrator.post(DEFINITIONS, json=DEFINITION), 201)
    await ok(house.administrator.post(DEFINITIONS, json=LATER), 201)
    path = await planned(house, METRICS)
    await enter(house, path, month("2025-07", definition="v1"))
    [held] = (await ok(house.lead.get(f"{path}/summaries")))["items"]
    content = {**held["content"], "value": 44.0}
    correction = {"reason": "A slip.", "corrections": [{"summary_id": held["id"], "content": content}]}
    await ok(house.lead.post(f"{path}/corrections", json=correction), 201)
    [one] = (await told(house, path))["series"]
    assert [(p["value"], p["definition"]) for p in one["points"]] == [(44.0, "v1")]


@on_sqlite
async def test_points_without_a_month_have_no_definition_and_say_so(house: House) -> None:
    await ok(house.administrator.post(DEFINITIONS, json=DEFINITION), 201)
    path = await planned(house, METRICS)
    points = [{"arm": "control", "t": t, "value": 50} for t in range(3)]
    await ok(house.lead.post(f"{path}/summaries", json=body(*points)), 201)
    found = await told(house, path)
    assert "starts" in warned(found, "definition_unknown")[0]
    assert [p["definition"] for p in found["series"][0]["points"]] == [None] * 3


async def test_a_definition_that_changed_between_the_waves_is_told_of_any_shape(house: House) -> None:
    logged = {
        "key": "room_turnover",
        "name": "Room turnover, minutes",
        "family": "normal",
        "scope": "proximal",
        "measure_class": "efficiency",
        "minimum": 0,
        "direction": "lower_is_better",
        "default_sd": 6.0,
    }
    await ok(house.administrator.post("/v1/measures", json=logged), 201)
    place = "/v1/measures/room_turnover/definitions"
    for definition in (DEFINITION, LATER):
        await ok(house.administrator.post(place, json=definition), 201)
    plan = {
        **PLAN,
        "design": "cross_section",
        "control": None,
        "randomised": False,
        "measures": [{"measure": "room_turnover"}],
    }
    cells = [{"arm": "intervention", "wave": wave, "n": 30, "mean": 30, "sd": 6} for wave in ("pre", "post")]
    path = await in_test(house, plan, {"measure": "room_turnover", "cells": cells})

    async def said() -> list[tuple[str, str]]:
        found = await ok(house.lead.get(f"{path}/cells"))
        return [(w["code"], w["message"]) for w in found["warnings"] if w["code"].startswith("definition")]

    [(code, message)] = await said()
    assert code == "definition_unknown"
    assert "pre, post" in message
    for key, day in (("pre", "2025-02-10"), ("post", "2025-09-10")):
        await ok(house.lead.put(f"{path}/waves/{key}", json={"invited": {}, "starts_on": day}))
    [(code, message)] = await said()
    assert code == "definition_changed"
    assert "from 2025-06 on" in message
    assert "between pre and post (2025-02-10 to 2025-09-10)" in message
    assert "What the program changed and what the definition changed cannot be told apart" in message
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert warned(asked, "definition_changed") == [message]
    # Both waves by one definition: nothing to warn about.
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {}, "starts_on": "2025-06-01"}))
    assert await said() == []


@on_sqlite
async def test_a_definition_that_is_told_afterwards_is_told_to_earlier_analyses(house: House, finish: Finish) -> None:
    await ok(house.administrator.post(DEFINITIONS, json=DEFINITION), 201)
    path = await planned(house, METRICS)
    await enter(
        house, path, *(month(f"2025-{m:02}", arm=arm) for m in range(1, 9) for arm in ("control", "intervention"))
    )
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert warned(asked, "definition_changed") == []
    finish(asked["id"], an_answer())
    await ok(house.administrator.post(DEFINITIONS, json=LATER), 201)
    shown = await ok(house.analyst.get(f"/v1/analyses/{asked['id']}"))
    [message] = warned(shown, "definition_changed")
    assert "'v2' from 2025-06 on" in message
    assert warned(shown, "data_changed") == []
    later = await ok(house.analyst.post(f"{path}/analyses"), 202)
    finish(later["id"], an_answer())
    told_once = await ok(house.analyst.get(f"/v1/analyses/{later['id']}"))
    assert warned(later, "definition_changed") == warned(told_once, "definition_changed") == [message]
