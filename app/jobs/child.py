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
from collections.abc import Callable
from typing import IO, Any

from app.jobs import failures

Progress = Callable[[float], None]
Handle = Callable[[dict[str, Any], Progress], dict[str, Any]]

PR_SET_PDEATHSIG = 1
PAUSE = 0.05  # seconds between two reports of progress: a sampler reports thousands
NICENESS = 10  # the API answers first when both want the same core


class Cancelled(BaseException):  # an order, not an error; no `except Exception` on the way may swallow it
    """The requester no longer wants the answer; raised out of `progress`."""


def serve(handle: Handle, warm: Callable[[], None] = lambda: None) -> None:
    """Warm up, say so, then answer requests until the parent goes away.

    `handle(request, progress)` returns the answer as JSON. It calls `progress(share)`, from any thread, as often as
    it likes; this raises `Cancelled` when the answer is no longer wanted.
    """
    _die_with_parent()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    _Conversation(*_own_pipes()).run(handle, warm)


class _Conversation:
    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers
        self._writing = threading.Lock()
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled = 0  # number of the last job that was cancelled
        self._reported = 0.0

    def run(self, handle: Handle, warm: Callable[[], None]) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        started = time.perf_counter()
        warm()
        self._send({"ready": time.perf_counter() - started})
        while True:
            message = self._inbox.get()
            self._send({"job": message["job"], **self._answer(handle, message)})

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
