"""When a receiver asks to be left alone for a while (RFC 9110, section 10.2.3)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SECONDS = re.compile(r"-?[0-9]+", re.ASCII)


def retry_after(text: str, now: datetime) -> float | None:
    """The seconds to wait, never below 0, from seconds or an HTTP date; None when it is neither."""
    text = text.strip()
    if SECONDS.fullmatch(text):
        return max(0.0, float(text))
    try:
        at = parsedate_to_datetime(text)
        # A date without a zone is in GMT: HTTP knows no other.
        return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
