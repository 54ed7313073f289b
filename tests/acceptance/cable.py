"""The cable between a host and the database: a relay on loopback that can be cut; both ends then hear nothing more."""

import contextlib
import select
import socket
import threading


class Cable:
    """Relays connections to a Unix socket while it is whole. Cut, it takes what is sent and passes nothing on."""

    def __init__(self, to: str, at: str = "127.0.0.1") -> None:
        self._to, self.at = to, at
        self._whole = threading.Event()
        self._whole.set()
        self._listening = socket.create_server((at, 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where the host's end is."""
        port: int = self._listening.getsockname()[1]
        return port

    def cut(self) -> None:
        """Nothing passes from now on, and nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        """Connections of before are gone, new ones pass."""
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._whole.set()

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near: socket.socket) -> None:
        self._whole.wait()
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(self._to)
            self._pairs.append((near, far))
            with contextlib.suppress(OSError):
                while True:
                    for ready in select.select([near, far], [], [], 0.2)[0]:
                        self._whole.wait()
                        data = ready.recv(65536)
                        if not data:
                            return
                        (far if ready is near else near).sendall(data)
