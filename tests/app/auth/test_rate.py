"""How many requests a key may make."""

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from app.auth.rate import AHEAD, Busy, Rate, RateLimited, UnderWay
from tests.app.steps import ok
from tests.conftest import Client, House, on_sqlite


def served(rate: Rate, instants: list[float], key: str = "k") -> list[float]:
    """The instants at which a request was let through."""
    return [at for at in instants if not told_to_wait(rate, at, key)]


def told_to_wait(rate: Rate, at: float, key: str = "k") -> int:
    """Seconds to wait before the request; 0: it was let through."""
    try:
        rate.take(key, at)
    except RateLimited as refusal:
        return int((refusal.headers or {})["Retry-After"])
    return 0


@given(st.lists(st.floats(0, 120), min_size=1, max_size=200).map(sorted), st.integers(1, 600))
def test_no_stretch_of_time_holds_more_than_its_share_and_what_was_saved_up(asked: list[float], minute: int) -> None:
    through = served(Rate(minute), asked)
    for i, first in enumerate(through):
        for j, last in enumerate(through[i:], start=1):
            assert j <= 1 + (last - first + max(AHEAD, 60 / minute)) * minute / 60 + 1e-6


@given(st.integers(6, 6000))
def test_an_even_pace_within_the_limit_is_never_refused(minute: int) -> None:
    instants = [i * 60 / minute for i in range(300)]
    assert served(Rate(minute), instants) == instants


@given(st.integers(1, 600))
def test_who_waits_as_told_is_served(minute: int) -> None:
    rate, at = Rate(minute), 0.0
    waits = next(waits for _ in range(1000) if (waits := told_to_wait(rate, at)))
    assert waits >= 1
    assert told_to_wait(rate, at + waits) == 0


def test_keys_do_not_slow_each_other_and_none_limits_where_none_is_set() -> None:
    rate = Rate(6)
    assert len(served(rate, [0.0] * 50, "a")) == len(served(rate, [0.0] * 50, "b")) == 1
    assert len(served(Rate(0), [0.0] * 50)) == 50


@pytest.mark.anyio
@on_sqlite
async def test_a_key_that_asks_too_often_is_told_when_to_go_on(app: FastAPI, house: House, anonymous: Client) -> None:
    app.state.rate = Rate(12)
    answers = [await house.lead.get("/v1/pilots") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 429, 429]
    refused = answers[-1]
    assert (refused.json()["code"], refused.headers["content-type"]) == ("rate_limited", "application/problem+json")
    assert 1 <= int(refused.headers["retry-after"]) <= 5
    await ok(house.analyst.get("/v1/pilots"))
    await ok(anonymous.get("/health/live"))


def test_of_what_takes_long_a_key_has_few_under_way_and_leaves_room_for_others() -> None:
    uploads = UnderWay("uploads", each=2, together=3)
    with uploads.one("a"), uploads.one("a"):
        with pytest.raises(Busy, match="2 uploads of this key"), uploads.one("a"):
            pass
        with uploads.one("b"), pytest.raises(Busy, match="0 uploads of this key are under way, 3 in all"):  # noqa: SIM117
            with uploads.one("c"):
                pass
    with uploads.one("a"), uploads.one("c"):
        pass
