"""Ends analyses as the worker does, without sampling."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from app.analyses.files import sent
from app.analyses.models import Analysis
from app.analyses.service import WORK
from app.config import Settings
from app.db import now, transaction
from app.jobs import claims
from app.jobs.failures import Failure
from app.jobs.ledger import Ledger
from app.main import create_app
from tests.app.webhooks.peer import served


def _claimed(app: FastAPI, analysis_id: str) -> tuple[Ledger[Analysis], Analysis]:
    ledger = Ledger(app.state.engine, app.state.settings, WORK, threading.Event())
    with transaction(app.state.engine) as session:
        row = claims.claim(session, Analysis, analysis_id, now(), timedelta(seconds=30), 3)
    assert row is not None, "the analysis does not wait for a worker"
    return ledger, row


@pytest.fixture
def finish(app: FastAPI) -> Callable[..., None]:
    """Claims an analysis and ends it with an answer of the library, and plots and files as the child makes them."""

    def end(
        analysis_id: str,
        answer: dict[str, Any],
        plots: Sequence[dict[str, str]] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        ledger, row = _claimed(app, analysis_id)
        ledger.succeed(row, {"result": answer, "plots": list(plots), "files": sent(files or {})})

    return end


@pytest.fixture
def break_off(app: FastAPI) -> Callable[[str], None]:
    """Claims an analysis and ends it as failed."""

    def end(analysis_id: str) -> None:
        ledger, row = _claimed(app, analysis_id)
        ledger.fail(row, Failure(code="crashed", message="The process that does the work died."))

    return end


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The OpenAPI document; no database is opened for it."""
    return create_app(Settings(_env_file=None, var_dir=tmp_path_factory.mktemp("document"))).openapi()  # type: ignore[call-arg]


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """Where the service of this test listens, for clients that take a real connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener, served(app, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
