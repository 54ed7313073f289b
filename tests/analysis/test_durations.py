"""Durations: ratios by way of logarithms, from whatever shape; and normal values that rather are durations."""

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.designs.count_inputs import KAPPA_LOG
from analysis.designs.logarithms import moments
from tests.analysis.record_cases import effect, refusal

SCALE = {"reference_sd": 20.0}


def minutes(seed: int = 3, people: int = 40, ratio: float = 0.8, *, linked: bool = True) -> dict[str, Any]:
    """Lognormal minutes before and after in two arms; the treated take `ratio` of the time afterwards."""
    rng = np.random.default_rng(seed)
    return {
        "rows": [
            {
                "arm": arm,
                "wave": wave,
                **({"participant": f"{arm}{i}"} if linked else {}),
                "value": float(np.exp(own + 0.4 * rng.normal()) * (ratio if (arm, wave) == ("t", "post") else 1.0)),
            }
            for arm in "ct"
            for i, own in enumerate(3.5 + 0.6 * rng.normal(size=people))
            for wave in ("pre", "post")
        ]
    }


def of_logs(data: dict[str, Any]) -> dict[str, Any]:
    return {"rows": [{**row, "value": float(np.log(row["value"]))} for row in data["rows"]]}


@pytest.mark.parametrize("data", [minutes(), minutes(linked=False)], ids=["linked", "unlinked"])
def test_a_duration_is_the_normal_design_on_logarithms(data: dict[str, Any]) -> None:
    block = effect(data, "duration")
    logs = effect(of_logs(data), "normal", measure={"reference_sd": KAPPA_LOG})
    assert block["adjusted"] == logs["adjusted"]
    assert block["evidence"] == logs["evidence"]
    assert block["raw"]["unit"] == "%"
    assert block["raw"]["interval"]["low"] == pytest.approx(100 * np.expm1(logs["raw"]["interval"]["low"]), rel=1e-6)
    assert "logarithms" in block["scale"]


def test_many_people_give_the_ratio_back() -> None:
    block = effect(minutes(people=2000), "duration")
    assert block["raw"]["mean"] == pytest.approx(-20, abs=2.0)
    assert block["sd"]["mean"] == pytest.approx(-np.log(0.8) / KAPPA_LOG, abs=0.04)


def test_minutes_or_hours_change_nothing() -> None:
    data = minutes()
    hours = {"rows": [{**row, "value": row["value"] / 60} for row in data["rows"]]}
    one, other = effect(data, "duration"), effect(hours, "duration")
    assert other["adjusted"]["mean"] == pytest.approx(one["adjusted"]["mean"], rel=1e-6)
    assert other["raw"]["mean"] == pytest.approx(one["raw"]["mean"], rel=1e-6)


@given(st.floats(0.1, 1e4), st.floats(0.01, 2.0))
def test_moments_of_logarithms_are_those_of_a_lognormal(mean: float, cv: float) -> None:
    centre, spread = moments(mean, cv * mean)
    assert np.exp(centre + spread**2 / 2) == pytest.approx(mean)
    assert np.expm1(spread**2) == pytest.approx(cv**2)


def test_summaries_come_near_the_rows_they_are_of() -> None:
    data = minutes(people=400)
    values = {
        (a, w): np.array([r["value"] for r in data["rows"] if (r["arm"], r["wave"]) == (a, w)])
        for a in "ct"
        for w in ("pre", "post")
    }
    pairs = {
        "pairs": [
            {
                "arm": a,
                "n": 400,
                "mean": [values[a, w].mean() for w in ("pre", "post")],
                "sd": [values[a, w].std(ddof=1) for w in ("pre", "post")],
                "r": float(np.corrcoef(values[a, "pre"], values[a, "post"])[0, 1]),
            }
            for a in "ct"
        ]
    }
    rows, summed = effect(data, "duration"), effect(pairs, "duration")
    assert "moments_of_logs" in summed["codes"]
    assert "moments_of_logs" not in rows["codes"]
    assert summed["sd"]["mean"] == pytest.approx(rows["sd"]["mean"], abs=1.5 * rows["sd"]["sd"])
    assert summed["sd"]["sd"] == pytest.approx(rows["sd"]["sd"], rel=0.2)
    cells = {
        "cells": [
            {"arm": a, "wave": "post", "n": 400, "mean": values[a, "post"].mean(), "sd": values[a, "post"].std(ddof=1)}
            for a in "ct"
        ]
    }
    assert "moments_of_logs" in effect(cells, "duration")["codes"]


def test_normal_values_planned_as_durations_are_told() -> None:
    rng = np.random.default_rng(5)
    data = {
        "rows": [
            {"arm": arm, "wave": "post", "value": float(max(value, 1.0))}
            for arm in "ct"
            for value in rng.normal(40, 14, 120)
        ]
    }
    block = effect(data, "duration")
    assert "duration_not_lognormal" in block["codes"]
    assert [a["model"] for a in block["alternatives"]] == ["normal"]
    assert "duration_not_lognormal" not in effect(minutes(), "duration")["codes"]


def test_skewed_values_planned_as_normal_are_told() -> None:
    data = minutes(linked=False, people=80)
    block = effect(data, "normal", measure=SCALE)
    assert "skewed" in block["codes"]
    (beside,) = block["alternatives"]
    assert beside["model"] == "lognormal"
    assert beside["sd"] == effect(data, "duration")["sd"]
    for quiet in ({**SCALE, "maximum": 1e6}, {**SCALE, "maximum": 1e6, "minimum": 0}):
        assert "skewed" not in effect(data, "normal", measure=quiet)["codes"]
    assert "skewed" not in effect(of_logs(data), "normal", measure={"reference_sd": 0.7})["codes"]


def test_zeros_are_refused_with_their_share_and_what_to_do() -> None:
    data = minutes()
    for i in (0, 1, 5, 9):
        data["rows"][i]["value"] = 0.0
    found = refusal(data, "duration")
    assert found["code"] == "zero_duration"
    assert "4 of 160" in found["message"]
    assert "binary" in found["what_would_help"]


def cells(mean: float, sd: float | None, n: int = 30) -> dict[str, Any]:
    return {"cells": [{"arm": a, "wave": "post", "n": n, "mean": mean, "sd": sd} for a in "ct"]}


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a mean of zero": (cells(0.0, 2.0), {}, "zero_duration"),
    "changes": ({"changes": [{"arm": a, "n": 9, "mean": -3, "sd": 2} for a in "ct"]}, {}, "wrong_shape"),
    "counts": ({"counts": [{"arm": a, "wave": "post", "x": 3, "n": 9} for a in "ct"]}, {}, "wrong_shape"),
    "no SD": (cells(40.0, None), {}, "sd_missing"),
    "no spread": (cells(40.0, 0.0), {}, "no_variation"),
    "an SD that is a standard error": (cells(40.0, 0.5), {}, "sd_impossible"),
    "a reference SD of minutes": (cells(40.0, 20.0), {"measure": SCALE}, "reference_sd_not_log"),
    "off the scale": (cells(40.0, 20.0), {"measure": {"maximum": 30}}, "off_the_scale"),
    "a correlation no lognormals have": (
        {"pairs": [{"arm": a, "n": 30, "mean": [10, 10], "sd": [10, 1], "r": 0.999} for a in "ct"]},
        {},
        "impossible_summary",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_durations_are_refused_with_what_would_help(bad: str) -> None:
    data, more, code = BAD[bad]
    found = refusal(data, "duration", **more)
    assert found["code"] == code
    if code == "sd_impossible":
        assert "logarithms" in found["message"]


def test_values_of_a_later_look_do_not_matter() -> None:
    waves = [{"key": k, "kind": kind} for k, kind in (("pre", "baseline"), ("post", "followup"), ("late", "retention"))]
    data = minutes()
    later = copy.deepcopy(data)
    later["rows"].append({"arm": "c", "wave": "late", "participant": "c1", "value": 0.0})
    assert effect(later, "duration", waves=waves)["adjusted"] == effect(data, "duration", waves=waves)["adjusted"]


def test_sides_that_change_places_turn_the_effect_about() -> None:
    data = minutes()
    turned = {"rows": [{**r, "arm": "c" if r["arm"] == "t" else "t"} for r in data["rows"]]}
    first, other = effect(data, "duration"), effect(turned, "duration", measure={"direction": "higher_is_better"})
    assert other["adjusted"]["mean"] == pytest.approx(first["adjusted"]["mean"], abs=0.01)
