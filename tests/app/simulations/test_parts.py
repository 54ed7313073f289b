"""Large simulations: split over workers, merged exactly, resumed after a death, cancelled and failed as a whole."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from anyio import sleep
from fastapi import FastAPI
from sqlmodel import col, select

from analysis import scenario
from analysis.operating import simulate
from analysis.scenario import SimulateRequest
from app.db import now, reading, transaction
from app.jobs import claims, failures
from app.jobs.models import JobStatus
from app.jobs.runner import Runner
from app.simulations.models import Simulation, SimulationPart
from app.simulations.parts import PARTS, WORK
from tests.app.jobs.toys import until
from tests.app.steps import ok, planned
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
LARGE: dict[str, Any] = {"people": {"intervention": 60, "control": 60}, "effects": [0.0, 0.45], "pilots": 60, "seed": 3}
PARTS_OF_IT = 9
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "PART", dict.fromkeys(scenario.PART, 25))


@pytest.fixture
def worker(app: FastAPI) -> Iterator[Callable[[], Runner]]:
    """Starts workers, as on as many hosts."""
    started: list[Runner] = []

    def start() -> Runner:
        started.append(Runner(app.state.engine, app.state.settings, [WORK, PARTS]))
        started[-1].start()
        return started[-1]

    yield start
    for runner in started:
        runner.stop()


async def asked(house: House) -> str:
    path = await planned(house)
    return str((await ok(house.analyst.post(f"{path}/plan/simulate", json=LARGE), 202))["id"])


async def shown(house: House, simulation_id: str) -> dict[str, Any]:
    found: dict[str, Any] = await ok(house.lead.get(f"/v1/simulations/{simulation_id}"))
    return found


async def watched(house: House, simulation_id: str) -> tuple[dict[str, Any], list[float]]:
    """The simulation when it has ended, and the progress that was seen."""
    seen: list[float] = []
    for _ in range(600):
        found = await shown(house, simulation_id)
        seen.append(found["progress"])
        if found["status"] in {"succeeded", "failed", "cancelled"}:
            return found, seen
        await sleep(0.1)
    raise AssertionError(found)


def parts(app: FastAPI) -> list[SimulationPart]:
    with reading(app.state.engine) as session:
        return list(session.exec(select(SimulationPart).order_by(col(SimulationPart.number))))


def alone(app: FastAPI, simulation_id: str) -> dict[str, Any]:
    """What one process makes of the same request."""
    with reading(app.state.engine) as session:
        request = session.exec(select(Simulation).where(Simulation.id == simulation_id)).one().request
    return simulate(SimulateRequest.model_validate(request), processes=1)


def taken(app: FastAPI) -> SimulationPart:
    """The first part, as a worker has it."""
    with transaction(app.state.engine) as session:
        row = claims.claim(session, SimulationPart, parts(app)[0].id, now(), MINUTE, 3)
    assert row is not None
    return row


async def test_workers_share_the_parts_and_the_answer_is_that_of_one_process(
    app: FastAPI, house: House, worker: Callable[[], Runner]
) -> None:
    asked_for = await asked(house)
    assert [part.pilots for part in parts(app)] == [25, 25, 10] * 3
    worker()
    worker()
    done, seen = await watched(house, asked_for)
    assert (done["status"], done["progress"], done["failure"]) == ("succeeded", 1, None)
    assert seen == sorted(seen)
    assert done["result"] == alone(app, asked_for)
    assert parts(app) == []


@on_sqlite
async def test_what_was_done_before_a_death_is_not_done_again(
    app: FastAPI, house: House, worker: Callable[[], Runner]
) -> None:
    asked_for = await asked(house)
    first = worker()
    until(lambda: sum(part.status is JobStatus.SUCCEEDED for part in parts(app)) >= 3, 60)
    first.stop()
    kept = {part.number: part.finished_at for part in parts(app) if part.status is JobStatus.SUCCEEDED}
    assert 3 <= len(kept) < PARTS_OF_IT
    worker()
    while standing := parts(app):
        assert {part.number: part.finished_at for part in standing if part.number in kept} == kept
        await sleep(0.05)
    done, _ = await watched(house, asked_for)
    assert done["result"] == alone(app, asked_for)


async def test_a_large_simulation_is_cancelled_at_once_and_a_late_part_refused(app: FastAPI, house: House) -> None:
    asked_for = await asked(house)
    running = taken(app)
    cancelled = await ok(house.analyst.post(f"/v1/simulations/{asked_for}/cancel"))
    assert (cancelled["status"], cancelled["result"]) == ("cancelled", None)
    assert parts(app) == []
    with transaction(app.state.engine) as session:
        assert claims.finish(session, running, JobStatus.SUCCEEDED, now()) is None


async def test_a_part_that_cannot_be_done_fails_the_whole(app: FastAPI, house: House) -> None:
    asked_for = await asked(house)
    running = taken(app)
    with transaction(app.state.engine) as session:
        ended = claims.finish(session, running, JobStatus.FAILED, now(), failures.crashed(3, -9))
        assert ended is not None
        PARTS.settle(session, ended)
    found = await shown(house, asked_for)
    assert (found["status"], found["failure"]["code"]) == ("failed", "crashed")
    assert parts(app) == []
    noted = (await ok(house.administrator.get("/v1/audit?resource=simulations&limit=200")))["items"]
    assert [line["changes"]["status"] for line in noted if line["action"] == "ended"] == ["failed"]


async def test_what_is_set_aside_is_taken_by_nobody(app: FastAPI, house: House) -> None:
    asked_for = await asked(house)
    with transaction(app.state.engine) as session:
        assert claims.due(session, Simulation, now() + timedelta(days=1)) == []
        assert claims.claim(session, Simulation, asked_for, now() + timedelta(days=1), MINUTE, 3) is None
    assert (await shown(house, asked_for))["status"] == "running"
