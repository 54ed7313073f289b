"""The toys' tables on each database, and workers that are stopped at the end."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.db import make_engine
from app.jobs.runner import Runner
from tests.app.jobs.toys import WORK, Apart, settings, until


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url)
    Apart.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def start(engine: sa.Engine) -> Iterator[Callable[..., Runner]]:
    """Starts a worker and waits until it is warm."""
    runners: list[Runner] = []

    def begin(**changes: Any) -> Runner:
        runner = Runner(engine, settings(**changes), [WORK])
        runners.append(runner)
        runner.start()
        until(lambda: runner.warm)
        return runner

    yield begin
    for runner in runners:
        runner.stop()
