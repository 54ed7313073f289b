"""What one and two workers do: analyses a minute, and what a simulated pilot costs in small and large requests.

    .venv/bin/python -m benchmarks.workers

On PostgreSQL, in folders that share nothing but the database. Two workers on two cores have one core each: the ratio
says what a second worker brings on this machine, not what a second machine brings.
"""

import asyncio
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.acceptance.journeys import LOCKED, Ward, insist
from tests.acceptance.processes import Installation, wait_until
from tests.app.steps import CHANGES
from tests.postgresql import database_on, migrated, packaged_postgresql

ANALYSES = 40
SIZES = (1_000, 10_000, 100_000)
SCENARIO: dict[str, Any] = {"people": {"intervention": 60, "control": 60}, "effects": [0.3], "seed": 5}
GROUPS = 2
"""Pilots of the effect, and as many of the design prior."""
PATIENCE = 1800
IDLE_FOR = 5.0
SETTINGS = {
    "PILOTLIGHT_SECRET_KEY": "of the benchmark",
    "PILOTLIGHT_REQUESTS_PER_MINUTE": "0",
}


async def planned(ward: Ward) -> str:
    """A pilot in test with a summary of its data; its path."""
    path = await ward.pilot()
    await insist(ward.client, "POST", f"{path}/moves", {"to": "develop"})
    await insist(ward.client, "PUT", f"{path}/plan", LOCKED)
    await insist(ward.client, "POST", f"{path}/plan/lock")
    await insist(ward.client, "POST", f"{path}/moves", {"to": "test"})
    await insist(ward.client, "POST", f"{path}/summaries", CHANGES)
    return path


async def ended(ward: Ward, path: str) -> dict[str, Any]:
    """Work that has succeeded."""
    until = time.monotonic() + PATIENCE
    while True:
        shown: dict[str, Any] = await insist(ward.client, "GET", path)
        if shown["finished_at"] is not None:
            if shown["status"] != "succeeded":
                raise RuntimeError(shown["failure"])
            return shown
        if time.monotonic() > until:
            raise TimeoutError(path)
        await asyncio.sleep(0.05)


async def analyses(ward: Ward, path: str, count: int) -> float:
    """Seconds for so many analyses, each with a seed of its own."""
    started = time.perf_counter()
    asked = [await insist(ward.client, "POST", f"{path}/analyses", {"seed": seed}) for seed in range(count)]
    for one in asked:
        await ended(ward, f"/v1/analyses/{one['id']}")
    return time.perf_counter() - started


async def drawing(ward: Ward) -> bool:
    """Whether pictures wait or are being drawn."""
    answer = await ward.client.get("/metrics")
    counted = re.findall(r'pilotlight_jobs\{status="\w+",work="pictures"\} (\S+)', answer.text)
    return any(float(number) for number in counted)


def busy(workers: list[Installation]) -> bool:
    """Whether the workers use more than a tenth of a core: idle ones compile the models that nobody asked for yet."""
    trees = [psutil.Process(worker.pid(0)) for worker in workers]
    every = [process for tree in trees for process in (tree, *tree.children(recursive=True))]

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in every if process.is_running())

    before = used()
    time.sleep(IDLE_FOR)
    return used() - before > IDLE_FOR / 10


async def simulated(ward: Ward, path: str, pilots: int) -> float:
    """Seconds for a simulation of so many pilots."""
    started = time.perf_counter()
    asked = await insist(ward.client, "POST", f"{path}/plan/simulate", {**SCENARIO, "pilots": pilots})
    await ended(ward, f"/v1/simulations/{asked['id']}")
    return time.perf_counter() - started


async def measure(api: Installation, workers: list[Installation]) -> None:
    """The table."""
    key = api.run("app.cli keys create --role administrator --label root").splitlines()[-1]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=30) as client:
        ward = Ward(client)
        await ward.open()
        path = await planned(ward)
        minute: dict[int, float] = {}
        for number, worker in enumerate(workers, 1):
            worker.start(0)
            wait_until(lambda worker=worker: "warm" in worker.log.read_text(), PATIENCE)
            await analyses(ward, path, 4)
            minute[number] = 60 * ANALYSES / await analyses(ward, path, ANALYSES)
            print(f"{number} worker(s): {minute[number]:6.1f} analyses a minute", flush=True)
        print(f"two workers beside one: {minute[2] / minute[1]:.2f} times as many", flush=True)
        while await drawing(ward) or busy(workers):  # noqa: ASYNC110 - over HTTP; pictures and models come first
            await asyncio.sleep(1)
        cost: dict[int, float] = {}
        for pilots in SIZES:  # small ones by one worker on all cores, the largest in parts by both
            cost[pilots] = 1000 * await simulated(ward, path, pilots) / (GROUPS * pilots)
            ratio = cost[pilots] / cost[SIZES[0]]
            print(f"{GROUPS * pilots:7} simulated pilots: {cost[pilots]:5.2f} ms each, ratio {ratio:.2f}", flush=True)


def main() -> None:
    """An API and two workers of a server of their own."""
    with packaged_postgresql(durable=True) as server, tempfile.TemporaryDirectory(prefix="pilotlight-bench-") as folder:
        url = migrated(database_on(server, "bench"))
        hosts = []
        for name in ("api", "first", "second"):
            (Path(folder) / name).mkdir()
            command = "app.cli api" if name == "api" else "app.cli worker"
            hosts.append(Installation([command], url, Path(folder) / name, SETTINGS))
        api, *workers = hosts
        try:
            api.start(0)
            wait_until(api.ready)
            asyncio.run(measure(api, workers))
        finally:
            for host in hosts:
                host.stop()


if __name__ == "__main__":
    main()
