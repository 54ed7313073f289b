"""When units start, held against the days of waves and the months of series; and what the library then gets."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.documents import Plan
from app.measures.starting import INSIDE, crossing, month_of_start, since_start, starts
from tests.app.steps import PLAN, codes, ok, planned, refused
from tests.conftest import House

anyio = pytest.mark.anyio
DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31))


def stepped(starts_on: dict[str, str | None], **fields: Any) -> Plan:
    return Plan.model_validate(
        {
            "design": "stepped_wedge",
            "treated": "intervention",
            "control": "control",
            "measures": [{"measure": "m", "family": "normal", "direction": "higher_is_better", "reference_sd": 1}],
            "units": [{"unit_id": unit, "starts_on": day} for unit, day in starts_on.items()],
            **fields,
        }
    ).expanded()


@given(DAYS, DAYS, st.integers(0, 60))
def test_a_unit_has_the_intervention_in_waves_that_begin_after_its_start(began: date, first: date, days: int) -> None:
    last = first + timedelta(days=days)
    plan = stepped({"a": began.isoformat(), "never": None})
    arms = crossing(plan, {"w": (first, last), "undated": (None, None)})
    assert arms["never", "w"] == "control"
    assert arms["a", "w"] == ("control" if last < began else "intervention" if began <= first else INSIDE)
    assert not any(wave == "undated" for _, wave in arms)


def test_months_count_from_the_first_treated_unit_and_stay_where_the_start_is_unknown() -> None:
    plan = stepped({"b": "2026-05-20", "a": "2026-03-02"}, design="its", control=None)
    assert month_of_start(plan) == "2026-03"
    points = [{"unit": "a", "arm": "intervention", "t": 0.0, "value": 1.0}]
    named = {("a", "intervention", 0.0): "v2"}
    assert [(p["t"], p["definition"]) for p in since_start(points, plan, "2025-01", named)] == [(-14, "v2")]
    assert since_start(points, plan, None, {})[0]["t"] == 0
    assert month_of_start(stepped({"a": None}, design="its", control=None)) is None


def test_a_control_series_start_is_not_that_of_the_intervention() -> None:
    units = [{"unit_id": "a", "arm": "control", "starts_on": "2026-01-05"}, {"unit_id": "b", "arm": "intervention"}]
    assert month_of_start(stepped({}, design="its", units=units)) is None
    assert starts(stepped({}, design="its", units=units)) == {"a": date(2026, 1, 5)}


# --- over HTTP ----------------------------------------------------------------------------------------------------

WEDGE: dict[str, Any] = {
    **PLAN,
    "design": "stepped_wedge",
    "baseline": None,
    "randomised": False,
    "followup": "w3",
    "waves": [
        {"key": f"w{i}", "kind": "followup" if i == 3 else "interim" if i else "baseline", "starts_on": day}
        for i, day in enumerate(("2026-01-05", "2026-03-02", "2026-05-04", "2026-07-06"))
    ],
}


async def wedge(house: House, *days: str | None) -> tuple[str, list[str]]:
    """A pilot of units that start on these days, with its plan."""
    made = f"/v1/organizations/{house.id}/units"
    units = [(await ok(house.administrator.post(made, json={"name": f"W{i}"}), 201))["id"] for i in range(len(days))]
    path = await planned(house, {**WEDGE, "units": []}, unit_ids=units)
    named = [{"unit_id": unit, "starts_on": day} for unit, day in zip(units, days, strict=True)]
    await ok(house.lead.put(f"{path}/plan", json={**WEDGE, "units": named}))
    return path, units


@anyio
async def test_a_unit_changes_its_arm_at_its_start_and_what_lies_inside_is_left_out(house: House) -> None:
    path, units = await wedge(house, "2026-03-01", "2026-05-10", None)
    cells = [{"unit": u, "wave": f"w{i}", "n": 20, "mean": 30, "sd": 9} for u in units for i in range(4)]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": cells}), 201)
    # The third wave took longer than planned: the second unit started while it was being collected.
    await ok(
        house.lead.put(f"{path}/waves/w2", json={"invited": {}, "starts_on": "2026-05-04", "ends_on": "2026-05-20"})
    )
    taken = await ok(house.lead.get(f"{path}/cells"))
    arms = {(c["unit"], c["wave"]): c["arm"] for c in taken["data"]["mbi_ee"]["cells"]}
    assert [[arms.get((u, f"w{i}")) for i in range(4)] for u in units] == [
        ["control", "intervention", "intervention", "intervention"],
        ["control", "control", None, "intervention"],
        ["control"] * 4,
    ]
    assert [w["code"] for w in taken["warnings"]].count("started_inside_wave") == 1


@anyio
async def test_the_arm_of_a_unit_that_starts_later_is_left_out_of_what_is_entered(house: House) -> None:
    path, units = await wedge(house, "2026-03-01", "2026-05-01")
    rows = [{"value": 30, "unit_id": units[0], "arm": "control"}]
    answer = await refused(
        house.lead.post(f"{path}/measurements", json={"measure": "mbi_ee", "wave": "w0", "rows": rows}), 422, "invalid"
    )
    assert codes(answer) == [(("rows", 0, "arm"), "arm_differs")]
    assert "starts_on" in answer["errors"][0]["msg"]


@anyio
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"units": []}, "crossing"),
        ({"waves": [{"key": "w0", "kind": "baseline"}, *WEDGE["waves"][1:]]}, "crossing_undated"),
        ({"control": None}, "arms"),
    ],
)
async def test_a_wedge_without_steps_cannot_be_locked(house: House, change: dict[str, Any], code: str) -> None:
    path = await planned(house, {**WEDGE, **change})
    answer = await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_incomplete")
    assert code in [item["code"] for item in answer["unmet"]]


@anyio
async def test_a_start_that_is_no_day_is_told_before_the_lock(house: House) -> None:
    units = [{"unit_id": house.unit["id"], "starts_on": "in March"}]
    path = await planned(house, {**PLAN, "design": "its", "control": None, "units": units})
    answer = await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_incomplete")
    assert "starts_on" in [item["code"] for item in answer["unmet"]]


@anyio
async def test_the_order_of_units_is_declared_and_not_assigned_here(house: House) -> None:
    path, units = await wedge(house, "2026-03-01", "2026-05-01")
    named = [{"unit_id": u, "starts_on": day} for u, day in zip(units, ("2026-03-01", "2026-05-01"), strict=True)]
    await ok(house.lead.put(f"{path}/plan", json={**WEDGE, "randomised": True, "units": named}))
    answer = await refused(house.lead.post(f"{path}/plan/allocate", json={}), 409, "in_steps")
    assert "elsewhere" in answer["detail"]
    lots = {"method": "Lots drawn in a meeting of the leads", "allocated_on": "2025-12-01", "source": "Minutes"}
    await ok(house.lead.post(f"{path}/plan/allocate", json={"elsewhere": lots}), 201)


ITS: dict[str, Any] = {
    **PLAN,
    "design": "its",
    "control": None,
    "baseline": None,
    "randomised": False,
    "measures": [{"measure": "ehr_wow8", "role": "primary"}],
}


@anyio
async def test_an_analysis_counts_months_from_the_start_and_is_told_their_definitions(house: House) -> None:
    units = [{"unit_id": house.unit["id"], "starts_on": "2025-04-14"}]
    path = await planned(house, {**ITS, "units": units})
    definition = {
        "version": "v2",
        "definition": "Minutes by 8 h scheduled.",
        "valid_from": "2025-03",
        "source": "Release notes",
        "unit": "minutes",
    }
    await ok(house.administrator.post("/v1/measures/ehr_wow8/definitions", json=definition), 201)
    months = [{"unit": house.unit["id"], "month": f"2025-0{m}", "value": 60 + m} for m in range(1, 7)]
    await ok(house.lead.post(f"{path}/series", json={"measure": "ehr_wow8", "series": months}), 201)
    points = (await ok(house.lead.get(f"{path}/cells")))["data"]["ehr_wow8"]["series"]
    told = [(p["t"], p["value"], p["definition"]) for p in points]
    assert told == [(m - 4, 60 + m, None if m < 3 else "v2") for m in range(1, 7)]
    shown = (await ok(house.lead.get(f"{path}/series?measure=ehr_wow8")))["series"][0]["points"]
    assert [(p["t"], p["month"]) for p in shown] == [(m - 1, f"2025-0{m}") for m in range(1, 7)]


@anyio
@pytest.mark.parametrize(("first", "met"), [(1, True), (5, False)])
async def test_the_test_begins_when_the_series_has_months_from_before(house: House, first: int, *, met: bool) -> None:
    path = await planned(house, {**ITS, "units": [{"unit_id": house.unit["id"], "starts_on": "2025-05-01"}]})
    months = [{"unit": house.unit["id"], "month": f"2025-0{m}", "value": 60} for m in range(first, 8)]
    await ok(house.lead.post(f"{path}/series", json={"measure": "ehr_wow8", "series": months}), 201)
    [test] = [item for item in (await ok(house.lead.get(f"{path}/next")))["items"] if item["to"] == "test"]
    assert ("baseline" not in [item["code"] for item in test["unmet"]]) is met
