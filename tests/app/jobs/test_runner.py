"""The worker with real children: what a requester sees of every way in which work can go."""

from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from app.db import now, transaction
from app.jobs import attempt, claims, ledger, slot
from app.jobs.models import JobStatus
from app.jobs.poke import request_cancel
from app.jobs.runner import Runner
from app.jobs.slot import in_turn
from tests.app.jobs.toys import WORK, Toy, add, alive, child_of, ended, get, settings, told, until
from tests.conftest import on_sqlite

Start = Callable[..., Runner]


def cancel(engine: sa.Engine, toy_id: str) -> bool:
    with transaction(engine) as session:
        return request_cancel(session, WORK, session.get_one(Toy, toy_id), now())


def running(engine: sa.Engine, toy_id: str) -> None:
    until(lambda: get(engine, toy_id).status is JobStatus.RUNNING)


def test_poked_work_succeeds_and_its_domain_hears_of_it_once(
    engine: sa.Engine, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot, "SWEEP", 60.0)
    start()
    toy = ended(engine, add(engine, steps=3))
    assert toy.status is JobStatus.SUCCEEDED
    assert toy.answer is not None
    assert toy.answer["steps"] == 3
    assert (toy.progress, toy.attempts, toy.failure, toy.claim) == (1, 1, None, None)
    assert told(engine, toy.id) == ["succeeded"]


@on_sqlite
def test_what_takes_too_much_memory_ends_and_the_next_is_served(engine: sa.Engine, start: Start) -> None:
    start(analysis_memory_bytes=2**29)
    toy = ended(engine, add(engine, do="swell"))
    assert toy.failure is not None
    assert (toy.status, toy.attempts, toy.failure["code"]) == (JobStatus.FAILED, 1, "too_large")
    assert "0.5 GiB" in toy.failure["message"]
    assert "PILOTLIGHT_ANALYSIS_MEMORY_BYTES" in toy.failure["message"]
    assert ended(engine, add(engine)).status is JobStatus.SUCCEEDED


@on_sqlite
def test_progress_is_seen_and_rises(engine: sa.Engine, start: Start) -> None:
    start()
    toy = add(engine, steps=20, pause=0.08)
    seen = []
    until(lambda: seen.append(get(engine, toy).progress) or get(engine, toy).status.final)  # type: ignore[func-returns-value]
    assert seen == sorted(seen)
    assert len(set(seen)) >= 4


def test_a_cancel_is_obeyed_at_once_and_the_child_stays_warm(
    engine: sa.Engine, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "BEAT", 60.0)
    start(lease_seconds=180)
    toy = add(engine, steps=1000, pause=0.02)
    running(engine, toy)
    assert cancel(engine, toy)
    assert ended(engine, toy).status is JobStatus.CANCELLED
    assert told(engine, toy) == ["cancelled"]
    assert not cancel(engine, toy)
    assert ended(engine, add(engine)).status is JobStatus.SUCCEEDED


@on_sqlite
def test_a_child_that_does_not_obey_is_killed_and_replaced(
    engine: sa.Engine, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "PATIENCE", 0.3)
    start()
    trace = tmp_path / "pids"
    toy = add(engine, do="ignore", trace=str(trace))
    child = child_of(trace)
    cancel(engine, toy)
    assert ended(engine, toy).status is JobStatus.CANCELLED
    assert ended(engine, add(engine)).status is JobStatus.SUCCEEDED
    assert not alive(child)


def test_queued_work_is_cancelled_while_the_only_slot_is_busy(engine: sa.Engine, start: Start) -> None:
    start()
    busy, waiting = add(engine, steps=100, pause=0.02), add(engine)
    running(engine, busy)
    cancel(engine, waiting)
    assert get(engine, waiting).status is JobStatus.CANCELLED
    assert told(engine, waiting) == ["cancelled"]
    cancel(engine, busy)
    ended(engine, busy)


@on_sqlite
def test_work_that_takes_too_long_is_stopped_with_a_reason(engine: sa.Engine, start: Start) -> None:
    start(analysis_timeout_seconds=0.5)
    toy = ended(engine, add(engine, do="ignore"))
    assert toy.failure is not None
    assert toy.failure["code"] == "timeout"
    assert "limit of 0.5 seconds" in toy.failure["message"]
    assert told(engine, toy.id) == ["timeout"]
    assert ended(engine, add(engine)).status is JobStatus.SUCCEEDED


@on_sqlite
def test_a_long_stream_of_progress_does_not_outrun_the_time_limit(engine: sa.Engine, start: Start) -> None:
    start(analysis_timeout_seconds=0.6)
    toy = ended(engine, add(engine, steps=1000, pause=0.01))
    assert toy.failure is not None
    assert toy.failure["code"] == "timeout"


@on_sqlite
@pytest.mark.parametrize(
    ("do", "code"),
    [("error", "error"), ("coded error", "bad_cells"), ("refuse", "not_enough_data"), ("unusable", "error")],
)
def test_an_error_anywhere_is_a_failure_with_a_reason(engine: sa.Engine, start: Start, do: str, code: str) -> None:
    start()
    toy = ended(engine, add(engine, do=do))
    assert toy.status is JobStatus.FAILED
    assert toy.failure is not None
    assert toy.failure["code"] == code
    assert toy.answer is None
    assert toy.attempts == 1
    assert told(engine, toy.id) == [code]


@on_sqlite
def test_a_domain_that_fails_on_a_failure_does_not_keep_the_row_alive(engine: sa.Engine, start: Start) -> None:
    start()
    toy = ended(engine, add(engine, do="error", deaf=True))
    assert toy.status is JobStatus.FAILED
    assert told(engine, toy.id) == []


def test_a_crash_is_tried_again(engine: sa.Engine, start: Start, tmp_path: Path) -> None:
    start()
    toy = ended(engine, add(engine, do="exit once", trace=str(tmp_path / "pids")))
    assert (toy.status, toy.attempts) == (JobStatus.SUCCEEDED, 2)
    assert told(engine, toy.id) == ["succeeded"]


@on_sqlite
def test_a_child_that_lost_the_database_starts_anew(engine: sa.Engine, start: Start, tmp_path: Path) -> None:
    start(analysis_attempts=2)
    trace = {"trace": str(tmp_path / "pids")}
    toy = ended(engine, add(engine, do="lose the database once", **trace))
    assert (toy.status, toy.attempts) == (JobStatus.SUCCEEDED, 2)
    assert told(engine, toy.id) == ["succeeded"]
    toy = ended(engine, add(engine, do="lose the database", **trace))
    assert (toy.status, toy.attempts) == (JobStatus.FAILED, 2)
    assert toy.failure is not None
    assert toy.failure["code"] == "database_away"
    assert told(engine, toy.id) == ["database_away"]


def test_work_that_crashes_each_time_ends_with_a_reason(engine: sa.Engine, start: Start) -> None:
    start(analysis_attempts=2)
    toy = ended(engine, add(engine, do="crash"))
    assert (toy.status, toy.attempts) == (JobStatus.FAILED, 2)
    assert toy.failure is not None
    assert toy.failure["code"] == "crashed"
    assert "Tried 2 times" in toy.failure["message"]
    assert "SIGKILL" in toy.failure["message"]
    assert told(engine, toy.id) == ["crashed"]


def test_a_stop_lets_short_work_end_and_gives_long_work_back(
    engine: sa.Engine, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(attempt, "GRACE", 0.5)
    runner = start(workers=2)
    until(lambda: runner.warm == 2)
    trace = tmp_path / "pids"
    long = add(engine, do="ignore", trace=str(trace))
    short = add(engine, steps=10, pause=0.03)
    child = child_of(trace)
    running(engine, short)
    runner.stop()
    assert get(engine, short).status is JobStatus.SUCCEEDED
    assert (get(engine, long).status, get(engine, long).attempts) == (JobStatus.QUEUED, 0)
    assert told(engine, long) == []
    assert not alive(child)


@on_sqlite
def test_work_waits_as_queued_while_the_child_warms_up(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_WARM_SECONDS", "0.7")
    toy = add(engine)
    runner = Runner(engine, settings(), [WORK])
    runner.start()
    sleep(0.4)
    assert get(engine, toy).status is JobStatus.QUEUED
    assert ended(engine, toy).status is JobStatus.SUCCEEDED
    runner.stop()


@on_sqlite
def test_a_child_that_cannot_warm_up_leaves_work_queued_and_the_worker_stoppable(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_COLD", "1")
    toy = add(engine)
    runner = Runner(engine, settings(), [WORK])
    runner.start()
    sleep(0.5)
    assert runner.warm == 0
    runner.stop()
    assert get(engine, toy).status is JobStatus.QUEUED


def test_a_worker_that_lost_its_lease_drops_the_work(engine: sa.Engine, start: Start) -> None:
    start()
    toy = add(engine, steps=1000, pause=0.02)
    running(engine, toy)
    with transaction(engine) as session:
        session.get_one(Toy, toy).claim = "somebody else's"
    other = add(engine)
    assert ended(engine, other).status is JobStatus.SUCCEEDED
    assert get(engine, toy).claim == "somebody else's"
    assert told(engine, toy) == []


def test_a_row_that_outlived_its_workers_ends_with_a_reason(engine: sa.Engine, start: Start) -> None:
    toy = Toy(request={}, status=JobStatus.RUNNING, attempts=3, claim="dead", lease_expires_at=now())
    with transaction(engine) as session:
        session.add(toy)
    start()
    row = ended(engine, toy.id)
    assert row.failure is not None
    assert row.failure["code"] == "gave_up"
    assert told(engine, toy.id) == ["gave_up"]


@on_sqlite
def test_an_answer_waits_for_a_database_that_is_away(
    engine: sa.Engine, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = iter([True, True])
    finish = claims.finish

    def flaky(*arguments: Any) -> Any:
        if next(away, False):
            raise OperationalError("UPDATE", {}, Exception("connection refused"))
        return finish(*arguments)

    monkeypatch.setattr(claims, "finish", flaky)
    monkeypatch.setattr(ledger, "RETRY_SECONDS", 0.05)
    start()
    toy = ended(engine, add(engine))
    assert (toy.status, toy.attempts) == (JobStatus.SUCCEEDED, 1)
    assert told(engine, toy.id) == ["succeeded"]


def test_many_pieces_of_work_each_end_once(engine: sa.Engine, start: Start) -> None:
    start(workers=2)
    toys = [add(engine, steps=1) for _ in range(20)]
    assert [ended(engine, toy).status for toy in toys] == [JobStatus.SUCCEEDED] * 20
    assert [told(engine, toy) for toy in toys] == [["succeeded"]] * 20


def test_a_kind_of_work_that_comes_first_does_not_keep_the_others_waiting_for_ever() -> None:
    kinds = ["analyses", "syntheses", "pictures"]
    first = [in_turn(kinds, taken)[0] for taken in range(24)]
    assert first.count("analyses") == 18
    assert first.count("syntheses") == first.count("pictures") == 3
    assert all(sorted(in_turn(kinds, taken)) == sorted(kinds) for taken in range(24))
    assert in_turn(["imports"], 3) == ["imports"]
