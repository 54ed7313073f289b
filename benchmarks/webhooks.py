"""Measures how long after a change its receivers know: under 20 moves a second, alone and beside endpoints that fail.

    make bench

Moves are asked for at fixed instants whether or not the ones before were answered, each of another pilot. On SQLite
the service is `serve`, on PostgreSQL an `api` beside a `worker`; databases wait for the disk.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from app.db import make_engine
from app.migrate import migrate
from tests.acceptance import told
from tests.acceptance.journeys import STAGES, Ward
from tests.acceptance.processes import Installation, wait_until
from tests.acceptance.receivers import Dead, Receiver
from tests.acceptance.told import Delay
from tests.postgresql import database_on, packaged_postgresql

RATE = 20  # moves a second
SECONDS = 60
REQUIRED = 2.0  # seconds, of 95 in 100
PREPARED_AT_ONCE = 6
WARM = '"event": "warm"'
MODULES = 3  # kinds of children that a worker warms up
COMMANDS = {"SQLite": ["app.cli serve"], "PostgreSQL": ["app.cli api", "app.cli worker"]}
SETTINGS = {"PILOTLIGHT_WEBHOOK_ALLOW": "127.0.0.1"}  # the rest as it comes: 15 s for a try, 5 s to the second


async def prepared(ward: Ward) -> list[str]:
    """Pilots in `discover`, enough of them for a run of two moves each."""
    gate = asyncio.Semaphore(PREPARED_AT_ONCE)

    async def one() -> str:
        async with gate:
            return await ward.pilot()

    return list(await asyncio.gather(*(one() for _ in range(RATE * SECONDS // 2))))


async def paced(ward: Ward, pilots: Sequence[str]) -> dict[str, tuple[float, float]]:
    """When each move was asked for and when its answer was there, by pilot and stage."""
    last = {"to": "retired", "reason": "Agreed.", "lessons": "Coaches are few.", "retirement": "stopped"}
    asked = [(path, {"to": STAGES[0]}) for path in pilots] + [(path, last) for path in pilots]
    answered: dict[str, tuple[float, float]] = {}

    async def move(path: str, body: dict[str, str]) -> None:
        sent = time.time()
        answer = await ward.client.post(f"{path}/moves", json=body)
        if not answer.is_success:
            msg = f"{path}/moves: {answer.status_code} {answer.text}"
            raise RuntimeError(msg)
        answered[f"{path.rpartition('/')[2]} {body['to']}"] = sent, time.time()

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, (path, body) in enumerate(asked):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            group.create_task(move(path, body))
    return answered


async def measured(kind: str, url: str, folder: Path, *, beside: bool) -> Delay:
    """Print the delays of one run; that from the commit, or what comes before it."""
    engine = make_engine(url)
    migrate(engine)
    installation = Installation(COMMANDS[kind], url, folder, SETTINGS)
    healthy, flaky, dead = Receiver(folder / "healthy"), Receiver(folder / "flaky", share=0.5), Dead()
    installation.start_all()
    try:
        wait_until(installation.ready)
        key = installation.run("app.cli keys create --role administrator --label bench").splitlines()[-1]
        headers = {"Authorization": f"Bearer {key}"}
        # Idle connections are let go of before the service closes them: a request may meet the end of one.
        async with httpx.AsyncClient(
            base_url=installation.url, headers=headers, timeout=60, limits=httpx.Limits(keepalive_expiry=2)
        ) as client:
            ward = Ward(client)
            await ward.open()
            pilots = await prepared(ward)
            webhook, secret = await ward.subscribe(healthy.url)
            healthy.start(secret)
            if beside:
                flaky.start((await ward.subscribe(flaky.url))[1])
                await ward.subscribe(dead.url)
            wait_until(lambda: installation.log.read_text().count(WARM) >= MODULES, 300)
            answers = await paced(ward, pilots)
            wait_until(lambda: not told.waiting(engine, webhook))
        events = told.events(engine)
        arrivals = told.heard_all(healthy, events)
    except BaseException:
        print(f"{kind}: the end of the service's log\n{installation.log.read_text()[-5000:]}")
        raise
    finally:
        installation.stop()
        healthy.stop()
        flaky.stop()
        dead.leave()
        engine.dispose()
    recorded = Delay.of(list(told.delays(events, arrivals).values()))
    first = told.first_received(arrivals)
    names = told.names(events)
    seen = Delay.of([first[key] - answers[names[key]][1] for key in events])
    api = Delay.of([done - sent for sent, done in answers.values()])
    said = "beside a dead and a flaky one" if beside else "alone"
    print(f"{kind}, {RATE} moves a second for {SECONDS} s, a healthy endpoint {said}")
    print(f"  from the event's created_at, just before the commit   {recorded}")
    print(f"  from the answer at the client, just after the commit  {seen}")
    print(f"  the answer itself                                     {api}", flush=True)
    return recorded


async def main() -> None:
    """Run and print; exit 1 when a delay is longer than required."""
    found = []
    with tempfile.TemporaryDirectory(prefix="pl-bench-") as name, packaged_postgresql(durable=True) as server:
        for kind in COMMANDS:
            for beside in (False, True):
                folder = Path(name) / f"{kind}{beside:d}"
                folder.mkdir()
                url = f"sqlite:///{folder / 'bench.db'}"
                if kind == "PostgreSQL":
                    url = database_on(server, f"bench{beside:d}")
                found.append(await measured(kind, url, folder, beside=beside))
    slow = [delay for delay in found if delay.p95 > REQUIRED]
    if slow:
        sys.exit(f"p95 is longer than {REQUIRED} s in {len(slow)} of {len(found)} runs")


if __name__ == "__main__":
    asyncio.run(main())
