"""A thousand moves, three endpoints of which one fails half the time and one is dead, the worker killed ten times."""

import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from tests.acceptance import told
from tests.acceptance.journeys import Ward
from tests.acceptance.processes import QUICK, Installation, wait_until
from tests.acceptance.receivers import Receiver
from tests.acceptance.storm import Storm

pytestmark = [pytest.mark.chaos, pytest.mark.anyio]

MOVES, KILLS = 1000, 10
CONTROL, UNDISTURBED = 100, 150  # moves with the healthy endpoint alone; with all three before the first kill
SEED = 2026
TIMEOUT = float(QUICK["PILOTLIGHT_WEBHOOK_TIMEOUT_SECONDS"])

# As they are run: in one process on SQLite, where clients repeat what its death left unanswered; apart on PostgreSQL.
PROCESSES = {
    "sqlite": (["app.cli serve"], [0]),
    "postgresql": (["app.cli api", "app.cli worker", "app.cli worker"], [1, 2]),
}


@pytest.fixture
def installation(database_url: str, engine: sa.Engine, tmp_path: Path) -> Iterator[Installation]:
    made = Installation(PROCESSES[engine.dialect.name][0], database_url, tmp_path)
    made.start_all()
    wait_until(made.ready)
    yield made
    made.stop()


@pytest.fixture
async def ward(installation: Installation) -> AsyncIterator[Ward]:
    made = installation.run("app.cli keys create --role administrator --label root")
    headers = {"Authorization": f"Bearer {made.splitlines()[-1]}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as client:
        opened = Ward(client)
        await opened.open()
        yield opened


async def test_nothing_is_lost_and_nobody_waits_for_the_dead(
    installation: Installation,
    ward: Ward,
    engine: sa.Engine,
    healthy: Receiver,
    flaky: Receiver,
    record_property: Callable[[str, str], None],
) -> None:
    mortal = PROCESSES[engine.dialect.name][1]
    storm = Storm(ward, engine, installation, mortal, healthy, flaky, clients=8, pause=0.3, seed=SEED)
    await storm.alone(CONTROL)
    await storm.breaks(MOVES, sorted(random.Random(SEED).sample(range(UNDISTURBED, MOVES - 20), KILLS)))
    await storm.holds()
    assert len(storm.since) == MOVES
    assert len(storm.killed) == KILLS
    alone, beside, killed = storm.delays()
    figures = (
        f"{engine.dialect.name}: {MOVES} moves, {CONTROL} before them; {len(storm.killed)} kills",
        f"  created to received, healthy alone    {alone}",
        f"  beside the flaky and the dead         {beside}",
        f"  from the first kill on                {killed}",
        f"  healthy: {len(storm.events)} events, {storm.repeated(storm.arrived)} repeated",
        f"  flaky: {len(storm.since)} events, {storm.repeated(storm.stumbled)} repeated: {told.ends(storm.stumbled)}",
        f"  all received {storm.drained:.1f} s after the last move",
        f"  dead: {dict(storm.standing)}, its tries {dict(storm.errors)}",
    )
    record_property("figures", "\n".join(figures))
    # One that waited for the dead endpoint would wait for a whole try at it.
    assert alone is not None
    assert beside.p95 < alone.p95 + TIMEOUT
    assert beside.median < alone.median + TIMEOUT / 4
