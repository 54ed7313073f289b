"""Thirty moves with three endpoints while workers are killed twice; `make chaos` does the same at length."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from app.config import Settings
from tests.acceptance.journeys import Ward
from tests.acceptance.processes import Installation
from tests.acceptance.receivers import Receiver
from tests.acceptance.storm import Storm

MOVES = 30
KILLS = (8, 20)
SETTINGS = {
    "PILOTLIGHT_WEBHOOK_ALLOW": "127.0.0.1",
    "PILOTLIGHT_WEBHOOK_TIMEOUT_SECONDS": "1",
    "PILOTLIGHT_WEBHOOK_RETRY_SECONDS": ",".join(["0.2"] * 40),
    "PILOTLIGHT_LEASE_SECONDS": "0.5",
}
WORKERS = {"sqlite": 1, "postgresql": 2}


@pytest.fixture
def couriers(engine: sa.Engine, settings: Settings, tmp_path: Path) -> Iterator[Installation]:
    """Workers that only deliver: those that analyse take half a minute to warm up."""
    commands = ["tests.acceptance.courier"] * WORKERS[engine.dialect.name]
    made = Installation(commands, settings.url, tmp_path, SETTINGS)
    made.start_all()
    yield made
    made.stop()


@pytest.mark.parametrize("database_url", [pytest.param("sqlite", marks=pytest.mark.chaos), "postgresql"], indirect=True)
@pytest.mark.anyio
async def test_killed_workers_lose_nothing(
    couriers: Installation,
    root: httpx.AsyncClient,
    engine: sa.Engine,
    healthy: Receiver,
    flaky: Receiver,
) -> None:
    ward = Ward(root)
    await ward.open()
    workers = range(WORKERS[engine.dialect.name])
    storm = Storm(ward, engine, couriers, workers, healthy, flaky, clients=3, pause=0.15)
    await storm.alone(0)
    await storm.breaks(MOVES, KILLS)
    await storm.holds()
    assert len(storm.since) == MOVES
    assert len(storm.killed) == len(KILLS)
