"""The rule: its order, its caps, and that more evidence of benefit never leads to a more cautious outcome."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.decide import DecisionRule, balancing_verdict
from analysis.documents import Role, Rule
from analysis.verdict import Judged

ORDER = {"replace": 0, "refine": 1, "scale": 2}
share = st.floats(0, 1, allow_nan=False)


def effect(role: Role = Role.PRIMARY, name: str = "m", **values: float | None) -> Judged:
    good = {
        "p_benefit": 0.99,
        "p_meaningful": 0.9,
        "p_below_zero": 0.01,
        "p_harm": 0.0,
        "p_benefit_sceptical": 0.95,
        "p_not_worse": 0.99,
    }
    return Judged(measure=name, role=role, **{**good, **values})


RULE = DecisionRule(thresholds=Rule(), grade="A", followup_months=6, min_followup_months=6)
SHIFTED = [(k, effect()) for k in (0.1, 0.2, 0.3)]


def unmet(rule: DecisionRule, effects: list[Judged]) -> set[str]:
    return {c.name for c in rule.judge(effects, SHIFTED).criteria if c.decides == "scale" and c.met is False}


def test_everything_met_scales() -> None:
    verdict = RULE.judge([effect()], SHIFTED)
    assert (verdict.outcome, verdict.provisional) == ("scale", False)
    assert unmet(RULE, [effect()]) == set()
    assert [c.name for c in verdict.criteria] == [
        "gates",
        "p_below_zero",
        "grade",
        "p_benefit",
        "p_meaningful",
        "p_benefit_sceptical",
        "tipping_point",
        "followup_months",
    ]
    assert "Scale" in verdict.says
    assert "99 %" in verdict.says


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"p_benefit": 0.9499}, "p_benefit"),
        ({"p_meaningful": 0.6999}, "p_meaningful"),
        ({"p_benefit_sceptical": 0.8999}, "p_benefit_sceptical"),
    ],
)
def test_one_criterion_short_is_refined_and_named(values: dict[str, float], name: str) -> None:
    short = effect(**values)
    assert RULE.judge([short], SHIFTED).outcome == "refine"
    assert unmet(RULE, [short]) == {name}


@pytest.mark.parametrize(
    "values", [{"p_benefit": 0.95}, {"p_meaningful": 0.70}, {"p_benefit_sceptical": 0.90}, {"p_below_zero": 0.7999}]
)
def test_a_threshold_itself_is_enough(values: dict[str, float]) -> None:
    assert RULE.judge([effect(**values)], SHIFTED).outcome == "scale"


@pytest.mark.parametrize("values", [{"p_meaningful": 0.10}, {"p_below_zero": 0.80}])
def test_replace_goes_before_scale(values: dict[str, float]) -> None:
    verdict = RULE.judge([effect(**values)], SHIFTED)
    assert verdict.outcome == "replace"
    deciding = [c for c in verdict.criteria if c.decides == "replace" and c.met]
    assert [c.name for c in deciding] == list(values)
    assert verdict.says.startswith("Replace: ")


@given(st.sampled_from("ABCD"), share, share, share, share)
def test_a_failed_gate_is_indeterminate_whatever_else(
    grade: str, benefit: float, meaningful: float, below: float, harm: float
) -> None:
    rule = replace(RULE, grade=grade, failed_gates=("rhat",))
    primary = effect(p_benefit=benefit, p_meaningful=meaningful, p_below_zero=below)
    verdict = rule.judge([primary, effect(Role.BALANCING, "s", p_harm=harm)], SHIFTED)
    assert verdict.outcome == "indeterminate"
    assert "rhat" in verdict.says


@given(st.sampled_from("ABCD"), share, share, share, share, share)
def test_the_grade_caps(
    grade: str, benefit: float, meaningful: float, below: float, sceptical: float, harm: float
) -> None:
    primary = effect(p_benefit=benefit, p_meaningful=meaningful, p_below_zero=below, p_benefit_sceptical=sceptical)
    effects = [primary, effect(Role.BALANCING, "s", p_harm=harm)]
    best = RULE.judge(effects, SHIFTED)
    verdict = replace(RULE, grade=grade).judge(effects, SHIFTED)
    if grade in "AB":
        assert (verdict.outcome, verdict.provisional) == (best.outcome, False)
    if grade == "C":
        assert verdict.outcome == best.outcome
        assert verdict.provisional == (best.outcome == "scale")
    if grade == "D":
        assert verdict.outcome == "refine"


@given(share, share, share, share)
def test_more_benefit_is_never_judged_worse(p: float, q: float, m: float, s: float) -> None:
    """Raising every probability of benefit together never moves the outcome towards `replace`."""
    low, high = sorted((p, q))
    assume(m <= low)
    less = effect(p_benefit=low, p_below_zero=1 - low, p_meaningful=m * low, p_benefit_sceptical=s * low)
    more = effect(p_benefit=high, p_below_zero=1 - high, p_meaningful=m * high, p_benefit_sceptical=s * high)
    outcomes = [
        ORDER[
            RULE.judge([e], [(0.1, replace(e, p_benefit=0.999, p_meaningful=0.999, p_benefit_sceptical=0.999))]).outcome
        ]
        for e in (less, more)
    ]
    assert outcomes == sorted(outcomes)


@given(share)
def test_balancing_measures(p_harm: float) -> None:
    verdict = balancing_verdict(Rule(), p_harm)
    expected = "breached" if p_harm >= 0.5 else "passed" if 1 - p_harm >= 0.8 else "unknown"
    assert verdict == expected
    judged = RULE.judge([effect(), effect(Role.BALANCING, "s", p_harm=p_harm)], SHIFTED)
    assert judged.outcome == {"breached": "replace", "passed": "scale", "unknown": "refine"}[verdict]


def test_a_balancing_measure_without_data_blocks() -> None:
    assert RULE.judge([effect(), Judged("s", Role.BALANCING)], SHIFTED).outcome == "refine"
    assert unmet(RULE, [effect(), Judged("s", Role.BALANCING)]) == {"balancing"}


@pytest.mark.parametrize(("p", "outcome"), [(0.90, "scale"), (0.89, "refine"), (None, "refine")])
def test_global_measures(p: float | None, outcome: str) -> None:
    assert RULE.judge([effect(), effect(Role.GLOBAL, "g", p_not_worse=p)], SHIFTED).outcome == outcome


def test_secondary_measures_decide_nothing() -> None:
    awful = effect(Role.SECONDARY, "x", p_benefit=0.0, p_meaningful=0.0, p_below_zero=1.0, p_harm=1.0)
    assert RULE.judge([effect(), awful], SHIFTED) == RULE.judge([effect()], SHIFTED)


@pytest.mark.parametrize(
    ("months", "least", "outcome"), [(6, 6, "scale"), (5.9, 6, "refine"), (None, 6, "refine"), (6, None, "refine")]
)
def test_length_of_the_follow_up(months: float | None, least: float | None, outcome: str) -> None:
    rule = replace(RULE, followup_months=months, min_followup_months=least)
    assert rule.judge([effect()], SHIFTED).outcome == outcome


def test_an_early_look_asks_for_more() -> None:
    early = replace(RULE, early=True)
    assert early.judge([effect(p_benefit=0.989)], None).outcome == "refine"
    assert early.judge([effect(p_benefit=0.99)], None).outcome == "scale"


def test_a_cap_holds_scale_back_and_nothing_else() -> None:
    capped = replace(RULE, caps=("flat prior on the effect",))
    assert capped.judge([effect()], SHIFTED).outcome == "refine"
    assert capped.judge([effect(p_below_zero=0.9)], SHIFTED).outcome == "replace"


@pytest.mark.parametrize(
    ("holds_to", "value", "met"), [(0.0, 0.0, False), (0.1, 0.1, True), (0.2, 0.2, True), (0.3, 0.3, True)]
)
def test_tipping_point(*, holds_to: float, value: float, met: bool) -> None:
    shifted = [(k, effect(p_benefit=0.99 if k <= holds_to else 0.9)) for k in (0.3, 0.1, 0.2)]
    verdict = RULE.judge([effect()], shifted)
    criterion = next(c for c in verdict.criteria if c.name == "tipping_point")
    assert (criterion.value, criterion.met) == (value, met)
    assert verdict.outcome == ("scale" if met else "refine")


def test_an_unknown_tipping_point_does_not_block() -> None:
    verdict = RULE.judge([effect()], None)
    assert verdict.outcome == "scale"
    assert next(c for c in verdict.criteria if c.name == "tipping_point").met is None


@given(st.builds(Rule, p_benefit=share, p_meaningful=share, p_benefit_sceptical=share), share)
def test_thresholds_are_those_of_the_plan(thresholds: Rule, p: float) -> None:
    rule = replace(RULE, thresholds=thresholds)
    values = {"p_benefit": p, "p_meaningful": max(p, 0.11), "p_benefit_sceptical": p}
    met = {c.name: c.met for c in rule.judge([effect(**values)], SHIFTED).criteria if c.decides == "scale"}
    assert met["p_benefit"] == (p >= thresholds.p_benefit)
    assert met["p_meaningful"] == (max(p, 0.11) >= thresholds.p_meaningful)
    assert met["p_benefit_sceptical"] == (p >= thresholds.p_benefit_sceptical)


def test_a_value_just_short_does_not_read_like_its_threshold() -> None:
    says = RULE.judge([effect(p_benefit_sceptical=0.8985)], SHIFTED).says
    assert "89.85 % (needs 90.00 %)" in says


def test_a_criterion_that_was_not_assessed_is_not_claimed_to_be_met() -> None:
    assert RULE.judge([effect()], SHIFTED).says.endswith("and every other criterion is met.")
    says = RULE.judge([effect()], None).says
    assert says.endswith("and every criterion that could be assessed is met; not assessed: loss to follow-up.")
    assert replace(RULE, grade="C").judge([effect()], None).says.endswith("grade C; not assessed: loss to follow-up.")


def test_nobody_lost_overturns_what_does_not_scale_anyway() -> None:
    weak = effect(p_benefit=0.9)
    verdict = RULE.judge([weak], [(k, weak) for k in (0.1, 0.2, 0.3)])
    assert verdict.outcome == "refine"
    assert "lost to follow-up" not in verdict.says
    criterion = next(c for c in verdict.criteria if c.name == "tipping_point")
    assert (criterion.value, criterion.met) == (None, None)


@pytest.mark.parametrize("outcome", ["scale", "refine", "replace"])
def test_a_looser_rule_is_named(outcome: str) -> None:
    loose = replace(RULE, thresholds=Rule(p_benefit=0.6, p_meaningful=0.4))
    values = {"scale": {}, "refine": {"p_benefit": 0.5}, "replace": {"p_below_zero": 0.9}}[outcome]
    verdict = loose.judge([effect(**values)], SHIFTED)
    assert verdict.outcome == outcome
    assert "a rule looser than the default (p_benefit 0.60, p_meaningful 0.40)." in verdict.says
    assert "looser" not in RULE.judge([effect(**values)], SHIFTED).says
    strict = replace(RULE, thresholds=Rule(p_benefit=0.99, replace_p_below_zero=0.7))
    assert "looser" not in strict.judge([effect(**values)], SHIFTED).says


def test_other_ways_of_a_looser_rule_are_named() -> None:
    assert (
        "replace_p_below_zero 0.95" in replace(RULE, thresholds=Rule(replace_p_below_zero=0.95)).judge([effect()]).says
    )
    assert "min_followup_months 3" in replace(RULE, min_followup_months=3).judge([effect()]).says
    assert "looser" not in replace(RULE, failed_gates=("rhat",), min_followup_months=3).judge([effect()]).says
