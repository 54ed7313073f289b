"""When a wave is due: the table of states, exhaustively and by properties, and what is said."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.measures.due import (
    CLOSING_DAYS,
    EXPECTED,
    LOW_RESPONSE,
    WITHIN_DAYS,
    DueState,
    Timed,
    day_that_counts,
    days_of,
    says,
    state_of,
)
from app.measures.models import WaveKind
from app.measures.response import Total
from app.pilots.models import Stage

FIRST, LAST = date(2026, 9, 1), date(2026, 9, 21)
days = st.dates(date(2026, 1, 1), date(2026, 12, 31))
rates = st.none() | st.floats(0, 1.2)
waves = st.builds(
    lambda first, length, came, rate: Timed(first, None if length is None else first + timedelta(length), came, rate),
    days,
    st.none() | st.integers(0, 60),
    st.booleans(),
    rates,
)


def day(offset: int, of: date = FIRST) -> date:
    return of + timedelta(offset)


@pytest.mark.parametrize(
    ("today", "came", "rate", "state"),
    [
        (day(-15), False, None, None),
        (day(-14), False, None, "upcoming"),
        (day(-1), False, None, "upcoming"),
        (day(-1), True, 1.0, None),
        (FIRST, False, None, "due"),
        (FIRST, True, 0.9, "due"),
        (FIRST, True, None, "due"),
        (FIRST, True, 1.0, None),
        (day(-4, LAST), True, 0.1, "due"),
        (day(-3, LAST), True, 0.59, "closing"),
        (day(-3, LAST), True, 0.60, "due"),
        (day(-3, LAST), True, None, "due"),
        (LAST, False, None, "closing"),
        (LAST, True, 1.0, None),
        (day(1, LAST), False, None, "overdue"),
        (day(1, LAST), True, 0.01, None),
        (day(1, LAST), True, None, None),
        (day(4000, LAST), False, None, "overdue"),
    ],
)
def test_a_wave_with_an_end(today: date, *, came: bool, rate: float | None, state: str | None) -> None:
    assert state_of(Timed(FIRST, LAST, came, rate), today) == state


@pytest.mark.parametrize(
    ("today", "came", "rate", "state"),
    [
        (day(-14), False, None, "upcoming"),
        (day(-14), True, None, None),
        (day(400), False, None, "due"),
        (day(400), True, 0.5, "due"),
        (day(400), True, 1.0, None),
        (day(400), True, None, None),
    ],
)
def test_a_wave_without_an_end(today: date, *, came: bool, rate: float | None, state: str | None) -> None:
    assert state_of(Timed(FIRST, None, came, rate), today) == state


@given(wave=waves, today=days, within=st.integers(0, 366))
def test_each_state_holds_when_its_words_say_so(wave: Timed, today: date, within: int) -> None:
    state = state_of(wave, today, within)
    if state is DueState.UPCOMING:
        assert today < wave.first <= today + timedelta(within)
    elif state is not None:
        assert wave.first <= today
    if state is DueState.OVERDUE:
        assert (wave.last or today) < today
        assert not wave.came
    elif wave.last is not None and wave.last < today:
        assert state is None
    if state is DueState.CLOSING:
        assert wave.last is not None
        assert 0 <= (wave.last - today).days <= CLOSING_DAYS
        assert not wave.came or (wave.rate is not None and wave.rate < LOW_RESPONSE)


@given(wave=waves, today=days)
def test_nothing_is_asked_for_once_everything_came(wave: Timed, today: date) -> None:
    assert state_of(Timed(wave.first, wave.last, came=True, rate=1.0), today) is None


@given(wave=waves)
def test_with_time_a_wave_goes_through_its_states_in_order(wave: Timed) -> None:
    order = [DueState.UPCOMING, DueState.DUE, DueState.CLOSING, DueState.OVERDUE]
    span = range(-WITHIN_DAYS - 2, 70)
    seen = [order.index(s) for d in span if (s := state_of(wave, day(d, wave.first))) is not None]
    assert seen == sorted(seen)
    if not wave.came:
        assert seen[0] == 0


@given(starts=st.none() | days, ends=st.none() | days, today=days)
def test_the_days_of_a_wave(starts: date | None, ends: date | None, today: date) -> None:
    found = days_of(starts, ends)
    assert (found is None) is (starts is None and ends is None)
    if found is not None:
        first, last = found
        assert first in {starts, ends}
        assert last is None or (first <= last and last == ends)
        assert day_that_counts(first, last, today) in found


def test_every_stage_expects_what_it_collects() -> None:
    before = {WaveKind.BASELINE, WaveKind.INTERIM, WaveKind.FOLLOWUP}
    expected = {stage: EXPECTED.get(stage, frozenset()) for stage in Stage}
    assert expected == {
        Stage.DISCOVER: set(),
        Stage.DEVELOP: before,
        Stage.TEST: before,
        Stage.REFINE: before,
        Stage.SCALE: {WaveKind.RETENTION},
        Stage.FOUNDATIONAL: {WaveKind.RETENTION},
        Stage.RETIRED: set(),
    }


def total(responded: int | None = 0, invited: int | None = None) -> Total:
    rate = responded / invited if responded is not None and invited else None
    return Total(invited=invited, responded=responded, response_rate=rate, attrition=None)


OPEN, UNENDED = Timed(FIRST, LAST), Timed(FIRST)
CAME = Timed(FIRST, LAST, came=True)
SAID: list[tuple[str, Timed, Total, str]] = [
    ("upcoming", OPEN, total(), "begins on 2026-09-01: invite who takes part, and record how many"),
    ("due", OPEN, total(), "began on 2026-09-01 and ends on 2026-09-21, nothing was entered: remind"),
    ("due", UNENDED, total(), "began on 2026-09-01, nothing was entered: remind who has not answered"),
    ("due", CAME, total(12, 44), "ends on 2026-09-21, 12 of 44 answered (27 %): remind who has not answered"),
    ("due", CAME, total(12), "ends on 2026-09-21, 12 answered: remind"),
    ("due", CAME, total(None), "ends on 2026-09-21, some of it was entered: remind"),
    ("closing", CAME, total(12, 44), "post of “Coaching” ends on 2026-09-21, 12 of 44 answered (27 %): remind who has"),
    ("overdue", OPEN, total(), "ended on 2026-09-21, nothing was entered: enter what came, or give the wave other"),
]


@pytest.mark.parametrize(("state", "wave", "came", "part"), SAID, ids=range(len(SAID)))
def test_the_sentence_says_what_to_do(state: Any, wave: Timed, came: Total, part: str) -> None:
    said = says("Coaching", "post", WaveKind.FOLLOWUP, DueState(state), wave, came)
    assert said.startswith("The follow-up wave post of “Coaching” ")
    assert part in said
    assert said.endswith("came." if state == "due" else " (PUT …/waves/post).")
