"""Hosts that share nothing but the database: one is cut off in the middle of an analysis, the other finishes it."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.analyses.models import Analysis
from app.audit.models import AuditEntry
from app.db import make_engine, reading
from app.outbox.models import OutboxEvent
from tests.acceptance.cable import Cable
from tests.acceptance.journeys import LOCKED, Ward, insist
from tests.acceptance.namespaces import Namespace, namespace
from tests.acceptance.processes import Installation, wait_until
from tests.app.steps import CHANGES
from tests.postgresql import database_on, migrated, packaged_postgresql

pytestmark = [pytest.mark.chaos, pytest.mark.anyio]

SETTINGS = {"PILOTLIGHT_SECRET_KEY": "the same on every host", "PILOTLIGHT_LEASE_SECONDS": "5"}
TAKEN_OVER_WITHIN = 60


@pytest.fixture
def server() -> Iterator[str]:
    """A server with a migrated database."""
    with packaged_postgresql(durable=True) as found:
        yield migrated(database_on(found, "shared"))


@pytest.fixture
def engine(server: str) -> Iterator[sa.Engine]:
    """What the test itself reads the database with."""
    made = make_engine(server)
    yield made
    made.dispose()


@dataclass
class Line:
    """What lies between the first worker's host and the database: it can be cut, and mended."""

    cable: Cable
    host: Namespace | None

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a command on that host."""
        return self.host.prefix if self.host else ()

    def cut(self) -> None:
        """Nothing passes from now on."""
        if self.host:
            self.host.unplug()
        else:
            self.cable.cut()

    def mend(self) -> None:
        """It is whole again."""
        if self.host:
            self.host.plug()
        else:
            self.cable.mend()


@pytest.fixture(params=["relay", "namespace"])
def line(request: pytest.FixtureRequest, server: str) -> Iterator[Line]:
    """A relay that holds what is sent; or a host in a network namespace, whose wire is pulled."""
    socket = f"{sa.make_url(server).query['host']}/.s.PGSQL.5432"
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(namespace(1)) if request.param == "namespace" else None
        if request.param == "namespace" and host is None:
            pytest.skip("network namespaces cannot be made here")
        made = Line(Cable(socket, host.gateway if host else "127.0.0.1"), host)
        stack.callback(made.cable.close)
        yield made


@pytest.fixture
def hosts(server: str, line: Line, tmp_path: Path) -> Iterator[list[Installation]]:
    """An API and two workers, each in a folder of its own; the first worker behind the line."""
    far = sa.make_url(server)
    behind = far.set(host=line.cable.at, port=line.cable.port, query={}).render_as_string(hide_password=False)
    made = []
    for name, command, url in (("api", "api", server), ("first", "worker", behind), ("second", "worker", server)):
        (tmp_path / name).mkdir()
        prefix = line.prefix if name == "first" else ()
        made.append(Installation([f"app.cli {command}"], url, tmp_path / name, SETTINGS, prefix))
    yield made
    line.mend()
    for host in made:
        host.stop()


@pytest.fixture
async def ward(hosts: list[Installation]) -> AsyncIterator[Ward]:
    api = hosts[0]
    api.start(0)
    wait_until(api.ready)
    key = api.run("app.cli keys create --role administrator --label root").splitlines()[-1]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=30) as client:
        opened = Ward(client)
        await opened.open()
        yield opened


def analysis(engine: sa.Engine) -> Any:
    with reading(engine) as session:
        return session.exec(select(Analysis)).one()


def running(engine: sa.Engine) -> bool:
    return analysis(engine).status == "running"


async def test_what_a_host_that_was_cut_off_had_begun_is_finished_by_another_and_its_late_result_refused(
    hosts: list[Installation], line: Line, ward: Ward, engine: sa.Engine
) -> None:
    _, first, second = hosts
    for host in (first, second):
        host.start(0)
        wait_until(lambda host=host: "warm" in host.log.read_text(), 240)
    path = await ward.pilot()
    await insist(ward.client, "POST", f"{path}/moves", {"to": "develop"})
    await insist(ward.client, "PUT", f"{path}/plan", LOCKED)
    await insist(ward.client, "POST", f"{path}/plan/lock")
    await insist(ward.client, "POST", f"{path}/moves", {"to": "test"})
    await insist(ward.client, "POST", f"{path}/summaries", CHANGES)
    os.kill(second.pid(0), signal.SIGSTOP)  # so that it is the first that takes it
    await insist(ward.client, "POST", f"{path}/analyses", {})
    wait_until(lambda: running(engine))
    line.cut()
    os.kill(second.pid(0), signal.SIGCONT)
    wait_until(lambda: analysis(engine).status == "succeeded", TAKEN_OVER_WITHIN)
    done = analysis(engine)
    assert done.attempts == 2
    line.mend()
    wait_until(lambda: "late_result_refused" in first.log.read_text() or "lease_lost" in first.log.read_text(), 90)
    after = analysis(engine)
    assert (after.result, after.finished_at, after.attempts) == (done.result, done.finished_at, 2)
    with reading(engine) as session:
        ends = select(AuditEntry).where(AuditEntry.resource == "analyses", AuditEntry.action == "ended")
        assert len(session.exec(ends).all()) == 1
        events = session.exec(select(OutboxEvent).where(OutboxEvent.type == "analysis.finished")).all()
        assert len(events) == 1


async def test_a_host_with_a_secret_of_its_own_does_not_start(
    hosts: list[Installation], ward: Ward, server: str, tmp_path: Path
) -> None:
    assert ward.id
    (tmp_path / "stranger").mkdir()
    stranger = Installation(["app.cli worker"], server, tmp_path / "stranger", {"PILOTLIGHT_SECRET_KEY": "another"})
    stranger.start(0)
    assert stranger.ended(0) == 1
    assert "PILOTLIGHT_SECRET_KEY" in stranger.log.read_text()
