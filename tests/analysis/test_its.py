"""Monthly series through the front: what is fitted, what is warned about, what is refused, what each month shows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import plots
from analysis.documents import FitRequest
from analysis.errors import Refused
from analysis.fit import fit
from analysis.operating import simulate
from analysis.scenario import SimulateRequest
from analysis.simulation import Simulation
from tests.analysis.monthly import answer, codes, log_values, points, request

FAMILIES = ("duration", "count")


def usual(family: str, effect: float = -0.35, **more: Any) -> list[dict[str, Any]]:
    return points(log_values(3, effect=effect), family, **more)


def of(found: dict[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = found["effects"][0]
    return block


# --- what is answered ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_an_effect_is_found_in_all_its_forms(family: str) -> None:
    found = answer(usual(family), family)
    block = of(found)
    assert found["grade"] == "C"
    assert block["n"] == {"t": 36}
    assert block["sd"]["mean"] > 0.2
    low, high = (block["raw"]["interval"][end] for end in ("low", "high"))
    assert low < (-29.5 if family == "duration" else -0.09) < high
    assert block["raw"]["unit"] == ("%" if family == "duration" else "events per unit of exposure")
    assert block["evidence"]["effect_sd"] > block["sd"]["mean"]
    assert block["series"]["season"] is True
    assert "without a control" in block["comparison"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_control_series_takes_out_what_moves_both(family: str) -> None:
    """A drop in both series at the start is no effect, and the grade is better."""
    both = log_values(5, effect=-0.4, sd=0.05)
    own = points({t: v + 0.03 * np.sin(t) for t, v in both.items()}, family, level=3000)
    alone = answer(own, family)
    found = answer(own + points(both, family, "c", seed=1, level=3000), family)
    assert found["grade"] == "B"
    assert of(found)["n"] == {"t": 36, "c": 36}
    assert abs(of(found)["sd"]["mean"]) < 0.35 * of(alone)["sd"]["mean"]
    assert of(found)["series"]["control"]["mean"] > 0.5
    assert of(found)["series"]["months"][0]["control"] is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_control_series_too_short_is_left_out(family: str) -> None:
    short = points(log_values(5, 7, 12), family, "c")
    found = answer(usual(family) + short, family)
    assert "control_left_out" in codes(found)
    assert found["grade"] == "C"
    assert of(found)["sd"] == of(answer(usual(family), family))["sd"]


def test_months_without_the_control_are_left_out() -> None:
    control = points(log_values(5), "duration", "c")
    found = answer(usual("duration") + control[:-2], "duration")
    assert of(found)["n"] == {"t": 34, "c": 34}
    assert "months_left_out" in codes(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_order_and_direction(family: str) -> None:
    """Entries in another order change nothing; the other direction mirrors the effect."""
    series = usual(family)
    forwards, backwards = answer(series, family), answer(series[::-1], family)
    assert of(forwards)["sd"] == of(backwards)["sd"]
    turned = answer(series, family, measure={"direction": "higher_is_better"})
    assert of(turned)["sd"]["mean"] == pytest.approx(-of(forwards)["sd"]["mean"], abs=2e-3)
    assert of(turned)["sd"]["sd"] == pytest.approx(of(forwards)["sd"]["sd"], rel=5e-3)
    assert of(turned)["raw"]["mean"] == pytest.approx(of(forwards)["raw"]["mean"], rel=0.05)


def test_the_reference_sd_is_the_unit() -> None:
    half = answer(usual("duration"), "duration", measure={"reference_sd": 0.35}, priors={"effect": "flat"})
    whole = answer(usual("duration"), "duration", priors={"effect": "flat"})
    assert of(half)["sd"]["mean"] == pytest.approx(2 * of(whole)["sd"]["mean"], rel=0.1)


def test_phase_in_and_window() -> None:
    """Months of the phase-in tell nothing; the effect is the mean over the window."""
    logs = log_values(2, effect=-0.5, sd=0.05)
    broken = logs | {0: 3.0, 1: -3.0, 2: 2.0}
    plan = {"phase_in_months": 3, "window": [6, 10], "measure": {"direction": "lower_is_better"}}
    found, same = (of(answer(points(v, "duration"), "duration", **plan)) for v in (broken, logs))
    assert found["sd"] == same["sd"]
    shown = {m["t"]: m for m in found["series"]["months"]}
    assert [t for t, m in shown.items() if m["phase_in"]] == [0, 1, 2]
    assert [t for t, m in shown.items() if m["window"]] == [6, 7, 8, 9, 10]
    assert shown[1]["fitted"] is None
    growing = {t: v - 0.05 * max(t, 0) for t, v in log_values(2, sd=0.02).items()}
    early, late = (of(answer(points(growing, "duration"), "duration", window=w)) for w in ([0, 3], [8, 11]))
    assert late["sd"]["mean"] > early["sd"]["mean"] + 0.2


def test_a_season_needs_two_years_before() -> None:
    season = {t: 0.4 * np.cos(np.pi * t / 6) + v for t, v in log_values(6, 36, 12, sd=0.03).items()}
    fitted = of(answer(points(season, "duration"), "duration"))
    short = of(answer(points({t: v for t, v in season.items() if t >= -20}, "duration"), "duration"))
    assert fitted["series"]["season"] is True
    assert short["series"]["season"] is False
    assert fitted["sd"]["sd"] < 0.5 * short["sd"]["sd"]


def test_units_are_added_up_and_those_that_come_and_go_left_out() -> None:
    logs = log_values(3, effect=-0.3)
    one, two = (points(logs, "count", unit=unit, seed=i) for i, unit in enumerate(("north", "south")))
    summed = [{"t": a["t"], "value": a["value"] + b["value"], "exposure": 200.0} for a, b in zip(one, two, strict=True)]
    assert of(answer(one + two, "count"))["sd"] == of(answer(summed, "count"))["sd"]
    guest = points({t: v for t, v in logs.items() if t % 2}, "count", unit="guest", seed=5)
    found = answer(one + two + guest, "count")
    assert of(found)["sd"] == of(answer(summed, "count"))["sd"]
    assert "guest" in next(w["message"] for w in found["warnings"] if w["code"] == "units_incomplete")


def test_gaps_are_allowed_and_long_series_shortened() -> None:
    logs = {t: v for t, v in log_values(3, effect=-0.3).items() if t not in (-9, -8, 5)}
    assert of(answer(points(logs, "duration"), "duration"))["n"] == {"t": 33}
    found = answer(points(log_values(3, 190, 12), "duration"), "duration")
    assert of(found)["n"] == {"t": 180}
    assert "months_left_out" in codes(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_counterfactual_has_the_months_within_its_band(family: str) -> None:
    """Without an effect the months after the start lie in it: it carries their own departures and the line's error."""
    inside, widths = [], []
    for seed in range(12 if family == "duration" else 5):
        block = of(answer(points(log_values(seed, 36, 12), family, seed=seed), family))
        after = [m for m in block["series"]["months"] if m["t"] >= 0]
        inside += [m["low"] <= m["observed"] <= m["high"] for m in after]
        widths += [float(np.log(m["high"] / m["low"])) / 3.92 for m in after]
    assert np.mean(inside) > 0.9
    own = np.hypot(0.1, 0.0 if family == "duration" else 30**-0.5)
    assert own < np.mean(widths) < 1.8 * own


def test_the_plot_of_the_counterfactual() -> None:
    control = points(log_values(5), "duration", "c")
    block = of(answer(usual("duration") + control, "duration", phase_in_months=2, window=[4, 11]))
    drawn = plots.counterfactual(block)
    assert drawn == plots.counterfactual(block)
    for said in ("window", "phase-in", "observed", "control series", "95 % band"):
        assert said in drawn
    with pytest.raises(Refused, match="nothing to plot"):
        plots.counterfactual({"measure": "m", "role": "primary"})


# --- definitions --------------------------------------------------------------------------------------------------


def by_version(change: int, step: float = 0.8) -> list[dict[str, Any]]:
    logs = log_values(4, effect=-0.3, sd=0.05)
    return [
        {**p, "definition": "v2" if p["t"] >= change else None}
        for p in points({t: v + step * (t >= change) for t, v in logs.items()}, "duration")
    ]


@pytest.mark.parametrize("change", [-8, 6])
def test_a_changed_definition_has_a_level_of_its_own(change: int) -> None:
    """The step of the definition is not taken for the effect."""
    found = answer(by_version(change), "duration")
    plain = of(answer(by_version(change, 0.0), "duration"))
    assert "definition_changed" in codes(found)
    assert of(found)["sd"]["mean"] == pytest.approx(plain["sd"]["mean"], abs=0.15)
    untold = of(answer([{**p, "definition": None} for p in by_version(change)], "duration"))
    assert abs(untold["sd"]["mean"] - plain["sd"]["mean"]) > 0.1


def test_a_definition_that_changes_at_the_start_is_refused() -> None:
    for change, plan in ((0, {}), (2, {"phase_in_months": 3})):
        refused = answer(by_version(change), "duration", **plan)["refused"]
        assert refused["code"] == "definition_changed"
        assert "Recompute" in refused["what_would_help"]
    assert answer(by_version(10), "duration")["refused"]["code"] == "definition_changed"


def test_a_changed_definition_of_the_control_splits_too() -> None:
    control = [{**p, "definition": "v2" if p["t"] >= -8 else "v1"} for p in points(log_values(8), "duration", "c")]
    assert "definition_changed" in codes(answer(usual("duration") + control, "duration"))


# --- what is refused ----------------------------------------------------------------------------------------------


def changed(i: int, **fields: Any) -> list[dict[str, Any]]:
    series = usual("duration")
    return [*series[:i], {**series[i], **fields}, *series[i + 1 :]]


BAD: dict[str, tuple[str, list[dict[str, Any]], dict[str, Any], str]] = {
    "half months": ("duration", changed(3, t=-20.5), {}, "not_monthly"),
    "a month twice": ("duration", changed(3, t=-24), {}, "duplicate_cell"),
    "a duration of zero": ("duration", changed(3, value=0), {}, "zero_duration"),
    "too few before": ("duration", points(log_values(1, 7, 12), "duration"), {}, "too_few_points"),
    "too few after the phase-in": ("duration", usual("duration"), {"phase_in_months": 5}, "too_few_points"),
    "all the same": ("duration", points(dict.fromkeys(range(-12, 12), 0.0), "duration"), {}, "no_variation"),
    "a straight line": ("duration", points({t: t / 50 for t in range(-12, 12)}, "duration"), {}, "no_variation"),
    "a window in the phase-in": ("duration", usual("duration"), {"phase_in_months": 3, "window": [1, 8]},
                                 "window_invalid"),
    "a window of one number": ("duration", usual("duration"), {"window": [3]}, "window_invalid"),
    "a window turned round": ("duration", usual("duration"), {"window": [8, 3]}, "window_invalid"),
    "a window beyond the data": ("duration", usual("duration"), {"window": [3, 14]}, "window_beyond_data"),
    "another arm": ("duration", changed(3, arm="c"), {"control": None}, "unknown_arm"),
    "nobody treated": ("duration", points(log_values(1), "duration", "c"), {}, "arm_empty"),
    "half an event": ("count", [{**p, "value": 1.5} for p in usual("count")], {}, "not_counts"),
    "fewer than none": ("count", [{**p, "value": -1} for p in usual("count")], {}, "not_counts"),
    "some exposure": ("count", [{"t": -30, "value": 20}, *usual("count")], {}, "exposure_missing"),
    "no events": ("count", [{**p, "value": 0} for p in usual("count")], {}, "too_few_events"),
    "no unit with all months": (
        "duration",
        [{**p, "unit": "a" if p["t"] < 0 else "b"} for p in usual("duration")], {}, "units_incomplete"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_told_is_refused(name: str) -> None:
    family, series, plan, code = BAD[name]
    refused = answer(series, family, **plan)["refused"]
    assert refused["code"] == code
    assert refused["message"]
    assert refused["what_would_help"]


def test_another_shape_is_refused_and_months_counted_from_one_explained() -> None:
    asked = request(usual("duration"), "duration").model_dump(exclude_unset=True)
    asked["data"] = {"m": {"cells": [{"wave": "post", "n": 5, "mean": 3.0, "sd": 1.0}]}}
    assert fit(FitRequest.model_validate(asked))["refused"]["code"] == "wrong_shape"
    from_one = [{**p, "t": i} for i, p in enumerate(usual("duration"), start=1)]
    assert "months from the start" in answer(from_one, "duration")["refused"]["what_would_help"]


def test_no_exposure_at_all_counts_as_one() -> None:
    bare = [{k: v for k, v in p.items() if k != "exposure"} for p in usual("count")]
    found = answer(bare, "count")
    assert "exposure_missing" in codes(found)
    assert of(found)["sd"]["mean"] == pytest.approx(of(answer(usual("count"), "count"))["sd"]["mean"], abs=0.01)


EXTREME: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "huge durations": ("duration", [{**p, "value": p["value"] * 1e10} for p in usual("duration")]),
    "tiny durations": ("duration", [{**p, "value": p["value"] * 1e-12} for p in usual("duration")]),
    "a million events": ("count", points(log_values(3, effect=-0.3), "count", level=1e6)),
    "none after": ("count", [{**p, "value": p["value"] * (p["t"] < 0)} for p in usual("count")]),
    "one a month": ("count", points(log_values(3), "count", level=1.0)),
    "one month far off": ("duration", changed(30, value=1e9)),
}


@pytest.mark.parametrize("name", EXTREME)
def test_extremes_give_finite_answers(name: str) -> None:
    family, series = EXTREME[name]
    block = of(answer(series, family))
    assert all(np.isfinite(block["sd"][k]) for k in ("mean", "sd"))
    assert all(np.isfinite(m["high"]) for m in block["series"]["months"])
    assert (block["evidence"]["effect_sd"] is None) == (name == "none after")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=24, max_size=24), st.permutations(range(24)))
def test_scaling_all_months_changes_nothing(values: list[float], order: list[int]) -> None:
    logs = dict(zip(range(-12, 12), values, strict=True))
    found = answer(points(logs, "duration"), "duration")
    series = points(logs, "duration", level=90.0)
    again = answer([series[i] for i in order], "duration")
    if "refused" in found:
        assert again["refused"]["code"] == found["refused"]["code"]
    else:
        assert of(again)["sd"]["mean"] == pytest.approx(of(found)["sd"]["mean"], abs=1e-6)


# --- shocks and trends --------------------------------------------------------------------------------------------


def test_a_shock_that_passes_is_told_and_capped() -> None:
    logs = log_values(9, 48, 10, sd=0.04)
    shocked = {t: v - 0.35 * (1 <= t <= 3) for t, v in logs.items()}
    control = points(log_values(59, 48, 10, sd=0.04), "duration", "c")
    loose = {"p_benefit": 0.6, "p_meaningful": 0.05, "p_benefit_sceptical": 0.5, "replace_p_meaningful": 0.01}
    found = answer(points(shocked, "duration") + control, "duration", rule=loose)
    assert of(found)["unadjusted"]["p_benefit"] >= 0.95
    told = next(w["message"] for w in found["warnings"] if w["code"] == "short_lived")
    assert "t = 1 to 3" in told
    assert found["recommendation"]["outcome"] == "refine"
    steady = {t: v - 0.35 * (t >= 0) for t, v in logs.items()}
    lasting = answer(points(steady, "duration") + control, "duration")
    assert "short_lived" not in codes(lasting)
    assert lasting["recommendation"]["outcome"] == "scale"


def test_a_trend_that_continues_is_no_effect() -> None:
    estimates = [
        of(answer(points(log_values(seed, 36, 12, trend=-0.15), "duration"), "duration"))["sd"] for seed in range(15)
    ]
    means, sds = (np.array([e[k] for e in estimates]) for k in ("mean", "sd"))
    assert abs(means.mean()) < 3 * means.std() / np.sqrt(15)
    assert 0.5 < means.std() / sds.mean() < 1.5


def test_autocorrelation_that_is_left_is_told() -> None:
    rng = np.random.default_rng(2)
    logs = {t: 0.3 * np.sin(np.pi * t / 4.3) + 0.05 * rng.normal() for t in range(-60, 20)}
    assert "autocorrelation_left" in codes(answer(points(logs, "duration"), "duration"))
    assert "autocorrelation_left" not in codes(answer(points(log_values(1, 60, 20), "duration"), "duration"))


# --- simulation ---------------------------------------------------------------------------------------------------


SIMULATED: dict[str, Any] = {
    "plan": {"design": "its", "treated": "t", "control": "c", "followup_months": 12,
             "measures": [{"measure": "m", "family": "duration", "direction": "lower_is_better"}]},
    "pilots": 50, "effects": [0.8], "month_sd": 0.1, "events_per_month": 200,
}  # fmt: skip


def test_simulated_series() -> None:
    made = simulate(SimulateRequest.model_validate(SIMULATED), processes=1)
    [row] = made["operating_characteristics"]
    assert row["scale"]["share"] > 0.8
    assert made["grade"] == "B"
    assert "24 months before the start and 12 after" in made["says"]
    assert made["scenario"]["month_sd"] == 0.1


def test_simulated_counts() -> None:
    measure = {"measure": "m", "family": "count", "direction": "lower_is_better"}
    asked = SimulateRequest.model_validate(SIMULATED | {"plan": SIMULATED["plan"] | {"measures": [measure]}})
    ended = [Simulation.of(asked).pilot(1, i) for i in range(4)]
    assert {pilot.grade for pilot in ended} == {"B"}
    assert sum(pilot.outcome == "scale" for pilot in ended) >= 3


def test_simulated_counts_need_their_events() -> None:
    plan = {"design": "its", "measures": [{"measure": "m", "family": "count", "direction": "lower_is_better"}]}
    with pytest.raises(ValueError, match="events_per_month"):
        SimulateRequest.model_validate({"plan": plan})
