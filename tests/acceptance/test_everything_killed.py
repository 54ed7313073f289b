"""A mixed load while everything that runs is killed a hundred times, the database too: what was told to be done is."""

import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sa

from app.db import make_engine
from tests.acceptance import told
from tests.acceptance.journeys import Ward
from tests.acceptance.processes import QUICK, Installation, wait_until
from tests.acceptance.receivers import Receiver
from tests.acceptance.turmoil import SCENARIOS, WORK, Standing, Turmoil, answers, unfinished
from tests.conftest import DATABASES
from tests.postgresql import database_on, migrated, packaged_postgresql

pytestmark = [pytest.mark.chaos, pytest.mark.anyio]

KILLS = int(os.environ.get("PILOTLIGHT_KILLS", "100"))
CLIENTS = 4
GAP_SECONDS = {"sqlite": 4, "postgresql": 2}
"""On SQLite everything is one process, which needs two seconds to come back."""
ASKED = {"simulations": len(SCENARIOS), "analyses": 1}
PROCESSES = {
    "sqlite": ["tests.acceptance.small_parts serve"],
    "postgresql": ["tests.acceptance.small_parts api", "app.cli worker", "app.cli worker"],
}
# Nobody is given up for having been killed often.
SETTINGS = {
    **QUICK,
    "PILOTLIGHT_ANALYSIS_ATTEMPTS": "1000",
    "PILOTLIGHT_QUEUE_PER_ORGANIZATION": "100000",
    "PILOTLIGHT_REQUESTS_PER_MINUTE": "0",
}


@pytest.fixture(params=DATABASES)
def own_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this test alone: on PostgreSQL its whole server is, since it is killed."""
    if request.param == "sqlite":
        yield migrated(f"sqlite:///{tmp_path / 'own.db'}")
        return
    with packaged_postgresql(durable=True) as server:
        yield migrated(database_on(server, "own"))


@pytest.fixture
def engine(own_database: str) -> Iterator[sa.Engine]:
    """What the test itself reads the database with."""
    made = make_engine(own_database)
    yield made
    made.dispose()


@pytest.fixture
def installation(own_database: str, engine: sa.Engine, tmp_path: Path) -> Iterator[Installation]:
    made = Installation(PROCESSES[engine.dialect.name], own_database, tmp_path, SETTINGS)
    made.start_all()
    wait_until(made.ready)
    yield made
    made.stop()


@pytest.fixture
async def ward(installation: Installation) -> AsyncIterator[Ward]:
    key = installation.run("app.cli keys create --role administrator --label root").splitlines()[-1]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as client:
        opened = Ward(client)
        await opened.open()
        yield opened


def backends(engine: sa.Engine) -> list[int]:
    """The processes of the database server that serve this database."""
    name = engine.url.database
    return [p.pid for p in psutil.process_iter(["cmdline"]) if f" {name} " in " ".join(p.info["cmdline"] or [])]


async def test_what_was_acknowledged_stands_once_whatever_was_killed(
    installation: Installation,
    ward: Ward,
    engine: sa.Engine,
    healthy: Receiver,
    record_property: Callable[[str, str], None],
) -> None:
    kinds: list[str] = []

    def kill(chance: random.Random) -> bool:
        """One of the processes, which comes back; or one of the server's, upon which it drops all and recovers."""
        number = chance.randrange(len(PROCESSES[engine.dialect.name]) + (engine.dialect.name == "postgresql"))
        if number < len(PROCESSES[engine.dialect.name]):
            installation.kill(number)
            installation.start(number)
            kinds.append(PROCESSES[engine.dialect.name][number].split()[1])
        elif serving := backends(engine):
            os.kill(chance.choice(serving), signal.SIGKILL)
            kinds.append("database")
        else:  # it has not recovered from the last time
            return False
        return True

    hook, secret = await ward.subscribe(healthy.url)
    healthy.start(secret)
    turmoil = Turmoil(ward, kill, CLIENTS, KILLS, GAP_SECONDS[engine.dialect.name])
    await turmoil.rage()
    wait_until(installation.ready)
    wait_until(lambda: not unfinished(engine), 900)
    wait_until(lambda: not told.waiting(engine, hook), 180)
    installation.stop()
    standing, done = Standing.of(engine), turmoil.done
    events = told.events(engine)
    assert len(kinds) == KILLS
    assert (standing.pilots, standing.measurements) == (done["pilots"], done["measurements"])
    assert len(events) == told.moves(engine) == done["moves"]
    arrivals = told.heard_all(healthy, events)
    told.in_order(events, healthy)
    for name, model in WORK.items():
        assert standing.work[name] == {"succeeded": done[name]}
        assert standing.ends[name] == {1: done[name]}
        if name != "imports":
            assert len(answers(engine, model)) == ASKED[name]
    assert (standing.finished, standing.left) == (done["analyses"], 0)
    first = told.first_received(arrivals)
    figures = (
        f"{engine.dialect.name}: {len(kinds)} kills: {', '.join(f'{k} {kinds.count(k)}' for k in sorted(set(kinds)))}",
        f"  acknowledged and found once: {dict(done)}",
        f"  {len(events)} events, received {len(first)}, of them again {len(arrivals) - len(first)}",
    )
    record_property("figures", "\n".join(figures))
