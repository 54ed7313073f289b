"""Binary outcomes through the front: every design with units, over time and in linked people; warnings and refusals."""

from collections.abc import Callable
from typing import Any

import pytest

from analysis.documents import FitRequest
from analysis.fit import fit

Ask = Callable[..., FitRequest]


def shares(design: dict[tuple[str, str], tuple[int, int]], units: int = 3) -> dict[str, Any]:
    """Counts of `units` units an arm: by (arm, wave) the events of the first unit and people; later units have more."""
    return {
        "counts": [
            {"unit": f"{arm}-{k}", "arm": arm, "wave": wave, "x": min(x + k, n), "n": n}
            for (arm, wave), (x, n) in design.items()
            for k in range(units)
        ]
    }


TWO_ARMS = {
    ("treated", "pre"): (20, 40),
    ("control", "pre"): (20, 40),
    ("treated", "post"): (27, 40),
    ("control", "post"): (19, 40),
}
AFTER = {key: value for key, value in TWO_ARMS.items() if key[1] == "post"}
ONE_GROUP = {key: value for key, value in TWO_ARMS.items() if key[0] == "treated"}
BINARY = {"family": "binary", "reference_sd": None}


def linked(pairs: dict[tuple[int, int], int], once: int = 0) -> dict[str, Any]:
    """Rows of linked people by (before, after), and of `once` people who never came back."""
    rows = []
    people = [pair for pair, count in pairs.items() for _ in range(count)]
    for i, pair in enumerate(people):
        rows += [{"participant": f"p{i}", "wave": w, "value": v} for w, v in zip(("pre", "post"), pair, strict=True)]
    rows += [{"participant": f"q{i}", "wave": "pre", "value": i % 2} for i in range(once)]
    return {"rows": rows}


PAIRS = {(0, 0): 14, (0, 1): 12, (1, 0): 4, (1, 1): 22}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "parallel": ({"counts": shares(AFTER)["counts"]}, {}, "A"),
    "cluster": (shares(TWO_ARMS, 4), {}, "A"),
    "did": (shares(TWO_ARMS), {"randomised": False}, "C"),
    "cross_section": (shares(ONE_GROUP), {"control": None, "attrition": {"treated": 0.05}, "randomised": False}, "D"),
    "paired": (linked(PAIRS, 5), {"control": None, "attrition": None, "randomised": False}, "D"),
}


def answer(ask: Ask, design: str, data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given, plan, _ = CASES[design]
    primary = {**BINARY, **more.pop("primary", {})}
    return fit(ask(data or given, primary=primary, design=design, **{**plan, **more}))


def codes(found: dict[str, Any]) -> set[str]:
    return {w["code"] for w in found["warnings"]}


@pytest.mark.parametrize("design", CASES)
def test_every_design_answers_in_full(ask: Ask, design: str) -> None:
    found = answer(ask, design)
    effect = found["effects"][0]
    assert found["grade"] == CASES[design][2]
    assert effect["raw"]["unit"] == "risk difference"
    assert 0 < effect["raw"]["mean"] < 0.4
    assert effect["raw"]["interval"]["low"] < effect["raw"]["mean"] < effect["raw"]["interval"]["high"]
    assert 0 < effect["sd"]["mean"] < 1
    assert effect["evidence"]["se_sd"] > effect["sd"]["sd"]
    assert effect["unadjusted"]["p_benefit"] > effect["p_benefit"] - 0.02
    assert set(effect["rates"]) == set(effect["n"])


@pytest.mark.parametrize("design", CASES)
def test_turning_events_and_direction_about_turns_nothing_else(ask: Ask, design: str) -> None:
    data, _, _ = CASES[design]
    if "counts" in data:
        turned: dict[str, Any] = {"counts": [{**c, "x": c["n"] - c["x"]} for c in data["counts"]]}
    else:
        turned = {"rows": [{**r, "value": 1 - r["value"]} for r in data["rows"]]}
    one = answer(ask, design)["effects"][0]
    other = answer(ask, design, turned, primary={"direction": "lower_is_better"})["effects"][0]
    for block in ("sd", "adjusted"):
        assert other[block]["mean"] == pytest.approx(one[block]["mean"], abs=3e-3)
        assert other[block]["sd"] == pytest.approx(one[block]["sd"], rel=0.01)
    assert other["raw"]["mean"] == pytest.approx(-one["raw"]["mean"], abs=2e-3)
    assert other["p_benefit"] == pytest.approx(one["p_benefit"], abs=3e-3)


@pytest.mark.parametrize("design", ["cluster", "parallel", "did"])
def test_arms_that_change_places_turn_the_effect_about(ask: Ask, design: str) -> None:
    one, other = answer(ask, design), answer(ask, design, treated="control", control="treated")
    mine, theirs = one["effects"][0], other["effects"][0]
    assert theirs["sd"]["mean"] == pytest.approx(-mine["sd"]["mean"], abs=3e-3)
    assert theirs["unadjusted"]["p_benefit"] == pytest.approx(1 - mine["unadjusted"]["p_benefit"], abs=2e-3)


@pytest.mark.parametrize(
    "design", ["cluster", *(pytest.param(name, marks=pytest.mark.slow) for name in ("did", "paired"))]
)
def test_by_nuts_with_all_gates(ask: Ask, design: str) -> None:
    sampled, twin = answer(ask, design, engine="nuts"), answer(ask, design)
    assert all(g["passed"] for g in sampled["gates"]), sampled["gates"]
    assert sampled["recommendation"]["outcome"] == twin["recommendation"]["outcome"]
    mine, theirs = sampled["effects"][0], twin["effects"][0]
    for name in ("p_benefit", "p_meaningful", "p_benefit_sceptical"):
        assert mine[name] == pytest.approx(theirs[name], abs=5e-3)
    assert mine["predictive"]
    if design == "did":
        for one, other in zip(mine["units"], theirs["units"], strict=True):
            assert one["departure"]["mean"] == pytest.approx(other["departure"]["mean"], abs=0.03)


def test_rows_and_their_counts_are_the_same(ask: Ask) -> None:
    rows = [
        {"unit": c["unit"], "arm": c["arm"], "wave": c["wave"], "value": int(i < c["x"])}
        for c in CASES["did"][0]["counts"]
        for i in range(c["n"])
    ]
    one, other = answer(ask, "did"), answer(ask, "did", {"rows": rows})
    assert one["effects"][0]["adjusted"] == other["effects"][0]["adjusted"]


def test_units_make_a_comparison_less_certain(ask: Ask) -> None:
    apart = [
        {"unit": f"{arm}-{k}", "arm": arm, "wave": "post", "x": x, "n": 60}
        for arm, xs in (("treated", (20, 35, 50, 42)), ("control", (12, 38, 29, 21)))
        for k, x in enumerate(xs)
    ]
    pooled = [{**c, "unit": None} for c in apart]
    together = [
        {"arm": arm, "wave": "post", "x": sum(c["x"] for c in pooled if c["arm"] == arm), "n": 240}
        for arm in ("treated", "control")
    ]
    clustered = answer(ask, "cluster", {"counts": apart}, baseline=None)
    parallel = answer(ask, "parallel", {"counts": together}, baseline=None)
    assert clustered["effects"][0]["sd"]["sd"] > 1.3 * parallel["effects"][0]["sd"]["sd"]
    assert "no_baseline" in codes(clustered)
    nested = answer(ask, "parallel", {"counts": apart}, baseline=None)
    assert "units_nested" in codes(nested)
    assert nested["effects"][0]["sd"]["sd"] > 1.3 * parallel["effects"][0]["sd"]["sd"]


def test_a_baseline_of_units_adjusts_for_where_they_started(ask: Ask) -> None:
    """Treated units that started higher and end as they were: post-only sees an effect, with the slope less of one."""
    levels = (
        ("treated", 0, 30),
        ("treated", 1, 26),
        ("treated", 2, 34),
        ("control", 0, 18),
        ("control", 1, 14),
        ("control", 2, 22),
    )
    data = [
        {"unit": f"{arm}-{k}", "arm": arm, "wave": wave, "x": x, "n": 50}
        for arm, k, x in levels
        for wave in ("pre", "post")
    ]
    adjusted = answer(ask, "cluster", {"counts": data})["effects"][0]
    plain = answer(ask, "cluster", {"counts": [c for c in data if c["wave"] == "post"]})["effects"][0]
    assert adjusted["sd"]["mean"] < 0.7 * plain["sd"]["mean"]
    assert 0.4 < adjusted["slope"]["mean"] < 1.2
    assert "slope" not in plain
    assert adjusted["comparison"] == "adjusted for the units' baseline shares"


WARNED: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "one unit in an arm of a cluster": ("cluster", shares(TWO_ARMS, 1), {}, "one_unit"),
    "few units": ("cluster", shares(TWO_ARMS, 2), {}, "few_units"),
    "units not named": (
        "cluster",
        {"counts": [{**c, "unit": None} for c in shares(TWO_ARMS, 1)["counts"]]},
        {},
        "units_unnamed",
    ),
    "no baseline of a cluster": ("cluster", shares(AFTER, 4), {}, "no_baseline"),
    "no baseline of one unit": ("cluster", {"counts": shares(TWO_ARMS, 4)["counts"][1:]}, {}, "unit_baseline_missing"),
    "a unit that did not answer": ("cluster", {"counts": shares(TWO_ARMS, 4)["counts"][:-1]}, {}, "unit_lost"),
    "not randomised, no baseline": ("cluster", shares(AFTER, 4), {"randomised": False}, "post_only_not_randomised"),
    "one unit in an arm over time": ("did", shares(TWO_ARMS, 1), {}, "unit_time_dropped"),
    "one unit before and after": ("cross_section", shares(ONE_GROUP, 1), {}, "unit_time_dropped"),
    "nobody anywhere": ("did", shares(dict.fromkeys(TWO_ARMS, (0, 30)), 1), {}, "no_contrast"),
    "everybody everywhere": ("cross_section", shares(dict.fromkeys(ONE_GROUP, (30, 30)), 2), {}, "no_contrast"),
    "nobody in one arm": ("cluster", shares({**AFTER, ("treated", "post"): (0, 30)}, 1), {}, "evidence_unbounded"),
    "nobody after, linked": ("paired", linked({(0, 0): 20, (1, 0): 10}), {}, "evidence_unbounded"),
    "people seen once": ("paired", linked(PAIRS, 5), {}, "waves_missing"),
    "small": ("paired", linked({(0, 1): 2, (0, 0): 2}), {}, "small_arm"),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_must_be_said_is_said_and_every_number_is_one(ask: Ask, case: str) -> None:
    design, data, plan, code = WARNED[case]
    found = answer(ask, design, data, **plan)
    assert code in codes(found)
    effect = found["effects"][0]
    assert effect["sd"]["sd"] > 0
    if code in ("evidence_unbounded", "no_contrast"):
        assert effect["evidence"] == {"effect_sd": None, "se_sd": None}
    if code == "no_contrast":
        assert effect["sd"]["mean"] == pytest.approx(0.0, abs=2e-3)
        assert effect["unadjusted"]["p_benefit"] == pytest.approx(0.5, abs=1e-3)


REFUSED: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "a wave nobody answered": ("did", {"counts": shares(TWO_ARMS)["counts"][:9]}, {}, "arm_empty"),
    "no wave before": ("cross_section", shares({("treated", "post"): (9, 20)}), {}, "arm_empty"),
    "a unit in both arms": (
        "cluster",
        {"counts": [{**c, "unit": "same"} for c in shares(AFTER, 1)["counts"]]},
        {},
        "unit_in_both_arms",
    ),
    "some units named": (
        "cluster",
        {"counts": [{**c, "unit": None if i == 0 else c["unit"]} for i, c in enumerate(shares(AFTER)["counts"])]},
        {},
        "unit_missing",
    ),
    "counts of linked people": ("paired", shares(ONE_GROUP, 1), {}, "unlinked"),
    "nobody linked": (
        "paired",
        {"rows": [{"participant": f"{w}{i}", "wave": w, "value": i % 2} for w in ("pre", "post") for i in range(9)]},
        {},
        "nobody_linked",
    ),
    "rows that are no 0 or 1": (
        "paired",
        {"rows": [{"participant": "a", "wave": w, "value": 2} for w in ("pre", "post")]},
        {},
        "not_binary",
    ),
    "one person twice": (
        "paired",
        {"rows": [{"participant": "a", "wave": "pre", "value": 1}] * 2},
        {},
        "duplicate_rows",
    ),
    "means": ("did", {"cells": [{"arm": "treated", "wave": "pre", "n": 9, "mean": 0.2, "sd": 0.4}]}, {}, "wrong_shape"),
    "flat without an event": (
        "cluster",
        shares({**AFTER, ("treated", "post"): (0, 30)}, 1),
        {"priors": {"effect": "flat"}},
        "improper_posterior",
    ),
    "flat, linked, nobody after": (
        "paired",
        linked({(0, 0): 20, (1, 0): 10}),
        {"priors": {"effect": "flat"}},
        "improper_posterior",
    ),
    "flat slope, baselines alike": (
        "cluster",
        {"counts": [{**c, "x": 20} if c["wave"] == "pre" else c for c in shares(TWO_ARMS)["counts"]]},
        {"priors": {"slope": "flat"}},
        "improper_posterior",
    ),
    "no control": ("did", shares(ONE_GROUP), {"control": None, "attrition": {"treated": 0.1}}, "control_missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_refused_with_what_would_help(ask: Ask, case: str) -> None:
    design, data, plan, code = REFUSED[case]
    found = answer(ask, design, data, **plan)
    assert found["refused"]["code"] == code
    assert len(found["refused"]["what_would_help"]) > 20


WAVES = [
    {"key": "first", "kind": "baseline"},
    {"key": "pre", "kind": "baseline"},
    {"key": "between", "kind": "interim"},
    {"key": "post", "kind": "followup"},
]


def test_two_waves_before_show_whether_trends_were_parallel(ask: Ask) -> None:
    apart = {**TWO_ARMS, ("treated", "first"): (6, 40), ("control", "first"): (20, 40)}
    alike = {
        **TWO_ARMS,
        ("treated", "first"): (19, 40),
        ("control", "first"): (20, 40),
        ("treated", "between"): (1, 40),
    }
    found = {
        name: answer(ask, "did", shares(data), waves=WAVES, baseline=None)
        for name, data in (("apart", apart), ("alike", alike))
    }
    assert "trends_differ" in codes(found["apart"])
    assert "trends_differ" not in codes(found["alike"])
    assert (found["apart"]["grade"], found["alike"]["grade"]) == ("B", "B")
    (step,) = found["apart"]["effects"][0]["parallel_trends"]
    assert step["interval"]["low"] > 0
    assert len(found["alike"]["effects"][0]["rates"]["treated"]) == 3
    assert {u["arm"] for u in found["alike"]["effects"][0]["units"]} == {"treated", "control"}


def test_a_wave_without_one_arm_is_left_out(ask: Ask) -> None:
    found = answer(ask, "did", shares({**TWO_ARMS, ("treated", "first"): (19, 40)}), waves=WAVES, baseline=None)
    assert "wave_incomplete" in codes(found)
    assert found["effects"][0]["adjusted"] == answer(ask, "did")["effects"][0]["adjusted"]


def test_a_borrowed_prior_far_off_loses_weight(ask: Ask) -> None:
    borrowed = [
        answer(ask, "did", priors={"borrow": {"mean": mean, "sd": 0.1, "weight": 0.5}})["borrowed_weight"]
        for mean in (0.4, -2.0)
    ]
    assert borrowed[0] > 0.5
    assert borrowed[1] < 0.05


@pytest.mark.slow
def test_eighteen_units_in_little_time(ask: Ask) -> None:
    import time  # noqa: PLC0415

    from analysis.sampling import warm  # noqa: PLC0415

    warm("unit_proportions")
    data = shares(TWO_ARMS, 9)
    answer(ask, "did", data, engine="nuts")
    start = time.process_time()
    answer(ask, "did", data, engine="nuts")
    taken = time.process_time() - start
    start = time.process_time()
    sum(range(20_000_000))
    # Four runs sampled, in processor seconds; a fast processor adds those numbers up in 0.2.
    assert taken < 12 * max(1.0, (time.process_time() - start) / 0.3)
