"""How many requests a key may make: so many a minute, evenly; counted in the memory of each API process.

The generic cell rate algorithm: one instant a key says when all that it asked for would have come at an even pace. A
key may be ahead of it by `AHEAD` seconds, so that a page that asks ten things at once is not told to wait.
"""

import math
import threading

from app import metrics
from app.errors import TooMany

AHEAD = 10.0
ROUNDING = 1e-6
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
