"""Keys: shown once, kept as a hash, ended by revocation or by time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from fastapi import FastAPI

from tests.app.steps import codes, ok, refused
from tests.conftest import Client, House

pytestmark = pytest.mark.anyio

type AsKey = Callable[[str], Client]


def everything_stored(app: FastAPI) -> str:
    """All rows of all tables, as text."""
    with app.state.engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        return "\n".join(
            repr(tuple(row)) for table in tables for row in connection.execute(sa.text(f'SELECT * FROM "{table}"'))
        )


async def test_a_key_is_shown_once_and_not_stored(app: FastAPI, house: House, as_key: AsKey) -> None:
    body = {"role": "analyst", "label": "Ben, notebook", "person": "ben.okafor"}
    headers = {"Idempotency-Key": "make Ben's key"}
    made = await ok(house.administrator.post("/v1/keys", json=body, headers=headers), 201)
    secret = made["key"]
    assert secret.startswith("pl_")
    assert len(secret) > 40
    me = await ok(as_key(secret).get("/v1/me"))
    assert (me["person"], me["role"], me["organization_id"]) == ("ben.okafor", "analyst", house.id)
    assert "decisions:sign" not in me["may"]
    read = await ok(house.administrator.get(f"/v1/keys/{made['id']}"))
    assert "key" not in read
    assert read["last_used_at"] is not None
    again = await ok(house.administrator.post("/v1/keys", json=body, headers=headers), 201)
    assert again == {**made, "key": None}
    stored = everything_stored(app)
    assert made["prefix"] in stored
    assert secret not in stored


async def test_the_person_defaults_to_the_label(house: House) -> None:
    made = await ok(house.administrator.post("/v1/keys", json={"role": "lead", "label": "Ana Ruiz"}), 201)
    assert made["person"] == "Ana Ruiz"


async def test_a_revoked_key_never_works_again(house: House, as_key: AsKey) -> None:
    made = await ok(house.administrator.post("/v1/keys", json={"role": "lead", "label": "lost"}), 201)
    client = as_key(made["key"])
    await ok(client.get("/v1/me"))
    revoked = await ok(house.administrator.delete(f"/v1/keys/{made['id']}"))
    assert revoked["revoked_at"] is not None
    await refused(client.get("/v1/me"), 401, "unauthenticated")
    again = await ok(house.administrator.delete(f"/v1/keys/{made['id']}"))
    assert again["revoked_at"] == revoked["revoked_at"]
    listed = {k["id"] for k in (await ok(house.administrator.get("/v1/keys?limit=200")))["items"]}
    assert made["id"] in listed


async def test_an_expired_key_does_not_work(house: House, as_key: AsKey) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    body = {"role": "lead", "label": "guest", "expires_at": until.isoformat()}
    client = as_key((await ok(house.administrator.post("/v1/keys", json=body), 201))["key"])
    await ok(client.get("/v1/me"))
    with time_machine.travel(until + timedelta(seconds=1), tick=False):
        await refused(client.get("/v1/me"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"role": "king", "label": "x"}, (("role",), "enum")),
        ({"role": "lead"}, (("label",), "missing")),
        ({"role": "lead", "label": "x", "expires_at": "2020-01-01T00:00:00Z"}, (("expires_at",), "past")),
        ({"role": "lead", "label": "x", "expires_at": "2030-01-01T00:00:00"}, (("expires_at",), "timezone_aware")),
        ({"role": "lead", "label": "x", "expires_at": "9999-12-31T23:59:59-12:00"}, (("expires_at",), "value_error")),
    ],
)
async def test_a_key_that_cannot_be(house: House, body: dict[str, Any], expected: Any) -> None:
    assert codes(await refused(house.administrator.post("/v1/keys", json=body), 422, "invalid")) == [expected]


async def test_only_administrators_serve_the_whole_service(root: Client) -> None:
    problem = await refused(root.post("/v1/keys", json={"role": "lead", "label": "x"}), 422, "invalid")
    assert codes(problem) == [(("organization_id",), "missing")]
    made = await ok(root.post("/v1/keys", json={"role": "administrator", "label": "second root"}), 201)
    assert made["organization_id"] is None
    await refused(
        root.post("/v1/keys", json={"role": "lead", "label": "x", "organization_id": "nowhere"}), 404, "not_found"
    )


async def test_use_is_noted_but_not_at_every_request(house: House) -> None:
    key = (await ok(house.administrator.get("/v1/keys")))["items"][0]["id"]
    start = datetime.now(UTC) + timedelta(minutes=5)
    used = []
    for seconds in (0, 30, 61):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            for client in (house.lead, house.analyst, house.approver, house.administrator):
                await ok(client.get("/v1/me"))
            used.append((await ok(house.administrator.get(f"/v1/keys/{key}")))["last_used_at"])
    assert used[0] == used[1] != used[2]
