"""Network namespaces as hosts (Linux, with the right to make them): a wire to the machine, that can be pulled out."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Namespace:
    """A host with one wire to this machine, which it reaches at `gateway`; it has no other network but its own."""

    name: str
    gateway: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command has to begin with to run there."""
        return ("ip", "netns", "exec", self.name)

    @property
    def wire(self) -> str:
        """This machine's end of the wire."""
        return f"{self.name}-out"

    def unplug(self) -> None:
        """Pull the wire: packets vanish, and nobody is told."""
        _ip("link", "set", self.wire, "down")

    def plug(self) -> None:
        """Put it back."""
        _ip("link", "set", self.wire, "up")


@contextlib.contextmanager
def namespace(number: int) -> Iterator[Namespace | None]:
    """A host, gone afterwards; None where none can be made."""
    made = Namespace(f"pl{os.getpid() % 100_000}-{number}", f"10.213.{os.getpid() % 250}.{4 * number + 1}")
    inside, its_own = f"{made.name}-in", f"{made.gateway.rpartition('.')[0]}.{4 * number + 2}"
    try:
        for command in (
            ("netns", "add", made.name),
            ("link", "add", made.wire, "type", "veth", "peer", "name", inside),
            ("link", "set", inside, "netns", made.name),
            ("addr", "add", f"{made.gateway}/30", "dev", made.wire),
            ("link", "set", made.wire, "up"),
            ("-n", made.name, "addr", "add", f"{its_own}/30", "dev", inside),
            ("-n", made.name, "link", "set", inside, "up"),
            ("-n", made.name, "link", "set", "lo", "up"),
        ):
            _ip(*command)
    except (OSError, subprocess.CalledProcessError):
        _remove(made)
        yield None
        return
    try:
        yield made
    finally:
        _remove(made)


def _remove(host: Namespace) -> None:
    for command in (("link", "del", host.wire), ("netns", "del", host.name)):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            _ip(*command)


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True)
