"""Pokes: in the transaction of the request, heard at once, and gone when they were heard."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from app.db import transaction
from app.jobs import poke
from app.jobs.runner import Runner
from tests.app.jobs.toys import WORK, Toy, add, ended, until
from tests.conftest import on_postgresql


@pytest.fixture
def woken() -> Iterator[list[str]]:
    calls: list[str] = []

    def wake() -> None:
        calls.append("woken")

    poke.subscribe(wake)
    yield calls
    poke.unsubscribe(wake)


def pokes(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM procrastinate_jobs").scalar_one())


def test_workers_of_this_process_are_woken_after_the_commit(engine: sa.Engine, woken: list[str]) -> None:
    with transaction(engine) as session:
        toy = Toy(request={})
        session.add(toy)
        with session.begin_nested():
            poke.poke(session, WORK.name, toy.id)
        assert woken == []
    assert woken == ["woken"]


def test_what_is_not_poked_wakes_nobody(engine: sa.Engine, woken: list[str]) -> None:
    with transaction(engine) as session:
        session.add(Toy(request={}))
    assert woken == []


@on_postgresql
def test_the_queue_knows_a_poke_only_when_its_row_is_committed(engine: sa.Engine) -> None:
    with transaction(engine) as session:
        poke.poke(session, WORK.name, "of a request that is refused")
        session.rollback()
    assert pokes(engine) == 0
    add(engine)
    assert pokes(engine) == 1


@on_postgresql
def test_pokes_of_other_processes_are_heard_and_leave_no_trace(
    engine: sa.Engine, start: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.slot.SWEEP", 30.0)
    monkeypatch.setattr(poke, "_wakes", set())  # as if the request came to another process
    start()
    for _ in range(3):
        ended(engine, add(engine), 5)
    until(lambda: pokes(engine) == 0)
