"""Grades: the table, what attrition does to it, and what would raise it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.documents import Design
from analysis.grade import BIAS, GRADES, Circumstances, grade, would_raise

circumstances = st.builds(
    Circumstances,
    design=st.sampled_from(Design),
    randomised=st.booleans(),
    units_per_arm=st.none() | st.integers(1, 8),
    pre_waves=st.integers(1, 3),
    controlled=st.booleans(),
    attrition=st.none() | st.fixed_dictionaries({"t": st.floats(0, 1), "c": st.floats(0, 1)}),
    n=st.just({"t": 40, "c": 60}),
)


@pytest.mark.parametrize(
    ("design", "randomised", "units", "pre_waves", "controlled", "letter"),
    [
        ("parallel", True, None, 1, False, "A"),
        ("parallel", False, None, 1, False, "C"),
        ("cluster", True, 4, 1, False, "A"),
        ("cluster", True, 3, 1, False, "B"),
        ("cluster", True, 2, 1, False, "B"),
        ("cluster", True, 1, 1, False, "C"),
        ("cluster", False, 9, 1, False, "C"),
        ("stepped_wedge", True, 4, 1, False, "A"),
        ("stepped_wedge", True, 2, 1, False, "B"),
        ("stepped_wedge", False, 6, 1, False, "C"),
        ("did", False, 2, 2, False, "B"),
        ("did", False, 2, 1, False, "C"),
        ("did", False, 1, 3, False, "C"),
        ("its", False, None, 1, True, "B"),
        ("its", False, None, 1, False, "C"),
        ("paired", False, None, 1, False, "D"),
        ("paired", True, 9, 3, True, "D"),
        ("cross_section", False, None, 1, False, "D"),
    ],
)
def test_table(
    *, design: str, randomised: bool, units: int | None, pre_waves: int, controlled: bool, letter: str
) -> None:
    assert grade(Circumstances(Design(design), randomised, units, pre_waves, controlled)).letter == letter


@pytest.mark.parametrize(
    ("t", "c", "n", "letter"),
    [
        (0.20, 0.20, (50, 50), "A"),
        (0.21, 0.21, (50, 50), "B"),
        (0.05, 0.15, (50, 50), "A"),
        (0.05, 0.16, (50, 50), "B"),
        (0.25, 0.16, (10, 90), "A"),
        (0.25, 0.16, (90, 10), "B"),
        (1.0, 1.0, (50, 50), "B"),
    ],
)
def test_attrition_lowers_once(t: float, c: float, n: tuple[int, int], letter: str) -> None:
    given_ = Circumstances(Design.PARALLEL, randomised=True, attrition={"t": t, "c": c}, n={"t": n[0], "c": n[1]})
    answer = grade(given_)
    assert (answer.letter, answer.by_design, answer.attrition_known) == (letter, "A", True)


@given(circumstances)
def test_attrition_lowers_at_most_one_step_and_never_raises(c: Circumstances) -> None:
    answer = grade(c)
    steps = GRADES.index(answer.letter) - GRADES.index(answer.by_design)
    assert steps in (0, 1)
    if answer.by_design == "D" or c.attrition is None:
        assert steps == 0


@given(circumstances)
def test_what_would_raise_the_grade_raises_it(c: Circumstances) -> None:
    now = grade(c).letter
    answers = would_raise(c)
    assert all(a["grade"] < now for a in answers)
    assert len({a["change"] for a in answers}) == len(answers)
    if now == "A":
        assert answers == []
    if now == "D" and c.attrition is None:
        assert answers


def test_would_raise_of_a_comparison_that_was_not_randomised() -> None:
    answers = would_raise(Circumstances(Design.PARALLEL))
    assert [a["grade"] for a in answers] == ["A"]
    assert "random" in answers[0]["change"]


@pytest.mark.parametrize("letter", GRADES)
def test_bias_is_halved_for_logged_metrics_and_has_no_mean_for_balancing_ones(letter: str) -> None:
    design = {
        "A": (Design.PARALLEL, True),
        "B": (Design.ITS, False),
        "C": (Design.DID, False),
        "D": (Design.PAIRED, False),
    }
    answer = grade(Circumstances(design[letter][0], randomised=design[letter][1], controlled=letter == "B"))
    mean, sd = BIAS[letter]
    assert answer.letter == letter
    assert answer.bias() == (mean, sd)
    assert answer.bias(objective=True) == (mean / 2, sd / 2)
    assert answer.bias(balancing=True) == (0.0, sd)


def test_a_stepped_wedge_is_raised_by_steps_and_a_cluster_by_units() -> None:
    said = {d: [a["change"] for a in would_raise(Circumstances(d))] for d in (Design.CLUSTER, Design.STEPPED_WEDGE)}
    assert "steps" in said[Design.STEPPED_WEDGE][0]
    assert "units an arm" in said[Design.CLUSTER][0]
