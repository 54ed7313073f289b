"""A receiver of Pilotlight's webhooks: verifies each signature, keeps each event once, answers quickly.

    export PILOTLIGHT_WEBHOOK_SECRET=whsec_… RECEIVED=received.db
    .venv/bin/uvicorn --factory examples.receiver:from_environment --port 8090

It needs fastapi and standardwebhooks, nothing of Pilotlight. What it does is all a receiver has to do:

- verify the bytes as they came, before they are parsed (several secrets while one is rotated);
- remember `webhook-id` and drop repetitions: an event comes at least once;
- keep the event durably before it answers 2xx, and do slow work later: what takes 15 seconds is sent again;
- put an event in its place by `sequence` or `timestamp`: it may come after a younger one.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.concurrency import run_in_threadpool

TABLE = """CREATE TABLE IF NOT EXISTS received (
    id TEXT PRIMARY KEY, type TEXT, body BLOB, at TEXT DEFAULT CURRENT_TIMESTAMP, copies INTEGER DEFAULT 1
)"""
# The first copy is kept; later ones are only counted.
KEEP = "INSERT INTO received (id, type, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET copies = copies + 1"
NEWEST = """SELECT json_extract(body, '$.data.to') FROM received
    WHERE type = 'pilot.stage_changed' AND json_extract(body, '$.data.pilot.id') = ?
    ORDER BY json_extract(body, '$.data.sequence') DESC LIMIT 1"""


class Inbox:
    """Events in an SQLite file, each once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(TABLE)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as database, database:
            yield database

    def keep(self, event_id: str, kind: str, body: bytes) -> None:
        """Keep an event, or count another copy of it."""
        with self._open() as database:
            database.execute(KEEP, (event_id, kind, body))

    def knows(self, event_id: str) -> bool:
        """Whether this event was kept."""
        with self._open() as database:
            return database.execute("SELECT 1 FROM received WHERE id = ?", (event_id,)).fetchone() is not None

    def copies(self) -> dict[str, int]:
        """How often each event came."""
        with self._open() as database:
            return dict(database.execute("SELECT id, copies FROM received"))

    def stage(self, pilot_id: str) -> str | None:
        """Where a pilot is by the highest `sequence`, in whatever order its moves came."""
        with self._open() as database:
            found = database.execute(NEWEST, (pilot_id,)).fetchone()
        return None if found is None else found[0]


def receiver(secrets: Sequence[str], inbox: Inbox) -> FastAPI:
    """The receiver as an application; during a rotation it knows the old secret and the new one."""
    app = FastAPI(title="Receiver of Pilotlight's webhooks")

    @app.post("/", status_code=204)
    async def receive(request: Request) -> None:
        event_id, event = verified(secrets, await request.body(), dict(request.headers))
        await run_in_threadpool(inbox.keep, event_id, event["type"], await request.body())

    return app


def verified(secrets: Sequence[str], body: bytes, headers: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The event's id and its content, when one of the secrets signed it within the last five minutes."""
    for secret in secrets:
        try:
            return headers.get("webhook-id", ""), Webhook(secret).verify(body, headers)
        except (WebhookVerificationError, ValueError, TypeError):
            continue  # the library raises the latter two for headers that are no signature at all
    raise HTTPException(401, "no signature of this body by a secret known here")


def from_environment() -> FastAPI:
    """Settings for the command above; several secrets are separated by spaces."""
    secrets = os.environ["PILOTLIGHT_WEBHOOK_SECRET"].split()
    return receiver(secrets, Inbox(Path(os.environ.get("RECEIVED", "received.db"))))
