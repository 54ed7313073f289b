"""A whole worker process is killed in the middle of its work: nothing lost, nothing twice, nobody left behind."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.jobs.models import JobStatus
from app.jobs.runner import Runner
from tests.app.jobs.toys import add, alive, child_of, ended, get, told, until


@pytest.fixture
def worker(database_url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "tests.app.jobs.toy_worker", database_url])
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_another_worker_finishes_the_work_of_a_killed_one_once(
    engine: sa.Engine, worker: subprocess.Popen[bytes], start: Callable[..., Runner], tmp_path: Path
) -> None:
    trace = tmp_path / "pids"
    toy = add(engine, steps=30, pause=0.05, trace=str(trace))
    until(lambda: get(engine, toy).progress > 0.2, 15)
    worker.kill()
    worker.wait()
    orphan = child_of(trace)
    until(lambda: not alive(orphan), 2)
    start()
    row = ended(engine, toy)
    assert (row.status, row.attempts) == (JobStatus.SUCCEEDED, 2)
    assert row.answer is not None
    assert row.answer["pid"] != orphan
    assert told(engine, toy) == ["succeeded"]


def test_a_worker_alone_stops_in_order_when_told_to(
    engine: sa.Engine, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    trace = tmp_path / "pids"
    toy = add(engine, do="ignore", trace=str(trace))
    child = child_of(trace)
    worker.terminate()
    assert worker.wait(8) == 0
    assert (get(engine, toy).status, get(engine, toy).attempts) == (JobStatus.QUEUED, 0)
    assert not alive(child)


def test_a_child_that_holds_the_interpreter_dies_with_its_worker(
    engine: sa.Engine, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    trace = tmp_path / "pids"
    add(engine, do="hold", trace=str(trace))
    child = child_of(trace)
    worker.kill()
    worker.wait()
    until(lambda: not alive(child), 2)
