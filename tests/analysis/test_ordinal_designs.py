"""Ordinal outcomes through the front: every design, what is shown, warnings and refusals, and simulated pilots."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from analysis.documents import FitRequest
from analysis.fit import fit
from analysis.pilots import MAKERS, truth_of
from analysis.scenario import SimulateRequest
from analysis.simulation import Simulation
from tests.analysis.ordinal_cases import shares

Ask = Callable[..., FitRequest]
ORDINAL = {"family": "ordinal", "reference_sd": None}
CUTS = np.array([-2.0, -0.7, 0.5, 1.8])
LEVELS = {("treated", "pre"): 0.0, ("control", "pre"): 0.0, ("treated", "post"): 1.1, ("control", "post"): 0.1}


def people(eta: float, n: int) -> list[int]:
    """n people in the categories as their shares have it, rounded."""
    below = np.round(n * np.cumsum(shares(eta, CUTS))).astype(int)
    return [int(count) for count in np.diff(below, prepend=0)]


def grouped(places: dict[tuple[str, str], float], units: int = 3, n: int = 30) -> dict[str, Any]:
    """Categories of `units` units an arm; later units lie higher."""
    return {
        "categories": [
            {
                **({"unit": f"{arm}-{k}"} if units > 1 else {}),
                "arm": arm,
                "wave": wave,
                "counts": people(eta + 0.2 * (k - 1), n),
            }
            for (arm, wave), eta in places.items()
            for k in range(units)
        ]
    }


def linked(n: int = 60, once: int = 4) -> dict[str, Any]:
    """People who move up by about a category, and some who never come back."""
    rows = []
    for i in range(n):
        before = i % 5
        after = min(before + (1 if i % 3 else 0), 4)
        rows += [
            {"participant": f"p{i}", "wave": wave, "value": 1 + value}
            for wave, value in (("pre", before), ("post", after))
        ]
    return {"rows": [*rows, *({"participant": f"q{i}", "wave": "pre", "value": 1 + i % 5} for i in range(once))]}


AFTER = {place: eta for place, eta in LEVELS.items() if place[1] == "post"}
ONE_GROUP = {place: eta for place, eta in LEVELS.items() if place[0] == "treated"}
ALONE: dict[str, Any] = {"control": None, "randomised": False, "attrition": {"treated": 0.05}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "parallel": (grouped(LEVELS, 1, 90), {}, "A"),
    "cluster": (grouped(LEVELS, 4), {}, "A"),
    "cross_section": (grouped(ONE_GROUP), ALONE, "D"),
    "paired": (linked(), {**ALONE, "attrition": None}, "D"),
}
SHOWN = {"parallel": {"treated", "control"}, "cluster": {"treated", "control"}}


def answer(ask: Ask, design: str, data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given, plan, _ = CASES[design]
    primary = {**ORDINAL, **more.pop("primary", {})}
    return fit(ask(data or given, primary=primary, design=design, **{**plan, **more}))


def codes(found: dict[str, Any]) -> set[str]:
    return {w["code"] for w in found["warnings"]}


@pytest.mark.parametrize("design", CASES)
def test_every_design_answers_in_full(ask: Ask, design: str) -> None:
    found = answer(ask, design)
    effect = found["effects"][0]
    assert found["grade"] == CASES[design][2]
    assert effect["raw"]["unit"] == "mean score"
    assert 0.2 < effect["raw"]["mean"] < 1.2
    assert 0.55 < effect["higher"]["interval"]["high"] < 0.9
    assert effect["higher"]["interval"]["low"] < effect["higher"]["mean"] < effect["higher"]["interval"]["high"]
    assert "answers a higher category" in effect["higher"]["says"]
    assert 0.1 < effect["sd"]["mean"] < 1
    assert effect["evidence"]["se_sd"] > effect["sd"]["sd"]
    shown = effect["categories"] if design in SHOWN else effect["categories"]["treated"]
    assert set(shown) == SHOWN.get(design, {"pre", "post"})
    for tally in shown.values():
        assert sum(tally["counts"]) == tally["n"]
        assert sum(tally["shares"]) == pytest.approx(1)
        assert tally["mean"] == pytest.approx(float(np.array(tally["shares"]) @ np.arange(1, 6)))
    assert len(effect["by_cut"]) >= 3
    assert "odds_not_proportional" not in codes(found)
    if design in ("parallel", "cluster"):
        assert {"balance", "difference_in_differences"} <= effect.keys()


@pytest.mark.parametrize("design", CASES)
def test_turning_categories_and_direction_about_turns_nothing_else(ask: Ask, design: str) -> None:
    data = CASES[design][0]
    if "categories" in data:
        turned: dict[str, Any] = {"categories": [{**c, "counts": c["counts"][::-1]} for c in data["categories"]]}
    else:
        turned = {"rows": [{**r, "value": 6 - r["value"]} for r in data["rows"]]}
    one = answer(ask, design)["effects"][0]
    other = answer(ask, design, turned, primary={"direction": "lower_is_better"})["effects"][0]
    for block in ("sd", "adjusted"):
        assert other[block]["mean"] == pytest.approx(one[block]["mean"], abs=3e-3)
        assert other[block]["sd"] == pytest.approx(one[block]["sd"], rel=0.01)
    assert other["raw"]["mean"] == pytest.approx(-one["raw"]["mean"], abs=5e-3)
    assert other["p_benefit"] == pytest.approx(one["p_benefit"], abs=3e-3)
    assert other["better"]["mean"] == pytest.approx(one["higher"]["mean"], abs=2e-3)
    assert other["higher"]["mean"] == pytest.approx(1 - one["higher"]["mean"], abs=2e-3)


@pytest.mark.parametrize("design", ["parallel", "cluster"])
def test_arms_that_change_places_turn_the_effect_about(ask: Ask, design: str) -> None:
    mine, theirs = answer(ask, design), answer(ask, design, treated="control", control="treated")
    one, other = mine["effects"][0], theirs["effects"][0]
    assert other["sd"]["mean"] == pytest.approx(-one["sd"]["mean"], abs=3e-3)
    assert other["unadjusted"]["p_benefit"] == pytest.approx(1 - one["unadjusted"]["p_benefit"], abs=2e-3)


@pytest.mark.parametrize("design", ["parallel", "cluster", "cross_section"])
def test_rows_and_their_categories_are_the_same_in_any_order(ask: Ask, design: str) -> None:
    data = CASES[design][0]
    rows = [
        {**{k: v for k, v in c.items() if k != "counts"}, "value": 1 + i}
        for c in data["categories"]
        for i, count in enumerate(c["counts"])
        for _ in range(count)
    ]
    one, other, third = (
        answer(ask, design, given, primary={"minimum": 1, "maximum": 5})["effects"][0]
        for given in (data, {"rows": rows[::-1]}, {"categories": data["categories"][::-1]})
    )
    assert one["adjusted"] == other["adjusted"] == third["adjusted"]
    assert one["raw"] == other["raw"] == third["raw"]


def test_units_make_a_comparison_less_certain(ask: Ask) -> None:
    apart = grouped(AFTER, 3)
    together = {
        "categories": [
            {
                "arm": arm,
                "wave": "post",
                "counts": np.sum([c["counts"] for c in apart["categories"] if c["arm"] == arm], axis=0).tolist(),
            }
            for arm in ("treated", "control")
        ]
    }
    nested, pooled = answer(ask, "parallel", apart), answer(ask, "parallel", together)
    assert "units_nested" in codes(nested)
    assert nested["effects"][0]["sd"]["sd"] > 1.1 * pooled["effects"][0]["sd"]["sd"]
    assert len(nested["effects"][0]["units"]) == 6
    assert pooled["effects"][0]["units"] == []
    assert {u["arm"] for u in answer(ask, "cluster")["effects"][0]["units"]} == {"treated", "control"}


def test_a_baseline_of_units_adjusts_for_where_they_started(ask: Ask) -> None:
    """Treated units that started higher and stayed: post-only sees an effect, with the slope less of one."""
    higher = {("treated", "pre"): 0.8, ("control", "pre"): -0.8, ("treated", "post"): 0.8, ("control", "post"): -0.8}
    data = grouped(higher, 4, 60)
    plain = answer(
        ask,
        "cluster",
        data,
        baseline=None,
        waves=[{"key": "post", "kind": "followup"}, {"key": "pre", "kind": "interim"}],
    )
    adjusted = answer(ask, "cluster", data)
    assert adjusted["effects"][0]["sd"]["mean"] < 0.75 * plain["effects"][0]["sd"]["mean"]
    assert adjusted["effects"][0]["slope"]["mean"] > 0.5
    assert "no_baseline" in codes(plain)


@pytest.mark.parametrize(
    ("code", "design", "data", "more"),
    [
        ("not_ordinal", "parallel", {"rows": [{"arm": "treated", "wave": "post", "value": 1.5}]}, {}),
        (
            "off_the_scale",
            "parallel",
            {"rows": [{"arm": "treated", "wave": "post", "value": 6}]},
            {"primary": {"minimum": 1, "maximum": 5}},
        ),
        ("one_category", "parallel", {"rows": [{"arm": "treated", "wave": "post", "value": 3}]}, {}),
        (
            "too_many_categories",
            "parallel",
            {"rows": [{"arm": "treated", "wave": "post", "value": v} for v in (0, 11)]},
            {},
        ),
        (
            "too_many_categories",
            "parallel",
            {"categories": [{"arm": "treated", "wave": "post", "counts": [1] * 12}]},
            {},
        ),
        (
            "categories_differ",
            "parallel",
            {
                "categories": [
                    {"arm": a, "wave": "post", "counts": [1] * k} for a, k in (("treated", 3), ("control", 4))
                ]
            },
            {},
        ),
        ("arm_empty", "parallel", {"categories": [{"arm": "treated", "wave": "post", "counts": [1, 2, 3]}]}, {}),
        (
            "arm_empty",
            "parallel",
            {
                "categories": [
                    {"arm": a, "wave": "post", "counts": c} for a, c in (("treated", [1, 2]), ("control", [0, 0]))
                ]
            },
            {},
        ),
        ("arm_empty", "parallel", {"rows": []}, {}),
        ("arm_empty", "cross_section", {"categories": [{"wave": "post", "counts": [1, 2, 3]}]}, {}),
        (
            "arm_empty",
            "paired",
            {"rows": [{"wave": "post", "participant": "a", "value": v} for v in (1,)]},
            {"primary": {"minimum": 1, "maximum": 5}},
        ),
        ("wrong_shape", "parallel", {"cells": [{"arm": "treated", "wave": "post", "n": 9, "mean": 3, "sd": 1}]}, {}),
        ("wrong_shape", "paired", {"cells": [{"wave": "post", "n": 9, "mean": 3, "sd": 1}]}, {}),
        ("duplicate_cell", "parallel", {"categories": [{"arm": "treated", "wave": "post", "counts": [1, 2]}] * 2}, {}),
        ("unlinked", "paired", {"categories": [{"wave": "post", "counts": [1, 2]}]}, {}),
        ("nobody_linked", "paired", {"rows": [{"wave": w, "value": v} for w in ("pre", "post") for v in (1, 2)]}, {}),
        (
            "duplicate_rows",
            "paired",
            {"rows": [{"wave": "post", "participant": "a", "value": v} for v in (1, 2)]},
            {},
        ),
        (
            "unit_in_both_arms",
            "cluster",
            {"categories": [{"unit": "u", "arm": a, "wave": "post", "counts": [3, 4]} for a in ("treated", "control")]},
            {},
        ),
        (
            "unit_missing",
            "parallel",
            {
                "categories": [
                    {"unit": u, "arm": a, "wave": "post", "counts": [3, 4]}
                    for u, a in (("u", "treated"), ("v", "treated"), (None, "control"))
                ]
            },
            {},
        ),
        ("baseline_unlinked", "parallel", None, {"randomised": False}),
        (
            "improper_posterior",
            "parallel",
            {
                "categories": [
                    {"arm": a, "wave": "post", "counts": c} for a, c in (("treated", [0, 0, 9]), ("control", [5, 4, 0]))
                ]
            },
            {"priors": {"effect": "flat"}},
        ),
        ("improper_posterior", "cluster", grouped(dict.fromkeys(LEVELS, 0.2), 1), {"priors": {"slope": "flat"}}),
    ],
)
def test_what_cannot_be_answered_is_refused(
    ask: Ask, code: str, design: str, data: dict[str, Any] | None, more: dict[str, Any]
) -> None:
    found = answer(ask, design, data, **more)
    assert found["refused"]["code"] == code
    assert found["refused"]["what_would_help"]


def test_arms_that_lie_apart_have_a_posterior_and_no_evidence(ask: Ask) -> None:
    counts = {"treated": [0, 0, 3, 6], "control": [5, 4, 0, 0]}
    found = answer(
        ask, "parallel", {"categories": [{"arm": a, "wave": "post", "counts": c} for a, c in counts.items()]}
    )
    assert found["effects"][0]["p_benefit"] > 0.99
    assert found["effects"][0]["evidence"] == {"effect_sd": None, "se_sd": None}
    assert {"evidence_unbounded", "small_arm"} <= codes(found)


def test_everyone_in_one_category_is_said(ask: Ask) -> None:
    same = {"categories": [{"arm": a, "wave": "post", "counts": [0, 40, 0]} for a in ("treated", "control")]}
    found = answer(ask, "parallel", same)
    assert "no_contrast" in codes(found)
    assert found["effects"][0]["unadjusted"]["p_benefit"] == pytest.approx(0.5, abs=1e-3)


def test_scores_are_those_of_the_scale_where_it_fits(ask: Ask) -> None:
    fits = answer(ask, "parallel", primary={"minimum": 0, "maximum": 4})
    other = answer(ask, "parallel", primary={"minimum": 0, "maximum": 6})
    assert fits["effects"][0]["scores"] == [0, 1, 2, 3, 4]
    assert "scores_by_rank" not in codes(fits)
    assert other["effects"][0]["scores"] == [1, 2, 3, 4, 5]
    assert "scores_by_rank" in codes(other)
    assert fits["effects"][0]["raw"]["mean"] == pytest.approx(other["effects"][0]["raw"]["mean"])


# --- proportional odds --------------------------------------------------------------------------------------------


def test_odds_that_are_not_proportional_are_found(ask: Ask) -> None:
    counts = {"treated": [60, 10, 10, 70], "control": [20, 60, 60, 10]}
    found = answer(
        ask, "parallel", {"categories": [{"arm": a, "wave": "post", "counts": c} for a, c in counts.items()]}
    )
    effect = found["effects"][0]
    assert "odds_not_proportional" in codes(found)
    first, *_, last = effect["by_cut"]
    assert first["above"] == 1
    assert first["mean"] < -0.3
    assert last["mean"] > 0.8
    assert effect["proportional_odds_p"] < 1e-6


def test_proportional_odds_are_doubted_as_often_as_the_line_says(ask: Ask) -> None:
    from analysis.designs import prepare  # noqa: PLC0415
    from analysis.designs.prepared import Question  # noqa: PLC0415

    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        entries = [
            {"arm": arm, "wave": "post", "counts": rng.multinomial(150, shares(eta, CUTS)).tolist()}
            for arm, eta in (("treated", 0.5), ("control", 0.0))
        ]
        request = ask({"categories": entries}, primary=ORDINAL)
        plan = request.plan.expanded()
        prepared = prepare(Question(plan, plan.measures[0], request.data["m"], "post"))
        found.append(float(str(prepared.beside["proportional_odds_p"])))
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.055)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


# --- treated as normal --------------------------------------------------------------------------------------------


def test_few_categories_that_pile_up_get_their_ordinal_model_beside(ask: Ask) -> None:
    normal = {"family": "normal", "reference_sd": 1.3}
    found = answer(ask, "paired", linked(), primary=normal)
    assert "ordinal_as_normal" in codes(found)
    (beside,) = found["effects"][0]["alternatives"]
    direct = answer(ask, "paired", linked())["effects"][0]
    assert beside["model"] == "ordinal"
    assert beside["sd"] == direct["sd"]
    assert beside["adjusted"] == direct["adjusted"]


@pytest.mark.parametrize(
    "values", [[1, 2, 3, 3, 4, 5, 3, 2, 4, 3], [1.5, 1.5, 1.5, 2, 3, 3.5, 3, 2, 2, 3], list(range(10))]
)
def test_values_that_spread_stay_normal(ask: Ask, values: list[float]) -> None:
    rows = [{"arm": arm, "wave": "post", "value": value} for arm in ("treated", "control") for value in values]
    found = answer(ask, "parallel", {"rows": rows}, primary={"family": "normal", "reference_sd": 1.3})
    assert "ordinal_as_normal" not in codes(found)
    assert "alternatives" not in found["effects"][0]


def test_an_ordinal_model_that_is_refused_is_not_spoken_of(ask: Ask) -> None:
    """ANCOVA takes linked arms that were not randomised; the ordinal comparison would be post-only."""
    rows = [
        {"arm": arm, "wave": wave, "participant": f"{arm}{i}", "value": 1 + (i * (2 if wave == "pre" else 3)) % 5}
        for arm in ("treated", "control")
        for i in range(20)
        for wave in ("pre", "post")
    ]
    rows += [
        {"arm": "treated", "wave": w, "participant": f"x{i}", "value": 5} for i in range(20) for w in ("pre", "post")
    ]
    found = answer(ask, "parallel", {"rows": rows}, primary={"family": "normal", "reference_sd": 1.3}, randomised=False)
    assert "refused" not in found
    assert "ordinal_as_normal" not in codes(found)


# --- simulated pilots ---------------------------------------------------------------------------------------------


def scenario(design: str, people: int = 60, **more: Any) -> SimulateRequest:
    one = design in ("paired", "cross_section")
    arms = {"treated": people} if one else {"treated": people, "control": people}
    plan = {
        "design": design,
        "treated": "treated",
        "control": None if one else "control",
        "baseline": "pre",
        "randomised": not one,
        "followup_months": 6,
        "attrition": dict.fromkeys(arms, 0.0),
        "measures": [{"measure": "m", "family": "ordinal", "direction": "higher_is_better", **more.pop("measure", {})}],
    }
    given = {"shares": [0.1, 0.3, 0.4, 0.2], "people": arms, "effects": [0.0, 0.8], "pilots": 50, **more}
    return SimulateRequest.model_validate({"plan": plan, **given})


@pytest.mark.parametrize("design", ["parallel", "cluster", "cross_section", "paired"])
def test_simulated_people_have_the_shares_and_the_effect_asked_for(design: str) -> None:
    units = {"units": {"treated": 20, **({"control": 20} if design == "cluster" else {})}}
    request = scenario(
        design, 20_000, icc=0.0, unit_time_sd=0.0, **(units if design in ("cluster", "cross_section") else {})
    )
    simulation = Simulation.of(request)
    measure = simulation.plan.measures[0]
    truth = truth_of(request, simulation.plan, measure, 0.5, 0.0)
    maker = MAKERS[simulation.plan.design, measure.family]
    data = maker.enter(truth, maker.draw(np.random.default_rng(3), truth, simulation.groups), "post")
    counts = {}
    for arm in request.people:
        for wave in ("pre", "post"):
            if data.rows is not None:
                values = [int(row.value) - 1 for row in data.rows if row.wave == wave]
                counts[arm, wave] = np.bincount(values, minlength=4)
            else:
                mine = [c.counts for c in data.categories or [] if (c.arm, c.wave) == (arm, wave)]
                counts[arm, wave] = np.sum(mine, axis=0)
    cuts = np.log(np.cumsum([0.1, 0.3, 0.4])) - np.log(1 - np.cumsum([0.1, 0.3, 0.4]))
    for (arm, wave), found in counts.items():
        moved = 0.5 * np.pi / np.sqrt(3) if (arm, wave) == ("treated", "post") else 0.0
        assert found / found.sum() == pytest.approx(shares(moved, cuts), abs=0.015)


def test_an_effect_that_is_there_is_found_in_simulated_pilots() -> None:
    simulation = Simulation.of(scenario("parallel", 120)).rehearsed()
    ends = {
        effect: [simulation.run(np.random.default_rng(i), effect).outcome for i in range(20)] for effect in (0.0, 0.8)
    }
    assert ends[0.0].count("scale") <= 1
    assert ends[0.8].count("scale") >= 16


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"shares": None}, "give `shares`"),
        ({"shares": [0.5, 0.6]}, "add up to 1.1"),
        ({"shares": [0.4]}, "at least 2"),
        ({"measure": {"minimum": 1, "maximum": 5}}, "`shares` are of 4 categories"),
    ],
)
def test_what_a_simulation_must_know_is_asked_for(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        scenario("parallel", **more)
