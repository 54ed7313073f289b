"""When a request is sent again: the pure rule."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client.retries import Retries, is_passing, is_repeatable, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
chances = st.floats(0, 1)


@given(tried=st.integers(1, 30), chance=chances)
def test_waits_grow_within_bounds_and_end(tried: int, chance: float) -> None:
    retries = Retries(tries=6, first=0.5, longest=15)
    wait = retries.wait(tried, None, chance)
    if tried >= 6:
        assert wait is None
    else:
        assert wait is not None
        whole = min(0.5 * 2 ** (tried - 1), 15)
        assert whole / 2 <= wait <= whole


@given(asked=st.floats(0, 500), chance=chances)
def test_what_the_service_asks_for_is_never_undercut(asked: float, chance: float) -> None:
    wait = Retries(patience=120).wait(1, asked, chance)
    if asked > 120:
        assert wait is None
    else:
        assert wait is not None
        assert asked <= wait <= asked * 1.1 + 1e-9


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), 0),
        ("-3", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "code", "asked", "passing"),
    [
        *((status, None, None, True) for status in (502, 503, 504)),
        (429, "too_many", 3, True),
        (429, "too_many", None, False),
        (409, "idempotency_in_progress", None, True),
        *((status, "other", 3, False) for status in (301, 400, 401, 403, 404, 409, 412, 413, 422, 500, 501)),
    ],
)
def test_only_what_passes_is_tried_again(status: int, code: str | None, asked: float | None, passing: bool) -> None:  # noqa: FBT001
    assert is_passing(status, code, asked=asked) is passing


def test_only_what_cannot_happen_twice_is_sent_twice() -> None:
    assert is_repeatable("GET", {})
    assert is_repeatable("POST", {"Idempotency-Key": "one"})
    assert [is_repeatable(method, {}) for method in ("POST", "PUT", "PATCH", "DELETE")] == [False] * 4
