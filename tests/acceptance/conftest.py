"""Receivers and an engine for tests of whole installations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.db import make_engine
from tests.acceptance.receivers import Receiver


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """What the test itself reads the database with."""
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def healthy(tmp_path: Path) -> Iterator[Receiver]:
    """A receiver that takes everything."""
    made = Receiver(tmp_path / "healthy")
    yield made
    made.stop()


@pytest.fixture
def flaky(tmp_path: Path) -> Iterator[Receiver]:
    """A receiver that fails half of the time."""
    made = Receiver(tmp_path / "flaky", share=0.5, seed=5)
    yield made
    made.stop()
