"""A service of several processes, as its operators run it: started, killed one by one, started again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
QUICK = {
    "PILOTLIGHT_WEBHOOK_ALLOW": "127.0.0.1",
    "PILOTLIGHT_WEBHOOK_TIMEOUT_SECONDS": "2",
    "PILOTLIGHT_WEBHOOK_RETRY_SECONDS": "0.5,1,1,2,2" + 30 * ",3",
    "PILOTLIGHT_LEASE_SECONDS": "1",
}
"""Settings under which tries fail and come again within seconds."""


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What `condition()` gives once it is true; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            msg = f"not within {seconds:.0f} s"
            raise TimeoutError(msg)
        time.sleep(0.05)
    return found


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def child_of(pid: int, module: str) -> int:
    """The id of the child of a process that runs a module (Linux)."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    msg = f"{pid} runs no {module}"
    raise ProcessLookupError(msg)


class Installation:
    """Processes of one database; a command is the name of a module and its arguments, `prefix` what runs it."""

    def __init__(
        self,
        commands: Sequence[str],
        database_url: str,
        folder: Path,
        more: Mapping[str, str] = QUICK,
        prefix: Sequence[str] = (),
    ) -> None:
        port = free_port()
        self.url, self.log = f"http://127.0.0.1:{port}", folder / "log"
        self._commands, self._prefix = commands, prefix
        own = {
            "PILOTLIGHT_DATABASE_URL": database_url,
            "PILOTLIGHT_VAR_DIR": str(folder / "var"),
            "PILOTLIGHT_PORT": str(port),
        }
        kept = {n: v for n, v in os.environ.items() if not n.startswith("PILOTLIGHT_") or n == "PILOTLIGHT_CACHE_DIR"}
        self._environment = kept | own | dict(more)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def run(self, command: str) -> str:
        """The output of a command that ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True, check=True,
        ).stdout  # fmt: skip

    def start(self, number: int) -> None:
        """Start the process of one of the commands."""
        with self.log.open("a") as output:
            self._processes[number] = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", *self._commands[number].split()],
                cwd=ROOT, env=self._environment, stdout=output, stderr=output,
            )  # fmt: skip

    def start_all(self) -> None:
        """Start every process."""
        for number in range(len(self._commands)):
            self.start(number)

    def kill(self, number: int) -> None:
        """End a process without a warning."""
        self._processes[number].send_signal(signal.SIGKILL)
        self._processes[number].wait(10)

    def pid(self, number: int) -> int:
        """The id of a process."""
        return self._processes[number].pid

    def ended(self, number: int) -> int:
        """How a process ends that is about to: its exit code, or minus the signal."""
        return self._processes[number].wait(60)

    def stop(self) -> list[int]:
        """End all in order; how they ended."""
        for process in self._processes.values():
            process.terminate()
        return [process.wait(30) for process in self._processes.values()]

    def ready(self) -> bool:
        """Whether the API answers."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
