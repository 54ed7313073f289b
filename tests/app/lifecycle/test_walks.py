"""Random people doing random things over HTTP, through all moves: every guard holds wherever they arrive.

Nothing scales without a signed decision on a passed confirmatory analysis, nothing is foundational on the origin's data
alone, no iteration uses another's measures.
"""

from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from app.analyses.models import Analysis
from app.db import reading
from tests.app.programs.world import Pool, adopted, pool
from tests.app.steps import (
    A_YEAR_LATER,
    CHANGES,
    LASTING,
    NOTES,
    REVIEW,
    Finish,
    an_answer,
    in_test,
    intervention,
    ok,
    scaled,
    start,
)
from tests.conftest import House, on_sqlite

__all__ = ["pool"]
pytestmark = pytest.mark.anyio
STAGES = ("discover", "develop", "test", "refine", "scale", "foundational", "retired")
MOVE: dict[str, Any] = {"reason": "R", "lessons": "L", "retirement": "stopped"}
MARK = 0.01
"""What the mean of an iteration's data differs from that of the one before, so that its data can be told apart."""

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
evidence = st.tuples(st.just("adopt"), st.sampled_from([-0.5, 0.1, 0.5, 0.6]))
lasting = st.tuples(st.just("retain"), st.sampled_from([0.5, 0.95, 0.999]))
establishing = st.tuples(st.just("establish"), st.sampled_from(["approver", "lead"]))
others = st.sampled_from(
    [("notes",), ("review",), ("plan",), ("lock",), ("enter",), ("hand over",), ("pool",), ("complete",)]
)
steps_of_all = st.lists(
    moves | answers | signatures | others | evidence | lasting | establishing, min_size=4, max_size=14
)


class Walker:
    """One pilot and all who act on it; a step that the rules refuse changes nothing."""

    def __init__(self, house: House, finish: Finish, pooled: Pool) -> None:
        self.house, self.finish, self.pooled = house, finish, pooled
        self.path, self.adopters = "", 0

    async def begin(self, where: str) -> None:
        match where:
            case "new":
                self.path = await start(self.house)
            case "tested":
                self.path = await in_test(self.house, LASTING)
            case _:
                self.path = await scaled(self.house, self.finish)

    async def intervention(self) -> str:
        return str((await ok(self.house.lead.get(self.path)))["intervention_id"])

    async def act(self, step: tuple[Any, ...]) -> None:  # noqa: C901, PLR0912 - a case a step
        house, lead, path = self.house, self.house.lead, self.path
        match step:
            case ("move", to):
                await lead.post(f"{path}/moves", json={"to": to, **MOVE})
            case ("analyse", outcome, grade, gates, seed):
                await self.analyse({"seed": seed}, an_answer(outcome, grade=grade, gates_passed=gates))
            case ("sign", role, outcome):
                for analysis in (await ok(lead.get(f"{path}/analyses")))["items"]:
                    body = {"analysis_id": analysis["id"], "outcome": outcome, "rationale": "R", "override_reason": "O"}
                    await house.of(role).post(f"{path}/decisions", json=body)
            case ("notes",):
                await lead.patch(path, json=NOTES | {"intervention_id": await intervention(house)})
            case ("review",):
                await lead.patch(path, json={"sustainability_review": REVIEW})
            case ("plan",):
                await lead.put(f"{path}/plan", json={**LASTING, "baseline_missing_reason": "published"})
            case ("lock",):
                await lead.post(f"{path}/plan/lock")
            case ("enter",):
                await lead.post(f"{path}/summaries", json=await self.marked(CHANGES))
            case ("hand over",):
                await lead.patch(path, json={"lead": "Northfield approver"})
            case ("adopt", effect) if await self.intervention() != "None":
                self.adopters += 1
                name = f"Adopter {self.adopters} (synthetic)"
                await adopted(house, await self.intervention(), name, effect_sd=effect)
            case ("retain", p):
                await lead.post(f"{path}/summaries", json=await self.marked(A_YEAR_LATER))
                answer = an_answer()
                answer["effects"][0]["p_benefit"] = p
                await self.analyse({"wave": "y1"}, answer)
            case ("pool",):
                listed = await lead.get(f"/v1/interventions/{await self.intervention()}/evidence")
                if listed.is_success and any(e["left_out"] is None for e in listed.json()["items"]):
                    await self.pooled(house, await self.intervention())
            case ("establish", role):
                await house.of(role).post(f"{path}/moves", json={"to": "foundational", "dimension": "self_care"})
            case ("complete",):
                for review in (await ok(lead.get("/v1/reviews?open=true")))["items"]:
                    await house.approver.post(f"/v1/reviews/{review['id']}/completion", json={"finding": "F"})

    async def analyse(self, body: dict[str, Any], answer: dict[str, Any]) -> None:
        asked = await self.house.lead.post(f"{self.path}/analyses", json=body)
        if asked.is_success:
            self.finish(asked.json()["id"], answer)

    async def marked(self, summaries: dict[str, Any]) -> dict[str, Any]:
        """The summaries with the mark of the current iteration."""
        iteration = (await ok(self.house.lead.get(self.path)))["iteration"]
        changes = [{**entry, "mean": entry["mean"] + MARK * (iteration - 1)} for entry in summaries["changes"]]
        return {**summaries, "changes": changes}


async def check(walker: Walker, app: FastAPI) -> str:
    """Every guard, from what anybody can read (and, of the data analysed, from the rows); the stage it ended in."""
    house, path = walker.house, walker.path
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
            await grounds_to_scale(house, decisions[made["decision_id"]], made)
        if made["to"] == "foundational":
            await grounds_for_a_program(house, path, made)
    checklist = (await ok(house.lead.get(f"{path}/next")))["items"]
    assert bool(checklist) is (pilot["stage"] != "retired")
    own_data_only(app, path)
    return str(pilot["stage"])


async def walk(app: FastAPI, walker: Walker, where: str, steps: list[tuple[Any, ...]]) -> str:
    """Take the steps from a stage and check all guards; the stage it ended in."""
    await walker.begin(where)
    for step in steps:
        await walker.act(step)
    return await check(walker, app)


async def grounds_to_scale(house: House, decision: dict[str, Any], made: dict[str, Any]) -> None:
    assert (decision["outcome"], decision["gates_passed"]) == ("scale", True)
    assert decision["grade"] in "ABC"
    assert decision["recommendation"]["outcome"] == "scale"
    assert decision["iteration"] == made["iteration"]
    assert decision["signed_by"] == "Northfield approver"
    analysis = await ok(house.lead.get(f"/v1/analyses/{decision['analysis_id']}"))
    assert (analysis["kind"], analysis["retention_wave"]) == ("confirmatory", None)


async def grounds_for_a_program(house: House, path: str, made: dict[str, Any]) -> None:
    assert made["by"] == "Northfield approver"
    assert (await ok(house.lead.get(path)))["lead"] != "Northfield approver"
    synthesis = await ok(house.lead.get(f"/v1/syntheses/{made['synthesis_id']}"))
    assert synthesis["kind"] == "confirmatory"
    assert synthesis["result"]["recommendation"]["outcome"] == "foundational"
    counted = [e for e in synthesis["provenance"]["evidence"] if e["left_out"] is None]
    assert len({e["organization"] for e in counted if e["role"] == "adopter"}) >= 2
    assert any(e["role"] == "origin" for e in counted)
    retention = await ok(house.lead.get(f"/v1/analyses/{synthesis['provenance']['retention_analysis_id']}"))
    assert retention["retention"]["retained"] is True


def own_data_only(app: FastAPI, path: str) -> None:
    with reading(app.state.engine) as session:
        analyses = session.exec(select(Analysis).where(Analysis.pilot_id == path.rpartition("/")[2])).all()
    for analysis in analyses:
        means = [entry["mean"] for entry in analysis.request["data"]["mbi_ee"]["changes"]]
        entered = A_YEAR_LATER if analysis.retention_wave else CHANGES
        mark = MARK * (analysis.iteration - 1)
        assert sorted(means) == pytest.approx(sorted(e["mean"] + mark for e in entered["changes"]), abs=1e-9)


@on_sqlite
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(where=st.sampled_from(["new", "tested", "scaled"]), steps=steps_of_all)
async def test_walks(
    app: FastAPI, house: House, finish: Finish, pool: Pool, where: str, steps: list[tuple[Any, ...]]
) -> None:
    await walk(app, Walker(house, finish, pool), where, steps)


@pytest.mark.slow
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(where=st.sampled_from(["new", "tested", "scaled"]), steps=steps_of_all)
async def test_many_walks(
    app: FastAPI, house: House, finish: Finish, pool: Pool, where: str, steps: list[tuple[Any, ...]]
) -> None:
    await walk(app, Walker(house, finish, pool), where, steps)


TO_SCALE = [("analyse", "scale", "A", True, None), ("sign", "approver", "scale"), ("review",), ("move", "scale")]
TO_PROGRAM = [("retain", 0.999), ("adopt", 0.5), ("adopt", 0.6), ("pool",), ("establish", "approver")]
DEMOTION = [("adopt", -0.5), ("adopt", -0.5), ("adopt", -0.5), ("pool",), ("complete",)]


@on_sqlite
@pytest.mark.parametrize(
    ("steps", "stage"),
    [
        (TO_SCALE, "scale"),
        ([*TO_SCALE, *TO_PROGRAM], "foundational"),
        ([*TO_SCALE, *TO_PROGRAM, *DEMOTION], "refine"),
        ([*TO_SCALE, *TO_PROGRAM[1:]], "scale"),  # nothing shows that it lasts
        ([*TO_SCALE, TO_PROGRAM[0], *TO_PROGRAM[3:]], "scale"),  # the origin alone
        (
            [
                ("analyse", "refine", "A", True, None),
                ("sign", "approver", "refine"),
                ("move", "refine"),
                ("plan",),
                ("lock",),
                ("move", "test"),
                ("enter",),
                *TO_SCALE,
            ],
            "scale",
        ),
    ],
)
async def test_a_walk_arrives(
    app: FastAPI, house: House, finish: Finish, pool: Pool, steps: list[tuple[Any, ...]], stage: str
) -> None:
    """The checks above are not empty: these very steps do arrive."""
    assert await walk(app, Walker(house, finish, pool), "tested", steps) == stage
