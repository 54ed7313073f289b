"""Files that a worker imports: the same report, cancelled or ended without a trace when it has to be."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from anyio import sleep
from fastapi import FastAPI
from sqlmodel import Session, select

from app.db import now, transaction
from app.imports import run
from app.imports.models import STAGED, Import, ImportChunk
from app.imports.service import WORK
from app.jobs import claims
from app.jobs.models import JobStatus
from app.jobs.runner import Runner
from app.measures.rows import enter_rows
from app.measures.schemas import MeasurementsIn, RowIn
from app.pilots.models import Pilot
from app.plans.models import PlanVersion
from tests.app.imports.test_import import ARMS, load, refuse, sent, values, wide
from tests.app.steps import PLAN, ok, planned, refused
from tests.conftest import House

pytestmark = pytest.mark.anyio
BEHIND = "?background=true"

type Work = Callable[..., JobStatus]


@pytest.fixture
def work(app: FastAPI) -> Iterator[Work]:
    """One attempt at an import as a worker makes it, in this process; `between` happens before its end is written."""

    def attempt(import_id: str, between: Callable[[Session], object] | None = None) -> JobStatus:
        engine, settings = app.state.engine, app.state.settings
        with transaction(engine) as session:
            row = claims.claim(session, Import, import_id, now(), timedelta(seconds=60), 3)
            assert row is not None
            session.info["settings"] = settings
            request = WORK.request(session, row)
        answer = run._import(request, lambda _share: None)
        if between is not None:
            with transaction(engine) as session:
                between(session)
        with transaction(engine) as session:
            session.info["settings"] = settings
            ended = claims.finish(session, row, JobStatus.SUCCEEDED, now())
            assert ended is not None
            WORK.settle(session, ended, answer)
            return ended.status

    yield attempt
    for engine in run.engines.values():
        engine.dispose()
    run.engines.clear()


def left(app: FastAPI) -> tuple[int, int]:
    """Stored parts and staged rows."""
    with transaction(app.state.engine) as session:
        counts = [session.connection().scalar(sa.select(sa.func.count()).select_from(t)) for t in (ImportChunk, STAGED)]
    return counts[0], counts[1]


async def asked(house: House, path: str, text: str, query: str = BEHIND, **fields: Any) -> str:
    response = await house.lead.post(f"{path}/measurements/import{query}", **sent(text, **fields))
    assert response.status_code == 202, response.text
    row = response.json()
    assert response.headers["location"] == f"/v1/imports/{row['id']}"
    assert (row["status"], row["progress"], row["result"]) == ("queued", 0, None)
    return str(row["id"])


async def test_a_worker_gives_the_report_of_a_request(app: FastAPI, house: House, work: Work) -> None:
    here, there = await planned(house), await planned(house)
    report = await load(house, here, wide())
    import_id = await asked(house, there, wide())
    assert left(app) == (1, 0)
    assert work(import_id) is JobStatus.SUCCEEDED
    shown = await ok(house.lead.get(f"/v1/imports/{import_id}"))
    assert shown["result"] == report
    assert (shown["progress"], shown["revision"]) == (1, 1)
    assert await values(house, there) == await values(house, here)
    assert left(app) == (0, 0)
    again = await asked(house, there, wide())
    work(again)
    assert (await ok(house.lead.get(f"/v1/imports/{again}")))["result"]["unchanged"] == 24


async def test_wrong_rows_enter_nothing(app: FastAPI, house: House, work: Work) -> None:
    path = await planned(house)
    text = wide(10) + "\r\np-099;control;99;20"
    problem = await refuse(house, path, text, "rows_rejected")
    import_id = await asked(house, path, text)
    work(import_id)
    report = (await ok(house.lead.get(f"/v1/imports/{import_id}")))["result"]
    assert (report["entered"], report["accepted"], report["rejected"]) == (False, 0, 1)
    assert report["errors"] == problem["errors"]
    assert report["says"] == problem["detail"]
    assert await values(house, path) == {}
    part = await asked(house, path, text, f"{BEHIND}&partial=true")
    work(part)
    assert len(await values(house, path)) == 21
    dry = await asked(house, path, wide(12), f"{BEHIND}&dry_run=true")
    work(dry)
    report = (await ok(house.lead.get(f"/v1/imports/{dry}")))["result"]
    assert (report["entered"], report["accepted"], report["unchanged"]) == (False, 4, 20)
    assert len(await values(house, path)) == 21
    assert left(app) == (0, 0)


async def test_what_was_entered_meanwhile_is_judged_anew(app: FastAPI, house: House, work: Work) -> None:
    path = await planned(house)
    import_id = await asked(house, path, wide())

    def meanwhile(session: Session) -> None:
        """Another one enters a person of the file, otherwise."""
        pilot = session.exec(select(Pilot)).one()
        row = RowIn(participant="p-003", arm="control", value=50)
        session.info["settings"] = app.state.settings
        enter_rows(
            session,
            pilot,
            MeasurementsIn(measure="mbi_ee", wave="pre", rows=[row]),
            partial=False,
            person="another",
            at=now(),
        )

    assert work(import_id, meanwhile) is JobStatus.SUCCEEDED
    report = (await ok(house.lead.get(f"/v1/imports/{import_id}")))["result"]
    assert [(e["row"], e["code"]) for e in report["errors"]] == [(4, "duplicate")]
    assert len(await values(house, path)) <= 1


async def test_a_plan_that_changed_meanwhile_stops_it(app: FastAPI, house: House, work: Work) -> None:
    path = await planned(house)
    import_id = await asked(house, path, wide())
    measures = [{**PLAN["measures"][0], "mmd": 0.3}]

    def meanwhile(session: Session) -> None:
        version = session.exec(select(PlanVersion)).one()
        version.plan = {**version.plan, "measures": [{**version.plan["measures"][0], **measures[0]}]}
        session.add(version)

    with pytest.raises(Exception, match="changed while the file was read"):
        work(import_id, meanwhile)
    assert await values(house, path) == {}


async def test_nobody_is_deleted_while_a_file_may_bring_them_back(house: House, work: Work) -> None:
    path = await planned(house)
    await load(house, path, wide(4))
    person = f"{path}/participants/p-003"
    first, second = await asked(house, path, wide()), await asked(house, path, wide())
    problem = await refused(house.lead.delete(person), 409, "import_under_way")
    assert first in problem["detail"] or second in problem["detail"]
    work(first)
    await refused(house.lead.delete(person), 409, "import_under_way")
    await ok(house.lead.post(f"/v1/imports/{second}/cancel"))
    await asked(house, path, wide(), f"{BEHIND}&dry_run=true")
    assert await ok(house.lead.delete(person)) == {"deleted": 2}
    assert not [who for who, _ in await values(house, path) if who == "p-003"]


async def test_it_is_cancelled_before_it_began(app: FastAPI, house: House) -> None:
    path = await planned(house)
    import_id = await asked(house, path, wide())
    cancelled = await ok(house.lead.post(f"/v1/imports/{import_id}/cancel"))
    assert cancelled["status"] == "cancelled"
    assert left(app) == (0, 0)
    await ok(house.lead.post(f"/v1/imports/{import_id}/cancel"))
    await refused(house.analyst.post(f"/v1/imports/{import_id}/cancel"), 403, "forbidden")


async def test_a_large_file_is_left_to_a_worker(app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.imports.routes.AT_ONCE", 100)
    path = await planned(house)
    import_id = await asked(house, path, wide(), "")
    await ok(house.lead.post(f"/v1/imports/{import_id}/cancel"))
    await load(house, path, wide(), 201, "?background=false")


async def test_what_cannot_be_read_is_told_at_once(house: House) -> None:
    path = await planned(house)
    await refuse(house, path, "a,b\n1,2", "mapping_needed", BEHIND)
    assert (await ok(house.lead.get(f"{path}/imports")))["items"] == []


async def test_the_worker_itself_shows_progress_and_ends_what_is_cancelled(app: FastAPI, house: House) -> None:
    """A real child process: one file to its end, another cancelled in the middle."""
    path, other = await planned(house), await planned(house)
    chance = random.Random(3)
    lines = ["participant,arm,mbi_ee_pre,mbi_ee_post"]
    lines += [f"p-{i},{ARMS[i % 2]},{chance.randint(0, 54)},{chance.randint(0, 54)}" for i in range(60_000)]
    first = await asked(house, path, wide())
    runner = Runner(app.state.engine, app.state.settings, [WORK])
    runner.start()
    try:
        assert (await ended(house, first))["status"] == "succeeded"
        second = await asked(house, other, "\n".join(lines))
        shown = await ok(house.lead.get(f"/v1/imports/{second}"))
        while shown["progress"] == 0:
            await sleep(0.05)
            shown = await ok(house.lead.get(f"/v1/imports/{second}"))
        await ok(house.lead.post(f"/v1/imports/{second}/cancel"))
        assert (await ended(house, second))["status"] == "cancelled"
    finally:
        runner.stop()
    assert len(await values(house, path)) == 24
    assert await values(house, other) == {}
    assert left(app) == (0, 0)


async def ended(house: House, import_id: str) -> dict[str, Any]:
    until = time.monotonic() + 40
    while time.monotonic() < until:
        shown: dict[str, Any] = await ok(house.lead.get(f"/v1/imports/{import_id}"))
        if shown["status"] not in {"queued", "running"}:
            return shown
        await sleep(0.1)
    raise AssertionError("the import did not end")
