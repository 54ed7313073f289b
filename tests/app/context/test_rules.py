"""Which units an event touches, which days overlap, how it reads; pure."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.context.rules import Interval, happened, touching

UNITS = [f"u{i}" for i in range(6)]
DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 30))


def intervals() -> st.SearchStrategy[Interval]:
    return st.tuples(DAYS, st.none() | DAYS).map(
        lambda days: Interval(days[0], max(days[0], days[1]) if days[1] is not None else None)
    )


def covers(interval: Interval, day: date) -> bool:
    return interval.starts_on <= day and (interval.ends_on is None or day <= interval.ends_on)


@given(intervals(), intervals())
def test_two_intervals_overlap_when_they_share_a_day(one: Interval, other: Interval) -> None:
    days = [date.fromordinal(date(2026, 1, 1).toordinal() + i) for i in range(30)]
    assert one.overlaps(other) == any(covers(one, d) and covers(other, d) for d in days) == other.overlaps(one)


def test_an_event_touches_what_is_above_and_below_and_no_sibling() -> None:
    parents = {"hospital": None, "surgery": "hospital", "ward 1": "surgery", "ward 2": "surgery", "clinic": "hospital"}
    assert touching(["surgery"], parents) == {"hospital", "surgery", "ward 1", "ward 2"}
    assert touching(["ward 1"], parents) == {"hospital", "surgery", "ward 1"}
    assert touching([], parents) == frozenset()


@given(st.fixed_dictionaries({u: st.none() | st.sampled_from(UNITS) for u in UNITS}), st.sets(st.sampled_from(UNITS)))
def test_any_tree_even_a_broken_one_ends_and_touching_is_mutual(
    parents: dict[str, str | None], units: set[str]
) -> None:
    found = touching(units, parents)
    assert units <= found
    for unit in units:
        for other in touching([unit], parents):
            assert unit in touching([other], parents)


@pytest.mark.parametrize(
    ("unit", "ends_on", "says"),
    [
        ("Ward 1", date(2026, 3, 14), "EHR go-live in Ward 1, 2026-03-01 to 2026-03-14"),
        (None, None, "EHR go-live, since 2026-03-01"),
        (None, date(2026, 3, 1), "EHR go-live, 2026-03-01"),
    ],
)
def test_how_an_event_reads(unit: str | None, ends_on: date | None, says: str) -> None:
    assert happened("EHR go-live", unit, Interval(date(2026, 3, 1), ends_on)) == says
