"""How long a receiver asks to be left alone."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.retry_after import retry_after

NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("-5", 0),
        ("1" * 20, float("1" * 20)),
        ("1" * 400, math.inf),
        ("Mon, 02 Mar 2026 12:05:00 GMT", 300),
        ("Monday, 02-Mar-26 12:05:00 GMT", 300),
        ("Mon Mar  2 12:05:00 2026", 300),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0),
        ("Mon, 02 Mar 2026 13:00:00 +0100", 0),
        *((text, None) for text in ("", "soon", "1e3", "1.5", "inf", "nan", "٣", "5 s", "99 Foo 2026")),
        ("Mon, 99 Mar 2026 12:05:00 GMT", None),
        ("Mon, 02 Mar 99999 12:05:00 GMT", None),
    ],
)
def test_seconds_or_a_date_and_nothing_else(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@given(st.text() | st.text("0123456789 :,+-GMTJanuMon", max_size=40))
def test_nonsense_is_never_an_error(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


@given(st.integers(0, 10**9 - 1))
def test_a_date_says_the_same_as_its_seconds(seconds: int) -> None:
    at = datetime.fromtimestamp(NOW.timestamp() + seconds, UTC)
    assert retry_after(format_datetime(at, usegmt=True), NOW) == seconds == retry_after(str(seconds), NOW)
