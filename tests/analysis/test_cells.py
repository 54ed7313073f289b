"""Sufficient statistics add over disjoint groups and standardise, whatever the numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.cells import PairedSums, Sums, paired_sums_of, rounded, sums_of, total
from analysis.documents import Cell, Pair

values = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=12)


def pair_of(points: list[tuple[float, float]]) -> PairedSums:
    a, b = np.array(points).T
    return PairedSums(
        len(a),
        a.mean(),
        b.mean(),
        ((a - a.mean()) ** 2).sum(),
        ((a - a.mean()) * (b - b.mean())).sum(),
        ((b - b.mean()) ** 2).sum(),
    )


@given(values, values)
def test_sums_of_two_groups_are_those_of_their_union(
    one: list[tuple[float, float]], two: list[tuple[float, float]]
) -> None:
    joined, whole = pair_of(one) + pair_of(two), pair_of(one + two)
    for name in ("n", "mean1", "mean2", "s11", "s12", "s22"):
        assert getattr(joined, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-7)
    assert (pair_of(one).second + pair_of(two).second).ss == pytest.approx(whole.s22, rel=1e-9, abs=1e-7)
    assert (pair_of(one).first + pair_of(two).first).ss == pytest.approx(joined.first.ss, rel=1e-9, abs=1e-7)


@given(values, st.floats(-30, 30), st.floats(0.5, 20), st.sampled_from([1, -1]))
def test_standardising_is_that_of_every_value(
    points: list[tuple[float, float]], centre: float, scale: float, sign: int
) -> None:
    mine = pair_of(points).standardised(centre, sign * scale)
    other = pair_of([((a - centre) / (sign * scale), (b - centre) / (sign * scale)) for a, b in points])
    for name in ("mean1", "mean2", "s11", "s12", "s22"):
        assert getattr(mine, name) == pytest.approx(getattr(other, name), rel=1e-6, abs=1e-6)


def test_what_is_unknown_in_a_part_is_unknown_in_the_sum() -> None:
    known = paired_sums_of(Pair(n=5, mean=(0, 0), sd=(1, 1), r=0.5))
    unknown = paired_sums_of(Pair(n=5, mean=(0, 0), sd=(1, 1), r=None))
    assert known.s12 == pytest.approx(2.0)
    assert unknown.s12 is None
    assert (known + unknown).s12 is None
    assert (known + unknown).s22 == pytest.approx(8.0)


def test_a_correlation_needs_spread() -> None:
    assert paired_sums_of(Pair(n=5, mean=(0, 0), sd=(0, 1), r=None)).s12 == 0
    assert paired_sums_of(Pair(n=1, mean=(0, 0), sd=(0, 0), r=None)).s12 == 0
    assert PairedSums(9, 0, 0, 4, 3, 9).residual_share == pytest.approx(1 - 9 / 36)


def test_sums_of_a_cell() -> None:
    assert sums_of(Cell(wave="w", n=5, mean=2.0, sd=3.0)) == Sums(5, 2.0, 36.0)
    assert sums_of(Cell(wave="w", n=5, mean=2.0, sd=3.0)).sd == 3.0
    assert sums_of(Cell(wave="w", n=1, mean=2.0)).sd == 0.0
    assert total([]) is None
    assert total([Sums(2, 1.0, 0.5), Sums(2, 3.0, 0.5)]) == Sums(4, 2.0, 5.0)


@given(st.floats(-1e12, 1e12).filter(lambda x: abs(x) > 1e-12))
def test_rounding_keeps_ten_digits(value: float) -> None:
    assert rounded(value) == pytest.approx(value, rel=1e-9)
    assert rounded(value * (1 + 1e-14)) == pytest.approx(rounded(value), rel=1.1e-9)
    assert rounded(rounded(value)) == rounded(value)
    assert not math.isnan(rounded(0.0))
