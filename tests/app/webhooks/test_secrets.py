"""Signing secrets over HTTP: shown once, sealed at rest, rotated with an overlap that a real receiver survives."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import SecretStr

from app.db import now
from app.jobs.runner import Runner
from app.tables import metadata
from tests.app.steps import ok, refused
from tests.app.webhooks.peer import Peer
from tests.app.webhooks.steps import LOOPBACK, register, rests, signed_by
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio


async def sent(client: Client, webhook: dict[str, Any]) -> dict[str, Any]:
    """A ping that came to its end."""
    ping = await ok(client.post(f"/v1/webhooks/{webhook['id']}/ping"), 202)
    return await rests(client, ping["id"])


def everything_stored(app: FastAPI) -> bytes:
    """All cells of all tables."""
    with app.state.engine.connect() as connection:
        rows = [row for table in metadata.sorted_tables for row in connection.execute(sa.select(table))]
    cells = [cell for row in rows for cell in row]
    return b"\n".join(bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode() for cell in cells)


async def test_a_secret_is_shown_once_and_can_be_read_nowhere(
    app: FastAPI, house: House, peer: Peer, deliver: Callable[..., Runner], capfd: pytest.CaptureFixture[str]
) -> None:
    admin, once = house.administrator, {"Idempotency-Key": "once"}
    deliver(log_level="debug")
    body = {"url": peer.url, "events": ["*"]}
    made = await ok(admin.post("/v1/webhooks", json=body, headers=once), 201)
    again = await ok(admin.post("/v1/webhooks", json=body, headers=once), 201)
    assert again == {**made, "secret": None}
    path = f"/v1/webhooks/{made['id']}"
    rotated = await ok(admin.post(f"{path}/rotate-secret", headers=once | {"Idempotency-Key": "twice"}))
    repeated = await ok(admin.post(f"{path}/rotate-secret", headers=once | {"Idempotency-Key": "twice"}))
    assert repeated == {**rotated, "secret": None}
    secrets = [made["secret"], rotated["secret"]]
    peer.secrets += secrets
    assert (await sent(admin, made))["status"] == "delivered"
    shown = [await admin.get(address) for address in (path, "/v1/webhooks", f"{path}/deliveries", "/v1/audit")]
    capture = capfd.readouterr()
    answers = b"".join(answer.content for answer in shown)
    seen = everything_stored(app) + answers + capture.out.encode() + capture.err.encode()
    assert made["id"].encode() in seen
    assert b"whsec_" not in seen
    for secret in secrets:
        encoded = secret.removeprefix("whsec_")
        raw = base64.b64decode(encoded)
        for trace in (encoded, raw.hex(), str(raw), base64.urlsafe_b64encode(raw).decode()):
            assert trace.encode() not in seen
        assert raw not in seen


async def test_a_rotation_end_to_end(app: FastAPI, house: House, peer: Peer, deliver: Callable[..., Runner]) -> None:
    admin = house.administrator
    deliver()
    hook = await register(admin, peer)
    before = now()
    rotated = await ok(admin.post(f"/v1/webhooks/{hook['id']}/rotate-secret"))
    overlap = datetime.fromisoformat(rotated["older_expire_at"]) - before
    assert timedelta(hours=24) <= overlap < timedelta(hours=24, minutes=1)
    # Until then both sign: the receiver may know the old one, the new one or both.
    for known in ([hook["secret"]], [rotated["secret"]], [hook["secret"], rotated["secret"]]):
        peer.secrets[:] = known
        assert (await sent(admin, hook))["status"] == "delivered"
    assert all(signed_by(came, secret) for came in peer.came for secret in (hook["secret"], rotated["secret"]))
    with app.state.engine.begin() as connection:  # the day passes
        expired = "UPDATE webhook_secrets SET expires_at = :at WHERE expires_at IS NOT NULL"
        connection.execute(sa.text(expired).bindparams(sa.bindparam("at", now(), type_=sa.DateTime(timezone=True))))
    peer.came.clear()
    assert (await sent(admin, hook))["status"] == "delivered"
    assert signed_by(peer.came[0], rotated["secret"])
    assert not signed_by(peer.came[0], hook["secret"])
    assert len(peer.came[0].headers["webhook-signature"].split()) == 1


@on_sqlite
async def test_without_overlap_the_old_secret_ends_at_once(
    house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    deliver(webhook_retry_seconds="0")
    hook = await register(house.administrator, peer)
    await ok(house.administrator.post(f"/v1/webhooks/{hook['id']}/rotate-secret", json={"overlap_hours": 0}))
    found = await sent(house.administrator, hook)  # the receiver still knows the old one alone
    assert (found["status"], found["last_try"]["status"], found["failure"]["code"]) == ("failed", 401, "gave_up")
    assert "no signature of this body" in found["last_try"]["answer"]
    assert not signed_by(peer.came[0], hook["secret"])
    assert peer.inbox.copies() == {}


@on_sqlite
async def test_five_secrets_sign_at_most(house: House) -> None:
    admin = house.administrator
    path = f"/v1/webhooks/{(await register(admin))['id']}/rotate-secret"
    for _ in range(4):
        await ok(admin.post(path))
    problem = await refused(admin.post(path), 409, "too_many_secrets")
    assert "overlap_hours 0" in problem["detail"]
    await ok(admin.post(path, json={"overlap_hours": 0}))
    await ok(admin.post(path, json={"overlap_hours": 1}))
    for hours in (-1, 169):
        await refused(admin.post(path, json={"overlap_hours": hours}), 422, "invalid")


@on_sqlite
async def test_a_later_rotation_does_not_lengthen_the_life_of_an_older_secret(app: FastAPI, house: House) -> None:
    path = f"/v1/webhooks/{(await register(house.administrator))['id']}/rotate-secret"
    first = await ok(house.administrator.post(path, json={"overlap_hours": 1}))
    await ok(house.administrator.post(path, json={"overlap_hours": 24}))
    with app.state.engine.connect() as connection:
        ends = connection.execute(sa.text("SELECT expires_at FROM webhook_secrets ORDER BY id")).scalars().all()
    assert ends[0].replace(" ", "T") == first["older_expire_at"].removesuffix("Z")
    assert ends[1] > ends[0]
    assert ends[2] is None


async def test_a_changed_key_of_the_service_is_told_in_the_log_and_a_rotation_helps(
    app: FastAPI, house: House, peer: Peer, deliver: Callable[..., Runner]
) -> None:
    admin = house.administrator
    hook = await register(admin, peer)
    app.state.settings = app.state.settings.model_copy(update={"secret_key": SecretStr("another")})
    deliver(webhook_retry_seconds="0")
    found = await sent(admin, hook)
    assert found["status"] == "failed"
    error = found["last_try"]["error"]
    assert error["code"] == "secret_unreadable"
    assert "PILOTLIGHT_SECRET_KEY" in error["message"]
    assert "rotate" in error["message"]
    assert peer.came == []  # nothing unsigned leaves
    rotated = await ok(admin.post(f"/v1/webhooks/{hook['id']}/rotate-secret"))
    peer.secrets[:] = [rotated["secret"]]
    assert (await sent(admin, hook))["status"] == "delivered"


@on_sqlite
async def test_secrets_of_a_removed_endpoint_are_gone(app: FastAPI, house: House) -> None:
    kept, gone = await register(house.administrator), await register(house.administrator, LOOPBACK)
    await ok(house.administrator.delete(f"/v1/webhooks/{gone['id']}"))
    with app.state.engine.connect() as connection:
        left = connection.execute(sa.text("SELECT webhook_id FROM webhook_secrets")).scalars().all()
    assert left == [kept["id"]]
