"""What came of a wave: the figures add up, agree with the grade, and tell nothing of too few people."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.documents import Design
from analysis.grade import ATTRITION_GAP, ATTRITION_TOTAL, Circumstances, grade
from app.measures.models import WaveKind
from app.measures.response import AttritionOf, WaveFacts, response_of

ARMS = ("intervention", "control")
LEAST = 5
counts = st.integers(0, 60)
by_arm = st.dictionaries(st.sampled_from(ARMS), counts)
facts_of = st.builds(
    WaveFacts,
    kind=st.sampled_from(WaveKind),
    design=st.sampled_from(Design),
    arms=st.just(ARMS),
    graded=st.just(ARMS),
    invited=by_arm,
    answered=by_arm,
    waiting=counts,
    followed=st.dictionaries(
        st.sampled_from(ARMS), st.tuples(st.integers(1, 60), counts).map(lambda n: (max(n), min(n)))
    ),
    least=st.just(LEAST),
)
few = st.integers(1, LEAST - 1)


def of_primary(facts: WaveFacts, answered: dict[str, int]) -> WaveFacts:
    """No more answered the primary measure than answered anything."""
    return replace(facts, primary={arm: min(n, facts.answered.get(arm, 0)) for arm, n in answered.items()})


facts_of = st.builds(of_primary, facts_of, by_arm)


def a_wave(**fields: Any) -> WaveFacts:
    told = {"kind": WaveKind.FOLLOWUP, "design": Design.PARALLEL, "arms": ARMS, "graded": ARMS, "least": LEAST}
    return WaveFacts(**{**told, "primary": fields.get("answered", {}), **fields})


@given(facts=facts_of, arm=st.sampled_from(ARMS), one=few, other=few)
def test_how_many_answered_in_a_hidden_arm_changes_nothing_that_is_shown(
    facts: WaveFacts, arm: str, one: int, other: int
) -> None:
    shown, same = (
        response_of(replace(facts, answered={**facts.answered, arm: n}, primary={**facts.primary, arm: n}))
        for n in (one, other)
    )
    assert shown == same
    assert arm in shown.suppressed
    assert shown.responded[arm] is None
    assert (shown.total.responded, shown.total.response_rate, shown.total.attrition) == (None, None, None)
    assert shown.lowers_grade is None


@given(facts=facts_of, one=few, other=few)
def test_nor_does_how_many_answered_the_primary_where_they_are_few(facts: WaveFacts, one: int, other: int) -> None:
    facts = replace(facts, answered={**facts.answered, "control": 30})
    shown, same = (response_of(replace(facts, primary={**facts.primary, "control": n})) for n in (one, other))
    assert shown == same
    assert (shown.total.attrition, shown.lowers_grade) == (None, None)


def test_attrition_is_of_the_primary_measure() -> None:
    shown = response_of(
        a_wave(invited=BOTH, answered={"intervention": 44, "control": 44}, primary=dict.fromkeys(ARMS, 22))
    )
    assert shown.response_rate == dict.fromkeys(ARMS, 1.0)
    assert shown.attrition == dict.fromkeys(ARMS, 0.5)
    assert shown.lowers_grade
    assert "Attrition 50 %" in shown.says


@given(facts=facts_of, one=few, other=few)
def test_nor_does_how_many_wait_for_an_arm_or_were_seen_twice(facts: WaveFacts, one: int, other: int) -> None:
    assert response_of(replace(facts, waiting=one)) == response_of(replace(facts, waiting=other))
    unseen = [replace(facts, followed={**facts.followed, "control": (30, kept)}) for kept in (one, other)]
    assert response_of(unseen[0]) == response_of(unseen[1])


@given(facts=facts_of)
def test_what_is_shown_adds_up(facts: WaveFacts) -> None:
    shown = response_of(facts)
    for arm, n in facts.answered.items():
        assert shown.responded[arm] == (None if 0 < n < LEAST else n)
    total = shown.total
    if total.responded is not None:
        assert total.responded == sum(facts.answered.values()) + facts.waiting
    if total.response_rate is not None:
        assert total.invited == sum(facts.invited.values())
        assert total.response_rate == pytest.approx(total.responded / total.invited)
    if facts.kind is WaveKind.BASELINE:
        assert not any(share is not None for share in shown.attrition.values())
        assert (shown.lowers_grade, shown.attrition_of) == (None, None)
    if total.attrition is not None:
        shares = [share for share in shown.attrition.values() if share is not None]
        assert min(shares) - 1e-9 <= total.attrition <= max(shares) + 1e-9
        assert shown.lowers_grade is not None


@given(
    design=st.sampled_from(Design),
    stayed=st.tuples(st.integers(5, 60), st.integers(5, 60)),
    left=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    of=st.sampled_from(AttritionOf),
)
def test_it_lowers_the_grade_as_the_library_does(
    design: Design, stayed: tuple[int, int], left: tuple[int, int], of: AttritionOf
) -> None:
    n = dict(zip(ARMS, stayed, strict=True))
    started = {arm: n[arm] + gone for arm, gone in zip(ARMS, left, strict=True)}
    if of is AttritionOf.INVITED:
        facts = a_wave(design=design, invited=started, answered=n)
    else:
        facts = a_wave(design=design, answered=n, followed={arm: (started[arm], n[arm]) for arm in ARMS})
    shown = response_of(facts)
    lost = {arm: 1 - n[arm] / started[arm] for arm in ARMS}
    graded = grade(Circumstances(design, randomised=True, units_per_arm=4, attrition=lost, n=n))
    assert shown.attrition_of is of
    assert shown.attrition == pytest.approx(lost)
    assert shown.lowers_grade is (graded.letter != graded.by_design)
    assert ("lowered one step" in shown.says) is shown.lowers_grade


BOTH = dict.fromkeys(ARMS, 44)
HIDDEN = "Attrition is not shown, groups of so few people are not."
UNINVITED = "answered; how many were invited is not recorded for every arm."
LOWERED = "so the grade is lowered one step."
SAID: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["Nobody has answered yet."]),
    ({"invited": BOTH}, ["Nobody has answered yet."]),
    (
        {"kind": WaveKind.BASELINE, "invited": BOTH, "answered": {"intervention": 40}},
        ["40 of 88 answered (45 %)."],
    ),
    (
        {"invited": BOTH, "answered": {"control": 40, "intervention": 40}},
        [
            "80 of 88 answered (91 %).",
            "Attrition 9.1 % (9.1 % in intervention, 9.1 % in control):",
            "no more than 20 %, and the arms no more than 10 points apart, so the grade stays.",
        ],
    ),
    (
        {"invited": {"intervention": 50, "control": 50}, "answered": {"intervention": 45, "control": 35}},
        [
            "80 of 100 answered (80 %).",
            "Attrition 20 % (10 % in intervention, 30 % in control):",
            f"the arms are more than 10 points apart, {LOWERED}",
        ],
    ),
    (
        {"answered": {"intervention": 30, "control": 30}, "followed": {"intervention": (40, 30), "control": (40, 30)}},
        [f"60 {UNINVITED}", f"Attrition 25 % (25 % in intervention, 25 % in control): above 20 %, {LOWERED}"],
    ),
    (
        {
            "design": Design.PAIRED,
            "arms": ARMS[:1],
            "graded": ARMS[:1],
            "invited": {"intervention": 40},
            "answered": {"intervention": 30},
        },
        [
            "30 of 40 answered (75 %).",
            "Attrition 25 % (25 % in intervention): above 20 %, but grade D is not lowered further.",
        ],
    ),
    (
        {"invited": BOTH, "answered": {"intervention": 30, "control": 3}},
        ["How many answered is not shown: they are too few in control.", HIDDEN],
    ),
    ({"waiting": 2}, ["How many answered is not shown: they are too few without an arm.", HIDDEN]),
    ({"answered": {"intervention": 30, "control": 30}}, [f"60 {UNINVITED}", "Attrition is not known for every arm."]),
    ({"kind": WaveKind.BASELINE, "waiting": 48}, [f"48 {UNINVITED}"]),
]


@pytest.mark.parametrize(("fields", "said"), SAID, ids=range(len(SAID)))
def test_in_words(fields: dict[str, Any], said: list[str]) -> None:
    assert response_of(a_wave(**fields)).says == " ".join(said)


def test_the_words_name_the_thresholds_of_the_library() -> None:
    assert (ATTRITION_TOTAL, ATTRITION_GAP) == (0.20, 0.10)  # else the sentences above are others
