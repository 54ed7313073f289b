"""One attempt at one claimed row: watches the child that works on it and decides how the attempt ends."""

import math
import threading
from time import monotonic

from app.config import Settings
from app.jobs import failures
from app.jobs.ledger import Ledger
from app.jobs.models import Claimable
from app.jobs.warm import Answer, Cancelled, Exited, Failed, Message, Progress, WarmChild

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
        self._pulse = min(BEAT, settings.lease_seconds / 3)
        self._progress = 0.0
        self._obey_by = math.inf
        self._stop_by = math.inf

    def run(self) -> bool:
        """Work until the row is settled; whether the child can go on with another."""
        try:
            request = self._ledger.request(self._row)
        except Exception as error:
            self._ledger.fail(self._row, failures.of(error))
            return True
        self._child.ask(request)
        return self._watch()

    def _watch(self) -> bool:
        deadline = monotonic() + self._limit
        beat_at = 0.0
        while True:
            now = monotonic()
            if now >= beat_at:
                self._look(now)
                beat_at = monotonic() + self._pulse
            until = min(beat_at, deadline, self._obey_by, self._stop_by)
            message = self._child.hear(until - monotonic())
            if isinstance(message, Progress):
                self._progress = message.share
                continue
"""
