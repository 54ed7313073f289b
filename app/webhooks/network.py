"""The network under the outbound client: names are resolved once, and only what was checked is connected to."""

from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

import httpcore

from app.webhooks.addresses import Refused

type Pinned = Callable[[str, int], Awaitable[list[str]]]
"""The checked addresses of a host, never none; raises Refused."""


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """The way out of one try; the name stays with the client, for the certificate and the Host header."""

    def __init__(self, pinned: Pinned, timeout_seconds: float) -> None:
        self._pinned, self._seconds = pinned, timeout_seconds
        self._network = httpcore.AnyIOBackend()
        self._stream: httpcore.AsyncNetworkStream | None = None

    @property
    def connected(self) -> bool:
        """Whether an address answered: what fails then is TLS or HTTP."""
        return self._stream is not None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # Here and not in the client, which forgets the socket when a handshake is broken off by the time limit.
        if self._stream is not None:
            await self._stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the signature of httpcore; a try has one limit in all
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address that answers; each has an equal share of the time."""
        addresses = await self._pinned(host, port)
        failure: Exception = httpcore.ConnectError()
        for address in addresses:
            try:
                self._stream = await self._network.connect_tcp(
                    address, port, self._seconds / len(addresses), socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return self._stream
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Refuses: a receiver is on a network."""
        raise Refused("url_refused", "webhooks are not sent to sockets of this machine")
