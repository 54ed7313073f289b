"""Waiting for what the service does in the background."""

import time
from collections.abc import Callable
from typing import Any

from app.client.connection import Connection
from app.client.errors import NotFinished, NotReached, NotSucceeded
from app.client.progress import Bar, Progress

FINAL = frozenset({"succeeded", "failed", "cancelled"})
FIRST, LONGEST, GROWTH = 0.1, 2.0, 1.3
"""Seconds between two questions: quick at first, since most work is short."""

MISSED = 5
"""Questions in a row that may stay without an answer, each after its retries: half a minute or more."""


def wait_for(
    connection: Connection,
    path: str,
    first: dict[str, Any],
    *,
    label: str,
    progress: Progress | bool,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """The JSON of the work at `path` once its status is final; NotFinished after `seconds`, and the work goes on.

    `progress`: True shows a bar where somebody watches; a callable is told the share and what goes on.
    """
    if progress is True:
        with Bar(label) as bar:
            return wait_for(connection, path, first, label=label, progress=bar, seconds=seconds, clock=clock)
    tell: Progress = progress if callable(progress) else lambda _share, _words: None
    found, pause, began, missed = first, FIRST, clock(), 0
    while True:
        tell(found.get("progress") or 0.0, WORDS.get(found["status"], found["status"]))
        if found["status"] in FINAL:
            return found
        if clock() - began > seconds:
            msg = (
                f"the {label} {found['id']} is {found['status']} after {seconds:.0f} s; it goes on at the service: "
                "wait again, or look later"
            )
            raise NotFinished(msg)
        connection.sleep(pause)
        pause = min(pause * GROWTH, LONGEST)
        try:
            found, missed = connection.get(path), 0
        except NotReached:
            # The work does not end with it: whoever has waited for minutes waits for a restart too.
            missed += 1
            if missed > MISSED:
                raise
            tell(found.get("progress") or 0.0, "the service does not answer; asking on")


WORDS = {"queued": "waits for a worker", "running": "runs", "succeeded": "done"}


def ended_well(label: str, found: dict[str, Any]) -> None:
    """Raise NotFinished or NotSucceeded unless the work succeeded."""
    status = found["status"]
    if status not in FINAL:
        msg = f"the {label} {found['id']} is {status}; .wait() waits for its end"
        raise NotFinished(msg)
    if status != "succeeded":
        failure = found.get("failure") or {}
        why = f": {failure.get('message')} ({failure.get('code')})" if failure else ""
        msg = f"the {label} {found['id']} has {'failed' if status == 'failed' else 'been cancelled'}{why}"
        raise NotSucceeded(msg)
