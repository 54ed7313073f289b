"""One migration history for both databases; catalogues are there; layers hold in the source."""

import ast
import csv
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlmodel import select

import app as package
import app.migrate as migrate_module
import migrations
from app.catalog.models import Driver, Measure, ProgramDimension
from app.db import make_engine, reading, transaction
from app.lifecycle.models import Review, ReviewKind
from app.migrate import Newer, Revisions, migrate, revision_of
from app.pilots.lessons import as_compared
from app.pilots.models import Lesson, Stage
from app.tables import metadata
from tests.conftest import on_postgresql

UNUSED: frozenset[str] = frozenset()
"""Columns that a migration dropped after a whole version had not used them."""


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def alembic(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def test_the_models_say_what_the_migrations_build(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        command.check(alembic(connection))  # raises when they differ


def test_down_to_nothing_and_up_again(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        command.downgrade(alembic(connection), "base")
        connection.commit()
    assert set(sa.inspect(engine).get_table_names()) <= {"alembic_version"}
    migrate(engine)
    assert set(sa.inspect(engine).get_table_names()) >= set(metadata.tables)


def shape(connection: sa.Connection) -> dict[tuple[str, str], dict[str, Any]]:
    """Every column that stands, by table and name."""
    inspector = sa.inspect(connection)
    tables = [name for name in inspector.get_table_names() if name != "alembic_version"]
    return {(table, str(column["name"])): dict(column) for table in tables for column in inspector.get_columns(table)}


def steps() -> list[tuple[str, str]]:
    """Each revision that follows another."""
    packaged = Revisions.packaged()
    chain = sorted({*packaged.older, packaged.newest})
    return list(pairwise(chain))


@pytest.mark.parametrize(("before", "after"), steps())
def test_a_migration_leaves_alone_what_the_code_of_the_version_before_writes(
    engine: sa.Engine, before: str, after: str
) -> None:
    with engine.connect() as connection:
        command.downgrade(alembic(connection), before)
        connection.commit()
        had = shape(connection)
        command.upgrade(alembic(connection), after)
        connection.commit()
        has = shape(connection)
    lost = {column for column in set(had) - set(has) if f"{column[0]}.{column[1]}" not in UNUSED}
    assert not lost, f"{lost}: the code before still reads them"
    of_before = {table for table, _ in had}
    added = [has[column] | {"table": column[0]} for column in set(has) - set(had) if column[0] in of_before]
    needed = [c for c in added if not c["nullable"] and c["default"] is None]
    assert not needed, "the code before leaves them empty when it adds a row"
    stricter = [column for column in set(had) & set(has) if had[column]["nullable"] and not has[column]["nullable"]]
    assert not stricter, "the code before leaves them empty"


BEFORE_OUTBOX_CHANGED = "0011"
"""The steps after it wait for whoever reads `outbox_events`."""


@on_postgresql
def test_a_migration_beside_a_service_at_work_tries_again(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate_module, "LOCK_TIMEOUT", "100ms")
    newest = Revisions.packaged().newest
    with engine.connect() as connection:
        command.downgrade(alembic(connection), BEFORE_OUTBOX_CHANGED)
        connection.commit()
    with engine.connect() as busy, ThreadPoolExecutor(1) as pool:
        busy.execute(sa.text("SELECT count(*) FROM outbox_events"))
        migrating = pool.submit(migrate, engine)
        time.sleep(1)
        assert not migrating.done()
        assert revision_of(engine) != newest
        busy.rollback()
        migrating.result(20)
    assert revision_of(engine) == newest


@on_postgresql
def test_a_migration_that_finds_no_moment_changes_nothing(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LOCK_TIMEOUT", "50ms"), ("ATTEMPTS", 2), ("PAUSE", 0)):
        monkeypatch.setattr(migrate_module, name, value)
    with engine.connect() as connection:
        command.downgrade(alembic(connection), BEFORE_OUTBOX_CHANGED)
        connection.commit()
    before = revision_of(engine)
    with engine.connect() as busy:
        busy.execute(sa.text("SELECT count(*) FROM outbox_events"))
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            migrate(engine)
    assert revision_of(engine) == before
    migrate(engine)


def test_a_database_that_ran_the_first_form_of_0012_gets_the_index_of_pages(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "0012")
        connection.execute(sa.text("DROP INDEX ix_pilots_organization_id_id"))
        connection.execute(sa.text("CREATE INDEX ix_pilots_organization_id ON pilots (organization_id)"))
    migrate(engine)
    with engine.connect() as connection:
        found = {index["name"] for index in sa.inspect(connection).get_indexes("pilots")}
    assert "ix_pilots_organization_id_id" in found
    assert "ix_pilots_organization_id" not in found


def test_a_later_versions_schema_is_not_touched(engine: sa.Engine) -> None:
    said = sa.text("UPDATE alembic_version SET version_num = :revision")
    try:
        with engine.begin() as connection:
            connection.execute(said, {"revision": "9999"})
        with pytest.raises(Newer, match="9999"):
            migrate(engine)
        assert revision_of(engine) == "9999"
    finally:
        with engine.begin() as connection:
            connection.execute(said, {"revision": Revisions.packaged().newest})


def test_an_api_is_ready_on_the_schema_of_a_later_version_and_not_on_that_of_an_earlier() -> None:
    packaged = Revisions.packaged()
    assert (packaged.behind(None), packaged.behind("0001"), packaged.behind(packaged.newest)) == (True, True, False)
    assert (packaged.behind("9999"), packaged.ahead("9999")) == (False, True)
    assert not packaged.ahead(packaged.newest)


def test_the_catalogues_are_seeded_once(engine: sa.Engine) -> None:
    def held() -> dict[str, set[str]]:
        with reading(engine) as session:
            return {
                f"{model.__tablename__}.csv": set(session.exec(select(model.key)))
                for model in (Driver, Measure, ProgramDimension)
            }

    expected = {}
    for name in ("drivers.csv", "measures.csv", "program_dimensions.csv"):
        lines = files("app.catalog").joinpath("data", name).read_text(encoding="utf-8").splitlines()
        expected[name] = {row["key"] for row in csv.DictReader(lines)}
    assert held() == expected
    with transaction(engine) as session:
        row = session.exec(select(Driver).where(Driver.key == "workload")).one()
        row.name = "Renamed here"
    migrate(engine)
    assert held() == expected
    with reading(engine) as session:
        assert session.exec(select(Driver).where(Driver.key == "workload")).one().name == "Renamed here"
        assert len(session.exec(select(Measure)).all()) == len(expected["measures.csv"])


def test_routes_reach_rows_through_the_one_door_only() -> None:
    """No endpoint asks the database but through `auth.access`: what may be seen is decided there."""
    routes = sorted(Path(package.__file__).parent.glob("*/*routes.py"))
    assert len(routes) >= 8
    for file in routes:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = {func.id for func in calls if isinstance(func, ast.Name)} | {
            f"{func.value.id}.{func.attr}"
            for func in calls
            if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name)
        }
        assert not names & {"select", "sa.select", "sa.text", "session.get", "session.connection", "session.scalars"}, (
            file
        )


def test_older_pilots_are_carried_over(engine: sa.Engine) -> None:
    """Rows as the schema before 0005 held them, carried over by the upgrade."""
    at = datetime(2026, 1, 5, tzinfo=UTC)
    with engine.connect() as connection:
        command.downgrade(alembic(connection), "0004")
        connection.commit()
        held = sa.MetaData()
        held.reflect(connection)
        insert = {name: table.insert() for name, table in held.tables.items()}
        connection.execute(insert["organizations"], {"id": "o", "name": "Northfield", "created_at": at, "version": 1})
        told = {
            "open": ("develop", 1, "Coaches are rare.", [None]),
            "refined": ("refine", 2, "Übergaben stören.", ["Übergaben stören.", None]),
            "tested again": ("test", 2, None, ["Begin before the busy season.", None]),
            "retired": ("retired", 1, "Nobody came.", ["Nobody came."]),
            "silent": ("test", 1, None, [None]),
            "scaled": ("scale", 1, None, [None]),
        }
        for pilot, (stage, iteration, lessons, closed) in told.items():
            row = {"id": pilot, "organization_id": "o", "title": pilot, "driver": "workload", "lead": "ana.ruiz"}
            row |= {"stage": stage, "iteration": iteration, "lessons": lessons, "created_by": "ana.ruiz"}
            connection.execute(insert["pilots"], {**row, "created_at": at, "version": 1})
            for number, text in enumerate(closed, 1):
                row = {"pilot_id": pilot, "number": number, "organization_id": "o", "opened_at": at, "lessons": text}
                connection.execute(insert["iterations"], row)
        move = {"id": "m", "organization_id": "o", "pilot_id": "retired", "sequence": 1, "iteration": 1}
        move |= {"from_stage": "test", "to_stage": "retired", "by": "ana.ruiz", "at": at}
        connection.execute(insert["moves"], move)
        connection.execute(
            insert["moves"], {**move, "id": "s", "pilot_id": "scaled", "from_stage": "test", "to_stage": "scale"}
        )
        connection.commit()
    migrate(engine)
    with reading(engine) as session:
        found = {row.pilot_id: row for row in session.exec(select(Lesson))}
        due = {(row.pilot_id, row.kind, row.due_on) for row in session.exec(select(Review))}
    assert due == {("scaled", ReviewKind.RETENTION, date(2027, 1, 5))}
    assert {p: (r.iteration, r.stage, r.text) for p, r in found.items()} == {
        "open": (1, Stage.DEVELOP, "Coaches are rare."),
        "refined": (1, Stage.REFINE, "Übergaben stören."),
        "tested again": (1, Stage.REFINE, "Begin before the busy season."),
        "retired": (1, Stage.TEST, "Nobody came."),
    }
    refined = found["refined"]
    assert (refined.words, refined.by, refined.at, refined.shared) == ("übergaben stören.", "ana.ruiz", at, False)
    assert refined.words == as_compared(refined.text)
