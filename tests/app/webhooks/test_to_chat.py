"""`examples/to_chat.py` between the real courier and a chat that takes messages, or does not."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.jobs.runner import Runner
from app.webhooks.catalogue import EVENTS, body_example
from examples.receiver import Inbox
from examples.to_chat import SENTENCES, as_card, as_text, bridge, sentence
from tests.app.steps import move, ok, planned
from tests.app.webhooks.peer import Peer, a_peer, served
from tests.app.webhooks.steps import deliveries, register, rests, tried
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


class Chat:
    """An incoming webhook: what was posted, and what it answers first."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.posted: list[dict[str, Any]] = []
        self.instead: list[Response] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        answer = self.instead.pop(0) if self.instead else None
        if answer is None:
            self.posted.append(json.loads(body))
        await (answer or Response("ok"))(scope, receive, send)


@pytest.fixture
def chat() -> Iterator[Chat]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Chat(f"http://127.0.0.1:{listener.getsockname()[1]}/services/T0/B0/secret")
        with served(made, listener):
            yield made


@pytest.fixture
def bot(tmp_path: Path, chat: Chat) -> Iterator[Peer]:
    """The bridge to this chat."""
    with a_peer(tmp_path, lambda secrets, inbox: bridge(secrets, inbox, chat.url, as_text)) as peer:
        yield peer


def test_each_event_has_a_sentence_without_a_gap() -> None:
    assert set(SENTENCES) == set(EVENTS)
    for kind in EVENTS.values():
        said = sentence(body_example(kind))
        assert said.endswith(".")
        assert not said.endswith("..")
        assert not {"None", "{", "}"} & set(said.split())
        assert sentence({**body_example(kind), "example": True}).startswith("Example, nothing happened: ")
    assert sentence({"type": "pilot.later", "data": {}}) == "pilot.later."
    cancelled = {"pilot": {"title": "Huddles"}, "status": "cancelled", "outcome": None}
    said = sentence({"type": "analysis.finished", "data": cancelled})
    assert said == "An analysis of “Huddles” ended: cancelled; outcome: none."


def test_what_people_typed_calls_nobody() -> None:
    data = {"pilot": {"title": "<!channel> @all [here](https://evil.example)"}, "by": "{by}"}
    said = sentence({"type": "pilot.created", "data": data})
    assert not set("<>@[]") & set(said)
    assert "{by}" in said


@on_sqlite
async def test_a_move_is_said_once(house: House, chat: Chat, bot: Peer, deliver: Callable[..., Runner]) -> None:
    admin = house.administrator
    hook = await register(admin, bot, events=["pilot.stage_changed"], stages=["develop", "retired"])
    deliver()
    path = await planned(house, title="Huddles")
    await move(house, path, "retired", retirement="stopped", reason="No budget.", lessons="Ask first.")
    for line in await deliveries(admin, hook):
        assert (await rests(admin, line["id"]))["status"] == "delivered"
        await ok(admin.post(f"/v1/deliveries/{line['id']}/redeliver"), 202)
        assert (await rests(admin, line["id"]))["status"] == "delivered"
    assert sorted(message["text"] for message in chat.posted) == [
        "“Huddles” moved from develop to retired (Northfield lead).",
        "“Huddles” moved from discover to develop (Northfield lead).",
    ]
    assert set(bot.inbox.copies().values()) == {2}


@on_sqlite
async def test_what_the_chat_does_not_take_is_tried_again(
    house: House, chat: Chat, bot: Peer, deliver: Callable[..., Runner]
) -> None:
    admin = house.administrator
    hook = await register(admin, bot)
    chat.instead += [Response(status_code=429, headers={"retry-after": "7"})]
    deliver(webhook_retry_seconds="0")
    ping = await ok(admin.post(f"/v1/webhooks/{hook['id']}/ping"), 202)
    found = await tried(admin, ping["id"])
    assert (found["status"], found["last_try"]["status"]) == ("pending", 503)
    assert json.loads(found["last_try"]["answer"]) == {"detail": "the chat answered 429"}
    assert chat.posted == []
    assert bot.inbox.copies() == {}
    paused = await ok(admin.get(f"/v1/webhooks/{hook['id']}"))
    assert paused["paused_until"] == found["next_try_at"]  # as the chat asked
    await ok(admin.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": False}))
    await ok(admin.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": True}))
    await ok(admin.post(f"/v1/deliveries/{ping['id']}/redeliver"), 202)
    assert (await rests(admin, ping["id"]))["status"] == "delivered"
    assert chat.posted == [{"text": "Northfield administrator tries whether this arrives."}]


@on_sqlite
async def test_a_chat_that_is_not_there_is_told_without_its_address(
    house: House, tmp_path: Path, deliver: Callable[..., Runner]
) -> None:
    def nowhere(secrets: list[str], inbox: Inbox) -> Any:
        return bridge(secrets, inbox, "http://127.0.0.1:9/services/secret", as_card)

    with a_peer(tmp_path, nowhere) as bot:
        hook = await register(house.administrator, bot)
        deliver(webhook_retry_seconds="86400")
        ping = await ok(house.administrator.post(f"/v1/webhooks/{hook['id']}/ping"), 202)
        found = await tried(house.administrator, ping["id"])
    assert "could not be reached (ConnectError)" in found["last_try"]["answer"]
    assert "secret" not in found["last_try"]["answer"]


def test_the_card_of_teams_holds_the_sentence() -> None:
    card = as_card("Said.")["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["body"] == [{"type": "TextBlock", "text": "Said.", "wrap": True}]
