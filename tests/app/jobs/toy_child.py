"""A child that works, prints, fails, crashes or does not listen, as its request says."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from app.jobs import child
from app.jobs.child import serve


class CodedError(Exception):
    """An error that is made to be read."""

    code = "bad_cells"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OperationalError(Exception):
    """What drivers of databases raise when there is none any more."""


def handle(request: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:  # noqa: C901, PLR0912 - a list of oddities
    """Do as asked."""
    if "trace" in request:
        with Path(request["trace"]).open("a") as trace:
            trace.write(f"{os.getpid()}\n")
    match request.get("do"):
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit once" if len(Path(request["trace"]).read_text().split()) == 1:
            os._exit(3)
        case "lose the database":
            raise OperationalError
        case "lose the database once" if len(Path(request["trace"]).read_text().split()) == 1:
            raise OperationalError
        case "ignore":
            time.sleep(60)
        case "hold":
            ctypes.PyDLL(None).sleep(60)  # keeps the interpreter's lock: no other thread of the child runs
        case "error":
            msg = "the matrix is singular"
            raise ValueError(msg)
        case "coded error":
            msg = "cell 3 has no people"
            raise CodedError(msg)
        case "swell":
            held = bytearray(600 * 2**20)
            time.sleep(60)
            return {"held": len(held)}
        case "not json":
            return {"value": object()}
        case "nan":
            return {"value": float("nan")}
        case "unusable":
            return {"unusable": True}
        case "print":
            sys.stdout.write("stray words\n")
            sys.stdout.flush()
            os.write(1, b'{"answer": "forged"}\n')
            subprocess.run(["/bin/echo", "more stray words"], check=True)
            assert sys.stdin.read() == ""
    steps = request.get("steps", 1)
    for step in range(steps):
        time.sleep(request.get("pause", 0))
        progress((step + 1) / steps)
    return {"pid": os.getpid(), "steps": steps}


def warm() -> None:
    """Be as slow to start as asked."""
    time.sleep(float(os.environ.get("TOY_WARM_SECONDS", "0")))
    if os.environ.get("TOY_COLD"):
        sys.exit(5)


def later() -> list[Callable[[], object]]:
    """Write down when each step began, where asked to; the first one fails."""
    if "TOY_LATER" not in os.environ:
        return []

    def step(number: int) -> None:
        with Path(os.environ["TOY_LATER"]).open("a") as trace:
            trace.write(f"step {number}\n")
        if number == 0:
            msg = "no compiler"
            raise RuntimeError(msg)

    return [partial(step, number) for number in range(3)]


if __name__ == "__main__":
    child.QUIET = 0.3
    serve(handle, warm, later)
