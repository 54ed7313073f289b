"""The child's side of a warm process: answers requests in JSON lines; stdlib only, and nothing of what the work is.

To the child:    {"job": 1, "request": {…}}   {"cancel": 1}
From the child:  {"ready": seconds}   {"job": 1, "progress": 0.4}   {"job": 1, "answer": {…}}
                 {"job": 1, "error": {"code", "message"}}   {"job": 1, "cancelled": true}
"""

import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import IO, Any

from app.jobs import failures

Progress = Callable[[float], None]
Handle = Callable[[dict[str, Any], Progress], dict[str, Any]]
Step = Callable[[], object]

PR_SET_PDEATHSIG = 1
QUIET = 2.0  # seconds without a request before the next step in the background
PAUSE = 0.05  # seconds between two reports of progress: a sampler reports thousands
NICENESS = 10  # the API answers first when both want the same core


class Cancelled(BaseException):  # an order, not an error; no `except Exception` on the way may swallow it
    """The requester no longer wants the answer; raised out of `progress`."""


def serve(
    handle: Handle,
    warm: Step = lambda: None,
    later: Callable[[], Iterable[Step]] = tuple,
    *,
    niceness: int = NICENESS,
) -> None:
    """Warm up, say so, then answer requests until the parent goes away.

    The steps that `later()` names are done in the background, one by one, and none begins while a request is worked
    on: what they prepare must be safe to be asked for meanwhile.

    `handle(request, progress)` returns the answer as JSON. It calls `progress(share)`, from any thread, as often as
    it likes; this raises `Cancelled` when the answer is no longer wanted.
    """
    _die_with_parent()
    if hasattr(os, "nice"):
        os.nice(niceness)
    _Conversation(*_own_pipes()).run(handle, warm, later)


class _Conversation:
    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers
        self._writing = threading.Lock()
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled = 0  # number of the last job that was cancelled
        self._reported = 0.0
        self._idle = threading.Event()

    def run(self, handle: Handle, warm: Step, later: Callable[[], Iterable[Step]]) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        started = time.perf_counter()
        warm()
        self._send({"ready": time.perf_counter() - started})
        threading.Thread(target=self._prepare, args=(later,), daemon=True).start()
        while True:
            if self._inbox.empty():
                self._idle.set()
            message = self._inbox.get()
            self._idle.clear()
            self._send({"job": message["job"], **self._answer(handle, message)})

    def _prepare(self, later: Callable[[], Iterable[Step]]) -> None:
        for step in later():
            self._wait_for_quiet()
            try:
                step()
            except Exception:  # noqa: BLE001 - a request that needs what failed meets the error and reports it
                traceback.print_exc()

    def _wait_for_quiet(self) -> None:
        """Until no request was there for a moment: those of one person often follow each other."""
        while True:
            self._idle.wait()
            time.sleep(QUIET)
            if self._idle.is_set():
                return

    def _answer(self, handle: Handle, message: dict[str, Any]) -> dict[str, Any]:
        job = message["job"]

        def progress(share: float) -> None:
            if self._cancelled >= job:
                raise Cancelled
            now = time.monotonic()
            if now - self._reported >= PAUSE:
                self._reported = now
                self._send({"job": job, "progress": float(share)})

        try:
            answer = handle(message["request"], progress)
            json.dumps(answer, allow_nan=False)  # what is not JSON is an error of the work, not of the pipe
        except Cancelled:
            return {"cancelled": True}
        except Exception as error:  # noqa: BLE001 - whatever it is, the requester gets a reason
            traceback.print_exc()
            return {"error": failures.of(error)}
        return {"answer": answer}

    def _read(self) -> None:
        for line in self._requests:
            message = json.loads(line)
            if "cancel" in message:
                self._cancelled = message["cancel"]
            else:
                self._inbox.put(message)
        os._exit(0)  # the parent is gone; nobody wants what runs here

    def _send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message, allow_nan=False)
        try:
            with self._writing:
                self._answers.write(line + "\n")
                self._answers.flush()
        except BrokenPipeError:
            os._exit(0)


def _own_pipes() -> tuple[IO[str], IO[str]]:
    """Keep stdin and stdout for the conversation; what the work prints goes to stderr, what it reads is empty."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _die_with_parent() -> None:
    """On Linux the kernel ends the child with the thread that started it; elsewhere the closed pipe does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
