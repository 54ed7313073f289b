"""Says one sentence about each event in a chat: a receiver of Pilotlight's webhooks in front of an incoming webhook.

    PILOTLIGHT_WEBHOOK_SECRET=whsec_… CHAT_URL=https://… .venv/bin/uvicorn --factory examples.to_chat:from_environment

`CHAT_FORM=text` (the default) is what Slack, Mattermost, Rocket.Chat and Google Chat take, `CHAT_FORM=card` what a
workflow of Microsoft Teams takes. When the chat does not take a sentence, the answer is 503: Pilotlight tries again.
What was said is not said again, but for a crash between the chat's answer and the note of it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from examples.receiver import Inbox, verified

CHAT_SECONDS = 10  # Pilotlight waits for 15
SENTENCES: Mapping[str, str] = {
    "pilot.created": "“{pilot[title]}” was started by {by}.",
    "pilot.stage_changed": "“{pilot[title]}” moved from {from} to {to} ({by}).",
    "plan.locked": "The evaluation plan of “{pilot[title]}” was fixed ({by}).",
    "wave.due": "{message}",
    "analysis.finished": "An analysis of “{pilot[title]}” ended: {status}; outcome: {outcome}.",
    "decision.recorded": "Decided for “{pilot[title]}”: {outcome}; the rule recommends {recommended} ({by}).",
    "program.established": "“{program[title]}” is a foundational program now ({by}).",
    "program.demoted": "“{program[title]}” is no foundational program any more ({by}).",
    "webhook.ping": "{by} tries whether this arrives.",
    "webhook.disabled": "The webhook to {webhook[host]} was disabled: {reason[message]}.",
}
HARMLESS = str.maketrans({"<": "‹", ">": "›", "@": "＠", "[": "(", "]": ")"})
"""What people typed calls nobody (`@all`, `<!channel>`) and hides no link."""


def sentence(event: Mapping[str, Any]) -> str:
    """What is said about an event; of a type that came later, its name."""
    data = {name: "none" if value is None else value for name, value in event["data"].items()}
    known = SENTENCES.get(event["type"], event["type"])
    said = known.format_map(data).translate(HARMLESS).rstrip(".") + "."
    return f"Example, nothing happened: {said}" if event.get("example") else said


def as_text(said: str) -> dict[str, Any]:
    """For Slack, Mattermost, Rocket.Chat, Google Chat."""
    return {"text": said}


def as_card(said: str) -> dict[str, Any]:
    """For a workflow of Microsoft Teams that posts when a webhook request is received."""
    block = {"type": "TextBlock", "text": said, "wrap": True}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [block],
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


FORMS: Mapping[str, Callable[[str], dict[str, Any]]] = {"text": as_text, "card": as_card}


def bridge(secrets: Sequence[str], inbox: Inbox, chat_url: str, form: Callable[[str], dict[str, Any]]) -> FastAPI:
    """The receiver as an application; `inbox` remembers what was said."""
    app = FastAPI(title="Pilotlight in a chat")
    being_said = set[str]()

    @app.post("/", status_code=204)
    async def receive(request: Request) -> None:
        body = await request.body()
        event_id, event = verified(secrets, body, dict(request.headers))
        if event_id in being_said:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "another copy of this event is on its way to the chat")
        being_said.add(event_id)
        try:
            if not await run_in_threadpool(inbox.knows, event_id):
                await say(chat_url, form(sentence(event)))
            await run_in_threadpool(inbox.keep, event_id, event["type"], body)
        finally:
            being_said.discard(event_id)

    return app


async def say(chat_url: str, message: Mapping[str, Any]) -> None:
    """Post a message to the chat; raises HTTPException 503, which never names the address, when it was not taken."""
    try:
        async with httpx.AsyncClient(timeout=CHAT_SECONDS) as client:
            answer = await client.post(chat_url, json=message)
    except httpx.HTTPError as error:
        failed = f"the chat could not be reached ({type(error).__name__})"
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, failed) from error
    if not answer.is_success:
        asked = {name: value for name, value in answer.headers.items() if name == "retry-after"}
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, f"the chat answered {answer.status_code}", asked)


def from_environment() -> FastAPI:
    """Settings for the command above; several secrets are separated by spaces."""
    secrets = os.environ["PILOTLIGHT_WEBHOOK_SECRET"].split()
    inbox = Inbox(Path(os.environ.get("RECEIVED", "said.db")))
    return bridge(secrets, inbox, os.environ["CHAT_URL"], FORMS[os.environ.get("CHAT_FORM", "text")])
