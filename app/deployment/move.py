"""Moving house: everything from an embedded database into PostgreSQL, compared row for row, or nothing at all."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import Engine

from app.deployment.tables import copy, digest, tables
from app.migrate import Revisions, migrate, revision_of

SEEDED = frozenset({"drivers", "measures", "program_dimensions", "audit", "ticks", "deployment"})
"""Tables that a new database may have rows in."""
Tell = Callable[[str], None]


class NotMoved(Exception):
    """Why nothing was moved, and what would help."""


def move(source: Engine, target: Engine, tell: Tell) -> int:
    """Copy every row; how many. Nobody writes to the source meanwhile; the target stays as it was if anything fails.

    Raises NotMoved for a source that is not at the newest revision, a target that holds anything, or rows that came
    out different.
    """
    if target.dialect.name != "postgresql":
        msg = "the new home has to be a PostgreSQL database: --to postgresql+psycopg://user:password@host/name"
        raise NotMoved(msg)
    if revision_of(source) != Revisions.packaged().newest:
        msg = "the old database is not at the newest revision: run `pilotlight migrate`, then move"
        raise NotMoved(msg)
    migrate(target)
    with source.connect() as old, target.begin() as new:  # begins as a writer: who else writes waits
        _require_empty(new)
        for table in reversed(tables()):
            new.execute(sa.delete(table))
        moved = 0
        for table in tables():
            count = copy(old, new, table)
            if digest(old, table) != digest(new, table):
                msg = f"the rows of {table.name} are not the same in their new home; nothing was moved"
                raise NotMoved(msg)
            if count:
                tell(f"{table.name}: {count} rows")
            moved += count
        new.execute(sa.text("ANALYZE"))  # until the server knows how many rows there are it reads whole tables
        old.rollback()
    return moved


def _require_empty(new: sa.Connection) -> None:
    for table in tables():
        if table.name not in SEEDED and new.scalar(sa.select(sa.func.count()).select_from(table)):
            msg = f"the new database is in use (its table {table.name} has rows); give an empty one"
            raise NotMoved(msg)
