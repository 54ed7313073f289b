"""Brings the database to the newest revision and fills the shared catalogues."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

import migrations
from app.catalog.seed import seed
from app.db import transaction

# One migration at a time, whatever the number of hosts that start together.
ADVISORY_LOCK = 7_240_114


def migrate(engine: Engine) -> None:
    """Upgrade the schema and add catalogue entries that are missing."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    with transaction(engine) as session:
        seed(session)
