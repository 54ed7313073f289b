"""Which benchmark is a unit's own, and which numbers can be."""

import statistics
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.benchmarks.rules import Candidate, Fit, Group, Period, chosen, fit_of, number_faults, same_words

WORDS = st.sampled_from([None, "Internal Medicine", "internal  medicine", "surgery"])
JOBS = st.sampled_from([None, "physician", "nurse"])
groups = st.builds(Group, WORDS, JOBS)
days = st.integers(0, 3000).map(lambda n: date(2018, 1, 1) + timedelta(days=n))
periods = st.tuples(days, days).map(lambda pair: Period(min(pair), max(pair)))
candidates = st.lists(
    st.builds(Candidate, st.text("abc", min_size=1), groups, periods, st.integers(2, 900), own=st.booleans()),
    max_size=8,
)


@given(candidates, groups, periods)
def test_the_choice_fits_is_contemporaneous_and_nothing_more_specific_does(
    there: list[Candidate], unit: Group, wave: Period
) -> None:
    found = chosen(there, unit, wave)
    fitting = [c for c in there if fit_of(c.group, unit) and c.period.overlaps(wave)]
    assert (found is None) is not bool(fitting)
    if found is not None:
        order = list(Fit)
        assert found[0] in fitting
        assert found[1] is fit_of(found[0].group, unit)
        assert all(order.index(fit_of(c.group, unit) or Fit.EVERYBODY) >= order.index(found[1]) for c in fitting)
    assert chosen(list(reversed(there)), unit, wave) == found or len({c.id for c in there}) < len(there)


@given(periods, periods)
def test_periods_overlap_when_they_share_a_day(one: Period, other: Period) -> None:
    assert one.overlaps(other) is other.overlaps(one) is (one.overlap(other) > 0)
    assert one.overlap(one) == (one.ends_on - one.starts_on).days + 1


def test_a_group_says_by_what_it_fits() -> None:
    unit = Group("Internal medicine", "Physician")
    assert fit_of(Group("internal medicine", "physician"), unit) is Fit.BOTH
    assert fit_of(Group("internal medicine", None), unit) is Fit.SPECIALTY
    assert fit_of(Group(None, "physician"), unit) is Fit.OCCUPATION
    assert fit_of(Group(None, None), unit) is Fit.EVERYBODY
    assert fit_of(Group("surgery", "physician"), unit) is None
    assert fit_of(Group("internal medicine", None), Group(None, "physician")) is None
    assert same_words(" Ärztin ", "ÄRZTIN")
    assert not same_words(None, "nurse")


@given(st.lists(st.floats(0, 54), min_size=2, max_size=40))
def test_numbers_of_real_people_are_never_refused(values: list[float]) -> None:
    assert not list(number_faults(0, 54, statistics.mean(values), statistics.stdev(values), len(values)))


def test_numbers_that_cannot_be_are_named() -> None:
    assert [f[0::2] for f in number_faults(0, 54, 60, 10, 100)] == [("mean", "off_scale")]
    [(field, message, code)] = number_faults(0, 54, 2, 20, 100)
    assert (field, code) == ("sd", "impossible_sd")
    assert "at most 10.2" in message
    assert not list(number_faults(0, None, 2, 20, 100))  # no upper end, no largest SD
