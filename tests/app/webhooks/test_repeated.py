"""A request that is repeated gets its first answer, whatever the name servers say by now."""

import pytest
from fastapi import FastAPI

from app.webhooks.addresses import Refused
from tests.app.steps import ok
from tests.app.webhooks.steps import LOOPBACK
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


@on_sqlite
async def test_a_registration_is_repeated_while_its_name_cannot_be_resolved(
    app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unresolvable(_url: str) -> None:
        raise Refused("unresolvable", "the host name was not resolved in time")

    body, once = {"url": LOOPBACK, "events": ["*"]}, {"Idempotency-Key": "once"}
    made = await ok(house.administrator.post("/v1/webhooks", json=body, headers=once), 201)
    monkeypatch.setattr(app.state.sender, "check", unresolvable)
    again = await ok(house.administrator.post("/v1/webhooks", json=body, headers=once), 201)
    assert again == {**made, "secret": None}
    refused = await ok(house.administrator.post("/v1/webhooks", json=body, headers={"Idempotency-Key": "two"}), 422)
    assert refused["code"] == "unresolvable"
    refused = await ok(house.administrator.patch(f"/v1/webhooks/{made['id']}", json={"url": LOOPBACK}), 422)
    assert refused["errors"][0]["loc"] == ["url"]
