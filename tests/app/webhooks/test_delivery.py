"""What follows from a try: the schedule, who asks for time, when an endpoint is given up; pure rules."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import Settings
from app.webhooks.delivery import (
    BUSY,
    DISABLE_AFTER,
    Answered,
    Delivered,
    GiveUp,
    Outcome,
    RetryAt,
    Unreached,
    allowance,
    disable,
    pause,
    plan,
    waits_of,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DEFAULT = waits_of(Settings.model_fields["webhook_retry_seconds"].default)
TIMEOUT = Unreached("timeout", "the receiver did not answer in time")

failures = st.one_of(
    st.just(TIMEOUT),
    st.builds(
        Answered,
        st.integers(100, 599).filter(lambda s: s // 100 != 2 and s != 410),
        st.none() | st.floats(0, 1e12),
    ),
)


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    hours = [0, 0, 0, 2, 5, 10, 14, 20, 24]
    minutes = [0, 5, 30, 0, 0, 0, 0, 0, 0]
    seconds = [5, 0, 0, 0, 0, 0, 0, 0, 0]
    expected = [timedelta(hours=h, minutes=m, seconds=s) for h, m, s in zip(hours, minutes, seconds, strict=True)]
    assert list(DEFAULT) == expected
    found = [plan(attempt, Answered(500), NOW, DEFAULT) for attempt in range(1, 10)]
    assert found == [RetryAt(NOW + wait) for wait in expected]
    last = plan(10, Answered(500), NOW, DEFAULT)
    assert isinstance(last, GiveUp)
    assert (last.code, last.message) == ("gave_up", "tried 10 times; the last try: answered 500")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_any_success_is_delivered(status: int) -> None:
    assert plan(3, Answered(status, retry_after=60), NOW, DEFAULT) == Delivered()


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_nothing_else_is(status: int) -> None:
    assert isinstance(plan(1, Answered(status), NOW, DEFAULT), RetryAt)


def test_gone_means_never_again_at_once() -> None:
    found = plan(1, Answered(410), NOW, DEFAULT)
    assert isinstance(found, GiveUp)
    assert found.code == "gone"
    why = disable(NOW, Answered(410), found, NOW)
    assert why is not None
    assert why.code == "gone"


@given(failures, st.integers(1, 9), st.floats(0, 1))
def test_chance_and_the_receiver_may_only_lengthen_a_wait(outcome: Outcome, attempts: int, jitter: float) -> None:
    found = plan(attempts, outcome, NOW, DEFAULT, jitter)
    assert isinstance(found, RetryAt)
    wait = DEFAULT[attempts - 1]
    asked = (outcome.retry_after or 0.0) if isinstance(outcome, Answered) else 0.0
    longest = max(wait * 1.2, timedelta(seconds=min(asked, 86400)))
    assert wait <= found.at - NOW <= longest
    assert found.at - NOW >= timedelta(seconds=min(asked, 86400))


@given(failures, st.lists(st.floats(0, 86400), max_size=5))
def test_a_round_ends_after_its_waits(outcome: Outcome, seconds: list[float]) -> None:
    waits = [timedelta(seconds=s) for s in seconds]
    kinds = [type(plan(attempt, outcome, NOW, waits)) for attempt in range(1, len(waits) + 2)]
    assert kinds == [RetryAt] * len(waits) + [GiveUp]


def test_who_asks_for_time_gets_it_and_who_is_too_busy_a_breath() -> None:
    assert pause(Answered(429, retry_after=120), NOW) == NOW + timedelta(minutes=2)
    assert pause(Answered(503, retry_after=1), NOW) == NOW + timedelta(seconds=5)
    assert {status for status in range(300, 600) if pause(Answered(status), NOW)} == BUSY
    assert pause(Answered(500, retry_after=30), NOW) == NOW + timedelta(seconds=30)
    assert pause(Answered(429, retry_after=1e9), NOW) == NOW + timedelta(days=1)
    assert pause(Answered(200, retry_after=60), NOW) is None
    assert pause(TIMEOUT, NOW) is None


def test_only_five_days_of_failure_disable() -> None:
    over, again = GiveUp("gave_up", "tried 10 times"), RetryAt(NOW)
    assert disable(NOW - DISABLE_AFTER + timedelta(seconds=1), Answered(500), over, NOW) is None
    assert disable(NOW - 9 * DISABLE_AFTER, Answered(500), again, NOW) is None, "it may fail once after weeks"
    why = disable(NOW - DISABLE_AFTER, TIMEOUT, over, NOW)
    assert why is not None
    assert why.code == "failed_for_days"
    assert why.message.endswith("the receiver did not answer in time")


@given(st.integers(1, 6000), st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_a_rate_limit_holds_in_every_minute(limit: int, pauses: list[float]) -> None:
    """Whoever takes all that is left each time sends no more in a minute than the limit, and a second's worth."""
    paced: datetime | None = None
    at, sent = NOW, []
    for wait in pauses:
        at += timedelta(seconds=wait)
        left, step = allowance(paced, at, limit)
        paced = max(paced or at, at) + left * step
        sent.append((at, left))
    burst = max(1, limit // 60)
    assert sent[0][1] == burst
    for begin, _ in sent:
        assert sum(left for at, left in sent if begin <= at < begin + timedelta(minutes=1)) <= limit + burst


def test_what_the_limit_leaves_comes_back_with_time() -> None:
    left, step = allowance(None, NOW, 120)
    assert (left, step) == (2, timedelta(seconds=0.5))
    paced = NOW + 2 * step
    assert allowance(paced, NOW, 120)[0] == 0
    assert allowance(paced, NOW + timedelta(seconds=0.5), 120)[0] == 1
    assert allowance(paced, NOW + timedelta(hours=1), 120)[0] == 2
    assert allowance(None, NOW, 1)[0] == 1


@pytest.mark.parametrize("entry", ["soon", "-1", "86401", "nan", "inf", "1e99"])
def test_a_bad_schedule_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match=f"PILOTLIGHT_WEBHOOK_RETRY_SECONDS: '{entry}' is not"):
        waits_of(f"5,{entry}")
