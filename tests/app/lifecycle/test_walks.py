"""Random people doing random things over HTTP: nothing scales without a signed decision that lets it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.steps import CHANGES, NOTES, PLAN, REVIEW, Finish, an_answer, in_test, intervention, ok, start
from tests.conftest import House

pytestmark = pytest.mark.anyio
STAGES = ("discover", "develop", "test", "refine", "scale", "foundational", "retired")
MOVE: dict[str, Any] = {"reason": "R", "lessons": "L", "retirement": "stopped"}

moves = st.tuples(st.just("move"), st.sampled_from(STAGES))
answers = st.tuples(
    st.just("analyse"),
    st.sampled_from(["scale", "refine", "replace", "indeterminate"]),
    st.sampled_from("ACD"),
    st.booleans(),
    st.sampled_from([None, 7]),
)
signatures = st.tuples(
    st.just("sign"), st.sampled_from(["approver", "lead", "administrator"]), st.sampled_from(["scale", "refine"])
)
others = st.sampled_from([("notes",), ("review",), ("plan",), ("lock",), ("enter",), ("hand over",)])


async def act(house: House, path: str, finish: Finish, step: tuple[Any, ...]) -> None:  # noqa: C901 - a case a step
    """Try a step; whether it is refused is the rules' business."""
    lead = house.lead
    match step:
        case ("move", to):
            await lead.post(f"{path}/moves", json={"to": to, **MOVE})
        case ("analyse", outcome, grade, gates, seed):
            asked = await lead.post(f"{path}/analyses", json={"seed": seed})
            if asked.is_success:
                finish(asked.json()["id"], an_answer(outcome, grade=grade, gates_passed=gates))
        case ("sign", role, outcome):
            for analysis in (await ok(lead.get(f"{path}/analyses")))["items"]:
                body = {"analysis_id": analysis["id"], "outcome": outcome, "rationale": "R", "override_reason": "O"}
                await house.of(role).post(f"{path}/decisions", json=body)
        case ("notes",):
            await lead.patch(path, json=NOTES | {"intervention_id": await intervention(house)})
        case ("review",):
            await lead.patch(path, json={"sustainability_review": REVIEW})
        case ("plan",):
            await lead.put(f"{path}/plan", json={**PLAN, "baseline_missing_reason": "published"})
        case ("lock",):
            await lead.post(f"{path}/plan/lock")
        case ("enter",):
            await lead.post(f"{path}/summaries", json=CHANGES)
        case ("hand over",):
            await lead.patch(path, json={"lead": "Northfield approver"})


async def check(house: House, path: str) -> None:
    pilot = await ok(house.lead.get(path))
    history = (await ok(house.lead.get(f"{path}/moves")))["items"]
    decisions = {d["id"]: d for d in (await ok(house.lead.get(f"{path}/decisions")))["items"]}
    assert [m["sequence"] for m in history] == list(range(1, len(history) + 1))
    chain = ["discover", *(m["to"] for m in history)]
    assert [m["from"] for m in history] == chain[:-1]
    assert pilot["stage"] == chain[-1]
    assert pilot["iteration"] == 1 + chain.count("refine")
    for made in history:
        if made["to"] == "scale":
            decision = decisions[made["decision_id"]]
            assert (decision["outcome"], decision["gates_passed"]) == ("scale", True)
            assert decision["grade"] in "ABC"
            assert decision["recommendation"]["outcome"] == "scale"
            assert decision["iteration"] == made["iteration"]
            assert decision["signed_by"] == "Northfield approver"
            analysis = await ok(house.lead.get(f"/v1/analyses/{decision['analysis_id']}"))
            assert analysis["kind"] == "confirmatory"
    checklist = (await ok(house.lead.get(f"{path}/next")))["items"]
    assert bool(checklist) is (pilot["stage"] != "retired")


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(tested=st.booleans(), steps=st.lists(moves | answers | signatures | others, min_size=4, max_size=14))
async def test_walks(house: House, finish: Finish, tested: bool, steps: list[tuple[Any, ...]]) -> None:  # noqa: FBT001
    path = await (in_test if tested else start)(house)
    for step in steps:
        await act(house, path, finish, step)
    await check(house, path)


async def test_a_walk_can_reach_scale(house: House, finish: Finish) -> None:
    """The check above is not empty: these very steps do arrive."""
    path = await in_test(house)
    steps = [("analyse", "scale", "A", True, None), ("sign", "approver", "scale"), ("review",), ("move", "scale")]
    for step in steps:
        await act(house, path, finish, step)
    assert (await ok(house.lead.get(path)))["stage"] == "scale"
    await check(house, path)
