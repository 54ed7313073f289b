"""Whole installations killed all through an import of many rows: its rows stand once in the end, and none before."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from anyio import sleep

from app.imports.models import STAGED
from tests.acceptance.journeys import Ward, insist
from tests.acceptance.processes import Installation, child_of, wait_until
from tests.acceptance.spreadsheets import left, of_people, revisions, rows_of, standing
from tests.app.steps import PLAN, ok

pytestmark = [pytest.mark.chaos, pytest.mark.anyio]

PEOPLE = 30_000
ROWS = 2 * PEOPLE
PATIENCE = 600
CHILD = "app.imports.run"
# As they are run: in one process on SQLite; the API and two workers on PostgreSQL. And those that may read a file.
PROCESSES = {
    "sqlite": (["app.cli serve"], [0]),
    "postgresql": (["app.cli api", "app.cli worker", "app.cli worker"], [1, 2]),
}
SETTINGS = {"PILOTLIGHT_LEASE_SECONDS": "2", "PILOTLIGHT_ANALYSIS_ATTEMPTS": "3"}
# Rows that are staged, and seconds after that: queued, while it is read, when all is staged, while it is entered.
MOMENTS = [(0, 0.0), (20_000, 0.0), (40_000, 0.3), (ROWS, 0.0), (ROWS, 0.4), (ROWS, 0.8), (ROWS, 1.2)]


@pytest.fixture
def installation(database_url: str, engine: sa.Engine, tmp_path: Path) -> Iterator[Installation]:
    made = Installation(PROCESSES[engine.dialect.name][0], database_url, tmp_path, SETTINGS)
    made.start_all()
    wait_until(made.ready)
    yield made
    made.stop()


class Reading:
    """An import into a pilot of its own, seen over HTTP and in the database."""

    def __init__(self, ward: Ward, engine: sa.Engine, installation: Installation) -> None:
        self.ward, self.engine, self.installation = ward, engine, installation
        self.readers = PROCESSES[engine.dialect.name][1]
        self.path = self.at = self.pilot = ""

    async def ask(self, text: str) -> None:
        """Leave the file to a worker."""
        self.path = await self.ward.pilot()
        self.pilot = self.path.rpartition("/")[2]
        await insist(self.ward.client, "POST", f"{self.path}/moves", {"to": "develop"})
        await insist(self.ward.client, "PUT", f"{self.path}/plan", PLAN)
        query = f"{self.path}/measurements/import?background=true"
        made = await ok(self.ward.client.post(query, content=text, headers={"Content-Type": "text/csv"}), 202)
        self.at = f"/v1/imports/{made['id']}"

    def staged(self) -> int:
        """Rows of the latest attempt that are staged."""
        with self.engine.connect() as connection:
            counts = (
                connection.execute(sa.select(sa.func.count(STAGED.c.seq)).group_by(STAGED.c.attempt)).scalars().all()
            )
        return max(counts, default=0)

    def reader(self) -> tuple[int, int] | None:
        """The process that has the import, and the child of it that reads: the one that worked most lately."""
        try:
            children = {number: child_of(self.installation.pid(number), CHILD) for number in self.readers}
        except (ProcessLookupError, FileNotFoundError):
            return None  # just begun
        before = {number: _ticks(child) for number, child in children.items()}
        time.sleep(0.05)
        busiest = max(children, key=lambda number: _ticks(children[number]) - before[number])
        return busiest, children[busiest]

    async def nothing_entered(self) -> bool:
        """Whether it has not ended; no row is seen then."""
        seen = standing(self.engine, self.pilot), revisions(self.engine, self.pilot)
        shown = await insist_on(self.ward.client, self.at)
        if shown["finished_at"] is not None:
            return False
        assert seen == ([], 0)
        assert shown["result"] is None
        return True

    async def ends(self, text: str) -> dict[str, Any]:
        """Its end, which is that of one that nobody disturbed."""
        for _ in range(PATIENCE):
            if not await self.nothing_entered():
                break
            await sleep(0.2)
        shown = await insist_on(self.ward.client, self.at)
        assert (shown["status"], shown["progress"], shown["revision"]) == ("succeeded", 1, 1), shown
        assert standing(self.engine, self.pilot) == rows_of(text)
        assert revisions(self.engine, self.pilot) == 1
        assert left(self.engine) == (0, 0)
        report: dict[str, Any] = shown["result"]
        return report


async def insist_on(client: httpx.AsyncClient, path: str) -> Any:
    """The JSON of an answer, asked for until the service is there."""
    wait_until(lambda: _answers(client, path))
    return await ok(client.get(path))


def _answers(client: httpx.AsyncClient, path: str) -> bool:
    try:
        return httpx.get(f"{client.base_url}{path}", headers=client.headers, timeout=5).is_success
    except httpx.TransportError:
        return False


def _ticks(pid: int) -> int:
    """What a process has worked (Linux)."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


async def test_nothing_is_half_imported(
    installation: Installation, engine: sa.Engine, record_property: Callable[[str, str], None]
) -> None:
    made = installation.run("app.cli keys create --role administrator --label root")
    headers = {"Authorization": f"Bearer {made.splitlines()[-1]}"}
    text = of_people(PEOPLE)
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=60) as client:
        ward = Ward(client)
        await ward.open()
        alone = Reading(ward, engine, installation)
        await alone.ask(text)
        report = await alone.ends(text)
        figures = []
        for number, (rows, seconds) in enumerate(MOMENTS):
            one = Reading(ward, engine, installation)
            await one.ask(text)
            # One that is over before it was seen there is not disturbed: the figures tell.
            wait_until(lambda one=one, rows=rows: one.staged() >= rows or standing(engine, one.pilot))
            await sleep(seconds)
            process, child = wait_until(one.reader)
            only_child = number % 2 == 1
            if only_child:
                os.kill(child, signal.SIGKILL)
            else:
                installation.kill(process)
            killed = one.staged()
            if not only_child:
                installation.start(process)
            assert await one.ends(text) == report
            figures.append(f"  {'child' if only_child else 'process'} at {killed} rows staged, {seconds} s later")
    record_property("figures", "\n".join([f"{engine.dialect.name}: {ROWS} rows, {len(MOMENTS)} kills", *figures]))
