"""A service that misbehaves as networks and proxies do: it answers each request with the next of its script."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

type Scripted = bytes | float | None


@dataclass
class Double:
    """Its address, and what came over the wire.

    An answer of None is a connection that is closed without a word, a number of seconds is a connection that
    is held for so long, and then closed.
    """

    url: str
    script: list[Scripted]
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def header(self, name: str) -> list[str]:
        """A header of each request that has it."""
        lines = [line for head in self.heads for line in head.split("\r\n")]
        return [line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name.lower()}:")]

    def serve(self, listener: socket.socket) -> None:
        """One request a connection, until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if not (head := self._read(connection)):
                    return
                self.heads.append(head)
                answer = self.script.pop(0) if self.script else answer_of(500)
                if isinstance(answer, float):
                    time.sleep(answer)
                elif answer is not None:
                    connection.sendall(answer)

    def _read(self, connection: socket.socket) -> str:
        came = b""
        while b"\r\n\r\n" not in came:
            part = connection.recv(65536)
            if not part:
                return ""
            came += part
        head, _, body = came.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            body += connection.recv(65536)
        self.bodies.append(body)
        return head.decode()


def answer_of(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    """An answer as it goes over the wire; a header `content_length` may lie."""
    told = {"content_length": str(len(body)), "connection": "close", **headers}
    lines = [f"HTTP/1.1 {status} -", *(f"{name.replace('_', '-')}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def a_double(*script: Scripted) -> Iterator[Double]:
    """A double on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        double = Double(f"http://127.0.0.1:{port}", list(script))
        thread = threading.Thread(target=double.serve, args=(listener,), daemon=True)
        thread.start()
        yield double
        # Accepting does not end when the listener is closed: an empty visit ends it.
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join(5)
