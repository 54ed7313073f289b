"""Months, segments of one definition, interruptions and gaps."""

from hypothesis import given
from hypothesis import strategies as st

from app.catalog.months import between, later
from app.measures.segments import Gap, Observed, changes_between, gaps, in_force, interruptions, month_at, segments

months = st.builds(lambda y, m: f"{y:04d}-{m:02d}", st.integers(1, 9998), st.integers(1, 12))
series = st.dictionaries(st.integers(-30, 30), st.sampled_from([None, "v1", "v2"]), min_size=1).map(
    lambda found: [Observed(float(t), None, 1.0, None, definition) for t, definition in found.items()]
)


@given(months, st.integers(-12, 12))
def test_months_are_counted_there_and_back(month: str, by: int) -> None:
    there = later(month, by)
    assert there is not None
    assert between(month, there) == by
    assert (there > month) is (by > 0)


def test_months_end_where_four_digits_end() -> None:
    assert later("9999-12", 1) is None
    assert later("0000-01", -1) is None
    assert (month_at("2026-11", 2.0), month_at("2026-11", 0.5), month_at(None, 2.0)) == ("2027-01", None, None)


@given(series)
def test_segments_are_the_series_cut_where_definitions_change(points: list[Observed]) -> None:
    pieces = segments(points)
    joined = [point for piece in pieces for point in piece.points]
    assert joined == sorted(points, key=lambda point: point.t)
    assert all(point.definition == piece.definition for piece in pieces for point in piece.points)
    changes = interruptions(pieces)
    assert len(changes) == len(pieces) - 1
    assert all(change.before != change.after for change in changes)
    assert [change.t for change in changes] == [piece.points[0].t for piece in pieces[1:]]


@given(series)
def test_gaps_and_points_are_all_months_between_the_ends(points: list[Observed]) -> None:
    there = {point.t for point in points}
    missing = {float(t) for gap in gaps(points) for t in range(int(gap.first), int(gap.last) + 1)}
    assert not there & missing
    assert there | missing == {float(t) for t in range(int(min(there)), int(max(there)) + 1)}


def test_gaps_of_any_length_are_told_by_their_ends() -> None:
    far = [Observed(t, None, 1.0, None, None) for t in (0.0, 1e12)]
    assert list(gaps(far)) == [Gap(1.0, 1e12 - 1)]
    assert not list(gaps([Observed(t, None, 1.0, None, None) for t in (0.0, 7.5)]))


def test_a_definition_holds_from_its_month_on() -> None:
    versions = [("2026-03", "v2"), ("2025-01", "v1")]
    assert [in_force(versions, month) for month in ("2024-12", "2025-01", "2026-02", "2026-03", None)] == [
        None,
        "v1",
        "v1",
        "v2",
        None,
    ]
    [change] = changes_between(versions, "2025-01", "2026-03")
    assert (change.month, change.before, change.after, change.t) == ("2026-03", "v1", "v2", 14.0)
    assert [c.before for c in changes_between(versions, "2024-01", "2026-12")] == [None, "v1"]
    assert not changes_between(versions, "2026-03", "2027-01")
