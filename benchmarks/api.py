"""Reads and moves over HTTP beside a bare route on the same database; a list of many pilots; a steady load.

    .venv/bin/python -m benchmarks.api [postgresql]

Everything on loopback, bounded in count and time. Ratios are of one run; figures depend on the machine.
"""

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from app.auth.keys import make_key
from app.auth.permissions import Role
from app.catalog.models import Organization, Unit
from app.db import make_engine, new_id, now, transaction
from app.migrate import migrate
from app.pilots.models import Iteration, Pilot
from tests.postgresql import database_on, packaged_postgresql

API, BARE = 8291, 8292
ONE_BY_ONE = 400
FEW, MANY = 100, 100_000
WARM = 20
RATE, SECONDS = 100, 30


@contextmanager
def process(*command: str, environment: dict[str, str], url: str) -> Iterator[None]:
    """A process of ours that answers at `url`."""
    started = subprocess.Popen([sys.executable, "-m", *command], env=os.environ | environment)  # noqa: S603 - our own
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(url, timeout=2)
                break
            except httpx.TransportError:
                if time.monotonic() > until:
                    sys.exit(f"nobody answers at {url}")
                time.sleep(0.05)
        yield
    finally:
        started.terminate()
        started.wait(30)


def fill(engine: sa.Engine, count: int) -> tuple[str, list[str]]:
    """An organization with so many pilots that may leave `discover`: a key of its lead, and their ids."""
    with transaction(engine) as session:
        session.info["actor"] = {"person": "bench", "key_id": None}
        organization = Organization(name=f"Bench {count}")
        session.add(organization)
        session.flush()
        unit = Unit(organization_id=organization.id, name="Ward 1", headcount=40)
        session.add(unit)
        _, secret = make_key(session, role=Role.LEAD, label=f"bench {count}", organization_id=organization.id)
        note = {"kind": "survey", "text": "Self-valuation lies 0.4 SD below the benchmark."}
        one = Pilot(
            organization_id=organization.id,
            title="Pilot",
            driver="workload",
            lead="bench",
            created_by="bench",
            discovery_note=note,
        )
        pilots = [{**one.model_dump(), "id": new_id(), "created_at": now()} for _ in range(count)]
        first = {"number": 1, "organization_id": organization.id, "opened_at": now()}
        iterations = [Iteration(pilot_id=pilot["id"], **first).model_dump() for pilot in pilots]
        for model, rows in ((Pilot, pilots), (Iteration, iterations)):
            for start in range(0, count, 2000):
                session.connection().execute(sa.insert(model), rows[start : start + 2000])
        return secret, [pilot["id"] for pilot in pilots]


async def one_by_one(ask: Callable[[int], Awaitable[httpx.Response]], count: int = ONE_BY_ONE) -> list[float]:
    """Milliseconds of requests one after the other."""
    taken = []
    for number in range(count + WARM):
        started = time.perf_counter()
        answer = await ask(number)
        taken.append(1000 * (time.perf_counter() - started))
        answer.raise_for_status()
    return taken[WARM:]


async def steadily(ask: Callable[[int], Awaitable[httpx.Response]], rate: int, seconds: int) -> list[float]:
    """Milliseconds of requests that come at a steady rate, whether those before were answered or not."""
    taken: list[float] = []

    async def one(number: int) -> None:
        started = time.perf_counter()
        (await ask(number)).raise_for_status()
        taken.append(1000 * (time.perf_counter() - started))

    gc.freeze()  # of the client, whose pauses are not the service's
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(rate * seconds):
            await asyncio.sleep(max(began + number / rate - time.perf_counter(), 0))
            group.create_task(one(number))
    return taken


def cuts(taken: Sequence[float]) -> str:
    """Median, 95 and 99 in 100."""
    found = statistics.quantiles(taken, n=100, method="inclusive")
    return f"p50 {found[49]:6.1f}  p95 {found[94]:6.1f}  p99 {found[98]:6.1f} ms  (n = {len(taken)})"


async def measure(url: str) -> None:
    """Run and print."""
    engine = make_engine(url)
    migrate(engine)
    few, (pilot, *_) = fill(engine, FEW)
    many, pilots = fill(engine, MANY)
    with engine.begin() as connection:
        connection.execute(sa.text("ANALYZE"))  # as the server does by itself within a minute
    environment = {"PILOTLIGHT_DATABASE_URL": url, "PILOTLIGHT_PORT": str(API), "PILOTLIGHT_REQUESTS_PER_MINUTE": "0"}
    service, bare = f"http://127.0.0.1:{API}", f"http://127.0.0.1:{BARE}"
    with (
        process("app.cli", "api", environment=environment, url=f"{service}/health/live"),
        process("benchmarks.bare", url, str(BARE), environment={}, url=f"{bare}/docs"),
    ):
        async with httpx.AsyncClient(timeout=30) as client:
            await compare(client, service, bare, {"few": few, "many": many}, [pilot, *pilots])
    engine.dispose()


async def compare(
    client: httpx.AsyncClient, service: str, bare: str, keys: dict[str, str], pilots: Sequence[str]
) -> None:
    """The table; the first of the pilots is one of the few."""
    of = {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
    pilot = pilots[0]

    def read(_: int) -> Any:
        return client.get(f"{service}/v1/pilots/{pilot}", headers=of["few"])

    def write(number: int) -> Any:
        return client.patch(f"{service}/v1/pilots/{pilot}", json={"title": f"T {number}"}, headers=of["few"])

    def move(number: int) -> Any:
        return client.post(
            f"{service}/v1/pilots/{pilots[1 + number]}/moves", json={"to": "develop"}, headers=of["many"]
        )

    def move_bare(number: int) -> Any:
        return client.post(f"{bare}/pilots/{pilots[-1 - number]}/moves?to=develop")

    pairs = (
        ("read a pilot", read, lambda _: client.get(f"{bare}/pilots/{pilot}")),
        ("change a pilot", write, lambda number: client.post(f"{bare}/pilots/{pilot}?title=T{number}")),
        ("move a pilot", move, move_bare),
    )
    for name, ours, theirs in pairs:
        mine, least = await one_by_one(ours), await one_by_one(theirs)
        ratio = statistics.median(mine) / statistics.median(least)
        print(f"{name:22} {cuts(mine)}\n{'  bare route':22} {cuts(least)}  ratio {ratio:.2f}", flush=True)
    pages = {}
    for name in ("few", "many"):
        pages[name] = await one_by_one(
            lambda _, name=name: client.get(f"{service}/v1/pilots?limit=50", headers=of[name]), 100
        )
        print(f"{'a page of ' + str(FEW if name == 'few' else MANY):22} {cuts(pages[name])}", flush=True)
    print(f"{'':22} ratio {statistics.median(pages['many']) / statistics.median(pages['few']):.2f}")
    print(f"{f'{RATE} reads a second':22} {cuts(await steadily(read, RATE, SECONDS))}", flush=True)


def main() -> None:
    """On SQLite, or on PostgreSQL where asked."""
    if sys.argv[1:] == ["postgresql"]:
        with packaged_postgresql(durable=True) as server:
            asyncio.run(measure(database_on(server, "bench")))
        return
    with tempfile.TemporaryDirectory(prefix="pilotlight-bench-") as folder:
        asyncio.run(measure(f"sqlite:///{Path(folder) / 'bench.db'}"))


if __name__ == "__main__":
    main()
