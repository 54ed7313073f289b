"""When a request is sent again, and how long to wait before; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TOO_MANY = 429
PASSING = frozenset({502, 503, 504})
"""Answers of a service, or of a proxy before it, that is away for a moment."""
UNDER_WAY = "idempotency_in_progress"
"""What a repeated request hears while the first one, whose answer was lost, is still worked on."""


@dataclass(frozen=True)
class Retries:
    """Seconds double from `first` to `longest`, for `tries` in all; a wait of more than `patience` is not made."""

    tries: int = 5
    first: float = 0.5
    longest: float = 15.0
    patience: float = 120.0

    def wait(self, tried: int, asked: float | None, chance: float) -> float | None:
        """Seconds before the next try, after `tried` of them; None: give up.

        `asked` is what the service asks for. `chance` (0 to 1) spreads clients that failed at the same moment: over
        the upper half of the doubled wait, or over a tenth beyond what was asked.
        """
        if tried >= self.tries:
            return None
        if asked is not None:
            return asked * (1 + chance / 10) if asked <= self.patience else None
        return min(self.first * 2.0 ** (tried - 1), self.longest) * (1 + chance) / 2


def is_passing(status: int, code: str | None, *, asked: float | None) -> bool:
    """Whether an answer is only of this moment: the same request may be answered soon."""
    return status in PASSING or (status == TOO_MANY and asked is not None) or code == UNDER_WAY


def is_repeatable(method: str, headers: Mapping[str, str]) -> bool:
    """Whether sending it twice cannot do twice."""
    return method in {"GET", "HEAD"} or "Idempotency-Key" in headers


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After asks for (seconds, or a date of HTTP); None where there is none to understand."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
