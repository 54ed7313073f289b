"""How many requests a key may make, and how many of what is long may be under way; counted in each API process.

So many a minute, evenly.

The generic cell rate algorithm: one instant a key says when all that it asked for would have come at an even pace. A
key may be ahead of it by `AHEAD` seconds, so that a page that asks ten things at once is not told to wait.
"""

import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app import metrics
from app.errors import TooMany

AHEAD = 10.0
ROUNDING = 1e-6
RETRY_BUSY_SECONDS = 3
MOST_KEYS = 10_000
"""Keys kept in mind; then those that are on time are forgotten."""


class RateLimited(TooMany):
    """A key asks for more than it may."""

    default_code = "rate_limited"


def wait(due: float, now: float, per_minute: int) -> float:
    """Seconds until a key whose evenly paced requests reach to the instant `due` may make one more; 0: now."""
    each = 60.0 / per_minute
    seconds = due + each - now - max(AHEAD, each)
    return seconds if seconds > ROUNDING else 0.0


class Busy(TooMany):
    """A key, or all together, have as much under way as may."""

    default_code = "busy"


class Rate:
    """The pace of every key; threads share it."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key_id: str, now: float) -> None:
        """Count a request at `now` (seconds of a clock that never goes back); raises RateLimited with `Retry-After`."""
        if not self._per_minute:
            return
        with self._lock:
            due = max(self._due.get(key_id, now), now)
            waits = wait(due, now, self._per_minute)
            if not waits:
                self._due[key_id] = due + 60.0 / self._per_minute
                if len(self._due) > MOST_KEYS:
                    self._due = {key: at for key, at in self._due.items() if at > now}
                return
        metrics.REFUSED.labels("rate_limited").inc()
        seconds = math.ceil(waits)
        msg = f"this key makes more than {self._per_minute} requests a minute; go on in {seconds} s"
        raise RateLimited(msg, headers={"Retry-After": str(seconds)})


class UnderWay:
    """How many of one thing that takes long a key, and all keys together, may have under way; threads share it."""

    def __init__(self, what: str, each: int, together: int) -> None:
        self._what, self._each, self._together = what, each, together
        self._of: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one(self, key_id: str) -> Iterator[None]:
        """Count one while it lasts; raises Busy with `Retry-After`."""
        with self._lock:
            if self._of[key_id] >= self._each or self._of.total() >= self._together:
                metrics.REFUSED.labels("busy").inc()
                mine, every = self._of[key_id], self._of.total()
                msg = f"{mine} {self._what} of this key are under way, {every} in all; ask again when one has ended"
                raise Busy(msg, headers={"Retry-After": str(RETRY_BUSY_SECONDS)})
            self._of[key_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._of[key_id] -= 1
                if not self._of[key_id]:
                    del self._of[key_id]
