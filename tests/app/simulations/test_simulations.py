"""Simulating a plan over the API, up to the child process that does it."""

import time
from typing import Any

import pytest
from anyio import sleep
from fastapi import FastAPI
from sqlmodel import select

from analysis.documents import Plan
from analysis.operating import simulate
from analysis.scenario import SimulateRequest
from app.db import reading
from app.jobs.runner import Runner
from app.simulations.models import Simulation
from app.simulations.service import WORK
from tests.app.steps import PLAN, codes, ok, planned, refused, start
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
PEOPLE = {"intervention": 60, "control": 60}
SMALL: dict[str, Any] = {"people": PEOPLE, "effects": [0.0, 0.45], "pilots": 50, "seed": 3}


def request_of(app: FastAPI, simulation_id: str) -> dict[str, Any]:
    with reading(app.state.engine) as session:
        return session.exec(select(Simulation).where(Simulation.id == simulation_id)).one().request


async def asked(house: House, path: str, body: dict[str, Any] = SMALL) -> dict[str, Any]:
    found: dict[str, Any] = await ok(house.analyst.post(f"{path}/plan/simulate", json=body), 202)
    return found


async def test_it_is_asked_of_the_plan_as_it_stands(app: FastAPI, house: House) -> None:
    path = await planned(house)
    response = await house.analyst.post(f"{path}/plan/simulate", json=SMALL)
    queued = response.json()
    assert response.headers["location"] == f"/v1/simulations/{queued['id']}"
    assert (queued["status"], queued["progress"], queued["result"], queued["scenario"]) == ("queued", 0, None, SMALL)
    request = SimulateRequest.model_validate(request_of(app, queued["id"]))
    plan = await ok(house.lead.get(f"{path}/plan"))
    assert request.plan.hash() == plan["hash"] == queued["provenance"]["plan_hash"]
    assert request.people == PEOPLE
    await ok(house.lead.put(f"{path}/plan", json={**PLAN, "followup_months": 9}))
    shown = await ok(house.lead.get(f"/v1/simulations/{queued['id']}"))
    assert [w["code"] for w in shown["warnings"]] == ["plan_changed"]
    await ok(house.lead.post(f"{path}/plan/lock"))
    locked = await asked(house, path)
    assert (await ok(house.lead.get(f"/v1/simulations/{locked['id']}")))["warnings"] == []
    listed = await ok(house.approver.get(f"{path}/simulations"))
    assert [line["id"] for line in listed["items"]] == [queued["id"], locked["id"]]
    assert (await ok(house.lead.get(f"{path}/simulations?status=failed")))["items"] == []


@on_sqlite
async def test_what_it_refuses(house: House) -> None:
    bare = await start(house)
    await refused(house.analyst.post(f"{bare}/plan/simulate", json=SMALL), 409, "no_plan")
    path = await planned(house)

    async def malformed(body: dict[str, Any]) -> dict[str, Any]:
        return await refused(house.analyst.post(f"{path}/plan/simulate", json=body), 422, "invalid")

    assert "plan compares" in (await malformed({"people": {"intervention": 60}}))["detail"]
    assert "primary" in (await malformed({**SMALL, "measures": {"mbi_ee": {"effect": 0.1}}}))["detail"]
    assert (
        "at most" in (await malformed({**SMALL, "pilots": 100_000, "effects": [i / 10 for i in range(12)]}))["detail"]
    )
    assert codes(await malformed({**SMALL, "icc": 2}))[0][0][-1] == "icc"
    assert codes(await malformed({**SMALL, "plan": PLAN}))[0][0][-1] == "plan"
    assert "give `people`" in (await malformed({}))["detail"]
    await refused(house.approver.post(f"{path}/plan/simulate", json=SMALL), 403, "forbidden")


async def test_cancelled_at_once_while_it_waits(house: House, neighbour: House) -> None:
    path = await planned(house)
    simulation = f"/v1/simulations/{(await asked(house, path))['id']}"
    await refused(neighbour.analyst.post(f"{simulation}/cancel"), 404, "not_found")
    for _ in range(2):
        assert (await ok(house.analyst.post(f"{simulation}/cancel")))["status"] == "cancelled"


async def ended(house: House, simulation_id: str, seconds: float = 60) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        shown: dict[str, Any] = await ok(house.lead.get(f"/v1/simulations/{simulation_id}"))
        if shown["status"] not in {"queued", "running"}:
            return shown
        await sleep(0.1)
    pytest.fail("the simulation has not ended")


@on_sqlite
async def test_the_child_answers_as_the_library_does(app: FastAPI, house: House) -> None:
    path = await planned(house)
    first = await asked(house, path)
    bad = await asked(house, path, {"people": {"intervention": 2, "control": 2}, "pilots": 50, "effects": [0.0]})
    runner = Runner(app.state.engine, app.state.settings, [WORK])
    runner.start()
    try:
        done = await ended(house, first["id"])
        poor = await ended(house, bad["id"])
        await refused(house.analyst.post(f"/v1/simulations/{first['id']}/cancel"), 409, "already_ended")
        long = await asked(house, path, {"people": PEOPLE, "pilots": 3000, "effects": [0.0, 0.1, 0.2, 0.3, 0.4]})
        until = time.monotonic() + 60
        while not (await ok(house.lead.get(f"/v1/simulations/{long['id']}")))["progress"]:
            assert time.monotonic() < until
            await sleep(0.1)
        await ok(house.analyst.post(f"/v1/simulations/{long['id']}/cancel"))
        stopped = await ended(house, long["id"])
    finally:
        runner.stop()
    plan = Plan.model_validate((await ok(house.lead.get(f"{path}/plan")))["plan"])
    alone = simulate(SimulateRequest.model_validate({**SMALL, "plan": plan.model_dump()}), processes=1)
    assert (done["status"], done["progress"]) == ("succeeded", 1)
    assert done["result"] == alone
    assert done["provenance"]["seed"] == SMALL["seed"]
    assert done["provenance"]["versions"]
    assert poor["status"] == "succeeded"
    assert (stopped["status"], stopped["result"]) == ("cancelled", None)
    noted = (await ok(house.administrator.get("/v1/audit?resource=simulations&limit=200")))["items"]
    ends = [line["changes"]["status"] for line in noted if line["action"] == "ended"]
    assert sorted(ends) == ["cancelled", "succeeded", "succeeded"]
