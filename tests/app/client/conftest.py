"""Clients of the real service, each with the key of a role."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from app.client import Pilotlight

type As = Callable[[httpx.AsyncClient], Pilotlight]


def key_of(client: httpx.AsyncClient) -> str:
    """The key that a client of these tests sends."""
    return client.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def service_as(address: str) -> Iterator[As]:
    """The analyst's client with the key of another client."""
    with ExitStack() as stack:
        yield lambda client: stack.enter_context(Pilotlight(address, key_of(client)))
