"""What an import may take and leaves behind: bytes, open files, stored parts, staged rows; what happens meanwhile."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from anyio import Event, create_task_group, fail_after, sleep
from fastapi import FastAPI
from sqlmodel import select

from app.auth.keys import make_key
from app.auth.permissions import Role
from app.auth.rate import UnderWay
from app.config import Settings
from app.db import now, transaction
from app.imports import run, upload
from app.imports.models import STAGED, Import, ImportChunk
from app.imports.service import WORK
from app.imports.staging import Lost
from app.jobs import failures
from app.jobs.ledger import Ledger
from app.main import create_app
from app.pilots.models import Iteration, Pilot
from tests.app.imports.test_import import load, sent, values, wide
from tests.app.steps import move, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
TEXT = {"Content-Type": "text/csv"}
BLANK = " " * 1000 + ";;;\r\n"
LIMIT = 3 * 2**20
ENDED = {"reason": "Funding ended.", "lessons": "Secure funding for the whole follow-up."}

type Meanwhile = Callable[[], None]


class Worker:
    """Attempts at imports, step by step in this process."""

    def __init__(self, app: FastAPI) -> None:
        self.ledger: Ledger[Import] = Ledger(app.state.engine, app.state.settings, WORK, threading.Event())

    def read(self, meanwhile: Meanwhile = lambda: None) -> tuple[Import, dict[str, Any]]:
        """Take an import and read its file; `meanwhile` happens after the first part of it."""
        row = self.ledger.take()
        assert row is not None
        pending = [meanwhile]
        answer = run._import(self.ledger.request(row), lambda _share: pending.pop()() if pending else None)
        return row, answer


@pytest.fixture
def worker(app: FastAPI) -> Iterator[Worker]:
    yield Worker(app)
    for engine in run.engines.values():
        engine.dispose()
    run.engines.clear()


@pytest.fixture
async def narrow(settings: Settings, house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A service of its own that takes little, and a lead's client."""
    made = create_app(settings.model_copy(update={"import_max_bytes": LIMIT, "max_body_bytes": 2**20}))
    with transaction(made.state.engine) as session:
        secret = make_key(session, role=Role.LEAD, label="narrow", organization_id=house.id)[1]
    headers = {"Authorization": f"Bearer {secret}", **TEXT}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=made), base_url="http://service", headers=headers
    ) as client:
        yield client
    made.state.engine.dispose()


def left(app: FastAPI) -> tuple[int, int]:
    """Stored parts and staged rows."""
    with app.state.engine.connect() as connection:
        chunks, staged = (connection.scalar(sa.select(sa.func.count()).select_from(t)) for t in (ImportChunk, STAGED))
    return chunks, staged


def temporary() -> int:
    """Temporary files that this process has open: they have no name any more."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        found += target.endswith("(deleted)") and "/tmp" in target
    return found


async def leave(house: House, path: str, text: str, query: str = "") -> str:
    request = house.lead.post(f"{path}/measurements/import?background=true{query}", **sent(text))
    return f"/v1/imports/{(await ok(request, 202))['id']}"


@on_sqlite
async def test_files_may_be_larger_than_other_bodies_up_to_their_own_limit(
    narrow: httpx.AsyncClient, house: House
) -> None:
    path = await planned(house)
    place = f"{path}/measurements/import"
    before = temporary()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LIMIT // 2**20 + 1):
            yield b"1\n" * 2**19

    await refused(narrow.post(place, content=endless()), 413, "too_large")
    problem = await refused(narrow.post(place, content=b"1\n" * LIMIT), 413, "too_large")
    assert f" {LIMIT} bytes" in problem["detail"]
    await refused(narrow.post("/v1/pilots", content=b"1\n" * 2**20), 413, "too_large")
    padded = wide() + "\r\n" + BLANK * 1200
    assert 2**20 < len(padded) < LIMIT
    assert (await ok(narrow.post(place, content=padded), 201))["accepted"] == 24
    await refused(narrow.post(place, content=padded + "p-1;control;99;99"), 422, "rows_rejected")
    assert temporary() == before


async def test_a_workers_files_are_closed(app: FastAPI, house: House, worker: Worker) -> None:
    path = await planned(house)
    request = sent(wide() + "\r\n" + BLANK * 2400)
    described = "Variable / Field Name,Field Type,Field Label\n"
    described += "\n".join(f"x_{i},text,{'x' * 1000}" for i in range(1100))
    request["files"]["dictionary"] = ("dictionary.csv", described.encode(), "text/csv")
    before = temporary()
    at = await ok(house.lead.post(f"{path}/measurements/import?background=true", **request), 202)
    assert left(app)[0] >= 4
    row, answer = worker.read()
    assert temporary() == before
    worker.ledger.succeed(row, answer)
    assert (await ok(house.lead.get(f"/v1/imports/{at['id']}")))["status"] == "succeeded"
    assert left(app) == (0, 0)


async def test_a_pilot_that_retired_meanwhile_gets_nothing(app: FastAPI, house: House, worker: Worker) -> None:
    path = await planned(house)
    at = await leave(house, path, wide())
    row, answer = worker.read()
    await move(house, path, "retired", retirement="stopped", **ENDED)
    worker.ledger.succeed(row, answer)
    shown = await ok(house.lead.get(at))
    assert (shown["status"], shown["failure"]["code"]) == ("failed", "retired")
    assert (await values(house, path), left(app)) == ({}, (0, 0))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_iteration_that_moved_on_gets_nothing(app: FastAPI, house: House, worker: Worker, when: str) -> None:
    path = await planned(house)
    at = await leave(house, path, wide())

    def next_iteration() -> None:
        with transaction(app.state.engine) as session:
            pilot = session.exec(select(Pilot)).one()
            pilot.iteration += 1
            opened = Iteration(pilot_id=pilot.id, number=2, organization_id=pilot.organization_id, opened_at=now())
            session.add_all([pilot, opened])

    if when == "before":
        next_iteration()
        row = worker.ledger.take()
        assert row is not None
        with pytest.raises(Exception, match="another iteration") as caught:
            run._import(worker.ledger.request(row), lambda _share: None)
        worker.ledger.fail(row, failures.of(caught.value))
    else:
        row, answer = worker.read()
        next_iteration()
        worker.ledger.succeed(row, answer)
    shown = await ok(house.lead.get(at))
    assert (shown["status"], shown["failure"]["code"]) == ("failed", "changed_meanwhile")
    assert "another iteration" in shown["failure"]["message"]
    assert (await values(house, path), left(app)) == ({}, (0, 0))


async def test_what_a_key_asked_for_outlives_it(
    app: FastAPI, house: House, worker: Worker, as_key: Callable[[str], httpx.AsyncClient]
) -> None:
    """Who asked was allowed to, and is named; who wants it stopped cancels it."""
    path = await planned(house)
    with transaction(app.state.engine) as session:
        key, secret = make_key(session, role=Role.LEAD, label="Ward office", organization_id=house.id)
    asked = as_key(secret).post(f"{path}/measurements/import?background=true", **sent(wide()))
    at = f"/v1/imports/{(await ok(asked, 202))['id']}"
    await ok(house.administrator.delete(f"/v1/keys/{key.id}"))
    worker.ledger.succeed(*worker.read())
    shown = await ok(house.lead.get(at))
    assert (shown["status"], shown["created_by"], shown["revision"]) == ("succeeded", "Ward office", 1)
    assert len(await values(house, path)) == 24


async def test_two_imports_into_one_pilot_end_one_after_the_other(app: FastAPI, house: House, worker: Worker) -> None:
    path = await planned(house)
    first, second = await leave(house, path, wide(12)), await leave(house, path, wide(14))
    one, other = worker.read(), worker.read()
    worker.ledger.succeed(*other)
    worker.ledger.succeed(*one)
    reports = [(await ok(house.lead.get(at)))["result"] for at in (second, first)]
    assert [(r["accepted"], r["unchanged"], r["revision"]) for r in reports] == [(28, 0, 1), (0, 24, None)]
    assert (len(await values(house, path)), left(app)) == (28, (0, 0))


async def test_two_requests_at_once_end_one_after_the_other(app: FastAPI, house: House) -> None:
    path = await planned(house)
    reports = []

    async def send(people: int) -> None:
        reports.append(await load(house, path, wide(people)))

    async with create_task_group() as group:
        for people in (12, 14, 13):
            group.start_soon(send, people)
    assert sum(report["accepted"] for report in reports) == 28
    assert sum(report["unchanged"] for report in reports) == 2 * (12 + 14 + 13) - 28
    assert (len(await values(house, path)), left(app)) == (28, (0, 0))


async def test_what_an_attempt_stages_too_late_goes_with_the_next_import(
    app: FastAPI, house: House, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.imports.staging.PART", 10)
    path = await planned(house)
    at = await leave(house, path, wide())

    def another_takes_over() -> None:
        with transaction(app.state.engine) as session:
            session.connection().execute(sa.update(Import).values(lease_expires_at=sa.null(), status="queued"))
        worker.ledger.succeed(*worker.read())

    with pytest.raises(Lost):  # what it had read before is gone with the import's end
        worker.read(another_takes_over)
    assert left(app) == (0, 14)
    shown = await ok(house.lead.get(at))
    assert (shown["status"], shown["revision"]) == ("succeeded", 1)
    assert len(await values(house, path)) == 24
    await leave(house, path, wide(14))
    worker.ledger.succeed(*worker.read())
    assert (len(await values(house, path)), left(app)) == (28, (0, 0))


@on_sqlite
async def test_who_may_not_enter_measures_leaves_no_file(
    app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await planned(house)
    stored: list[object] = []
    monkeypatch.setattr(upload, "spool", lambda: stored.append(1))
    place = f"{path}/measurements/import"
    assert (await house.analyst.post(place, content=b"x" * 2**20, headers=TEXT)).status_code == 403
    assert stored == []


@on_sqlite
async def test_a_key_sends_so_many_files_at_once_and_no_more(app: FastAPI, house: House) -> None:
    path = await planned(house)
    place, goes_on = f"{path}/measurements/import?dry_run=true", Event()
    few = UnderWay("uploads", each=2, together=3)

    async def slow() -> AsyncIterator[bytes]:
        yield b"participant,arm,mbi_ee_pre\n"
        await goes_on.wait()
        yield b"p-1,control,20\n"

    async def send(content: Any) -> int:
        return (await house.lead.post(place, content=content, headers=TEXT)).status_code

    app.state.uploads, before = few, app.state.uploads
    try:
        async with create_task_group() as group:
            for _ in range(2):
                group.start_soon(send, slow())
            with fail_after(10):
                while few._of.total() < 2:  # noqa: ASYNC110 - nobody tells
                    await sleep(0.01)
            answer = await house.lead.post(place, content=b"a", headers=TEXT)
            assert (answer.status_code, answer.json()["code"]) == (429, "busy")
            assert int(answer.headers["retry-after"]) > 0
            goes_on.set()
    finally:
        app.state.uploads = before
    assert few._of.total() == 0
