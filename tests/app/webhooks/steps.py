"""What tests of webhooks do over and over."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

from tests.app.steps import ok
from tests.app.webhooks.peer import Peer, Received
from tests.conftest import Client

LOOPBACK = "http://127.0.0.1:9/"
"""May be registered in tests; nobody listens."""
PATIENCE = 15


async def register(client: Client, peer: Peer | str = LOOPBACK, **fields: Any) -> dict[str, Any]:
    """A new endpoint, of every event unless `events` says otherwise; the peer knows its secret."""
    url = peer if isinstance(peer, str) else peer.url
    made: dict[str, Any] = await ok(client.post("/v1/webhooks", json={"url": url, "events": ["*"], **fields}), 201)
    if isinstance(peer, Peer):
        peer.secrets.append(made["secret"])
    return made


async def until(condition: Callable[[], Any]) -> Any:
    """Wait for it; what it gave."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)
    return found


async def rests(client: Client, delivery_id: str) -> dict[str, Any]:
    """The delivery, once it was delivered or has failed."""
    return await _read(client, delivery_id, lambda found: found["status"] in {"delivered", "failed"})


async def tried(client: Client, delivery_id: str) -> dict[str, Any]:
    """The delivery, once a try has ended."""
    return await _read(client, delivery_id, lambda found: found["status"] != "sending" and found["last_try"])


async def _read(client: Client, delivery_id: str, enough: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        found: dict[str, Any] = await ok(client.get(f"/v1/deliveries/{delivery_id}"))
        if enough(found):
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)


async def deliveries(client: Client, webhook: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    """The log of an endpoint, the newest first."""
    page = await ok(client.get(f"/v1/webhooks/{webhook['id']}/deliveries", params=query))
    found: list[dict[str, Any]] = page["items"]
    return found


def signed_by(came: Received, secret: str) -> bool:
    """Whether one of the signatures is of this secret: Standard Webhooks by hand."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    head = f"{came.headers['webhook-id']}.{came.headers['webhook-timestamp']}."
    made = base64.b64encode(hmac.digest(key, head.encode() + came.body, hashlib.sha256)).decode()
    return f"v1,{made}" in came.headers["webhook-signature"].split()
