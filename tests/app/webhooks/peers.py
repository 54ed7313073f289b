"""Receivers on loopback that do what real ones do, and worse: each answers with raw bytes, in its own time."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

type Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Peer:
    """A receiver: its port, the requests it was sent and how often it was connected to."""

    port: int = 0
    hits: int = 0
    requests: list[bytes] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


def says(*parts: bytes, pause: float = 0) -> Answer:
    """Writes the parts, with a pause before all but the first."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for place, part in enumerate(parts):
            await asyncio.sleep(pause if place else 0)
            writer.write(part)
            await writer.drain()

    return answer


async def hangs(_writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


def then(first: Answer, second: Answer) -> Answer:
    """One after the other."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await first(writer)
        await second(writer)

    return answer


@contextlib.asynccontextmanager
async def peer(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A receiver on 127.0.0.1 that reads a request whole before it answers."""
    made = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        made.tasks.add(task)
        made.hits += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), b":0")
            made.requests.append(head + await reader.readexactly(int(length.split(b":")[1])))
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=500)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)
        await asyncio.sleep(0)
