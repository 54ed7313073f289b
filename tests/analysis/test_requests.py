"""What a request leads to, by the exact engine: every refusal, every warning, shapes, directions, roles."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.documents import FitRequest, MeasureData
from analysis.errors import Refused
from analysis.fit import exact_posteriors, fit
from analysis.models import label
from analysis.rows import reduce_rows

Ask = Callable[..., FitRequest]


def rows(seed: int = 3, n: int = 40, effect: float = 0.6, *, unit: bool = False) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    listed = []
    for arm, shift in (("treated", effect), ("control", 0.0)):
        for i in range(n):
            first = rng.normal(20, 5)
            second = 20 + 0.7 * (first - 20) + rng.normal(0, 3.5) + 5 * shift
            for wave, value in (("pre", first), ("post", second)):
                row = {"arm": arm, "wave": wave, "participant": f"{arm}-{i}", "value": value}
                listed.append(row | ({"unit": f"u{i % 2}"} if unit else {}))
    return listed


def as_pairs(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pairs = []
    for arm in ("treated", "control"):
        people = sorted({r["participant"] for r in given if r["arm"] == arm})
        value = {(r["participant"], r["wave"]): r["value"] for r in given}
        first, second = (np.array([value[p, w] for p in people]) for w in ("pre", "post"))
        pairs.append(
            {
                "arm": arm,
                "n": len(people),
                "mean": [first.mean(), second.mean()],
                "sd": [first.std(ddof=1), second.std(ddof=1)],
                "r": float(np.corrcoef(first, second)[0, 1]),
            }
        )
    return pairs


def as_cells(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    cells = []
    for arm in ("treated", "control"):
        for wave in ("pre", "post"):
            values = np.array([r["value"] for r in given if r["arm"] == arm and r["wave"] == wave])
            cells.append({"arm": arm, "wave": wave, "n": len(values), "mean": values.mean(), "sd": values.std(ddof=1)})
    return cells


def codes(answer: dict[str, Any]) -> set[str]:
    return {w["code"] for w in answer["warnings"]}


def numbers(answer: dict[str, Any]) -> dict[str, Any]:
    return {"effects": answer["effects"], "criteria": answer["recommendation"]}


# --- shapes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["exact", pytest.param("nuts", marks=pytest.mark.slow)])
def test_rows_and_their_pairs_give_the_same_posterior_to_the_digit(ask: Ask, engine: str) -> None:
    given = rows()
    primary = {"reference_sd": 5.0}
    by_rows = fit(ask({"rows": given}, primary=primary, engine=engine))
    by_pairs = fit(ask({"pairs": as_pairs(given)}, primary=primary, engine=engine))
    mine, other = (json.loads(json.dumps(a["effects"][0])) for a in (by_rows, by_pairs))
    for block in (mine, other):
        block.pop("balance")  # shown as given, not standardised
    assert mine == other
    assert mine["comparison"] == "ancova"


def test_rows_without_participants_and_their_cells_give_the_same_posterior(ask: Ask) -> None:
    given = [{k: v for k, v in row.items() if k != "participant"} for row in rows()]
    mine = fit(ask({"rows": given}, primary={"reference_sd": 5.0}))["effects"][0]
    other = fit(ask({"cells": as_cells(given)}, primary={"reference_sd": 5.0}))["effects"][0]
    assert mine["sd"] == other["sd"]
    assert mine["comparison"] == "post-only"
    assert mine["difference_in_differences"]["mean"] == pytest.approx(other["difference_in_differences"]["mean"])


def test_unlinked_rows_are_never_paired_by_their_order(ask: Ask) -> None:
    given = [{k: v for k, v in row.items() if k != "participant"} for row in rows()]
    shuffled = [given[i] for i in np.random.default_rng(1).permutation(len(given))]
    assert fit(ask({"rows": given}))["effects"][0]["sd"] == fit(ask({"rows": shuffled}))["effects"][0]["sd"]


def test_named_units_have_effects_of_their_own(ask: Ask) -> None:
    whole = fit(ask({"rows": rows()}, primary={"reference_sd": 5.0}))
    parts = fit(ask({"rows": rows(unit=True)}, primary={"reference_sd": 5.0}))
    assert (len(whole["effects"][0]["units"]), whole["provenance"]["model"]) == (0, label("ancova"))
    assert (len(parts["effects"][0]["units"]), parts["provenance"]["model"]) == (2, label("ancova_units"))
    # Both arms are in both units, so that their effects hardly touch the comparison.
    assert parts["effects"][0]["sd"]["mean"] == pytest.approx(whole["effects"][0]["sd"]["mean"], abs=0.05)


def test_arms_may_come_from_the_units_of_the_plan(ask: Ask) -> None:
    given = rows()
    units = [{"unit_id": "a", "arm": "treated"}, {"unit_id": "b", "arm": "control"}]
    by_unit = [
        {**{k: v for k, v in row.items() if k != "arm"}, "unit": "a" if row["arm"] == "treated" else "b"}
        for row in given
    ]
    both = [{**row, "unit": "a" if row["arm"] == "treated" else "b"} for row in given]
    mine = fit(ask({"rows": by_unit}, primary={"reference_sd": 5.0}, units=units))
    assert mine["effects"][0]["sd"] == fit(ask({"rows": both}, primary={"reference_sd": 5.0}))["effects"][0]["sd"]


def test_a_million_people_cost_no_more_than_forty(ask: Ask) -> None:
    cells = [
        {"arm": arm, "wave": "post", "n": 1_000_000, "mean": mean, "sd": 1.0}
        for arm, mean in (("treated", 0.3), ("control", 0.0))
    ]
    effect = fit(ask({"cells": cells}))["effects"][0]
    assert effect["evidence"]["effect_sd"] == pytest.approx(0.3, abs=1e-4)
    assert effect["evidence"]["se_sd"] == pytest.approx(np.sqrt(2e-6), rel=1e-3)


def test_ancova_is_the_regression_of_the_rows(ask: Ask) -> None:
    """With everything flat the effect is that of ordinary least squares on the rows (one more road)."""
    given = rows(n=200)
    value = {(r["participant"], r["wave"]): (r["value"], r["arm"]) for r in given}
    people = sorted({r["participant"] for r in given})
    first = np.array([value[p, "pre"][0] for p in people])
    second = np.array([value[p, "post"][0] for p in people])
    arm = np.array([value[p, "pre"][1] == "treated" for p in people], float)
    design = np.column_stack([np.ones(len(people)), first - first.mean(), arm])
    coefficients, rss, _, _ = np.linalg.lstsq(design, second)
    se = np.sqrt(rss[0] / (len(people) - 3) * np.linalg.inv(design.T @ design)[2, 2])
    flat = {"effect": "flat", "slope": "flat"}
    effect = fit(ask({"rows": given}, primary={"reference_sd": 5.0}, priors=flat))["effects"][0]
    assert effect["raw"]["mean"] == pytest.approx(coefficients[2], abs=0.03 * se)
    assert effect["raw"]["sd"] == pytest.approx(se, rel=0.02)


@pytest.mark.parametrize("family", ["normal", "binary"])
def test_turning_the_scale_changes_nothing_but_the_raw_sign(ask: Ask, family: str) -> None:
    if family == "normal":
        data = {"pairs": as_pairs(rows())}
        turned = copy.deepcopy(data)
        for pair in turned["pairs"]:
            pair["mean"] = [-m for m in pair["mean"]]
        primary: dict[str, Any] = {"reference_sd": 5.0}
    else:
        counts = [("treated", 19, 51), ("control", 24, 56)]
        data = {"counts": [{"arm": a, "wave": "post", "x": x, "n": n} for a, x, n in counts]}
        turned = {"counts": [{"arm": a, "wave": "post", "x": n - x, "n": n} for a, x, n in counts]}
        primary = {"family": "binary"}
    up = fit(ask(data, primary={**primary, "direction": "higher_is_better"}))["effects"][0]
    down = fit(ask(turned, primary={**primary, "direction": "lower_is_better"}))["effects"][0]
    for name in ("mean", "sd"):
        assert up["adjusted"][name] == pytest.approx(down["adjusted"][name], abs=1e-9)
    assert up["p_meaningful"] == pytest.approx(down["p_meaningful"], abs=1e-9)
    assert up["raw"]["mean"] == pytest.approx(-down["raw"]["mean"], abs=1e-9)
    assert up["raw"]["interval"]["low"] == pytest.approx(-down["raw"]["interval"]["high"], abs=1e-6)


def test_units_of_measurement_do_not_matter(ask: Ask) -> None:
    def scaled(by: float) -> dict[str, Any]:
        pairs = as_pairs(rows())
        for pair in pairs:
            pair["mean"] = [by * m for m in pair["mean"]]
            pair["sd"] = [by * s for s in pair["sd"]]
        return fit(ask({"pairs": pairs}, primary={"reference_sd": 5.0 * by}))["effects"][0]

    assert scaled(60.0)["sd"]["mean"] == pytest.approx(scaled(1.0)["sd"]["mean"], rel=1e-8)
    assert scaled(60.0)["raw"]["mean"] == pytest.approx(60 * scaled(1.0)["raw"]["mean"], rel=1e-8)


def test_an_unknown_correlation_widens_the_answer(ask: Ask) -> None:
    pairs = as_pairs(rows())
    known = fit(ask({"pairs": pairs}, primary={"reference_sd": 5.0}))
    for pair in pairs:
        pair["r"] = None
    unknown = fit(ask({"pairs": pairs}, primary={"reference_sd": 5.0}))
    assert unknown["effects"][0]["sd"]["sd"] > known["effects"][0]["sd"]["sd"]
    assert codes(unknown) - codes(known) == {"correlation_unknown"}
    assert unknown["provenance"]["model"] == "ancova_unknown_r/2"


def test_people_seen_once_are_counted_and_show_attrition(ask: Ask) -> None:
    given = rows()
    lost = [r for r in given if not (r["wave"] == "post" and r["participant"] in {"treated-0", "treated-1"})]
    lost = [r for r in lost if not (r["wave"] == "pre" and r["participant"] == "control-5")]
    lost.append({"arm": "control", "wave": "post", "value": 20.0})
    answer = fit(ask({"rows": lost}, primary={"reference_sd": 5.0}, attrition=None))
    assert codes(answer) - {"prior_sensitive"} == {"followup_missing", "baseline_missing", "rows_unlinked"}
    assert answer["effects"][0]["n"] == {"treated": 38, "control": 39}
    assert answer["tipping_point"]["attrition_treated"] == pytest.approx(2 / 40)
    unseen = {"treated-0", "treated-1", "control-5"}
    complete = as_pairs([r for r in lost if "participant" in r and r["participant"] not in unseen])
    assert (
        answer["effects"][0]["sd"] == fit(ask({"pairs": complete}, primary={"reference_sd": 5.0}))["effects"][0]["sd"]
    )


# --- refusals ---------------------------------------------------------------------------------------------------

ONE = {"arm": "treated", "wave": "post", "n": 30, "mean": 0.5, "sd": 1.0}
OTHER = {"arm": "control", "wave": "post", "n": 30, "mean": 0.0, "sd": 1.0}
BEFORE = [{**ONE, "wave": "pre"}, {**OTHER, "wave": "pre"}]
PAIR = {"n": 30, "mean": [0, 0.5], "sd": [1, 1], "r": 0.7}
CHANGE = {"n": 30, "mean": 0.5, "sd": 1.0}
COUNT = {"wave": "post", "x": 5, "n": 30}


def arms(entry: dict[str, Any], **treated: Any) -> list[dict[str, Any]]:
    return [{**entry, "arm": "treated", **treated}, {**entry, "arm": "control"}]


@pytest.mark.parametrize(
    ("code", "data", "primary", "plan"),
    [
        ("not_offered", None, {}, {"design": "its"}),
        ("not_offered", {"categories": [{"wave": "post", "counts": [1, 2]}]}, {"family": "ordinal"}, {"design": "did"}),
        ("control_missing", None, {}, {"control": None, "attrition": None}),
        ("no_primary", None, {"role": "global"}, {}),
        ("arm_empty", {"cells": [ONE]}, {}, {}),
        ("arm_empty", {"cells": [ONE, {**OTHER, "wave": "pre"}]}, {}, {}),
        ("arm_missing", {"changes": [CHANGE]}, {}, {}),
        ("unknown_arm", {"changes": [*arms(CHANGE), {**CHANGE, "arm": "third"}]}, {}, {}),
        ("unknown_wave", {"cells": [ONE, OTHER, {**ONE, "wave": "later"}]}, {}, {}),
        ("unknown_wave", {"rows": [{"arm": "treated", "wave": "later", "value": 1}]}, {}, {}),
        ("duplicate_cell", {"changes": [*arms(CHANGE), {**CHANGE, "arm": "treated"}]}, {}, {}),
        ("duplicate_rows", {"rows": [*rows(n=5), rows(n=5)[0]]}, {}, {}),
        ("participant_moved", {"rows": [{**rows(n=5)[0], "arm": "control"}, *rows(n=5)[1:]]}, {}, {}),
        ("wrong_shape", {"counts": arms(COUNT)}, {}, {}),
        ("wrong_shape", {"changes": arms(CHANGE)}, {"family": "binary"}, {}),
        ("not_binary", {"rows": rows(n=5)}, {"family": "binary"}, {}),
        ("reference_sd_missing", {"changes": arms(CHANGE)}, {"reference_sd": None}, {}),
        ("sd_missing", {"changes": arms({"n": 30, "mean": 0.5})}, {}, {}),
        ("too_few_people", {"changes": arms(CHANGE, n=1, sd=None)}, {}, {}),
        ("too_few_people", {"pairs": arms(PAIR, n=2, r=1.0)}, {}, {}),
        ("too_few_people", {"pairs": arms(PAIR, n=1, sd=[0, 0])}, {}, {}),
        ("no_variation", {"changes": arms(CHANGE, sd=0.0)}, {}, {}),
        ("no_variation", {"cells": [ONE, {**OTHER, "sd": 0.0}]}, {}, {}),
        ("no_variation", {"pairs": arms(PAIR, r=1.0)}, {}, {}),
        ("no_variation", {"pairs": arms(PAIR, r=-1.0)}, {}, {}),
        ("no_variation", {"pairs": arms(PAIR, sd=[1, 0])}, {}, {}),
        ("off_the_scale", {"cells": [ONE, {**OTHER, "mean": 9.0}]}, {"minimum": 0, "maximum": 4}, {}),
        ("off_the_scale", {"changes": arms(CHANGE, mean=5.0)}, {"minimum": 0, "maximum": 4}, {}),
        ("impossible_summary", {"cells": [{**ONE, "sd": 3.0}, OTHER]}, {"minimum": 0, "maximum": 4}, {}),
        ("impossible_summary", {"pairs": arms(PAIR, mean=[1, 1], sd=[1, 4])}, {"minimum": 0, "maximum": 4}, {}),
        ("impossible_summary", {"changes": arms(CHANGE, sd=6.0)}, {"minimum": 0, "maximum": 4}, {}),
        ("baseline_unlinked", {"cells": [ONE, OTHER, *BEFORE]}, {}, {"randomised": False}),
        ("no_variation", {"pairs": arms(PAIR, n=5, r=0.999999)}, {}, {}),
        ("too_few_people", {"pairs": arms(PAIR, n=2, r=-1)}, {}, {}),
        ("too_few_people", {"rows": rows(n=2)}, {"reference_sd": 5.0}, {}),
        ("sd_impossible", {"changes": arms(CHANGE, sd=1e-4)}, {}, {}),
        ("sd_impossible", {"changes": arms(CHANGE, n=40, sd=0.12)}, {}, {}),
        ("sd_impossible", {"cells": [ONE, {**OTHER, "sd": 0.04}]}, {}, {}),
        ("sd_impossible", {"pairs": arms(PAIR, sd=[1, 0.04])}, {}, {}),
        ("sd_impossible", {"pairs": arms(PAIR, sd=[200, 1])}, {}, {}),
        ("improper_posterior", {"counts": arms(COUNT, x=0)}, {"family": "binary"}, {"priors": {"effect": "flat"}}),
        ("improper_posterior", {"pairs": arms({**PAIR, "sd": [0, 1]})}, {}, {"priors": {"slope": "flat"}}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["exact", "nuts"])
def test_refusals(
    ask: Ask, code: str, data: dict[str, Any] | None, primary: dict[str, Any], plan: dict[str, Any], engine: str
) -> None:
    answer = fit(ask(data, primary=primary, engine=engine, **plan))
    assert list(answer) == ["refused"]
    assert answer["refused"]["code"] == code
    assert len(answer["refused"]["message"]) > 20
    assert len(answer["refused"]["what_would_help"]) > 15


def test_no_data_of_the_primary_measure(ask: Ask) -> None:
    request = ask(others={"other": ({"role": "secondary"}, {"changes": arms(CHANGE)})}).model_dump(
        mode="json", exclude_unset=True
    )
    del request["data"]["m"]
    assert fit(FitRequest.model_validate(request))["refused"]["code"] == "data_missing"


def test_two_primaries(ask: Ask) -> None:
    assert fit(ask(others={"n": ({}, {"changes": arms(CHANGE)})}))["refused"]["code"] == "several_primaries"


def test_a_look_that_is_not_planned(ask: Ask) -> None:
    assert fit(ask(look=2))["refused"]["code"] == "unknown_look"


# --- edge cases that have an answer -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        {"changes": arms({"n": 2, "mean": 0.5, "sd": 1.0})},
        {"pairs": arms({"n": 3, "mean": [0, 0.5], "sd": [1, 1], "r": 0.99})},
        {"pairs": arms({"n": 3, "mean": [0, 0.5], "sd": [1, 1], "r": None})},
        {"pairs": arms({"n": 30, "mean": [0, 0.5], "sd": [0, 1], "r": None})},
        {"pairs": arms({"n": 30, "mean": [0, 0.5], "sd": [1, 1], "r": 0.999})},
        {"changes": arms({"n": 1_000_000, "mean": 0.5, "sd": 1.0})},
    ],
    ids=str,
)
def test_extremes_are_answered_with_finite_numbers(ask: Ask, data: dict[str, Any]) -> None:
    answer = fit(ask(data))
    text = json.dumps(answer, allow_nan=False)
    assert "refused" not in text
    effect = answer["effects"][0]
    assert effect["sd"]["sd"] > 0
    assert effect["sd"]["interval"]["low"] < effect["sd"]["mean"] < effect["sd"]["interval"]["high"]


def test_two_people_an_arm_are_warned_about_and_never_scale(ask: Ask) -> None:
    answer = fit(ask({"changes": arms({"n": 2, "mean": 0.5, "sd": 0.1}, mean=2.0)}))
    assert "small_arm" in codes(answer)
    assert answer["effects"][0]["sd"]["sd"] > 0.1


# --- warnings and circumstances ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "data", "primary", "plan"),
    [
        ("change_score_only", None, {}, {}),
        ("global_primary", None, {"scope": "global"}, {}),
        ("attrition_unknown", None, {}, {"attrition": None}),
        ("attrition_unknown", None, {}, {"attrition": {"treated": 0.1}}),
        ("attrition_lowers_grade", None, {}, {"attrition": {"treated": 0.4, "control": 0.1}}),
        ("flat_effect_prior", None, {}, {"priors": {"effect": "flat"}}),
        ("small_arm", {"changes": arms(CHANGE, n=9)}, {}, {}),
        ("sd_implausible", {"cells": [{**ONE, "sd": 0.2}, OTHER]}, {}, {}),
        ("sd_implausible", {"changes": arms(CHANGE, sd=0.44)}, {}, {}),
        ("sd_implausible", {"pairs": arms(PAIR, sd=[1, 0.39])}, {}, {}),
        ("reference_sd_from_data", {"cells": [ONE, OTHER, *BEFORE]}, {"reference_sd": None}, {}),
        ("post_only_not_randomised", {"cells": [ONE, OTHER]}, {}, {"randomised": False}),
        ("post_only_not_randomised", {"counts": arms(COUNT)}, {"family": "binary"}, {"randomised": False}),
        ("correlation_unknown", {"pairs": arms(PAIR, r=None)}, {}, {}),
        ("no_contrast", {"counts": arms({**COUNT, "x": 0})}, {"family": "binary"}, {}),
        ("evidence_unbounded", {"counts": arms(COUNT, x=0)}, {"family": "binary"}, {}),
    ],
)  # fmt: skip
def test_warnings(
    ask: Ask, code: str, data: dict[str, Any] | None, primary: dict[str, Any], plan: dict[str, Any]
) -> None:
    answer = fit(ask(data, primary=primary, **plan))
    assert code in codes(answer)
    quiet = fit(ask({"pairs": arms(PAIR)}))
    assert codes(quiet) == set()


def test_a_clear_effect_scales_without_a_warning(ask: Ask) -> None:
    answer = fit(ask({"pairs": arms({**PAIR, "n": 80, "mean": [0, 0]}, mean=[0, 0.5])}))
    assert answer["recommendation"]["outcome"] == "scale"
    assert answer["warnings"] == []
    assert answer["would_raise_grade"] == []


def test_not_randomised_is_provisional_and_says_what_would_raise_it(ask: Ask) -> None:
    answer = fit(ask({"pairs": arms({**PAIR, "n": 400, "mean": [0, 0]}, mean=[0, 0.8])}, randomised=False))
    assert answer["grade"] == "C"
    assert (answer["recommendation"]["outcome"], answer["recommendation"]["provisional"]) == ("scale", True)
    assert [w["grade"] for w in answer["would_raise_grade"]] == ["A"]


@pytest.mark.parametrize(
    ("data", "plan"),
    [
        ({"cells": [{**ONE, "n": 500, "mean": 1.0}, {**OTHER, "n": 500}]}, {"randomised": False}),
        ({"pairs": arms({**PAIR, "n": 500, "mean": [0, 0]}, mean=[0, 1.0])}, {"priors": {"effect": "flat"}}),
        ({"pairs": arms({**PAIR, "n": 500, "mean": [0, 0]}, mean=[0, 1.0])}, {"followup_months": 3}),
        ({"pairs": arms({**PAIR, "n": 500, "mean": [0, 0]}, mean=[0, 1.0])}, {"min_followup_months": None}),
    ],
)  # fmt: skip
def test_what_can_never_scale_however_large_the_effect(ask: Ask, data: dict[str, Any], plan: dict[str, Any]) -> None:
    assert fit(ask(data, **plan))["recommendation"]["outcome"] == "refine"


def test_a_harmful_effect_is_replaced(ask: Ask) -> None:
    answer = fit(ask({"pairs": arms({**PAIR, "n": 80, "mean": [0, 0]}, mean=[0, -0.5])}))
    assert answer["recommendation"]["outcome"] == "replace"


def test_objective_metrics_carry_half_the_bias(ask: Ask) -> None:
    data = {"pairs": arms({**PAIR, "n": 40_000, "mean": [0, 0]}, mean=[0, 0.5])}
    selected, logged = (
        fit(ask(data, primary={"objective": objective}, randomised=False, priors={"effect": {"mean": 0, "sd": 50}}))
        for objective in (False, True)
    )
    for answer, half in ((selected, 1.0), (logged, 0.5)):
        adjusted, observed = answer["effects"][0]["adjusted"], answer["effects"][0]["sd"]
        assert observed["mean"] - adjusted["mean"] == pytest.approx(0.05 * half, abs=1e-3)
        assert adjusted["sd"] == pytest.approx(0.15 * half, rel=0.01)


def test_bias_enters_the_likelihood_and_is_not_subtracted_from_the_posterior(ask: Ask) -> None:
    """δ given Δ̂ uses Δ̂ − bias mean with variance SE² + bias SD², under δ's own prior."""
    data = {"pairs": arms({**PAIR, "n": 30, "mean": [0, 0]}, mean=[0, 0.5])}
    effect = fit(ask(data, randomised=False))["effects"][0]
    estimate, se = effect["evidence"]["effect_sd"], effect["evidence"]["se_sd"]
    variance = se**2 + 0.15**2
    precision = 1 / variance + 1 / 0.25
    assert effect["adjusted"]["mean"] == pytest.approx((estimate - 0.05) / variance / precision, abs=0.01)
    assert effect["adjusted"]["sd"] == pytest.approx(precision**-0.5, rel=0.02)
    assert effect["evidence"]["effect_sd"] > effect["sd"]["mean"] > effect["adjusted"]["mean"]


def test_borrowing_is_shown_with_and_without(ask: Ask) -> None:
    data = {"pairs": arms({**PAIR, "n": 25, "mean": [0, 0]}, mean=[0, 0.4])}
    plain = fit(ask(data))
    lent = fit(ask(data, priors={"borrow": {"mean": 0.4, "sd": 0.05}}))
    assert plain["borrowed_weight"] is None
    assert lent["borrowed_weight"] > 0.5
    assert lent["effects"][0]["adjusted"]["sd"] < plain["effects"][0]["adjusted"]["sd"]
    assert lent["without_borrowing"]["adjusted"] == plain["effects"][0]["adjusted"]
    assert lent["without_borrowing"]["outcome"] == plain["recommendation"]["outcome"]
    conflict = fit(ask(data, priors={"borrow": {"mean": -0.8, "sd": 0.05}}))
    assert conflict["borrowed_weight"] < 0.05


def test_nothing_planned_to_be_borrowed_leaves_no_weight(ask: Ask) -> None:
    data = {"pairs": arms({**PAIR, "n": 25, "mean": [0, 0]}, mean=[0, 0.4])}
    lent = fit(ask(data, priors={"borrow": {"mean": 0.4, "sd": 0.05, "weight": 0}}))
    assert lent["borrowed_weight"] == 0.0
    assert lent["effects"][0]["adjusted"] == fit(ask(data))["effects"][0]["adjusted"]
    whole = fit(ask(data, priors={"borrow": {"mean": 0.4, "sd": 0.05, "weight": 1}}))
    assert whole["borrowed_weight"] == 1.0


@pytest.mark.parametrize("error", [np.linalg.LinAlgError("Singular matrix"), OverflowError("too large"), None])
def test_a_breakdown_of_the_arithmetic_is_a_refusal(
    ask: Ask, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis import exact  # noqa: PLC0415
    from analysis.posterior import NormalMixture  # noqa: PLC0415

    def broken(*_: object) -> NormalMixture:
        if error is not None:
            raise error
        return NormalMixture(np.ones(1), np.full(1, np.nan), np.ones(1))

    monkeypatch.setattr(exact, "posterior", broken)
    assert fit(ask())["refused"]["code"] == "not_computable"
    if error is not None:
        with pytest.raises(Refused, match="broke down"):
            exact_posteriors(ask())


def test_what_progress_raises_is_not_taken_for_a_breakdown(ask: Ask) -> None:
    def stop(_: float) -> None:
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        fit(ask(), progress=stop)


@pytest.mark.parametrize("engine", ["exact", "nuts"])
def test_the_narrowest_and_widest_priors_allowed_are_computed(ask: Ask, engine: str) -> None:
    for size, mean in ((1e-3, 0.0), (1e3, 100.0)):
        prior = {"mean": mean, "sd": size}
        priors = {"effect": prior, "slope": prior, "sigma": {"scale": size}}
        assert "refused" not in fit(ask({"pairs": arms(PAIR)}, priors=priors, engine=engine))


def test_the_tipping_point_flips_where_lost_people_matter(ask: Ask) -> None:
    data = {"pairs": arms({**PAIR, "n": 60, "mean": [0, 0]}, mean=[0, 0.32])}
    answer = fit(ask(data, attrition={"treated": 0.18, "control": 0.18}))
    tipping = answer["tipping_point"]
    assert answer["recommendation"]["outcome"] == "scale"
    assert [s["shift"] for s in tipping["steps"]] == pytest.approx([-0.018, -0.036, -0.054])
    assert [s["p_meaningful"] for s in tipping["steps"]] == sorted(
        (s["p_meaningful"] for s in tipping["steps"]), reverse=True
    )
    flips = [s["k"] for s in tipping["steps"] if s["outcome"] != "scale"]
    assert tipping["flips_at"] == (flips[0] if flips else None)
    effect = answer["effects"][0]
    assert tipping["steps"][0]["p_benefit"] < effect["p_benefit"]


def test_attrition_the_waves_show_goes_before_what_the_plan_declares(ask: Ask) -> None:
    request = ask().model_copy(update={"attrition": {"treated": 0.5, "control": 0.1}})
    assert fit(request)["grade"] == "B"


def test_roles_of_further_measures(ask: Ask) -> None:
    safe = {"pairs": arms({**PAIR, "n": 300, "mean": [0, 0]})}
    harmed = {"pairs": arms({**PAIR, "n": 300, "mean": [0, 0]}, mean=[0, -0.6])}
    clear = {"pairs": arms({**PAIR, "n": 80, "mean": [0, 0]}, mean=[0, 0.5])}

    def outcome(role: str, data: dict[str, Any] | None) -> tuple[str, str | None]:
        answer = fit(ask(clear, others={"x": ({"role": role}, data)}))
        return answer["recommendation"]["outcome"], answer["effects"][1].get("verdict")

    assert outcome("balancing", safe) == ("scale", "passed")
    assert outcome("balancing", harmed) == ("replace", "breached")
    assert outcome("balancing", None) == ("refine", "unknown")
    assert outcome("global", safe) == ("scale", None)
    assert outcome("global", harmed) == ("refine", None)
    assert outcome("global", None) == ("refine", None)
    assert outcome("secondary", harmed) == ("scale", None)
    assert outcome("secondary", None) == ("scale", None)


def test_a_measure_that_cannot_be_fitted_is_named_and_blocks_where_it_must(ask: Ask) -> None:
    clear = {"pairs": arms({**PAIR, "n": 80, "mean": [0, 0]}, mean=[0, 0.5])}
    ordinal = {"categories": [{"arm": "treated", "wave": "post", "counts": [3, 4]}]}
    answer = fit(ask(clear, others={"x": ({"role": "balancing", "family": "ordinal"}, ordinal)}, design="did"))
    assert answer["effects"][1]["adjusted"] is None
    assert answer["effects"][1]["reason"] == "not_offered"
    assert "not_offered" in codes(answer)
    assert answer["recommendation"]["outcome"] == "refine"


def test_looks(ask: Ask) -> None:
    looks = {
        "waves": [
            {"key": "pre", "kind": "baseline"},
            {"key": "mid", "kind": "interim"},
            {"key": "post", "kind": "followup"},
        ],
        "looks": [{"look": 1, "wave": "mid", "months": 6}, {"look": 2, "wave": "post", "months": 12}],
        "followup_months": None,
    }
    cells = [
        {"arm": arm, "wave": wave, "n": 100, "mean": mean, "sd": 1.0}
        for arm, wave, mean in (
            ("treated", "mid", 0.39), ("control", "mid", 0.0), ("treated", "post", 0.6), ("control", "post", 0.0)
        )
    ]  # fmt: skip
    early, last = (fit(ask({"cells": cells}, look=look, **looks)) for look in (1, 2))
    thresholds = [
        next(c["threshold"] for c in a["recommendation"]["criteria"] if c["name"] == "p_benefit") for a in (early, last)
    ]
    assert thresholds == [0.99, 0.95]
    months = [
        next(c["value"] for c in a["recommendation"]["criteria"] if c["name"] == "followup_months")
        for a in (early, last)
    ]
    assert months == [6, 12]
    assert early["effects"][0]["raw"]["mean"] < last["effects"][0]["raw"]["mean"]


def test_reduced_rows_keep_everybody_in_a_count() -> None:
    data = MeasureData.model_validate({"rows": rows(n=6)})
    reduced = reduce_rows(data.rows or [], "pre", "post")
    assert sum(p.n for p in reduced.pairs) == 12
    assert (reduced.lost, reduced.unseen, reduced.unlinked) == ({}, {}, 0)
