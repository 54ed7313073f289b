"""What follows from a try: pure rules; no clock, no database and no network here.

Schedule and handling of answers follow Standard Webhooks 1.0: only 2xx is a success, 410 means "never again", a
receiver that asks for time gets it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

DISABLE_AFTER: Final = timedelta(days=5)
JITTER: Final = 0.2
"""Share of a wait that chance may add, so that what failed together does not come back together."""
LONGEST_WAIT: Final = timedelta(days=1)
BREATH: Final = timedelta(seconds=5)
BUSY: Final = frozenset({429, 502, 503, 504})
"""Answers of a receiver, or of what stands before it, that has too much to do."""
GONE: Final = 410
OUR_FAULTS: Final = frozenset({"internal", "secret_unreadable"})


@dataclass(frozen=True)
class Answered:
    """The receiver answered; `retry_after` in seconds, `body` at most its first 1024 bytes."""

    status: int
    retry_after: float | None = None
    body: bytes = b""

    @property
    def received(self) -> bool:
        """Whether it took the event."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the success class of HTTP


@dataclass(frozen=True)
class Unreached:
    """No answer: a stable code (`timeout`, `address_refused`, …) and a sentence for the log."""

    code: str
    message: str

    @property
    def ours(self) -> bool:
        """Whether the fault is this service's own: it says nothing of the endpoint."""
        return self.code in OUR_FAULTS


type Outcome = Answered | Unreached


@dataclass(frozen=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True)
class RetryAt:
    """Try again then."""

    at: datetime


@dataclass(frozen=True)
class GiveUp:
    """No further try by itself."""

    code: str
    message: str


type Next = Delivered | RetryAt | GiveUp


def waits_of(text: str) -> tuple[timedelta, ...]:
    """The waits before the second and later tries, from `PILOTLIGHT_WEBHOOK_RETRY_SECONDS`.

    Raises ValueError naming the entry that is no number of seconds from 0 to a day's 86400.
    """
    waits = []
    for entry in text.split(","):
        try:
            wait = timedelta(seconds=float(entry))
        except (ValueError, OverflowError):
            wait = timedelta(-1)
        if not timedelta() <= wait <= LONGEST_WAIT:
            msg = f"PILOTLIGHT_WEBHOOK_RETRY_SECONDS: {entry.strip()!r} is not a number of seconds from 0 to 86400"
            raise ValueError(msg)
        waits.append(wait)
    return tuple(waits)


def plan(attempts: int, outcome: Outcome, now: datetime, waits: Sequence[timedelta] = (), jitter: float = 0.0) -> Next:
    """What follows the `attempts`-th try of a round (from 1); `jitter`, from 0 to 1, is drawn by the caller."""
    if isinstance(outcome, Answered) and outcome.received:
        return Delivered()
    if isinstance(outcome, Answered) and outcome.status == GONE:
        return GiveUp("gone", "the receiver answered 410: it never wants this again")
    if attempts > len(waits):
        times = "once" if attempts == 1 else f"{attempts} times"
        return GiveUp("gave_up", f"tried {times}; the last try: {told(outcome)}")
    wait = waits[attempts - 1] * (1 + JITTER * jitter)
    return RetryAt(now + max(wait, _asked_for(outcome)))


def pause(outcome: Outcome, now: datetime) -> datetime | None:
    """Until when nothing at all is sent to this endpoint: what it asked for, a breath when it is too busy."""
    if not isinstance(outcome, Answered) or outcome.received:
        return None
    wait = max(_asked_for(outcome), BREATH if outcome.status in BUSY else timedelta())
    return now + wait if wait else None


def disable(failing_since: datetime, outcome: Outcome, following: Next, now: datetime) -> GiveUp | None:
    """Why the endpoint is disabled after this failed try, if it is; one success in between starts the days anew.

    Only when the delivery had all its tries: an endpoint that is seldom called, and failed weeks ago, may fail once.
    """
    if isinstance(outcome, Answered) and outcome.status == GONE:
        return GiveUp("gone", "the receiver answered 410: it is gone and wants no more events")
    if isinstance(following, GiveUp) and now - failing_since >= DISABLE_AFTER:
        since = failing_since.date().isoformat()
        return GiveUp("failed_for_days", f"every try has failed since {since}; the last one: {told(outcome)}")
    return None


def told(outcome: Outcome) -> str:
    """The outcome in a few words, without a byte of the answer."""
    return f"answered {outcome.status}" if isinstance(outcome, Answered) else outcome.message[:400]


def _asked_for(outcome: Outcome) -> timedelta:
    asked = outcome.retry_after if isinstance(outcome, Answered) else None
    return timedelta() if asked is None else timedelta(seconds=min(max(asked, 0.0), LONGEST_WAIT.total_seconds()))


def allowance(paced_until: datetime | None, now: datetime, rate_limit: int) -> tuple[int, timedelta]:
    """How many tries `rate_limit` (a minute) leaves for now, and how far each one moves `paced_until`.

    The generic cell rate algorithm: a second's worth may go at once, the rest is spread evenly.
    """
    step = timedelta(minutes=1) / rate_limit
    burst = max(1, rate_limit // 60)
    used = max(paced_until or now, now) - now
    return max(0, int((burst * step - used) / step + 1e-9)), step
