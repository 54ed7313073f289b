"""A request that is repeated gets its first answer, whatever the name servers say by now."""

import pytest
from anyio import Event, create_task_group, fail_after, sleep
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


@on_sqlite
async def test_a_key_has_few_names_looked_up_at_once(
    app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = Event(), []

    async def slow(url: str) -> None:
        asked.append(url)
        await answers.wait()

    monkeypatch.setattr(app.state.sender, "check", slow)
    statuses: list[int] = []

    async def subscribe() -> None:
        body = {"url": LOOPBACK, "events": ["*"]}
        statuses.append((await house.administrator.post("/v1/webhooks", json=body)).status_code)

    async with create_task_group() as group:
        for _ in range(5):
            group.start_soon(subscribe)
        with fail_after(10):
            while len(statuses) < 3:  # noqa: ASYNC110 - nobody tells
                await sleep(0.01)
        assert statuses == [429] * 3
        answers.set()
    assert sorted(statuses) == [201, 201, 429, 429, 429]
    assert len(asked) == 2
