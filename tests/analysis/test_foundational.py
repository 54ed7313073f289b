"""The foundational rule: every combination of its criteria, and what must never help."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evidence import EvidenceRole
from analysis.foundational import RULE, Findings, Organization, judge, review

ORIGIN, ADOPTER = EvidenceRole.ORIGIN, EvidenceRole.ADOPTER
RANK = {"no": 0, "not_yet": 1, "foundational": 2}
PROVEN = Findings(
    organizations=(
        Organization("o", ORIGIN, "B"),
        Organization("a", ADOPTER, "A"),
        Organization("b", ADOPTER, "B"),
    ),
    p_below_zero={"a": 0.01, "b": 0.02},
    p_meaningful=0.9,
    p_benefit_new=0.95,
    p_benefit_adopters=0.97,
    p_meaningful_adopters=0.8,
    p_retained=0.95,
)
FLAWS = {
    "retained": {"p_retained": 0.8999},
    "origins": {"organizations": (replace(PROVEN.organizations[0], grade="C"), *PROVEN.organizations[1:])},
    "adopters": {"organizations": (*PROVEN.organizations[:2], replace(PROVEN.organizations[2], grade="D"))},
    "grade_a": {"organizations": tuple(replace(o, grade="B") for o in PROVEN.organizations)},
    "p_benefit_adopters": {"p_benefit_adopters": 0.9499},
    "p_meaningful": {"p_meaningful": 0.7999},
    "p_benefit_new": {"p_benefit_new": 0.8999},
    "no_adopter_harmed": {"p_below_zero": {"a": 0.01, "b": 0.80}},
}


def unmet(f: Findings) -> set[str]:
    return {c.name for c in judge(f).criteria if c.met is False}


def test_proven_is_foundational_and_says_so() -> None:
    verdict = judge(PROVEN)
    assert verdict.outcome == "foundational"
    assert verdict.says == (
        "Foundational: 97 % probability that it helps where it was adopted, 90 % probability that the average benefit "
        "is meaningful, 95 % that the next organization benefits."
    )
    names = [c.name for c in verdict.criteria]
    assert names == ["gates", *FLAWS, "p_meaningful_adopters"]
    assert all(c.met for c in verdict.criteria[:-1])


def test_thresholds_are_those_of_the_reference() -> None:
    at = replace(PROVEN, p_retained=0.90, p_benefit_adopters=0.95, p_meaningful=0.80, p_benefit_new=0.90)
    at = replace(at, p_below_zero={"a": 0.7999, "b": 0.0})
    assert judge(at).outcome == "foundational"


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_criterion_alone_stands_in_the_way_and_is_named(flaw: str) -> None:
    f = replace(PROVEN, **FLAWS[flaw])
    verdict = judge(f)
    assert verdict.outcome == ("no" if flaw == "no_adopter_harmed" else "not_yet")
    assert unmet(f) == {flaw}
    assert verdict.says.startswith("No: it probably does harm at b" if flaw == "no_adopter_harmed" else "Not yet: ")
    if verdict.outcome == "not_yet":
        assert verdict.says.count("still open") == 1
        assert ";" not in verdict.says.split("still open: ")[1]


def test_every_combination_of_the_effect_and_harm_criteria() -> None:
    """Stated again, independently of how the rule is written."""
    values = (0.3, 0.7, 0.85, 0.92, 0.97)
    for alone, meaningful, new, harm, retained, gates in product(
        (None, *values), values, values, (0.1, 0.79, 0.81), (None, 0.5, 0.95), ((), ("rhat",))
    ):
        f = replace(
            PROVEN,
            p_benefit_adopters=alone,
            p_meaningful=meaningful,
            p_benefit_new=new,
            p_below_zero={"a": 0.0, "b": harm},
            p_retained=retained,
        )
        if gates:
            expected = "indeterminate"
        elif harm == 0.81 or alone == 0.3:
            expected = "no"
        elif alone == 0.97 and meaningful >= 0.85 and new >= 0.92 and retained != 0.5:
            expected = "foundational"
        else:
            expected = "not_yet"
        assert judge(f, failed_gates=gates).outcome == expected, f


def test_every_combination_of_roles_and_grades() -> None:
    for grades in product((None, *"ABCD"), repeat=4):
        roles = (ORIGIN, ADOPTER, ADOPTER, ADOPTER)
        found = tuple(
            Organization(f"{role}{i}", role, g) for i, (role, g) in enumerate(zip(roles, grades, strict=True)) if g
        )
        good = [o for o in found if o.grade in "AB"]
        holds = (
            any(o.role is ORIGIN for o in good)
            and sum(o.role is ADOPTER for o in good) >= 2
            and any(o.grade == "A" for o in good)
        )
        outcome = judge(replace(PROVEN, organizations=found)).outcome
        assert outcome == ("foundational" if holds else "not_yet"), grades


def test_the_origin_never_counts_as_an_adopter() -> None:
    origins = tuple(Organization(f"o{i}", ORIGIN, "A") for i in range(10))
    verdict = judge(replace(PROVEN, organizations=(*origins, Organization("a", ADOPTER, "A"))))
    assert verdict.outcome == "not_yet"
    assert "adopting organizations with an evaluation of grade A or B (1 of 2)" in verdict.says


def test_what_the_service_checks_does_not_block_but_is_said() -> None:
    verdict = judge(replace(PROVEN, p_retained=None))
    retained = next(c for c in verdict.criteria if c.name == "retained")
    assert (verdict.outcome, retained.met) == ("foundational", None)
    assert retained.note
    assert "not assessed here: whether it was retained" in verdict.says


def test_no_adopter_is_not_yet() -> None:
    f = replace(
        PROVEN,
        organizations=PROVEN.organizations[:1],
        p_below_zero={},
        p_benefit_adopters=None,
        p_meaningful_adopters=None,
    )
    verdict = judge(f)
    assert verdict.outcome == "not_yet"
    assert "probability that it helps where it was adopted unknown" in verdict.says


def test_a_cap_stops_at_not_yet_but_does_not_hide_harm() -> None:
    assert judge(PROVEN, caps=["flat"]).outcome == "not_yet"
    assert judge(PROVEN, caps=["a flat prior"]).says.endswith("still open: a flat prior.")
    assert judge(replace(PROVEN, p_below_zero={"a": 0.9}), caps=["flat"]).outcome == "no"


def test_failed_gates_go_before_everything() -> None:
    verdict = judge(replace(PROVEN, p_below_zero={"a": 0.99}), failed_gates=["rhat", "e_bfmi"])
    assert verdict.outcome == "indeterminate"
    assert "rhat, e_bfmi failed" in verdict.says


p = st.floats(0, 1)
found = st.builds(
    Findings,
    organizations=st.lists(
        st.builds(Organization, st.text(max_size=3), st.sampled_from(EvidenceRole), st.sampled_from("ABCD")), max_size=6
    ),
    p_below_zero=st.dictionaries(st.text(max_size=3), p, max_size=4),
    p_meaningful=p,
    p_benefit_new=p,
    p_benefit_adopters=st.none() | p,
    p_meaningful_adopters=st.none() | p,
    p_retained=st.none() | p,
)


@given(found, st.text(max_size=3), p)
def test_adding_harm_never_helps(f: Findings, name: str, harm: float) -> None:
    more = {**f.p_below_zero, name: max(harm, f.p_below_zero.get(name, 0.0))}
    worse = replace(f, p_below_zero=more)
    assert RANK[judge(worse).outcome] <= RANK[judge(f).outcome]
    if harm >= RULE.harmed:
        assert judge(worse).outcome == "no"


@given(found, st.sampled_from(["p_meaningful", "p_benefit_new", "p_benefit_adopters", "p_retained"]), p)
def test_higher_probabilities_never_hurt(f: Findings, name: str, value: float) -> None:
    before = getattr(f, name)
    if before is None:
        return
    better = replace(f, **{name: max(before, value)})
    assert RANK[judge(better).outcome] >= RANK[judge(f).outcome]


@given(found, st.sampled_from("ABCD"))
def test_another_origin_changes_no_count_of_adopters(f: Findings, grade: str) -> None:
    more = replace(f, organizations=[*f.organizations, Organization("another", ORIGIN, grade)])
    counts = [next(c.value for c in judge(x).criteria if c.name == "adopters") for x in (f, more)]
    assert counts[0] == counts[1]


@given(found)
def test_foundational_needs_everything_and_every_sentence_is_one(f: Findings) -> None:
    verdict = judge(f)
    if verdict.outcome == "foundational":
        assert not unmet(f)
        assert f.p_meaningful >= 0.8
    assert verdict.says.endswith(".")
    assert "None" not in verdict.says


def test_the_yearly_review_demotes_below_one_half() -> None:
    assert not review(0.5).demote
    assert review(0.4999).demote
    what = "probability that the average benefit is meaningful"
    assert review(0.4999).says == f"Demote: {what} 49.99 % (needs 50.00 %)."
    assert review(0.31).says == f"Demote: {what} 31 % (needs 50 %)."
    assert review(0.82).says == f"Still holds: 82 % {what}."
    assert review(0.82).criterion.met is True
