"""Work by the clock: once a tick whatever the number of workers, and tried again when it fails."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import select

from app.auth import kept_answers
from app.config import Settings
from app.db import now, reading, transaction
from app.jobs import chores
from app.jobs.chores import Chore, Chores, give_back, take
from app.requests import IdempotentAnswer
from app.works import CHORES
from tests.conftest import on_sqlite

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def chore(name: str = "sweep", do: object = None) -> Chore:
    return Chore(name, HOUR, do or (lambda *_: None))  # type: ignore[arg-type]


def test_of_many_workers_one_takes_a_tick(app: FastAPI) -> None:
    engine = app.state.engine
    with ThreadPoolExecutor(8) as threads:
        for at in (NOW, NOW + HOUR, NOW + 5 * HOUR):
            assert sum(threads.map(lambda _, at=at: take(engine, chore(), at), range(16))) == 1
    assert not take(engine, chore(), NOW + 6 * HOUR - timedelta(seconds=1))
    assert take(engine, chore("another"), NOW)


def test_a_tick_given_back_is_taken_again_but_not_one_that_another_has(app: FastAPI) -> None:
    engine, soon = app.state.engine, NOW + timedelta(minutes=1)
    assert take(engine, chore(), NOW)
    give_back(engine, chore(), NOW)
    assert take(engine, chore(), soon)
    give_back(engine, chore(), NOW)  # a worker that was away meanwhile
    assert not take(engine, chore(), soon + timedelta(minutes=1))


@on_sqlite
def test_workers_share_the_chores_and_a_failed_one_is_done_again(
    app: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "LOOK", 0.05)
    done: list[str] = []
    faults = [RuntimeError("the first time fails")]
    both = threading.Event()

    def failing(_engine: sa.Engine, _settings: Settings, _at: datetime) -> None:
        if faults:
            raise faults.pop()
        done.append("failing")

    def last(*_: object) -> None:
        done.append("last")
        both.set()

    stopping = threading.Event()
    of = [chore("failing", failing), chore("last", last)]
    loops = [Chores(of, app.state.engine, settings, stopping) for _ in range(3)]
    for loop in loops:
        loop.start()
        loop.nudge()
    assert both.wait(10)
    threading.Event().wait(0.5)
    stopping.set()
    for loop in loops:
        loop.join(5)
        assert not loop.is_alive()
    assert sorted(done) == ["failing", "last"]


def test_every_chore_of_the_service_finds_nothing_to_do_twice(app: FastAPI, settings: Settings) -> None:
    for _ in range(2):
        for one in CHORES:
            one.do(app.state.engine, settings, now())
    assert len({one.name for one in CHORES}) == len(CHORES)


def test_answers_for_repeated_requests_are_forgotten_after_a_week(
    app: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_answers, "BATCH", 2)
    ages = {f"{days} days": now() - timedelta(days=days) for days in (1, 6, 8, 9, 10, 300)}
    with transaction(app.state.engine) as session:
        kept = partial(IdempotentAnswer, key_id="k", request_digest="")
        session.add_all(kept(token=token, created_at=at) for token, at in ages.items())
    assert kept_answers.forget(app.state.engine, settings, now()) == 4
    with reading(app.state.engine) as session:
        assert sorted(session.exec(select(IdempotentAnswer.token))) == ["1 days", "6 days"]


def test_a_tick_that_a_fast_clock_took_in_the_future_is_taken_again(app: FastAPI) -> None:
    engine = app.state.engine
    assert take(engine, chore(), NOW + 48 * HOUR)
    assert take(engine, chore(), NOW)
    assert not take(engine, chore(), NOW + timedelta(minutes=1))
