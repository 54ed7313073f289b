"""The receiver of `examples/`, as strangers may call it."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.webhooks.signing import new_secret, signed_headers
from examples.receiver import Inbox, receiver

pytestmark = pytest.mark.anyio
BODY = b'{"type":"webhook.ping","timestamp":"2026-03-01T00:00:00Z","data":{}}'


async def test_it_keeps_what_is_signed_and_refuses_whatever_else(tmp_path: Path) -> None:
    old, new = new_secret(), new_secret()
    inbox = Inbox(tmp_path / "inbox.db")
    transport = httpx.ASGITransport(app=receiver([old, new], inbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
        for secret in (old, new):
            headers = signed_headers("e-1", datetime.now(UTC), BODY, [secret])
            assert (await client.post("/", content=BODY, headers=headers)).status_code == 204
        for name, value in itertools.product(
            headers, ["", "x", "v1", "v1,", "v1,x", "v2,x", "a,b,c", "é", "-1", "1e99"]
        ):
            wrong = {key: held.encode() for key, held in headers.items()} | {name: value.encode()}
            assert (await client.post("/", content=BODY, headers=wrong)).status_code == 401, (name, value)
        for headers in ({}, signed_headers("e-2", datetime.now(UTC), BODY, [new_secret()])):
            assert (await client.post("/", content=BODY, headers=headers)).status_code == 401
        assert (await client.post("/", content=b"\xff\xfe", headers=headers)).status_code == 401
    assert inbox.copies() == {"e-1": 2}
