"""Writing, locking and amending plans over HTTP."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from analysis.documents import Plan
from tests.app.steps import (
    PLAN,
    REFUSAL,
    Finish,
    analysed,
    codes,
    in_test,
    move,
    ok,
    planned,
    refused,
    start,
    unmet,
)
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

LONG: dict[str, Any] = {
    **{key: PLAN[key] for key in ("design", "measures", "randomised")},
    "arms": [{"key": "intervention", "role": "treated"}, {"key": "control", "role": "control"}],
    "waves": [{"key": "pre", "kind": "baseline"}, {"key": "post", "kind": "followup"}],
    "looks": [{"look": 1, "wave": "post", "months": 6}],
}
AMENDMENT: dict[str, Any] = {"reason": "The survey moves by two months.", "plan": {**PLAN, "followup_months": 8}}


async def test_a_draft_is_rewritten_as_often_as_needed(house: House) -> None:
    path = await start(house)
    await refused(house.lead.get(f"{path}/plan"), 404, "no_plan")
    await refused(house.lead.post(f"{path}/plan/lock"), 409, "no_plan")
    first = await ok(house.lead.put(f"{path}/plan", json=PLAN))
    assert (first["number"], first["locked"], first["iteration"]) == (1, False, 1)
    second = await ok(house.lead.put(f"{path}/plan", json={**PLAN, "followup_months": 12}))
    assert (second["id"], second["number"], second["version"]) == (first["id"], 1, first["version"] + 1)
    assert second["hash"] != first["hash"]
    assert await ok(house.analyst.get(f"{path}/plan")) == second


@on_sqlite
async def test_what_is_left_out_comes_from_the_catalogue(house: House) -> None:
    path = await start(house)
    plan = {**PLAN, "measures": [{"measure": "mbi_ee"}, {"measure": "mbi_burnout", "role": "secondary"}]}
    measures = (await ok(house.lead.put(f"{path}/plan", json=plan)))["plan"]["measures"]
    known = {"family": "normal", "direction": "lower_is_better", "scope": "global", "minimum": 0, "maximum": 54}
    assert measures[0] | known == measures[0]
    assert measures[0]["reference_sd"] == 10.3
    assert "Panagioti" in measures[0]["reference_sd_source"]
    assert (measures[1]["family"], measures[1]["reference_sd"]) == ("binary", None)


async def test_short_and_long_form_of_one_plan_hash_alike(house: House) -> None:
    path = await start(house)
    short = await ok(house.lead.put(f"{path}/plan", json=PLAN))
    long = await ok(house.lead.put(f"{path}/plan", json=LONG))
    again = await ok(house.lead.put(f"{path}/plan", json=long["plan"]))
    assert short["hash"] == long["hash"] == again["hash"] == Plan.model_validate(long["plan"]).hash()


MISFITS: list[tuple[dict[str, Any], Any]] = [
    ({"measures": [{"measure": "nothing"}]}, [(("measures", 0, "measure"), "unknown_measure")]),
    (
        {"measures": [{"measure": "mbi_ee", "family": "binary"}]},
        [(("measures", 0, "family"), "differs_from_catalogue")],
    ),
    (
        {"measures": [{"measure": "mbi_ee", "direction": "higher_is_better", "maximum": 10}]},
        [
            (("measures", 0, "direction"), "differs_from_catalogue"),
            (("measures", 0, "maximum"), "differs_from_catalogue"),
        ],
    ),
    ({"units": [{"unit_id": "elsewhere", "arm": "control"}]}, [(("units", 0, "unit_id"), "unknown_unit")]),
    ({"design": "astrology"}, [(("design",), "enum")]),
    ({"measures": []}, [(("measures",), "too_short")]),
    ({"priors": {"effect": {"mean": 0, "sd": -1}}}, None),
    ({"rule": {"p_benefit": 1.2}}, [(("rule", "p_benefit"), "less_than_equal")]),
    ({"hypothesis": "it works"}, [(("hypothesis",), "extra_forbidden")]),
    ({"control": "intervention"}, None),
    ({"measures": [{"measure": "mbi_ee"}, {"measure": "mbi_ee", "role": "secondary"}]}, None),
    ({"looks": [{"look": 1, "wave": "never"}]}, None),
    ({"measures": [{"measure": f"m{i}"} for i in range(201)]}, [(("measures",), "too_long")]),
    ({"waves": [{"key": f"w{i}", "kind": "interim"} for i in range(201)]}, [(("waves",), "too_long")]),
    ({"units": [{"unit_id": f"u{i}"} for i in range(10_001)]}, [(("units",), "too_long")]),
]


@on_sqlite
async def test_a_plan_that_does_not_fit_says_where(house: House) -> None:
    path = await start(house)
    for change, expected in MISFITS:
        problem = await refused(house.lead.put(f"{path}/plan", json={**PLAN, **change}), 422, "invalid")
        assert problem["errors"], change
        assert expected is None or codes(problem) == expected, change
    await refused(house.lead.get(f"{path}/plan"), 404, "no_plan")


@on_sqlite
async def test_everything_that_keeps_a_plan_from_being_locked(house: House) -> None:
    path = await start(house)
    plan = {
        "design": "parallel",
        "baseline": "pre",
        "measures": [
            {"measure": "mbi_dp", "role": "secondary"},
            {"measure": "self_valuation", "role": "balancing"},
        ],
        "followup_months": 24,
    }
    draft = await ok(house.lead.put(f"{path}/plan", json=plan))
    problem = await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_incomplete")
    assert unmet(problem) == ["one_primary", "reference_sd", "reference_sd", "arms", "interval_reason"]
    assert problem["unmet"] == draft["missing_for_lock"]
    complete = {
        **plan,
        "control": "control",
        "measures": [{"measure": "mbi_dp", "reference_sd": 6}],
        "interval_reason": "The collective agreement runs for two years.",
    }
    await ok(house.lead.put(f"{path}/plan", json=complete))
    assert (await ok(house.lead.post(f"{path}/plan/lock")))["locked"] is True


@on_sqlite
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"design": "paired", "control": None}, []),
        ({"design": "cross_section", "control": None}, []),
        ({"design": "paired"}, ["arms"]),
        ({"design": "cross_section", "control": None, "baseline": None}, ["baseline"]),
        ({"design": "did"}, []),
        ({"design": "did", "control": None, "baseline": None}, ["arms", "baseline"]),
        ({"design": "cluster", "baseline": None}, []),
    ],
)
async def test_each_design_has_the_arms_and_waves_it_compares(
    house: House, change: dict[str, Any], expected: list[str]
) -> None:
    path = await start(house)
    draft = await ok(house.lead.put(f"{path}/plan", json={**PLAN, **change}))
    assert [remark["code"] for remark in draft["missing_for_lock"]] == expected
    assert "not_offered" not in [w["code"] for w in draft["warnings"]]


@on_sqlite
async def test_what_the_people_who_lock_should_know(house: House) -> None:
    path = await start(house)
    plan = {
        **PLAN,
        "randomised": False,
        "rule": {"p_benefit": 0.8, "p_meaningful": 0.9},
        "priors": {"effect": {"mean": 0, "sd": 1}},
    }
    found = {w["code"]: w["message"] for w in (await ok(house.lead.put(f"{path}/plan", json=plan)))["warnings"]}
    expected = {"rule_looser", "own_priors", "global_primary", "not_randomised", "no_operating_characteristics"}
    assert set(found) == expected
    assert "p_benefit" in found["rule_looser"]
    assert "p_meaningful" not in found["rule_looser"]
    del plan["followup_months"]
    found = {w["code"]: w for w in (await ok(house.lead.put(f"{path}/plan", json=plan)))["warnings"]}
    assert "followup_unknown" in found


async def test_a_locked_version_never_changes(house: House) -> None:
    path = await planned(house)
    locked = await ok(house.lead.post(f"{path}/plan/lock"))
    assert (locked["locked"], locked["locked_by"]) == (True, "Northfield lead")
    problem = await refused(house.lead.put(f"{path}/plan", json=PLAN), 409, "plan_locked")
    assert "Northfield lead" in problem["detail"]
    await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_locked")
    assert await ok(house.lead.get(f"{path}/plan")) == locked


async def test_an_amendment_is_a_new_version_signed_by_somebody_else(house: House) -> None:
    path = await planned(house)
    await refused(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 409, "plan_not_locked")
    locked = await ok(house.lead.post(f"{path}/plan/lock"))
    await refused(house.lead.post(f"{path}/plan/amendments", json=AMENDMENT), 403, "forbidden")
    amended = await ok(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 201)
    assert (amended["number"], amended["locked"], amended["locked_by"]) == (2, True, "Northfield approver")
    assert amended["amendment_reason"] == AMENDMENT["reason"]
    assert amended["hash"] != locked["hash"]
    versions = (await ok(house.lead.get(f"{path}/plan/versions")))["items"]
    assert [v["hash"] for v in versions] == [locked["hash"], amended["hash"]]
    assert await ok(house.lead.get(f"{path}/plan")) == amended
    what = [i["what"] for i in (await ok(house.lead.get(f"{path}/timeline")))["items"]]
    assert what[-2:] == ["plan.locked", "plan.amended"]


@on_sqlite
async def test_an_incomplete_amendment_is_refused_whole(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/plan/lock"))
    body = {**AMENDMENT, "plan": {**AMENDMENT["plan"], "followup_months": 30}}
    problem = await refused(house.approver.post(f"{path}/plan/amendments", json=body), 409, "plan_incomplete")
    assert unmet(problem) == ["interval_reason"]
    assert len((await ok(house.lead.get(f"{path}/plan/versions")))["items"]) == 1


@on_sqlite
async def test_who_led_the_pilot_does_not_amend_its_plan(house: House) -> None:
    path = await planned(house, lead="Northfield approver")
    await ok(house.lead.post(f"{path}/plan/lock"))
    await refused(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 409, "same_person")
    await ok(house.lead.patch(path, json={"lead": "somebody else"}))
    await refused(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 409, "same_person")


@on_sqlite
async def test_after_the_first_look_the_plan_stands(house: House, finish: Finish) -> None:
    path = await in_test(house)
    await analysed(house, path, finish)
    await refused(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 409, "after_first_look")


@on_sqlite
async def test_a_look_that_taught_nothing_is_no_look(house: House, finish: Finish, break_off: Any) -> None:
    path = await in_test(house)
    await analysed(house, path, finish, REFUSAL)
    amended = await ok(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 201)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert (asked["kind"], asked["provenance"]["plan_hash"]) == ("confirmatory", amended["hash"])
    later = {**AMENDMENT, "plan": {**AMENDMENT["plan"], "followup_months": 9}}
    await refused(house.approver.post(f"{path}/plan/amendments", json=later), 409, "after_first_look")
    break_off(asked["id"])
    await ok(house.approver.post(f"{path}/plan/amendments", json=later), 201)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    await ok(house.analyst.post(f"/v1/analyses/{asked['id']}/cancel"))
    await ok(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 201)


@on_sqlite
async def test_a_plan_is_written_before_the_test(house: House) -> None:
    path = await planned(house, {**PLAN, "baseline_missing_reason": "published"})
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await refused(house.lead.put(f"{path}/plan", json=PLAN), 409, "plan_locked")


def test_units_are_compared_with_each_other_once() -> None:
    units = [{"unit_id": f"u{i}", "arm": "control"} for i in range(10_000)]
    measures = [{"measure": "mbi_ee", "family": "normal", "direction": "lower_is_better"}]
    began = time.process_time()
    with pytest.raises(ValidationError, match=r"unit named twice: u1, u7 \["):
        Plan.model_validate({**LONG, "measures": measures, "units": [*units[:-2], units[7], units[1]]})
    # Each counted among all, they took five seconds.
    assert time.process_time() - began < 2
