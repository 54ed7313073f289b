"""Processes killed in the middle of an import: nothing half imported, it resumes or says why not; briefly.

`make chaos` does the same at length, with whole installations.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from anyio import sleep
from fastapi import FastAPI

from app.auth.keys import make_key
from app.auth.permissions import Role
from app.config import Settings
from app.db import transaction
from tests.acceptance.processes import Installation, child_of, wait_until
from tests.acceptance.spreadsheets import attempts, left, of_people, revisions, rows_of, standing
from tests.app.steps import ok, planned
from tests.conftest import House

pytestmark = pytest.mark.anyio

LIVES, DIES, API, DYING_API = range(4)
COMMANDS = [
    "tests.acceptance.mortal importer immortal",
    "tests.acceptance.mortal importer",
    "app.cli api",
    "tests.acceptance.mortal api",
]
ATTEMPTS = 2
PEOPLE = 15_000
CHILD = "app.imports.run"


@pytest.fixture
def installation(settings: Settings, tmp_path: Path) -> Iterator[Installation]:
    more = {"PILOTLIGHT_LEASE_SECONDS": "0.6", "PILOTLIGHT_ANALYSIS_ATTEMPTS": str(ATTEMPTS)}
    made = Installation(COMMANDS, settings.url, tmp_path, more)
    yield made
    made.stop()


async def asked(client: httpx.AsyncClient, path: str, text: str) -> str:
    request = client.post(
        f"{path}/measurements/import?background=true", content=text, headers={"Content-Type": "text/csv"}
    )
    return f"/v1/imports/{(await ok(request, 202))['id']}"


@pytest.mark.parametrize("database_url", [pytest.param("sqlite", marks=pytest.mark.chaos), "postgresql"], indirect=True)
async def test_a_killed_import_is_resumed_and_entered_once(
    house: House, engine: sa.Engine, installation: Installation
) -> None:
    path, text = await planned(house), of_people(PEOPLE)
    pilot = path.rpartition("/")[2]
    at = await asked(house.lead, path, text)

    async def nothing_entered() -> None:
        assert (await ok(house.lead.get(f"{path}/measurements")))["items"] == []
        assert (await ok(house.lead.get(at)))["result"] is None
        assert revisions(engine, pilot) == 0

    installation.start(DIES)
    assert installation.ended(DIES) == -signal.SIGKILL
    await nothing_entered()
    assert left(engine)[0] == 1

    seen = attempts(engine)
    installation.start(LIVES)
    ended = await finally_(house, at)
    assert (ended["status"], ended["progress"], ended["revision"]) == ("succeeded", 1, 1)
    assert standing(engine, pilot) == rows_of(text)
    assert revisions(engine, pilot) == 1
    assert left(engine) == (0, 0)
    report = ended["result"]
    assert (report["accepted"], report["unchanged"], report["rejected"], report["entered"]) == (2 * PEOPLE, 0, 0, True)

    # The process that reads is killed each time: the import says so, and leaves nothing.
    other = await planned(house)
    at = await asked(house.lead, other, text)
    for _ in range(ATTEMPTS):
        kill_reader(engine, installation, seen)
    ended = await finally_(house, at)
    assert (ended["status"], ended["failure"]["code"]) == ("failed", "crashed")
    assert "ask for it again" in ended["failure"]["message"]
    assert revisions(engine, other.rpartition("/")[2]) == 0
    assert standing(engine, other.rpartition("/")[2]) == []
    assert left(engine) == (0, 0)


@pytest.mark.parametrize("database_url", [pytest.param("sqlite", marks=pytest.mark.chaos), "postgresql"], indirect=True)
async def test_a_request_that_was_cut_is_repeated(
    app: FastAPI, house: House, engine: sa.Engine, installation: Installation
) -> None:
    path, text = await planned(house), of_people(20)
    pilot = path.rpartition("/")[2]
    with transaction(app.state.engine) as session:
        secret = make_key(session, role=Role.LEAD, label="cut", organization_id=house.id)[1]
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "text/csv", "Idempotency-Key": "once"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=30) as client:
        installation.start(DYING_API)
        wait_until(installation.ready)
        with pytest.raises(httpx.TransportError):
            await client.post(f"{path}/measurements/import", content=text)
        assert installation.ended(DYING_API) == -signal.SIGKILL
        assert (standing(engine, pilot), revisions(engine, pilot), left(engine)) == ([], 0, (0, 0))
        installation.start(API)
        wait_until(installation.ready)
        first = await ok(client.post(f"{path}/measurements/import", content=text), 201)
        again = await client.post(f"{path}/measurements/import", content=text)
    assert again.json() == first
    assert again.headers["idempotent-replayed"] == "true"
    assert standing(engine, pilot) == rows_of(text)
    assert (revisions(engine, pilot), left(engine)) == (1, (0, 0))


def kill_reader(engine: sa.Engine, installation: Installation, seen: set[str]) -> None:
    """Kill the process that reads the file, alone, once it has staged a part of it in a new attempt."""
    seen |= wait_until(lambda: attempts(engine) - seen)
    os.kill(child_of(installation.pid(LIVES), CHILD), signal.SIGKILL)


async def finally_(house: House, at: str) -> dict[str, Any]:
    """The import, once it has ended."""
    shown: dict[str, Any] = await ok(house.lead.get(at))
    for _ in range(300):
        if shown["finished_at"] is not None:
            return shown
        await sleep(0.1)
        shown = await ok(house.lead.get(at))
    raise AssertionError(shown)
