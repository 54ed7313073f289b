"""A copy of the embedded database while it is in use, and putting one back. PostgreSQL has tools of its own."""

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from app.config import Settings
from app.db import make_engine
from app.migrate import revision_of

BESIDE = ("-wal", "-shm")


class NoBackup(Exception):
    """Why there is none, and what would help."""


def database_file(settings: Settings) -> Path:
    """The file of the embedded database. Raises NoBackup on PostgreSQL."""
    if not settings.embedded:
        msg = (
            "this deployment is on PostgreSQL: `pg_dump --format=custom` saves it and `pg_restore` puts it back, as "
            "docs/operations.md shows"
        )
        raise NoBackup(msg)
    return Path(str(sa.make_url(settings.url).database))


def save(settings: Settings, file: Path) -> int:
    """Write a copy of the database as it is at one instant, readable by its owner alone; its size in bytes.

    The copy is made beside the file and checked before it gets its name. Raises NoBackup.
    """
    source = database_file(settings)
    if not source.exists():
        msg = f"there is no database at {source}"
        raise NoBackup(msg)
    if file.exists():
        msg = f"{file} exists; a backup never overwrites another: choose a new name"
        raise NoBackup(msg)
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        with (
            contextlib.closing(sqlite3.connect(source, timeout=30)) as old,
            contextlib.closing(sqlite3.connect(part)) as new,
        ):
            old.backup(new)  # in one go: between parts a writer would make it begin again, for ever
            new.execute("PRAGMA journal_mode=DELETE")
        _require_whole(part)
        part.rename(file)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        msg = f"the backup could not be written ({error}); is there room on the disk of {file.parent}?"
        raise NoBackup(msg) from error
    return file.stat().st_size


def put_back(settings: Settings, file: Path, at: datetime) -> Path | None:
    """Make a backup the database again; where the one before went, which is kept beside it.

    The service must not run. Raises NoBackup for a file that is not a whole database of this service.
    """
    target = database_file(settings)
    if not file.is_file():
        msg = f"there is no file {file}"
        raise NoBackup(msg)
    _require_whole(file)
    engine = make_engine(f"sqlite:///{file.resolve()}")
    try:
        revision = revision_of(engine)
    finally:
        engine.dispose()
    if revision is None:
        msg = f"{file} is a database, but not one of this service"
        raise NoBackup(msg)
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    part.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(file)) as old, contextlib.closing(sqlite3.connect(part)) as new:
        old.backup(new)
    kept = None
    if target.exists():
        _require_unused(target)
        kept = target.with_name(f"{target.name}.before-{at:%Y%m%dT%H%M%S}")
        target.rename(kept)
    for suffix in BESIDE:
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    part.rename(target)
    return kept


def _require_whole(file: Path) -> None:
    """Raises NoBackup unless SQLite finds the file whole and every reference in it answered."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            found = [row[0] for row in database.execute("PRAGMA integrity_check(5)")]
            loose = database.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        msg = f"{file} is not a database ({error})"
        raise NoBackup(msg) from error
    if found != ["ok"] or loose is not None:
        msg = f"{file} is damaged: {'; '.join(found) if found != ['ok'] else f'loose references in {loose[0]}'}"
        raise NoBackup(msg)


def _require_unused(target: Path) -> None:
    """Raises NoBackup while somebody has the database open; writes what its log holds into the file."""
    try:
        with contextlib.closing(sqlite3.connect(target, timeout=0.5)) as database:
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        msg = f"the database is in use ({error}): stop the service, then put the backup back"
        raise NoBackup(msg) from error
