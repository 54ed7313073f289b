"""Signing secrets over HTTP: shown once, sealed at rest, rotated with an overlap that real receivers survive."""

from collections.abc import Callable

import pytest

from app.jobs.runner import Runner
from tests.app.steps import ok
from tests.app.webhooks.peer import Peer
from tests.app.webhooks.steps import register, rests, signed_by
from tests.conftest import House

pytestmark = pytest.mark.anyio


async def test_a_ping_arrives(house: House, peer: Peer, deliver: Callable[..., Runner]) -> None:
    deliver()
    hook = await register(house.administrator, peer)
    ping = await ok(house.administrator.post(f"/v1/webhooks/{hook['id']}/ping"), 202)
    found = await rests(house.administrator, ping["id"])
    assert found["status"] == "delivered", found
    assert peer.inbox.copies() == {ping["event_id"]: 1}
    assert signed_by(peer.came[0], hook["secret"])
