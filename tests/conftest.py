"""What every test may use: both databases, migrated; the service over HTTP; keys of each role."""

import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
import structlog
from fastapi import FastAPI

from app.auth.keys import make_key
from app.auth.permissions import Role
from app.auth.rate import Rate
from app.catalog.models import Organization, Unit
from app.catalog.schemas import OrganizationOut, UnitOut
from app.config import Settings
from app.db import make_engine, transaction
from app.main import create_app
from app.migrate import migrate
from app.requests import use_database
from app.webhooks.addresses import Allowed
from app.webhooks.sender import Sender
from tests.postgresql import on_server, packaged_postgresql

# What the service logs goes where commands print their answers here; as in production, without what is for debugging.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))

DATABASES = ("sqlite", "postgresql")
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Of tests whose subject is no database: rules, wording, what a form refuses, what a child answers."""
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

SERVER_VARIABLE = "TEST_DATABASE_URL"
SEEDED = ("drivers", "measures", "program_dimensions")
SEND_AWAY = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
TABLES = sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int) -> None:
    """What tests measured. `make test` asks for both databases: say so when the PostgreSQL half did not run."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, value in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(value)
    if os.environ.get("PILOTLIGHT_TEST_BOTH") and not _ran_on_postgresql(terminalreporter):
        terminalreporter.write_line("no test passed on PostgreSQL: the suite is not complete", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the whole when the PostgreSQL half was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    workers = hasattr(session.config, "workerinput")
    if os.environ.get("PILOTLIGHT_TEST_BOTH") and not workers and not _ran_on_postgresql(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _ran_on_postgresql(reporter: Any) -> bool:
    return any("postgresql" in report.nodeid for report in reporter.stats.get("passed", []))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests that await run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL to make databases on: TEST_DATABASE_URL, else one that comes as a package. Never skipped."""
    if url := os.environ.get(SERVER_VARIABLE):
        yield url
        return
    with packaged_postgresql(durable=False) as url:
        yield url


def _in_database(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """A migrated PostgreSQL database to copy."""
    name = f"template_{uuid4().hex[:12]}"
    on_server(postgresql_server, f'CREATE DATABASE "{name}"')
    engine = make_engine(_in_database(postgresql_server, name))
    migrate(engine)
    engine.dispose()
    return name


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database for this test, on each of the two kinds."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "test.db")
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    pool: PostgresqlDatabase = request.getfixturevalue("postgresql_database")
    yield pool.url
    pool.empty()


class PostgresqlDatabase:
    """One database that tests use one after the other: emptying it takes a tenth of what making one takes."""

    def __init__(self, server: str, template: str) -> None:
        self.server, self.template, self.name = server, template, f"test_{uuid4().hex[:16]}"
        self.url = _in_database(server, self.name)
        self._admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
        # Whoever empties is sent away too, so it connects anew each time.
        self._own = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self._make()

    def _make(self) -> None:
        on_server(self.server, f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        on_server(self.server, f'CREATE DATABASE "{self.name}" TEMPLATE "{self.template}" STRATEGY FILE_COPY')
        with self._own.connect() as connection:
            self.tables = set(connection.execute(TABLES).scalars()) - {"alembic_version"}
            seeded = {t: connection.execute(sa.text(f"SELECT key FROM {t}")).scalars().all() for t in SEEDED}
        kept = {
            table: f" WHERE organization_id IS NOT NULL OR key <> ALL (ARRAY['{"','".join(keys)}'])"
            for table, keys in seeded.items()
        }
        deletions = "; ".join(f'DELETE FROM "{table}"{kept.get(table, "")}' for table in sorted(self.tables))
        self._statement = f"SET session_replication_role = replica; {deletions}"

    def empty(self) -> None:
        """Leave what the migrations seed; whoever is still connected is sent away. A broken schema is made anew."""
        with self._admin.connect() as connection:
            connection.execute(SEND_AWAY, {"name": self.name})
        with self._own.connect() as connection:
            whole = set(connection.execute(TABLES).scalars()) - {"alembic_version"} == self.tables
            if whole:
                connection.exec_driver_sql(self._statement)
        if not whole:
            self._make()

    def close(self) -> None:
        """Let go of the server."""
        self._admin.dispose()


@pytest.fixture(scope="session")
def postgresql_database(postgresql_server: str, postgresql_template: str) -> Iterator[PostgresqlDatabase]:
    """The database of this process's tests on PostgreSQL."""
    database = PostgresqlDatabase(postgresql_server, postgresql_template)
    yield database
    database.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a service on this test's database."""
    made = Settings(  # type: ignore[call-arg]
        _env_file=None,
        database_url=database_url,
        var_dir=tmp_path / "var",
        lease_seconds=2,
        webhook_allow="127.0.0.0/8",
    )
    made.prepare()
    return made


@pytest.fixture(scope="session")
def built_service(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The service, put together once: its routes and its document are the same for every test and take a while."""
    made = create_app(Settings(_env_file=None, var_dir=tmp_path_factory.mktemp("built")))  # type: ignore[call-arg]
    made.state.sender = Sender(
        Allowed.parse("127.0.0.0/8"), https_only=False, timeout_seconds=5, look_up=_knows_no_names
    )
    return made


def _knows_no_names(host: str, _port: int) -> list[str]:
    """Whatever address a test registers, no name server is asked."""
    raise OSError(host)


WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})


class Engines:
    """An engine for each kind of database, kept from test to test: with it stay the statements it has compiled."""

    def __init__(self) -> None:
        self._made: dict[str, sa.Engine] = {}
        self._file = ""

    def at(self, url: str) -> sa.Engine:
        """The engine that connects to this database from now on."""
        if not url.startswith("sqlite"):
            return self._made.get(url) or self._made.setdefault(url, _guarded(make_engine(url)))
        self._file = str(sa.make_url(url).database)
        return self._made.get("sqlite") or self._made.setdefault("sqlite", self._of_files(make_engine(url)))

    def _of_files(self, engine: sa.Engine) -> sa.Engine:
        @sa.event.listens_for(engine, "do_connect")
        def _this_tests(_dialect: Any, _record: Any, arguments: list[Any], _parameters: Any) -> None:
            arguments[:] = [self._file]

        @sa.event.listens_for(engine, "connect")
        def _volatile(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous=OFF")  # as on PostgreSQL above: nothing has to survive a power cut

        return _guarded(engine)


def _guarded(engine: sa.Engine) -> sa.Engine:
    """No request that reads may write: on PostgreSQL it has no transaction, so half of what it did would stay."""

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _refuse(connection: sa.Connection, _cursor: Any, statement: str, *_more: Any) -> None:
        reads = connection.get_execution_options().get("reading", False)
        assert not (reads and statement.lstrip()[:6].upper() in WRITES), (
            f"a request that reads has written: {statement}"
        )

    return engine


@pytest.fixture(scope="session")
def engines() -> Engines:
    """The engines of this process's tests."""
    return Engines()


@pytest.fixture
def app(built_service: FastAPI, engines: Engines, settings: Settings) -> Iterator[FastAPI]:
    """The service without a worker, on this test's database and with its settings."""
    state = built_service.state
    use_database(built_service, engines.at(settings.url))
    state.settings = settings
    state.rate = Rate(settings.requests_per_minute)
    yield built_service
    state.engine.dispose()


type Client = httpx.AsyncClient


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[Client]:
    """A client without a key."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.fixture
async def as_key(app: FastAPI) -> AsyncIterator[Callable[[str], Client]]:
    """A client for a key."""
    made: list[Client] = []

    def client(key: str) -> Client:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        made.append(
            httpx.AsyncClient(
                transport=transport, base_url="http://service", headers={"Authorization": f"Bearer {key}"}
            )
        )
        return made[-1]

    yield client
    for one in made:
        await one.aclose()


@pytest.fixture
def root(app: FastAPI, as_key: Callable[[str], Client]) -> Client:
    """An administrator of the whole service."""
    with transaction(app.state.engine) as session:
        _, secret = make_key(session, role=Role.ADMINISTRATOR, label="root")
    return as_key(secret)


class House:
    """An organization with a unit and a client for each role; persons are named after their role."""

    def __init__(self, organization: dict[str, Any], unit: dict[str, Any], clients: dict[str, Client]) -> None:
        self.organization, self.unit = organization, unit
        self.id: str = organization["id"]
        self.lead, self.analyst = clients["lead"], clients["analyst"]
        self.approver, self.administrator = clients["approver"], clients["administrator"]

    def of(self, role: str) -> Client:
        """The client of a role."""
        client: Client = getattr(self, role)
        return client


@pytest.fixture
def make_house(app: FastAPI, as_key: Callable[[str], Client]) -> Callable[[str], Any]:
    """Builds an organization, in one transaction: what the API makes of the same is tested where it belongs."""

    async def build(name: str) -> House:
        with transaction(app.state.engine) as session:
            session.info["actor"] = {"person": "root", "key_id": None}
            organization = Organization(name=name)
            session.add(organization)
            session.flush()
            unit = Unit(organization_id=organization.id, name="Ward 1", headcount=40)
            session.add(unit)
            secrets = {
                role.value: make_key(session, role=role, label=f"{name} {role}", organization_id=organization.id)[1]
                for role in Role
            }
            session.flush()
            shown = (
                OrganizationOut.model_validate(organization).model_dump(mode="json"),
                UnitOut.model_validate(unit).model_dump(mode="json"),
            )
        return House(*shown, {role: as_key(secret) for role, secret in secrets.items()})

    return build


@pytest.fixture
async def house(make_house: Callable[[str], Any]) -> House:
    """The organization most tests play in."""
    built: House = await make_house("Northfield")
    return built


@pytest.fixture
async def neighbour(make_house: Callable[[str], Any]) -> House:
    """Another organization, which must not see the first."""
    built: House = await make_house("Southfield")
    return built
