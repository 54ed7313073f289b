"""A database that is full or takes no changes: a clear refusal, nothing half done, all well when it is well again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from app.db import make_engine
from app.requests import use_database
from tests.app.steps import ok, planned, start
from tests.conftest import House, on_postgresql, on_sqlite

pytestmark = pytest.mark.anyio


@contextmanager
def connected_with(app: FastAPI, statement: str) -> Iterator[None]:
    """The service on connections that begin with a statement."""
    before = app.state.engine
    engine = make_engine(app.state.settings.url)

    @sa.event.listens_for(engine, "connect")
    def _begin(connection: Any, _record: Any) -> None:
        with_cursor = connection.cursor()
        with_cursor.execute(statement)
        with_cursor.close()
        if engine.dialect.name == "postgresql":
            connection.commit()

    use_database(app, engine)
    try:
        yield
    finally:
        use_database(app, before)
        engine.dispose()


async def test_a_read_only_database_is_read_and_not_changed(app: FastAPI, house: House) -> None:
    path = await start(house)
    statement = {
        "sqlite": "PRAGMA query_only=ON",
        "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    }[app.state.engine.dialect.name]
    with connected_with(app, statement):
        assert (await ok(house.lead.get(path)))["title"]
        answer = await house.lead.patch(path, json={"title": "Other"})
        assert (answer.status_code, answer.json()["code"]) == (503, "read_only")
        assert "nothing was changed" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
    assert (await ok(house.lead.get(path)))["title"] != "Other"
    assert (await ok(house.lead.patch(path, json={"title": "Other"})))["title"] == "Other"


async def test_nobody_waits_for_ever_for_what_another_holds(app: FastAPI, house: House) -> None:
    path = await start(house)
    before: sa.Engine = app.state.engine
    statement = {"sqlite": "PRAGMA busy_timeout=200", "postgresql": "SET lock_timeout = '200ms'"}[before.dialect.name]
    # On SQLite every transaction that may write holds the database.
    held = {"sqlite": "SELECT 1", "postgresql": "SELECT * FROM pilots FOR UPDATE"}[before.dialect.name]
    with connected_with(app, statement), before.connect() as other:
        other.exec_driver_sql(held)
        answer = await house.lead.patch(path, json={"title": "Other"})
        assert answer.status_code == 503
        assert "nothing was changed" in answer.json()["detail"]
        other.rollback()
        assert (await ok(house.lead.patch(path, json={"title": "Other"})))["title"] == "Other"


@on_sqlite
async def test_a_full_disk_refuses_every_change_whole(app: FastAPI, house: House) -> None:
    path = await planned(house)
    rows = [{"arm": "control", "participant": f"p{i}", "value": 20} for i in range(4000)]
    body = {"measure": "mbi_ee", "wave": "pre", "rows": rows}
    await ok(house.lead.get(path))
    with connected_with(app, "PRAGMA max_page_count=1"):  # as many pages as there are
        answer = await house.lead.post(f"{path}/measurements", json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "disk_full"), answer.text[:500]
    assert (await ok(house.lead.get(f"{path}/measurements")))["items"] == []
    assert (await ok(house.lead.post(f"{path}/measurements", json=body), 201))["accepted"] == len(rows)


@on_postgresql
async def test_connections_that_the_server_closed_meanwhile_cost_nobody_an_error(app: FastAPI, house: House) -> None:
    path = await start(house)
    await ok(house.lead.get(path))
    other = sa.create_engine(app.state.settings.url, poolclass=sa.NullPool)
    with other.connect() as connection:
        closed = connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        ).all()
    assert closed
    await ok(house.lead.get(path))
    await ok(house.lead.patch(path, json={"title": "Other"}))
