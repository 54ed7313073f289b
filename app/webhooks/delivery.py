"""What follows from a try: a pure rule; no clock, no database and no network here.

Schedule and handling of answers follow Standard Webhooks 1.0: only 2xx is a success, 410 means "never again", a
receiver that asks for time gets it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Answered:
    """The receiver answered; `retry_after` in seconds, `body` at most its first 1024 bytes."""

    status: int
    retry_after: float | None = None
    body: bytes = b""


@dataclass(frozen=True)
class Unreached:
    """No answer: a stable code (`timeout`, `address_refused`, …) and a sentence for the log."""

    code: str
    message: str


type Outcome = Answered | Unreached
