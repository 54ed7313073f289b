"""Claims: one holder at a time, late results refused, attempts counted, cancels kept."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.db import reading, transaction
from app.jobs import claims
from app.jobs.models import JobStatus
from tests.app.jobs.toys import Toy, add, get
from tests.conftest import on_postgresql

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=15)
LATER = NOW + 2 * LEASE


def claim(engine: sa.Engine, toy_id: str, now: datetime = NOW, attempts: int = 3) -> Toy | None:
    with transaction(engine) as session:
        return claims.claim(session, Toy, toy_id, now, LEASE, attempts)


def claimed(engine: sa.Engine, toy_id: str, now: datetime = NOW) -> Toy:
    row = claim(engine, toy_id, now)
    assert row is not None
    assert row.status is JobStatus.RUNNING
    return row


def beat(engine: sa.Engine, row: Toy, progress: float, now: datetime = NOW) -> Toy | None:
    with transaction(engine) as session:
        return claims.heartbeat(session, row, progress, now, LEASE)


def finish(engine: sa.Engine, row: Toy, status: JobStatus = JobStatus.SUCCEEDED) -> Toy | None:
    with transaction(engine) as session:
        return claims.finish(session, row, status, NOW)


def cancel(engine: sa.Engine, toy_id: str) -> Toy | None:
    with transaction(engine) as session:
        return claims.cancel(session, Toy, toy_id, NOW)


def due(engine: sa.Engine, now: datetime) -> list[str]:
    with reading(engine) as session:
        return list(claims.due(session, Toy, now))


def test_of_many_claimants_one_wins(engine: sa.Engine) -> None:
    toys = [add(engine) for _ in range(10)]
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda toy: claim(engine, toy), toys * 8))
    assert sorted(row.id for row in won if row is not None) == sorted(toys)
    assert all(get(engine, toy).attempts == 1 for toy in toys)


def test_due_are_the_queued_and_the_silent_oldest_first(engine: sa.Engine) -> None:
    first, second, third = (add(engine) for _ in range(3))
    claimed(engine, first)
    finish(engine, claimed(engine, second))
    assert due(engine, NOW) == [third]
    assert due(engine, LATER) == [first, third]


def test_organizations_take_turns_however_much_one_of_them_asks_for(engine: sa.Engine) -> None:
    many = [add(engine, "many") for _ in range(5)]
    few = [add(engine, "few") for _ in range(2)]
    one = add(engine, "one")
    assert due(engine, NOW) == [many[0], few[0], one, many[1], few[1], *many[2:]]
    claimed(engine, many[0])
    claimed(engine, many[1])
    assert due(engine, NOW) == [few[0], one, few[1], *many[2:]]
    # What a dead worker holds is no turn: it waits again, before the others of its organization.
    assert due(engine, LATER) == [many[0], few[0], one, many[1], few[1], *many[2:]]


def test_a_row_of_a_silent_worker_is_taken_over_once_and_its_late_result_refused(engine: sa.Engine) -> None:
    toy = add(engine)
    silent = claimed(engine, toy)
    assert claim(engine, toy) is None
    second = claimed(engine, toy, LATER)
    assert claim(engine, toy, LATER) is None
    assert second.attempts == 2
    assert beat(engine, silent, 0.9) is None
    assert finish(engine, silent) is None
    with transaction(engine) as session:
        assert claims.release(session, silent, NOW, counted=False) is None
    assert finish(engine, second) is not None
    assert finish(engine, second) is None
    assert get(engine, toy).status is JobStatus.SUCCEEDED


def test_a_slow_worker_that_nobody_replaced_keeps_its_row(engine: sa.Engine) -> None:
    row = claimed(engine, add(engine))
    assert beat(engine, row, 0.5, LATER) is not None
    assert due(engine, LATER) == []
    assert finish(engine, row) is not None


def test_progress_never_goes_backward(engine: sa.Engine) -> None:
    toy = add(engine)
    first = claimed(engine, toy)
    beat(engine, first, 0.6)
    beat(engine, first, 0.2)
    assert get(engine, toy).progress == pytest.approx(0.6)
    second = claimed(engine, toy, LATER)
    beat(engine, second, 0.1)
    assert get(engine, toy).progress == pytest.approx(0.6)
    finish(engine, second)
    assert get(engine, toy).progress == 1


def test_a_row_tried_too_often_ends_with_a_reason(engine: sa.Engine) -> None:
    toy = add(engine)
    claimed(engine, toy)
    claimed(engine, toy, NOW + 2 * LEASE)
    given_up = claim(engine, toy, NOW + 4 * LEASE, attempts=2)
    assert given_up is not None
    assert given_up.status is JobStatus.FAILED
    assert given_up.failure is not None
    assert given_up.failure["code"] == "gave_up"
    assert "Tried 2 times" in given_up.failure["message"]
    assert given_up.finished_at is not None
    assert due(engine, NOW + 9 * LEASE) == []


def test_a_queued_row_is_cancelled_at_once(engine: sa.Engine) -> None:
    toy = add(engine)
    row = cancel(engine, toy)
    assert row is not None
    assert row.status is JobStatus.CANCELLED
    assert claim(engine, toy) is None
    assert cancel(engine, toy) is None


@pytest.mark.parametrize("out", [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_an_accepted_cancel_holds_whatever_came_out(engine: sa.Engine, out: JobStatus) -> None:
    toy = add(engine)
    row = claimed(engine, toy)
    marked = cancel(engine, toy)
    assert marked is not None
    assert marked.status is JobStatus.RUNNING
    seen = beat(engine, row, 0.3)
    assert seen is not None
    assert seen.cancel_requested_at == NOW
    ended = finish(engine, row, out)
    assert ended is not None
    assert ended.status is JobStatus.CANCELLED
    assert ended.failure is None


def test_a_cancelled_row_of_a_dead_worker_is_not_started_again(engine: sa.Engine) -> None:
    toy = add(engine)
    claimed(engine, toy)
    cancel(engine, toy)
    row = claim(engine, toy, LATER)
    assert row is not None
    assert row.status is JobStatus.CANCELLED


@pytest.mark.parametrize("counted", [True, False])
def test_a_row_given_back_waits_again(engine: sa.Engine, *, counted: bool) -> None:
    toy = add(engine)
    row = claimed(engine, toy)
    with transaction(engine) as session:
        claims.release(session, row, NOW, counted=counted)
    assert due(engine, NOW) == [toy]
    assert get(engine, toy).attempts == int(counted)
    assert get(engine, toy).started_at is None


def test_a_cancelled_row_is_not_given_back(engine: sa.Engine) -> None:
    toy = add(engine)
    row = claimed(engine, toy)
    cancel(engine, toy)
    with transaction(engine) as session:
        claims.release(session, row, NOW, counted=True)
    assert get(engine, toy).status is JobStatus.CANCELLED


@on_postgresql
def test_a_row_that_is_being_ended_is_not_waited_for(engine: sa.Engine) -> None:
    toy = add(engine)
    row = claimed(engine, toy)
    with transaction(engine) as session:
        assert claims.finish(session, row, JobStatus.SUCCEEDED, LATER) is not None  # takes long, and is not committed
        with transaction(engine) as other:
            other.connection().exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            assert claims.claim(other, Toy, toy, LATER, LEASE, 3) is None
    assert get(engine, toy).status is JobStatus.SUCCEEDED
