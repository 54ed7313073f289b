"""Threads of one process that write to SQLite take turns: none asks in vain."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from app.catalog.models import Organization
from app.db import make_engine, reading, transaction
from tests.conftest import on_sqlite

THREADS, EACH = 8, 10


@on_sqlite
def test_threads_that_write_need_not_ask_twice(database_url: str) -> None:
    engine = make_engine(database_url)

    @sa.event.listens_for(engine, "connect")
    def _impatient(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout=0")  # who finds another one writing is refused at once

    def write(number: int) -> None:
        for _ in range(EACH):
            with transaction(engine) as session:
                session.info["actor"] = {"person": "root", "key_id": None}
                session.add(Organization(name=f"House {number}"))

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(write, range(THREADS)))
    with reading(engine) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Organization)) == THREADS * EACH
    engine.dispose()


@on_sqlite
def test_who_reads_waits_for_nobody(database_url: str) -> None:
    engine = make_engine(database_url)
    with transaction(engine) as writing, reading(engine) as session:
        writing.execute(sa.text("UPDATE organizations SET name = 'x'"))
        assert session.scalar(sa.text("SELECT count(*) FROM organizations")) == 0
    engine.dispose()


@on_sqlite
def test_a_turn_that_ends_in_an_error_is_given_back(database_url: str) -> None:
    engine = make_engine(database_url)
    for _ in range(3):
        with pytest.raises(sa.exc.OperationalError), transaction(engine) as session:
            session.execute(sa.text("SELECT * FROM nowhere"))
    with transaction(engine) as session:
        session.execute(sa.text("SELECT 1"))
    engine.dispose()
