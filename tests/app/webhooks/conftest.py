"""A real receiver and the real courier for tests of webhooks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app.jobs.runner import Runner
from app.webhooks import courier
from app.works import LOOPS
from tests.app.webhooks.peer import Peer, a_peer

QUICK = "0.1,0.1"
"""Waits between tries that tests can wait for."""


@pytest.fixture
def make_peer(tmp_path: Path) -> Iterator[Callable[[], Peer]]:
    """Starts receivers."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(a_peer(tmp_path))


@pytest.fixture
def peer(make_peer: Callable[[], Peer]) -> Peer:
    """A receiver."""
    return make_peer()


@pytest.fixture
def deliver(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Runner]]:
    """Starts a worker that does nothing but deliver; its settings may be changed. It is stopped at the end, at once."""
    monkeypatch.setattr(courier, "GRACE", 0.2)
    runners: list[Runner] = []

    def begin(**changes: Any) -> Runner:
        settings = app.state.settings.model_copy(update={"webhook_retry_seconds": QUICK, **changes})
        runners.append(Runner(app.state.engine, settings, [], LOOPS))
        runners[-1].start()
        return runners[-1]

    yield begin
    for runner in runners:
        runner.stop()
