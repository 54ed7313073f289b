"""The peer of the tests: the real `examples/receiver.py` on loopback, which can be told to misbehave first."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from examples.receiver import Inbox, receiver


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """Its address, what came, what it keeps, and what it does before it behaves.

    Each entry of `instead` is the answer to one request that the receiver then never sees: a status, an answer, or the
    seconds it waits before the receiver is asked after all.
    """

    url: str
    inbox: Inbox
    secrets: list[str] = field(default_factory=list)
    instead: list[int | float | Response] = field(default_factory=list)
    came: list[Received] = field(default_factory=list)

    def around(self, inner: ASGIApp) -> ASGIApp:
        """The receiver behind this peer's misbehaviour."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            body = await request.body()
            self.came.append(Received(dict(request.headers), body))
            answer = self.instead.pop(0) if self.instead else None
            if isinstance(answer, float):
                await asyncio.sleep(answer)
            elif answer is not None:
                given = Response(status_code=answer) if isinstance(answer, int) else answer
                await given(scope, receive, send)
                return

            async def again() -> Any:
                return {"type": "http.request", "body": body, "more_body": False}

            await inner(scope, again, send)

        return app


@contextmanager
def served(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """An application under uvicorn in a thread of its own."""
    config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the peer did not start"
        time.sleep(0.005)
    yield
    server.should_exit = True
    thread.join()


@contextmanager
def a_peer(folder: Path, build: Callable[[list[str], Inbox], ASGIApp] = receiver) -> Iterator[Peer]:
    """A receiver with an inbox of its own under `folder`; it learns secrets when they are added to `secrets`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        peer = Peer(f"http://127.0.0.1:{port}/", Inbox(folder / f"inbox-{port}.db"))
        with served(peer.around(build(peer.secrets, peer.inbox)), listener):
            yield peer
