"""Receivers of webhooks as other systems run them: processes of their own, one that fails at random, one that is dead.

    SECRETS="whsec_…" python -m tests.acceptance.receivers DESCRIPTOR FOLDER SEED SHARE

A receiver is `examples/receiver.py` under uvicorn. Before it stands a witness that notes what arrives, and fails.
"""

import asyncio
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn

from examples.receiver import Inbox, receiver

ROOT = Path(__file__).parents[2]
FAULTS = {"error": 50, "dropped": 24, "answer_lost": 25, "busy": 1}
"""How a flaky receiver fails, with weights: 500; no answer; none although it was kept; 503, which asks for time."""
STATUSES = {"error": 500, "busy": 503}


@dataclass(frozen=True)
class Arrival:
    """One request as the receiver met it: when its body was there, and what became of it."""

    at: float
    event_id: str
    digest: str
    end: str

    @property
    def answered(self) -> bool:
        """Whether the sender was told that it arrived."""
        return self.end == "204"


class Witness:
    """ASGI: notes every request in a file, lets a share of them fail, gives the rest to the receiver."""

    def __init__(self, app: Any, notes: Path, seed: int, share: float) -> None:
        self._app, self._share = app, share
        self._chance = random.Random(seed)
        self._notes = notes.open("a", buffering=1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the sender broke off
            body, more = body + message["body"], message["more_body"]
        at, end = time.time(), self._fault()
        if end in STATUSES:
            await send({"type": "http.response.start", "status": STATUSES[end], "headers": []})
            await send({"type": "http.response.body", "body": b"try again"})
        elif end is None or end == "answer_lost":
            status = await self._pass_on(scope, body, send if end is None else None)
            end = end or str(status)
        headers = dict(scope["headers"])
        note = Arrival(at, headers.get(b"webhook-id", b"").decode(), hashlib.sha256(body).hexdigest(), end)
        self._notes.write(json.dumps(asdict(note)) + "\n")
        if end in {"dropped", "answer_lost"}:
            receive.__self__.transport.abort()  # uvicorn's own: ASGI has no word for it
            await receive()

    def _fault(self) -> str | None:
        if self._chance.random() >= self._share:
            return None
        return self._chance.choices(list(FAULTS), list(FAULTS.values()))[0]

    async def _pass_on(self, scope: Any, body: bytes, send: Any) -> int:
        """Let the receiver answer, to nobody without `send`; the status."""
        statuses = []

        async def again() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def out(message: dict[str, Any]) -> None:
            statuses.extend([message["status"]] if "status" in message else [])
            if send is not None:
                await send(message)

        await self._app(scope, again, out)
        return int(statuses[0])


def _listening() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(1024)
    return made


def _url(of: socket.socket) -> str:
    return f"http://127.0.0.1:{of.getsockname()[1]}/"


class Receiver:
    """A receiver's process; `share` of the requests fail, at random by `seed`. It listens before it is started."""

    def __init__(self, folder: Path, *, share: float = 0.0, seed: int = 0) -> None:
        folder.mkdir(parents=True)
        self.folder, self._options = folder, [str(seed), str(share)]
        self._socket = _listening()
        self.url = _url(self._socket)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, secret: str) -> None:
        """Let it verify with this secret."""
        descriptor = self._socket.fileno()
        command = [sys.executable, "-m", "tests.acceptance.receivers", str(descriptor), str(self.folder)]
        self._process = subprocess.Popen(
            [*command, *self._options], cwd=ROOT, env=os.environ | {"SECRETS": secret}, pass_fds=[descriptor]
        )

    def arrivals(self) -> list[Arrival]:
        """Every request so far, in the order of their ends."""
        with suppress(FileNotFoundError):
            return [Arrival(**json.loads(line)) for line in (self.folder / "arrivals").read_text().splitlines()]
        return []

    def kept(self) -> Inbox:
        """What it keeps, each event once."""
        return Inbox(self.folder / "received.db")

    def stop(self) -> None:
        """End it."""
        self._socket.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)


class Dead:
    """An endpoint that accepts connections and never answers; once it has left, it refuses them."""

    def __init__(self) -> None:
        self._socket = _listening()
        self.url = _url(self._socket)

    def leave(self) -> None:
        """Be gone."""
        self._socket.close()


def main(descriptor: str, folder: str, seed: str, share: str) -> None:
    """Receive until told to stop."""
    app = receiver(os.environ["SECRETS"].split(), Inbox(Path(folder) / "received.db"))
    witness = Witness(app, Path(folder) / "arrivals", int(seed), float(share))
    server = uvicorn.Server(uvicorn.Config(witness, log_level="error", access_log=False))
    asyncio.run(server.serve(sockets=[socket.socket(fileno=int(descriptor))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
