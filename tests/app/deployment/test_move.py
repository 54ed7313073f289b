"""Moving house from SQLite to PostgreSQL: every row, or nothing."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from app.db import make_engine
from app.deployment import move as moving
from app.deployment.move import NotMoved, move
from app.deployment.tables import digest, tables
from app.requests import use_database
from tests.app.steps import in_test, ok, planned
from tests.conftest import House, PostgresqlDatabase, on_sqlite

pytestmark = [pytest.mark.anyio, on_sqlite]


@pytest.fixture
def new_home(postgresql_database: PostgresqlDatabase) -> Iterator[sa.Engine]:
    engine = make_engine(postgresql_database.url)
    yield engine
    engine.dispose()
    postgresql_database.empty()


def counts(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {t.name: connection.scalar(sa.select(sa.func.count()).select_from(t)) or 0 for t in tables()}


async def test_all_of_it_arrives_and_the_service_goes_on_there(app: FastAPI, house: House, new_home: sa.Engine) -> None:
    path = await in_test(house)
    await planned(house)
    shown = [path, f"{path}/plan", f"{path}/measurements", f"{path}/timeline", "/v1/pilots", "/v1/measures"]
    before = [await ok(house.lead.get(address)) for address in shown]
    told: list[str] = []
    old = app.state.engine
    count = move(old, new_home, told.append)
    assert count == sum(counts(old).values()) == sum(counts(new_home).values())
    assert any(line.startswith("pilots: 2") for line in told)
    use_database(app, new_home)
    assert [await ok(house.lead.get(address)) for address in shown] == before
    await ok(house.lead.patch(path, json={"title": "In the new home"}))
    use_database(app, old)
    assert (await ok(house.lead.get(path)))["title"] != "In the new home"


async def test_a_home_in_use_or_of_another_kind_is_refused(app: FastAPI, house: House, new_home: sa.Engine) -> None:
    await planned(house)
    move(app.state.engine, new_home, lambda _: None)
    before = counts(new_home)
    with pytest.raises(NotMoved, match="in use"):
        move(app.state.engine, new_home, lambda _: None)
    assert counts(new_home) == before
    with pytest.raises(NotMoved, match="has to be a PostgreSQL"):
        move(app.state.engine, app.state.engine, lambda _: None)


async def test_nothing_is_moved_where_a_row_came_out_different(
    app: FastAPI, house: House, new_home: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await planned(house)

    def wrong(connection: sa.Connection, table: sa.Table) -> object:
        found = digest(connection, table)
        return (found, connection.dialect.name) if table.name == "plan_versions" else found

    before = counts(new_home)
    monkeypatch.setattr(moving, "digest", wrong)
    with pytest.raises(NotMoved, match="plan_versions are not the same"):
        move(app.state.engine, new_home, lambda _: None)
    assert counts(new_home) == before
