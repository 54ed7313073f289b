"""A socket layer that knows loopback only: while it is on, no packet leaves this machine, and each try is noted."""

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


class Blocked(OSError):
    """The guard let nothing out."""


class _Guard:
    def __init__(self) -> None:
        self.tried: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.tried is None:
            return
        if event in SENDS and isinstance(arguments[1], tuple):  # sockets of this machine have a path, not a tuple
            host = str(arguments[1][0])
            self.tried.append(host)
            if not ip_address(host).is_loopback:
                raise Blocked(errno.ENETUNREACH, f"blocked: {event} to {host}")
        elif event in LOOK_UPS and not _literal(arguments[0]):
            self.tried.append(str(arguments[0]))
            raise socket.gaierror(socket.EAI_AGAIN, f"blocked: look-up of {arguments[0]}")


def _literal(host: Any) -> bool:
    try:
        return host is None or bool(ip_address(host))
    except ValueError:
        return False


_GUARD = _Guard()
sys.addaudithook(_GUARD)


@contextmanager
def loopback_only() -> Iterator[list[str]]:
    """Gives the hosts that were tried to be reached or looked up; only loopback can be."""
    _GUARD.tried = tried = []
    try:
        yield tried
    finally:
        _GUARD.tried = None
