"""Where a unit stands against its benchmark: two roads to the same numbers, calibration, and what the numbers mean."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from analysis.standing import BETWEEN, MEANINGFUL, PROBABLY, WITHIN_DF, Placed, Reference, Standing, place, progress

MBI = Reference(mean=23.0, sd=10.0, n=5_000)


def by_quadrature(n: int, observed: float, sd: float | None, people: int) -> dict[Standing, float]:
    """The same model as a plain two-dimensional integral over d and σ², by Simpson's rule."""
    variance = np.exp(np.linspace(math.log(0.01), math.log(60), 801))
    prior = stats.invgamma(WITHIN_DF / 2, scale=WITHIN_DF / 2).pdf(variance) * variance
    if sd is not None:
        prior *= stats.chi2.pdf((n - 1) * sd**2 / variance, n - 1) / variance

    def mass(low: float, high: float) -> float:
        d = np.linspace(low, high, 801)[:, None]
        likelihood = stats.norm.pdf(observed, d, np.sqrt(variance / n + 1 / people))
        inner = integrate.simpson(likelihood * prior, x=np.log(variance), axis=1)
        return float(integrate.simpson(inner * stats.norm.pdf(d[:, 0], 0, BETWEEN), x=d[:, 0]))

    masses = [mass(-3, -MEANINGFUL), mass(-MEANINGFUL, MEANINGFUL), mass(MEANINGFUL, 3)]
    names = (Standing.UNFAVOURABLE, Standing.SIMILAR, Standing.FAVOURABLE)
    return {name: mass / sum(masses) for name, mass in zip(names, masses, strict=True)}


@pytest.mark.parametrize(
    ("n", "mean", "sd", "people"),
    [(12, 27.0, 8.0, 300), (6, 15.0, 14.0, 40), (9, 20.5, None, 1000)],
)
def test_a_plain_double_integral_gives_the_same_probabilities(
    n: int, mean: float, sd: float | None, people: int
) -> None:
    benchmark = Reference(MBI.mean, MBI.sd, people)
    placed = place(n, mean, sd, benchmark, higher_is_better=True)
    other = by_quadrature(n, (mean - MBI.mean) / MBI.sd, None if sd is None else sd / MBI.sd, people)
    assert placed.probabilities == pytest.approx(other, abs=1e-7)


def test_units_drawn_from_the_model_are_classified_with_calibrated_probabilities() -> None:
    random = np.random.default_rng(20_260)
    stated: list[float] = []
    true: list[bool] = []
    covered = 0
    for _ in range(2_000):
        n, people = int(random.integers(5, 80)), int(random.integers(30, 2_000))
        d, variance = random.normal(0, BETWEEN), WITHIN_DF / random.chisquare(WITHIN_DF)
        values = random.normal(d, math.sqrt(variance), n)
        benchmark = Reference(float(random.normal(0, 1 / math.sqrt(people))), 1.0, people)
        placed = place(n, float(values.mean()), float(values.std(ddof=1)), benchmark, higher_is_better=True)
        actual = (
            Standing.FAVOURABLE if d > MEANINGFUL else Standing.UNFAVOURABLE if d < -MEANINGFUL else Standing.SIMILAR
        )
        stated += placed.probabilities.values()
        true += [standing is actual for standing in placed.probabilities]
        covered += placed.low < d < placed.high
    assert covered / 2_000 == pytest.approx(0.95, abs=0.015)
    bins = np.digitize(stated, [0.1, 0.25, 0.5, 0.75, 0.9])
    for i in range(6):
        there = bins == i
        assert there.sum() > 50
        expected, seen = np.mean(np.array(stated)[there]), np.mean(np.array(true)[there])
        assert seen == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / there.sum()) + 0.002)


numbers = st.floats(0, 54)
placed_units = st.builds(
    place,
    st.integers(1, 500),
    numbers,
    st.one_of(st.none(), st.floats(0, 30)),
    st.builds(Reference, numbers, st.floats(0.5, 30), st.integers(2, 100_000)),
    higher_is_better=st.booleans(),
)


@given(placed_units)
def test_probabilities_are_a_whole_and_the_interval_holds_the_mean(placed: Placed) -> None:
    assert sum(placed.probabilities.values()) == pytest.approx(1)
    assert min(placed.probabilities.values()) >= -1e-12
    assert placed.low < placed.mean < placed.high
    assert abs(placed.mean) <= abs(placed.observed) + 1e-9  # drawn towards the benchmark, never beyond
    assert placed.standing is None or placed.probabilities[placed.standing] >= PROBABLY


@given(st.integers(1, 200), numbers, st.floats(0, 30))
def test_direction_turns_favourable_and_unfavourable_around(n: int, mean: float, sd: float) -> None:
    up = place(n, mean, sd, MBI, higher_is_better=True).probabilities
    down = place(n, mean, sd, MBI, higher_is_better=False).probabilities
    assert up[Standing.FAVOURABLE] == pytest.approx(down[Standing.UNFAVOURABLE])
    assert up[Standing.SIMILAR] == pytest.approx(down[Standing.SIMILAR])


def test_the_same_difference_is_surer_in_a_larger_unit_and_against_a_larger_benchmark() -> None:
    def favourable(n: int, people: int = 5_000) -> float:
        benchmark = Reference(23, 10, people)
        return place(n, 18.0, 10.0, benchmark, higher_is_better=False).probabilities[Standing.FAVOURABLE]

    assert 0.4 < favourable(10) < favourable(30) < favourable(100) < 1
    assert favourable(100, 20) < favourable(100)


def test_no_class_is_told_where_none_has_one_half() -> None:
    narrow = place(25, 23.5, 10, MBI, higher_is_better=False)
    assert narrow.standing is Standing.SIMILAR
    # Centred just inside a cut and wide enough to reach the other: two classes share nearly all, none has half.
    split = place(9, 17.5, 10, MBI, higher_is_better=False)
    assert split.standing is None
    assert max(split.probabilities.values()) < PROBABLY
    counted = progress([narrow, split])
    assert (sum(counted.counts.values()), counted.unclear) == (1, 1)
    assert sum(counted.expected.values()) == pytest.approx(2)


def test_one_person_or_none_known_spread_is_told_by_the_benchmarks_sd() -> None:
    alone = place(1, 10, 0.0, MBI, higher_is_better=False)
    unknown = place(1, 10, None, MBI, higher_is_better=False)
    assert alone == unknown
    with pytest.raises(ValueError, match="SD above 0"):
        place(5, 10, 3, Reference(10, 0, 10), higher_is_better=True)
    with pytest.raises(ValueError, match="people"):
        place(0, 10, 3, MBI, higher_is_better=True)


def test_expected_counts_differ_from_counts_of_classes() -> None:
    random = Random(4)
    units = [place(9, random.gauss(23, 4), 10, MBI, higher_is_better=False) for _ in range(30)]
    counted = progress(units)
    assert sum(counted.counts.values()) + counted.unclear == 30
    assert sum(counted.expected.values()) == pytest.approx(30)
    # Of units that are each probably similar some are expected not to be.
    assert counted.expected[Standing.SIMILAR] < counted.counts[Standing.SIMILAR]
