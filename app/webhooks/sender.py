"""The one client that calls out: a POST to a receiver, checked anew at every try.

It stands on httpcore, which knows no redirects, cookies, proxies, environment or decompression. Each try has a
connection of its own, so none waits for another's.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import aclosing, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import httpcore
import httpx

from app.config import Settings
from app.db import now
from app.webhooks.addresses import Allowed, Refused, parse_url, resolve
from app.webhooks.delivery import Answered, Outcome, Unreached
from app.webhooks.network import Pinned, PinnedNetwork
from app.webhooks.retry_after import retry_after

type LookUp = Callable[[str, int], Sequence[str]]

CHECK_SECONDS = 3.0
KEPT_BYTES = 1024
DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_HEADERS = {
    "accept-encoding": "identity",
    "connection": "close",
    "user-agent": f"Pilotlight/{version('pilotlight')}",
}
FAULTS = (Refused, OSError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
SENTENCES = {
    "timeout": "the receiver did not answer in time",
    "connection_refused": "the receiver's host refused the connection",
    "unreachable": "the receiver's host could not be reached",
    "tls_failed": "no secure connection",
    "protocol_error": "the receiver closed the connection, or answered with something that is not HTTP",
}


def system_look_up(host: str, port: int) -> list[str]:
    """The addresses the system knows for a name. Blocks; raises OSError."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _settle(found: Future[Sequence[str]], addresses: Sequence[str] = (), error: Exception | None = None) -> None:
    """Hand over what a look-up gave; nothing when nobody waits any more."""
    with contextlib.suppress(InvalidStateError):
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)


class Sender:
    """Makes the tries; `timeout_seconds` is for one try as a whole, from the look-up to the last byte kept."""

    def __init__(
        self,
        allowed: Allowed,
        *,
        https_only: bool,
        timeout_seconds: float,
        look_up: LookUp = system_look_up,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed, self._https_only, self._seconds = allowed, https_only, timeout_seconds
        self._blocking_look_up = look_up
        self._ssl = ssl_context or _trusting(None)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The sender of these settings; raises ValueError that names the setting which cannot be used."""
        return cls(
            Allowed.parse(settings.webhook_allow),
            https_only=settings.environment != "development",
            timeout_seconds=settings.webhook_timeout_seconds,
            ssl_context=_trusting(settings.webhook_ca_file),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Nothing is left open between tries."""

    async def check(self, url: str) -> None:
        """Refuse a URL that may not be registered; nobody is called. Raises Refused."""
        target = self._target(url)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._pinned_for(target)(target.raw_host.decode("ascii"), _port(target))
        except TimeoutError as error:
            raise Refused("unresolvable", "the host name was not resolved in time") from error

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """What came of one try; nothing that a receiver or the network does is raised.

        Once the status has arrived it counts, whatever becomes of the rest of the answer.
        """
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            target = self._target(url)
        except Refused as refusal:
            return Unreached(refusal.code, refusal.message)
        async with PinnedNetwork(self._pinned_for(target), self._seconds) as network:
            try:
                async with asyncio.timeout_at(deadline):
                    answer = await self._ask(target, network, headers, body)
            except FAULTS as error:
                return _unreached(error, connected=network.connected)
            kept = await _first_bytes(answer, deadline)
        asked = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"")
        return Answered(answer.status, retry_after(asked.decode("latin-1"), now()), kept)

    def _target(self, url: str) -> httpx.URL:
        return parse_url(url, self._allowed, https_only=self._https_only)

    def _pinned_for(self, target: httpx.URL) -> Pinned:
        only_allowed = self._https_only and target.scheme == "http"
        return partial(resolve, allowed=self._allowed, look_up=self._look_up, only_allowed=only_allowed)

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        """Look up in a thread of its own: one that hangs holds up no other, nor the end of the process."""
        found: Future[Sequence[str]] = Future()

        def ask() -> None:
            try:
                addresses = self._blocking_look_up(host, port)
            except Exception as error:  # noqa: BLE001 - raised where it is awaited
                _settle(found, error=error)
            else:
                _settle(found, addresses)

        threading.Thread(target=ask, name="look-up", daemon=True).start()
        return await asyncio.wrap_future(found)

    async def _ask(
        self, target: httpx.URL, network: PinnedNetwork, headers: Mapping[str, str], body: bytes
    ) -> httpcore.Response:
        own = OWN_HEADERS | {"host": target.netloc.decode("ascii"), "content-length": str(len(body))}
        url = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=_port(target), target=target.raw_path)
        given = {name.lower(): value for name, value in headers.items()}
        request = httpcore.Request("POST", url, headers=list((given | own).items()), content=body)
        connection = httpcore.AsyncHTTPConnection(url.origin, ssl_context=self._ssl, network_backend=network)
        return await connection.handle_async_request(request)


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """The usual authorities, and those of an organization of its own; never the environment's."""
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            msg = f"PILOTLIGHT_WEBHOOK_CA_FILE: {str(ca_file)!r} holds no certificates in PEM that can be read"
            raise ValueError(msg) from error
    return context


def _port(target: httpx.URL) -> int:
    return target.port or DEFAULT_PORTS[target.scheme]


async def _first_bytes(answer: httpcore.Response, deadline: float) -> bytes:
    """As much of the body as is kept and came in time."""
    kept = bytearray()
    with suppress(*FAULTS):
        chunks = cast(AsyncGenerator[bytes], answer.aiter_stream())
        async with asyncio.timeout_at(deadline), aclosing(chunks):
            async for chunk in chunks:
                kept += chunk
                if len(kept) >= KEPT_BYTES:
                    break
    return bytes(kept[:KEPT_BYTES])


def _unreached(error: BaseException, *, connected: bool) -> Unreached:
    if isinstance(error, Refused):
        return Unreached(error.code, error.message)
    if isinstance(error, TimeoutError | httpcore.TimeoutException):
        code = "timeout"
    elif isinstance(error, ssl.SSLError) or (connected and isinstance(error, httpcore.ConnectError)):
        code = "tls_failed"
    elif isinstance(error, httpcore.ConnectError):
        code = "connection_refused" if _cause(error, ConnectionRefusedError) else "unreachable"
    else:
        code = "protocol_error"
    distrust = _cause(error, ssl.SSLCertVerificationError)
    why = f": {distrust.verify_message}" if distrust is not None else ""
    return Unreached(code, SENTENCES[code] + why)


def _cause[E: BaseException](error: BaseException | None, kind: type[E]) -> E | None:
    return error if error is None or isinstance(error, kind) else _cause(error.__cause__, kind)
