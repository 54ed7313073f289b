"""A thread that owns one warm child and gives it one row after the other; how an attempt goes, `attempt.py` says."""

import threading
from collections.abc import Sequence
from typing import Any

import structlog

from app.config import Settings
from app.jobs.attempt import Attempt
from app.jobs.ledger import Ledger
from app.jobs.warm import Exited, Ready, WarmChild

SWEEP = 0.5  # seconds between two looks for rows that wait, for those whose poke was lost
OTHERWISE = 4
LONGEST_PAUSE = 30.0  # seconds before a child that cannot warm up is tried again

log = structlog.get_logger(__name__)


class Slot(threading.Thread):
    """Only a warm slot claims: a row that waits for a slow warm-up reads `queued`."""

    def __init__(
        self, module: str, ledgers: Sequence[Ledger[Any]], settings: Settings, stopping: threading.Event, number: int
    ) -> None:
        super().__init__(name=f"{module}-slot-{number}", daemon=True)
        self.warm = False
        self._module = module
        self._ledgers = ledgers
        self._settings = settings
        self._stopping = stopping
        self._child: WarmChild | None = None
        self._taken = 0

    def nudge(self) -> None:
        """Look around now; any thread may call this."""
        child = self._child
        if child is not None:
            child.nudge()

    def run(self) -> None:
        """One child after the other, until the worker stops."""
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                served = self._live_with_a_child()
            except Exception:
                log.exception("slot_failed", slot=self.name)
                served = False
            pause = 0.0 if served else min(max(1.0, 2 * pause), LONGEST_PAUSE)

    def _live_with_a_child(self) -> bool:
        self._child = child = WarmChild(self._module)
        try:
            self.warm = self._warm_up(child)
            if self.warm:
                self._serve(child)
            return self.warm
        finally:
            self.warm = False
            self._child = None
            child.close()

    def _warm_up(self, child: WarmChild) -> bool:
        while not self._stopping.is_set():
            message = child.hear(SWEEP)
            if isinstance(message, Ready):
                log.info("warm", slot=self.name, pid=child.pid, seconds=round(message.seconds, 3))
                return True
            if isinstance(message, Exited):
                log.error("warm_up_failed", slot=self.name, returncode=message.returncode)
                return False
        return False

    def _serve(self, child: WarmChild) -> None:
        """Give it work until it is no longer fit."""
        while not self._stopping.is_set():
            attempt = self._next(child)
            fit = attempt.run() if attempt is not None else not isinstance(child.hear(SWEEP), Exited)
            if not fit:
                log.warning("child_replaced", slot=self.name, pid=child.pid)
                return

    def _next(self, child: WarmChild) -> Attempt[Any] | None:
        for ledger in in_turn(self._ledgers, self._taken):
            row = ledger.take()
            if row is not None:
                self._taken += 1
                return Attempt(ledger, row, child, self._settings, self._stopping)
        return None


def in_turn[T](kinds: Sequence[T], taken: int) -> Sequence[T]:
    """The kinds of work in the order in which they are looked at, after so many pieces were taken.

    What comes first goes first; but one time in `OTHERWISE` another kind does, so that none waits for ever.
    """
    turn, others = taken // OTHERWISE, len(kinds) - 1
    first = 1 + turn % others if others and taken % OTHERWISE == OTHERWISE - 1 else 0
    return [*kinds[first:], *kinds[:first]]
