"""One attempt at one claimed row: watches the child that works on it and decides how the attempt ends."""

import math
import threading
from time import monotonic

from app.config import Settings
from app.jobs import failures
from app.jobs.ledger import AWAY, Ledger
from app.jobs.models import Claimable
from app.jobs.warm import Answer, Cancelled, Exited, Failed, Nudge, Progress, WarmChild

BEAT = 0.5  # seconds between two looks at the row, at most: how soon others see progress, and we a cancel
PATIENCE = 3.0  # seconds a child has to obey a cancel
GRACE = 2.0  # seconds work may still take to end by itself when the worker stops


class Attempt[Row: Claimable]:
    """The row, the child, and the times until which things must have happened."""

    def __init__(
        self, ledger: Ledger[Row], row: Row, child: WarmChild, settings: Settings, stopping: threading.Event
    ) -> None:
        self._ledger = ledger
        self._row = row
        self._child = child
        self._stopping = stopping
        self._limit = settings.analysis_timeout_seconds
        self._memory = settings.analysis_memory_bytes
        self._swollen = False
        self._pulse = min(BEAT, settings.lease_seconds / 3)
        self._progress = 0.0
        self._obey_by = math.inf
        self._stop_by = math.inf

    def run(self) -> bool:
        """Work until the row is settled; whether the child can go on with another."""
        try:
            request = self._ledger.request(self._row)
        except AWAY:
            self._ledger.release(self._row, counted=True)
            return True
        except Exception as error:  # noqa: BLE001 - whatever the domain raises is the row's reason
            self._ledger.fail(self._row, failures.of(error))
            return True
        self._child.ask(request)
        return self._watch()

    def _watch(self) -> bool:
        began = monotonic()
        deadline = began + self._limit
        beat_at = began + self._pulse
        while True:
            message = self._child.hear(min(beat_at, deadline, self._obey_by, self._stop_by) - monotonic())
            if isinstance(message, Progress):
                self._progress = max(self._progress, message.share)
            elif isinstance(message, Answer | Failed | Cancelled | Exited):
                return self._end(message)
            now = monotonic()
            if now >= beat_at or isinstance(message, Nudge):
                self._look(now)
                beat_at = monotonic() + self._pulse
            if self._overdue(now, deadline):
                return False

    def _end(self, message: Answer | Failed | Cancelled | Exited) -> bool:
        match message:
            case Answer(value):
                self._ledger.succeed(self._row, value)
            case Failed(failure):
                self._ledger.fail(self._row, failure)
            case Cancelled():
                self._ledger.cancelled(self._row)
            case Exited(returncode):
                if self._row.attempts < self._ledger.attempts:
                    self._ledger.release(self._row, counted=True)
                else:
                    self._ledger.fail(self._row, failures.crashed(self._row.attempts, returncode))
                return False
        return True

    def _look(self, now: float) -> None:
        """Beat; a row that is to be cancelled, or no longer ours, is no work for the child."""
        if self._obey_by == math.inf and not self._ledger.beat(self._row, self._progress):
            self._child.cancel()
            self._obey_by = now + PATIENCE
        self._swollen = self._child.memory() > self._memory
        if self._stop_by == math.inf and self._stopping.is_set():
            self._stop_by = now + GRACE

    def _overdue(self, now: float, deadline: float) -> bool:
        """Whether a time has passed by which the child should have been done; the row is then settled without it."""
        if now >= deadline:
            self._ledger.fail(self._row, failures.timeout(self._limit))
        elif self._swollen:
            self._ledger.fail(self._row, failures.too_large(self._memory))
        elif now >= self._obey_by:
            self._ledger.cancelled(self._row)
        elif now >= self._stop_by:
            self._ledger.release(self._row, counted=False)
        else:
            return False
        return True
