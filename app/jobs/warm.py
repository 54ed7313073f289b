"""The parent's side of a warm child process: starts, asks, hears and ends it; `attempt.py` decides."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

import psutil

from app.jobs.failures import Failure


@dataclass(frozen=True)
class Ready:
    """The child is warm; it took `seconds`."""

    seconds: float


@dataclass(frozen=True)
class Progress:
    """A share of the work is done."""

    share: float


@dataclass(frozen=True)
class Answer:
    """The work is done."""

    value: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """The work ended with an error; the child is well."""

    failure: Failure


@dataclass(frozen=True)
class Cancelled:
    """The child obeyed a cancel."""


@dataclass(frozen=True)
class Exited:
    """The child is gone."""

    returncode: int


@dataclass(frozen=True)
class Nudge:
    """Not from the child: somebody in this process wants the listener to look around."""


Message = Ready | Progress | Answer | Failed | Cancelled | Exited | Nudge


def parse(message: dict[str, Any], job: int) -> Message | None:
    """Read a line of the child; None for what belongs to a job before."""
    if "ready" in message:
        return Ready(message["ready"])
    if message.get("job") != job:
        return None
    if "progress" in message:
        return Progress(message["progress"])
    if "answer" in message:
        return Answer(message["answer"])
    if "error" in message:
        return Failed(message["error"])
    return Cancelled()


class WarmChild:
    """One child process that runs `module` and does one piece of work at a time.

    The thread that makes it must live as long as it: on Linux the kernel ends the child together with that thread.
    """

    def __init__(self, module: str) -> None:
        # A process group of its own: Ctrl-C at the terminal is for the parent, which then ends its children in order.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, a module that we name
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            process_group=0 if os.name == "posix" else None,
        )
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._nudged = threading.Event()
        self._job = 0
        self._reader = threading.Thread(target=self._read, name=f"{module}-{self.pid}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def ask(self, request: dict[str, Any]) -> None:
        """Send the next piece of work."""
        self._job += 1
        self._write({"job": self._job, "request": request})

    def cancel(self) -> None:
        """Ask the child to stop what it does; it obeys at its next report of progress."""
        self._write({"cancel": self._job})

    def nudge(self) -> None:
        """Let `hear` return at once; any thread may call this."""
        if not self._nudged.is_set():
            self._nudged.set()
            self._messages.put(Nudge())

    def hear(self, seconds: float) -> Message | None:
        """Wait for the next message; None after `seconds` of silence."""
        try:
            message = self._messages.get(timeout=max(seconds, 0))
        except queue.Empty:
            # A process forked by the child may hold the pipe open after the child's death.
            returncode = self._process.poll()
            return None if returncode is None else Exited(returncode)
        if isinstance(message, Nudge):
            self._nudged.clear()
        return message

    def memory(self) -> int:
        """Bytes that the child and the processes it started hold; 0 when that cannot be told."""
        try:
            process = psutil.Process(self.pid)
            return sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))
        except psutil.Error:
            return 0

    def close(self, patience: float = 0.5) -> None:
        """End the child: a closed pipe tells it to go, and a signal when it does not within `patience` seconds."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        if self._process.poll() is None:
            self._kill()
        self._process.wait()
        self._reader.join(patience)

    def _kill(self) -> None:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def _write(self, message: dict[str, Any]) -> None:
        # A child that is gone says so by its exit.
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(message) + "\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def _read(self) -> None:
        with self._process.stdout as lines:  # type: ignore[union-attr]
            for line in lines:
                message = parse(json.loads(line), self._job)
                if message is not None:
                    self._messages.put(message)
        self._messages.put(Exited(self._process.wait()))
