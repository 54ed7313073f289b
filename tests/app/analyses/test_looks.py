"""Looks are taken in their order, and what was seen before them is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.analyses.looks import LookFacts, why_exploratory
from app.pilots.models import Stage
from tests.app.steps import (
    CHANGES,
    PLAN,
    REFUSAL,
    Finish,
    an_answer,
    analysed,
    in_test,
    move,
    ok,
    planned,
    refused,
    signed,
)
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

TWO_LOOKS: dict[str, Any] = {
    **{k: v for k, v in PLAN.items() if k not in {"baseline", "followup"}},
    "waves": [
        {"key": "pre", "kind": "baseline"},
        {"key": "mid", "kind": "followup"},
        {"key": "post", "kind": "followup"},
    ],
    "looks": [{"look": 1, "wave": "mid", "months": 6}, {"look": 2, "wave": "post", "months": 12}],
}
# Of a plan that was not simulated, whose word on chance nothing backs.
OF_THE_PLAN = {"no_operating_characteristics", "allocation_undeclared", "dates_unknown"}
AMENDMENT = {"reason": "Later than planned.", "plan": {**PLAN, "followup_months": 8}}


def rows(wave: str) -> dict[str, Any]:
    return {
        "measure": "mbi_ee",
        "wave": wave,
        "rows": [{"value": 20 + i % 7, "arm": arm} for arm in ("intervention", "control") for i in range(20)],
    }


def warned(analysis: dict[str, Any]) -> set[str]:
    return {w["code"] for w in analysis["warnings"]}


@given(
    look=st.integers(1, 4),
    taken=st.frozensets(st.integers(1, 4)),
    own_seed=st.booleans(),
    locked=st.booleans(),
    stage=st.sampled_from(Stage),
)
def test_confirmatory_means_planned_in_order_and_once(
    look: int,
    taken: frozenset[int],
    own_seed: bool,  # noqa: FBT001
    locked: bool,  # noqa: FBT001
    stage: Stage,
) -> None:
    reason = why_exploratory(LookFacts(look, taken, own_seed, locked, stage))
    planned_look = not own_seed and locked and stage is Stage.TEST and all(done < look for done in taken)
    assert (reason is None) is planned_look


@on_sqlite
async def test_an_earlier_look_after_a_later_one_is_exploratory(house: House, finish: Finish) -> None:
    path = await _two_looks(house)
    later = await ok(house.analyst.post(f"{path}/analyses", json={"look": 2}), 202)
    assert later["kind"] == "confirmatory"
    finish(later["id"], an_answer("refine"))
    earlier = await ok(house.analyst.post(f"{path}/analyses", json={"look": 1}), 202)
    assert earlier["kind"] == "exploratory"
    assert "look 2 was analysed already" in earlier["warnings"][0]["message"]


@on_sqlite
async def test_the_decision_rests_on_the_latest_look(house: House, finish: Finish) -> None:
    path = await _two_looks(house)
    first = await ok(house.analyst.post(f"{path}/analyses", json={"look": 1}), 202)
    finish(first["id"], an_answer("scale"))
    second = await ok(house.analyst.post(f"{path}/analyses", json={"look": 2}), 202)
    finish(second["id"], an_answer("refine"))
    body = {"analysis_id": first["id"], "outcome": "scale", "rationale": "The first look was kinder."}
    await refused(house.approver.post(f"{path}/decisions", json=body), 409, "superseded")
    assert (await signed(house, path, second["id"], "refine"))["outcome"] == "refine"


async def _two_looks(house: House) -> str:
    path = await planned(house, TWO_LOOKS)
    await ok(house.lead.post(f"{path}/measurements", json=rows("pre")), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    for wave in ("mid", "post"):
        await ok(house.lead.post(f"{path}/measurements", json=rows(wave)), 201)
    return path


@on_sqlite
async def test_exploratory_looks_before_are_told_and_close_the_plan(house: House, finish: Finish) -> None:
    path = await in_test(house)
    seeded = await ok(house.analyst.post(f"{path}/analyses", json={"seed": 1}), 202)
    finish(seeded["id"], an_answer("refine"))
    await refused(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 409, "after_first_look")
    confirmatory = await ok(house.analyst.post(f"{path}/analyses", json={}), 202)
    assert confirmatory["kind"] == "confirmatory"
    assert "looked_before" in warned(confirmatory)
    finish(confirmatory["id"], an_answer())
    decision = await signed(house, path, confirmatory["id"], "scale")
    assert "looked_before" in {w["code"] for w in decision["warnings"]}


@on_sqlite
async def test_an_analysis_that_taught_nothing_closes_nothing(house: House, finish: Finish) -> None:
    path = await in_test(house)
    asked = await ok(house.analyst.post(f"{path}/analyses", json={"seed": 1}), 202)
    await refused(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 409, "after_first_look")
    finish(asked["id"], REFUSAL)
    await ok(house.approver.post(f"{path}/plan/amendments", json=AMENDMENT), 201)


@on_sqlite
async def test_outcomes_known_before_the_lock_are_told(house: House) -> None:
    path = await planned(house, {**PLAN, "baseline_missing_reason": "published before and after"})
    await ok(house.lead.post(f"{path}/summaries", json=CHANGES), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    asked = await ok(house.analyst.post(f"{path}/analyses", json={}), 202)
    assert (asked["kind"], warned(asked)) == ("confirmatory", {"data_before_lock", *OF_THE_PLAN})


@on_sqlite
async def test_a_looser_rule_and_own_priors_stand_at_the_result_and_the_decision(house: House, finish: Finish) -> None:
    plan = {**PLAN, "rule": {"p_benefit": 0.6}, "priors": {"effect": {"mean": 0.3, "sd": 0.3}}}
    path = await in_test(house, plan, approved="The program is cheap and harmless.")
    asked = await ok(house.analyst.post(f"{path}/analyses", json={}), 202)
    assert {"rule_looser", "own_priors"} <= warned(asked)
    finish(asked["id"], an_answer())
    decision = await signed(house, path, asked["id"], "scale")
    assert {"rule_looser", "own_priors"} <= {w["code"] for w in decision["warnings"]}


@on_sqlite
async def test_the_same_data_in_another_iteration_are_told(house: House, finish: Finish) -> None:
    path = await in_test(house)
    await analysed(house, path, finish, an_answer("refine"))
    await move(house, path, "refine", reason="broken off", lessons="Too few sessions.")
    await ok(house.lead.put(f"{path}/plan", json={**PLAN, "baseline_missing_reason": "published"}))
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await ok(house.lead.post(f"{path}/summaries", json=CHANGES), 201)
    assert "data_reused" in warned(await ok(house.analyst.post(f"{path}/analyses", json={}), 202))


@on_sqlite
async def test_attrition_known_later_is_told(house: House, finish: Finish) -> None:
    path = await in_test(house)
    analysis = await analysed(house, path, finish)
    assert warned(await ok(house.analyst.get(f"/v1/analyses/{analysis}"))) == OF_THE_PLAN
    wave = {"invited": {"intervention": 400, "control": 400}}
    await ok(house.lead.put(f"{path}/waves/post", json=wave))
    assert warned(await ok(house.analyst.get(f"/v1/analyses/{analysis}"))) == {"attrition_changed", *OF_THE_PLAN}
    decision = await signed(house, path, analysis, "scale")
    assert "attrition_changed" in {w["code"] for w in decision["warnings"]}
