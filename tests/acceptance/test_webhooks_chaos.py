"""A thousand moves, three endpoints of which one fails half the time and one is dead, the worker killed ten times."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM

import httpx
import pytest
import sqlalchemy as sa

from app.db import make_engine, reading
from tests.acceptance import told
from tests.acceptance.journeys import STAGES, Ward
from tests.acceptance.processes import Installation, wait_until
from tests.acceptance.receivers import Dead, Receiver
from tests.acceptance.told import Delay

pytestmark = [pytest.mark.chaos, pytest.mark.anyio]

import os
MOVES, KILLS = int(os.environ.get("M", 1000)), int(os.environ.get("K", 10))
CLIENTS = 8
CONTROL, UNDISTURBED = 100, 150  # moves with the healthy endpoint alone; then with all three, before the first kill
PAUSE = 0.3  # seconds on average that a client waits after a move

# As they are run: in one process on SQLite, where clients repeat what its death left unanswered; apart on PostgreSQL.
PROCESSES = {
    "sqlite": (["app.cli serve"], [0]),
    "postgresql": (["app.cli api", "app.cli worker", "app.cli worker"], [1, 2]),
}


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def mortal(engine: sa.Engine) -> list[int]:
    """The processes that deliver."""
    return PROCESSES[engine.dialect.name][1]


@pytest.fixture
def installation(database_url: str, engine: sa.Engine, tmp_path: Path) -> Iterator[Installation]:
    made = Installation(PROCESSES[engine.dialect.name][0], database_url, tmp_path)
    made.start_all()
    yield made
    made.stop()


@pytest.fixture
async def ward(installation: Installation) -> AsyncIterator[Ward]:
    wait_until(installation.ready)
    made = installation.run("app.cli keys create --role administrator --label root")
    headers = {"Authorization": f"Bearer {made.splitlines()[-1]}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as client:
        opened = Ward(client)
        await opened.open()
        yield opened


@pytest.fixture
def healthy(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path / "healthy")
    yield made
    made.stop()


@pytest.fixture
def flaky(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path / "flaky", share=0.5, seed=5)
    yield made
    made.stop()


class Traffic:
    """Clients that move pilots, each after a pause; what waits for the n-th move may do so."""

    def __init__(self, ward: Ward, seed: int) -> None:
        self.made = 0
        self._ward, self._chance = ward, random.Random(seed)

    async def go(self, moves: int) -> None:
        """So many more moves, each pilot all of its own."""
        pilots = iter(range(moves // len(STAGES)))
        await asyncio.gather(*(self._client(pilots) for _ in range(CLIENTS)))

    async def _client(self, pilots: Iterator[int]) -> None:
        for _ in pilots:
            async for _move in self._ward.journey():
                self.made += 1
                await asyncio.sleep(self._chance.uniform(0, 2 * PAUSE))

    async def reached(self, count: int) -> None:
        """Until so many moves are made."""
        while self.made < count:
            await asyncio.sleep(0.01)


async def kills(installation: Installation, mortal: list[int], traffic: Traffic, at: list[int], seed: int) -> None:
    """Kill one of the processes at each of these moves, and start it again."""
    chance = random.Random(seed)
    for count in at:
        await traffic.reached(count)
        await asyncio.sleep(chance.uniform(0, 0.5))
        number = chance.choice(mortal)
        installation.kill(number)
        await asyncio.sleep(chance.uniform(0, 1))
        installation.start(number)
        if not installation.ready():
            await asyncio.to_thread(wait_until, installation.ready)


async def test_nothing_is_lost_and_nobody_waits_for_the_dead(
    installation: Installation,
    mortal: list[int],
    ward: Ward,
    engine: sa.Engine,
    healthy: Receiver,
    flaky: Receiver,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = 2026
    traffic = Traffic(ward, seed)
    dead = Dead()
    webhook, secret = await ward.subscribe(healthy.url)
    healthy.start(secret)
    await traffic.go(CONTROL)
    wait_until(lambda: not told.waiting(engine, webhook))

    flaky_webhook, secret = await ward.subscribe(flaky.url)
    flaky.start(secret)
    dead_webhook, _ = await ward.subscribe(dead.url)
    control = set(told.events(engine))
    began = datetime.now(UTC)
    spread = random.Random(seed).sample(range(UNDISTURBED, MOVES - 20), KILLS)
    at = sorted(CONTROL + n for n in spread)
    killing = asyncio.create_task(kills(installation, mortal, traffic, at, seed))
    leaving = asyncio.create_task(_leaves(dead, traffic, CONTROL + MOVES // 2))
    first_kill = asyncio.create_task(_instant_of(traffic, at[0]))
    await traffic.go(MOVES)
    await asyncio.gather(killing, leaving)
    moved_until = time.monotonic()
    wait_until(lambda: not told.waiting(engine, webhook, flaky_webhook), 180)
    drained = time.monotonic() - moved_until

    log = await ward.client.get(f"/v1/webhooks/{dead_webhook}/deliveries", params={"limit": 200})
    assert set(installation.stop()) <= {0, -SIGTERM}  # uvicorn ends by the signal it was sent

    events = told.events(engine)
    assert len(events) == told.moves(engine) == traffic.made == CONTROL + MOVES
    arrived = told.heard_all(healthy, events)
    since = {key: event for key, event in events.items() if key not in control}
    stumbled = told.heard_all(flaky, since)
    told.in_order(events, healthy)
    told.in_order(since, flaky)

    with reading(engine) as session:
        standing = told.statuses(session, dead_webhook)
        tried = told.tries(session, dead_webhook)
    assert standing["delivered"] == standing["sending"] == 0
    assert standing["pending"] + standing["failed"] == MOVES
    errors = {row.error["code"] for row in tried if row.error}
    assert errors >= {"timeout", "connection_refused"}
    lines = log.json()["items"]
    assert {line["status"] for line in lines} <= {"pending", "sending", "failed"}

    print(drained)
    by_time = told.delays(events, arrived)
    killed_at = first_kill.result()
    alone = Delay.of([s for t, s in by_time.items() if t < began])
    beside = Delay.of([s for t, s in by_time.items() if began <= t < killed_at])
    whole = Delay.of([s for t, s in by_time.items() if t >= killed_at])
    assert beside.median < alone.median + 0.3
    assert beside.p95 < 2

    with capsys.disabled():
        print(f"\n{engine.dialect.name}: {MOVES} moves and {CONTROL} before, {KILLS} kills")
        print(f"  healthy alone              {alone}")
        print(f"  beside the flaky and dead  {beside}")
        print(f"  while killed               {whole}")
        print(f"  healthy: {len(arrived)} arrivals of {len(events)} events")
        print(f"  flaky: {len(stumbled)} arrivals of {len(since)} events, {told.ends(stumbled)}; drained {drained:.1f} s")
        print(f"  dead: {len(tried)} tries, {dict(standing)}, errors {sorted(errors)}")


async def _leaves(dead: Dead, traffic: Traffic, count: int) -> None:
    await traffic.reached(count)
    dead.leave()


async def _instant_of(traffic: Traffic, count: int) -> datetime:
    await traffic.reached(count)
    return datetime.now(UTC)
