"""Runs migrations on the connection it is given, else on the database of the settings."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from app.config import Settings
from app.db import Instant, make_engine
from app.tables import metadata

# The job engine's own tables come from its own schema (0002) and are not ours to compare.
FOREIGN = "procrastinate_"


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave the job engine's tables out of comparisons."""
    return not (kind == "table" and name is not None and name.startswith(FOREIGN))


def render_item(kind: str, item: Any, _context: Any) -> str | bool:
    """Write our own column type as what it is in the database."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    return False


def run(connection: Connection) -> None:
    """Migrate on this connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=include_name,
        render_item=render_item,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    settings = Settings()
    settings.prepare()
    engine = make_engine(settings.url)
    with engine.connect() as own:
        run(own)
        own.commit()
    engine.dispose()
