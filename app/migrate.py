"""Brings the database to the newest revision and fills the shared catalogues; says where it stands."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

import migrations
from app.catalog.seed import seed
from app.db import transaction

# One migration at a time, whatever the number of hosts that start together.
ADVISORY_LOCK = 7_240_114
LOCK_TIMEOUT = "3s"
IN_USE = frozenset({"40P01", "55P03"})
"""Deadlock, lock timeout: the service works on the tables that are to be changed. All is undone, and tried again."""
ATTEMPTS = 40
PAUSE = 0.5
"""Seconds between two attempts."""


class Newer(Exception):
    """A later version has migrated the database; raised before anything is changed."""


@dataclass(frozen=True)
class Revisions:
    """The packaged migrations: the newest, and all before it."""

    newest: str
    older: frozenset[str]

    @classmethod
    def packaged(cls) -> Self:
        """Those of this version."""
        newest, *older = (script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())
        return cls(newest, frozenset(older))

    def behind(self, found: str | None) -> bool:
        """Whether a database at this revision lacks what this version needs."""
        return found is None or found in self.older

    def ahead(self, found: str | None) -> bool:
        """Whether a later version has migrated it. This version still works: migrations leave alone what it uses."""
        return found != self.newest and not self.behind(found)


def revision_of(engine: Engine) -> str | None:
    """The revision the database is at."""
    with engine.execution_options(reading=True).connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return found


def migrate(engine: Engine) -> None:
    """Upgrade the schema and add catalogue entries that are missing, beside a service that runs. Raises Newer."""
    found = revision_of(engine)
    if Revisions.packaged().ahead(found):
        msg = f"a later version has brought the database to revision {found}, which this one does not know; install it"
        raise Newer(msg)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _upgrade(engine)
            break
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in IN_USE or attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE)
    with transaction(engine) as session:
        seed(session)


def _upgrade(engine: Engine) -> None:
    config = _config()
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            # Requests queue up behind a change of a table that waits for one of them.
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config
