"""The database: engine, sessions, column types and naming; no table and no rule lives here.

A session that writes on SQLite begins IMMEDIATE, so that two writers queue instead of failing half-way;
a session opened by `reading` begins deferred and blocks nobody.
"""

import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, Session, SQLModel
from uuid_utils import uuid7

# Named constraints, so that SQLite and PostgreSQL share one migration history. Set before any model is imported.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


WRITER_PATIENCE = 30.0  # seconds
WRITES = "app.db.writes"


CUT_OFF: dict[str, Any] = {
    "connect_timeout": 10,
    # This side of a connection whose other side is gone: an error after 20 s instead of waiting for ever.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    # The server's side: what a host that was cut off holds is free again within a minute.
    "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2 "
    "-c idle_in_transaction_session_timeout=60s "
    # Nobody waits for ever: for a row that another holds, or for a statement that finds no end.
    "-c lock_timeout=30s -c statement_timeout=300s",
}
"""How PostgreSQL connections notice that nobody is there any more, and what ends that takes too long."""


class Instant(TypeDecorator[datetime]):
    """A timezone-aware instant, kept in UTC on either database."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Refuse what has no zone; it could mean anything."""
        if value is not None and value.tzinfo is None:
            msg = "an instant needs a time zone"
            raise ValueError(msg)
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """SQLite forgets the zone; what was stored is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Plain JSON on SQLite, JSONB on PostgreSQL.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def text_enum(kind: type[StrEnum], name: str | None = None) -> sa.Enum:
    """A column of the enum's *values* as text with a check constraint, the same on both databases.

    `name` tells two columns of one table with the same enum apart.
    """
    name = name or "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_")
    return sa.Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        name=name,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )


def now() -> datetime:
    """The current instant; rules get theirs passed in."""
    return datetime.now(UTC)


def new_id() -> str:
    """A UUIDv7: sorts by time of creation, in one process even within a millisecond, and never runs ahead of the clock.

    Some makers of them count milliseconds up instead: after 100,000 rows theirs are a minute and a half in the future,
    and what another process makes meanwhile sorts before them.
    """
    return str(uuid7())


def id_field() -> Any:
    """The primary key of a table."""
    return Field(default_factory=new_id, primary_key=True, max_length=36)


def instant_field(**options: Any) -> Any:
    """A column of instants; `default_factory=now` unless the caller says otherwise."""
    nullable = options.pop("nullable", False)
    if not nullable and "default_factory" not in options:
        options["default_factory"] = now
    if nullable:
        options.setdefault("default", None)
    return Field(sa_type=Instant, nullable=nullable, **options)


def make_engine(url: str) -> Engine:
    """An engine for SQLite (WAL, durable, foreign keys on) or PostgreSQL (psycopg 3).

    Its errors do not repeat the values of a statement: they end in logs, and may be about people.
    """
    if not url.startswith("sqlite"):
        # What is above the size is closed again when it comes back: to open one costs more than to read.
        engine = sa.create_engine(url, connect_args=CUT_OFF, hide_parameters=True, pool_size=20, max_overflow=20)
        _replace_closed(engine)
        return engine
    # isolation_level None leaves BEGIN to us; SQLAlchemy still commits and rolls back.
    engine = sa.create_engine(
        url,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": WRITER_PATIENCE},
        pool_size=10,
        max_overflow=40,
        hide_parameters=True,
    )

    @event.listens_for(engine, "do_connect")
    def _private(_dialect: Dialect, _record: object, arguments: list[Any], _parameters: object) -> None:
        _make_private(Path(arguments[0]))

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    _queue_writers(engine)
    return engine


def _make_private(file: Path) -> None:
    """Make a database file, where there is none, that its owner alone reads; SQLite copies the mode to its others."""
    if file.name != ":memory:" and file.parent.is_dir() and not file.exists():
        file.touch(mode=0o600)


def _replace_closed(engine: Engine) -> None:
    """Let no pooled connection be used that the server has closed, without a question over the wire at each use.

    A connection at rest has nothing to read; what can be read is the server's farewell or the error of a line cut off
    (`CUT_OFF` finds those out).
    """

    @event.listens_for(engine, "checkout")
    def _checkout(connection: Any, _record: ConnectionPoolEntry, _proxy: object) -> None:
        if connection.closed or _has_something_to_read(connection.fileno()):
            raise sa.exc.InvalidatePoolError


def _has_something_to_read(file: int) -> bool:
    at_hand = select.poll()
    at_hand.register(file, select.POLLIN)
    return bool(at_hand.poll(0))


def _queue_writers(engine: Engine) -> None:
    """Let the threads of this process write one after the other.

    Between processes SQLite itself waits, by asking again after up to 0.1 s; where many threads ask, one of them (the
    worker's, which hears of each change) may ask in vain for many seconds.
    """
    turn = threading.Lock()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("reading", False):
            connection.exec_driver_sql("BEGIN")
            return
        if WRITES not in connection.info:
            # Who does not get its turn in time asks SQLite all the same, which then tells what is wrong.
            connection.info[WRITES] = turn.acquire(timeout=WRITER_PATIENCE)
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def _done(_connection: Any, record: ConnectionPoolEntry) -> None:
        if record.info.pop(WRITES, False):
            turn.release()


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session that commits at the end and rolls back on any error."""
    with Session(engine, expire_on_commit=False) as session:
        yield session
        session.commit()


def reader(engine: Engine) -> Engine:
    """`engine` for requests that only read; on PostgreSQL without a transaction around their statements.

    There each statement sees what is committed when it begins, in a transaction (READ COMMITTED) or out of one; the
    two round trips for BEGIN and ROLLBACK would buy nothing.
    """
    options = {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name == "postgresql" else {}
    return engine.execution_options(reading=True, **options)


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that only reads."""
    with Session(engine.execution_options(reading=True), expire_on_commit=False) as session:
        yield session


@contextmanager
def errors_named() -> Iterator[None]:
    """Errors that PostgreSQL's driver raises beside SQLAlchemy get SQLAlchemy's names, by which all else knows them."""
    import psycopg  # noqa: PLC0415 - SQLite needs none

    try:
        yield
    except Exception as error:
        driver = error if isinstance(error, psycopg.Error) else error.__cause__
        for name in ("OperationalError", "InterfaceError", "InternalError"):
            if isinstance(driver, getattr(psycopg, name)):
                raise getattr(sa.exc, name)(None, None, driver) from error
        raise


def one_moment(session: Session) -> None:
    """Let all that a request still reads be of one moment; on PostgreSQL each statement has its own otherwise.

    Where what is shown and what is hidden are read one after the other, rows may come between.
    """
    if session.info["reads"] and session.get_bind().dialect.name == "postgresql":
        session.commit()  # nothing was written; the connection without a transaction is given back
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def lock(session: Session, statement: Any) -> Any:
    """`statement` with its rows locked for this transaction (SQLite's writer holds the lock already).

    What the session knew of them from before it waited for the lock is read anew.
    """
    if session.get_bind().dialect.name != "postgresql":
        return statement
    return statement.with_for_update().execution_options(populate_existing=True)
