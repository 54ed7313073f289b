"""Plots hold what they are to show, where it is to be; the same input gives the same bytes."""

import itertools
import math
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis import plots
from analysis.documents import Engine, FitRequest, MeasureData, Plan
from analysis.errors import Refused
from analysis.evidence import SynthesisRequest
from analysis.fit import exact_posteriors, fit
from analysis.plots.chains import ecdf_differences
from analysis.plots.described import CHANGE, described, wilson
from analysis.plots.style import estimate, name, number, percent
from analysis.synthesis import synthesise

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('a & b')</script> $x^2 $ \x00\x1b 病棟 🙂 עברית"
PLAN: dict[str, Any] = {
    "design": "parallel",
    "control": "control",
    "baseline": "pre",
    "randomised": True,
    "measures": [
        {"measure": "m", "family": "normal", "direction": "lower_is_better", "reference_sd": 10},
        {"measure": "share", "role": "secondary", "family": "binary", "direction": "lower_is_better"},
        {"measure": "count", "role": "secondary", "family": "count", "direction": "lower_is_better"},
    ],
}


def texts(svg: str) -> str:
    """All text of a well-formed SVG, one line an element."""
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}script"))
    return "\n".join("".join(t.itertext()) for t in root.iter(f"{SVG}text"))


def marks(svg: str, colour: str) -> list[tuple[float, float]]:
    """Where the markers of this fill stand, x and y of the page."""
    uses = ET.fromstring(svg).iter(f"{SVG}use")
    return [
        (float(u.get("x", "nan")), float(u.get("y", "nan"))) for u in uses if f"fill: {colour}" in u.get("style", "")
    ]


def summary(mean: float, sd: float = 0.1) -> dict[str, Any]:
    ends = {"low": mean - 1.96 * sd, "high": mean + 1.96 * sd}
    return {"mean": mean, "sd": sd, "interval": {**ends, "prob": 0.95, "kind": "equal-tailed"}}


# --- the posterior ----------------------------------------------------------------------------------------------


def drawn(request: FitRequest) -> str:
    measure = request.plan.measures[0]
    runs = exact_posteriors(request)[measure.measure]
    return plots.posterior(fit(request)["effects"][0], runs["adjusted"], runs["as_observed"], measure.mmd)


def test_posterior_of_an_effect(ask: Callable[..., FitRequest]) -> None:
    request = ask()
    effect = fit(request)["effects"][0]
    assert exact_posteriors(request)["m"]["adjusted"].mean == effect["adjusted"]["mean"]
    svg = drawn(request)
    interval = effect["adjusted"]["interval"]
    for said in (
        "MMD 0.2",
        "m (primary)",
        f"P(above MMD) {100 * effect['p_meaningful']:.1f} %",
        f"mean {effect['adjusted']['mean']:.2f}, 95 % equal-tailed interval {interval['low']:.2f} to",
        "benefit to the right",
    ):
        assert said in texts(svg)
    assert drawn(request) == svg
    assert "<dc:date>" not in svg


def test_a_flat_and_harmful_effect_is_drawn_too(ask: Callable[..., FitRequest]) -> None:
    changes = [
        {"arm": "treated", "n": 30, "mean": -3.0, "sd": 1.0},
        {"arm": "control", "n": 30, "mean": 0.0, "sd": 1.0},
    ]
    assert "P(benefit) <0.1 %" in texts(drawn(ask({"changes": changes}, priors={"effect": "flat"})))


@pytest.mark.parametrize(
    ("primary", "n", "said"),
    [
        ({"mmd": 0}, 60, "0 = MMD"),
        ({"mmd": 100}, 60, "MMD 100 →"),
        ({"objective": True}, 10**8, "as observed (peak cut off)"),
    ],
)
def test_thresholds_far_off_and_posteriors_of_a_point(
    ask: Callable[..., FitRequest], primary: dict[str, Any], n: int, said: str
) -> None:
    changes = [
        {"arm": "treated", "n": n, "mean": 0.6, "sd": 0.8},
        {"arm": "control", "n": n, "mean": 0.0, "sd": 0.8},
    ]
    assert said in texts(drawn(ask({"changes": changes}, primary=primary)))


def test_a_measure_without_a_posterior_is_refused(ask: Callable[..., FitRequest]) -> None:
    posterior = exact_posteriors(ask())["m"]["adjusted"]
    missing = {"measure": "m", "role": "primary", "adjusted": None, "reason": "No data came."}
    with pytest.raises(Refused, match="no posterior") as refused:
        plots.posterior(missing, posterior, posterior, 0.2)
    assert refused.value.what_would_help == "No data came."


def test_priors_and_what_becomes_of_them(ask: Callable[..., FitRequest]) -> None:
    request = ask()
    runs = exact_posteriors(request)["m"]
    said = texts(plots.prior_posterior(request.plan, "m", runs))
    for prior in ("N(0, 0.2)", "N(0, 0.5)", "N(0.3, 0.3)"):
        assert prior in said
    for run in ("sceptical", "adjusted", "enthusiastic"):
        assert percent(runs[run].above(0.2)) in said
    flat = ask(priors={"effect": "flat"})
    assert "flat" in texts(plots.prior_posterior(flat.plan, "m", exact_posteriors(flat)["m"]))


# --- the data ---------------------------------------------------------------------------------------------------


def plan(**changes: Any) -> Plan:
    return Plan.model_validate(PLAN | changes)


def data(**shape: Any) -> MeasureData:
    return MeasureData.model_validate(shape)


VALUES = {
    ("intervention", "pre"): [30.0, 25, 28, 33],
    ("intervention", "post"): [24.0, 20, 26, 25],
    ("control", "pre"): [31.0, 27, 22],
    ("control", "post"): [30.0, 29, 21],
}


def shapes() -> dict[str, MeasureData]:
    rows = [{"arm": a, "wave": w, "value": v} for (a, w), values in VALUES.items() for v in values]
    cells = [
        {"arm": a, "wave": w, "n": len(v), "mean": np.mean(v), "sd": np.std(v, ddof=1)} for (a, w), v in VALUES.items()
    ]
    halves = [
        {"arm": a, "wave": w, "unit": f"u{i}", "n": len(p), "mean": np.mean(p),
         "sd": np.std(p, ddof=1) if len(p) > 1 else None}
        for (a, w), v in VALUES.items()
        for i, p in enumerate((v[:2], v[2:]))
    ]  # fmt: skip
    pairs = [
        {
            "arm": a,
            "n": len(VALUES[a, "pre"]),
            "mean": [np.mean(VALUES[a, w]) for w in ("pre", "post")],
            "sd": [np.std(VALUES[a, w], ddof=1) for w in ("pre", "post")],
        }
        for a in ("intervention", "control")
    ]
    return {
        "rows": data(rows=rows),
        "cells": data(cells=cells),
        "units": data(cells=halves),
        "pairs": data(pairs=pairs),
    }


@pytest.mark.parametrize("shape", ["rows", "cells", "units", "pairs"])
def test_every_shape_shows_the_same_means(shape: str) -> None:
    found = described(plan().expanded(), plan().measures[0], shapes()[shape])
    assert set(found) == set(VALUES)
    for place, values in VALUES.items():
        reach = 1.96 * np.std(values, ddof=1) / math.sqrt(len(values))
        d = found[place]
        assert (d.n, d.value, d.low, d.high) == pytest.approx(
            (len(values), np.mean(values), np.mean(values) - reach, np.mean(values) + reach)
        )
    svg = plots.cell_means(plan(), "m", shapes()[shape])
    for said in ("pre", "post", "n intervention", "n control", "4", "3", "lower is better", "mean ± 1.96 SE"):
        assert said in texts(svg)
    # Higher means stand higher on the page, in proportion.
    treated = sorted(marks(svg, "#0072b2"))[-2:]
    control = sorted(marks(svg, "#ffffff"))[-2:]
    page = [y for _, y in (*treated, *control)]
    means = [np.mean(VALUES[a, w]) for a in ("intervention", "control") for w in ("pre", "post")]
    assert np.corrcoef(page, means)[0, 1] == pytest.approx(-1, abs=1e-6)


def test_hidden_arms_and_waves_are_marked_and_not_drawn() -> None:
    key = plan().measures[0].measure
    whole, less = (plots.cell_means(plan(), key, shapes()["cells"], hidden) for hidden in ((), {("control", "pre")}))
    assert "few" not in texts(whole)
    assert "few" in texts(less)
    assert "1 not shown: too few people" in texts(less)
    with pytest.raises(Refused, match="too few people"):
        plots.cell_means(plan(), key, shapes()["cells"], set(VALUES))


def test_changes_show_the_change_alone() -> None:
    changes = [{"arm": "intervention", "n": 41, "mean": -5.2, "sd": 8.7}, {"arm": "control", "n": 40, "mean": 1.5}]
    found = described(plan().expanded(), plan().measures[0], data(changes=changes))
    assert found["intervention", CHANGE].high == pytest.approx(-5.2 + 1.96 * 8.7 / math.sqrt(41))
    assert found["control", CHANGE].low is None
    said = texts(plots.cell_means(plan(), "m", data(changes=changes)))
    assert "change to post" in said
    assert "no bar: the SD is not known" in said
    assert "pre" not in said.split("\n")


@pytest.mark.parametrize(("x", "n"), [(0, 1), (0, 12), (3, 14), (14, 14), (500, 1000)])
def test_wilson(x: int, n: int) -> None:
    other = binomtest(x, n).proportion_ci(0.95, method="wilson")
    assert wilson(x, n) == pytest.approx((other.low, other.high), abs=1e-4)


def test_shares_with_no_event_and_all() -> None:
    counts = [
        {"arm": "intervention", "wave": "post", "unit": "a", "x": 0, "n": 5},
        {"arm": "intervention", "wave": "post", "unit": "b", "x": 0, "n": 7},
        {"arm": "control", "wave": "post", "x": 9, "n": 9},
    ]
    found = described(plan().expanded(), plan().measures[1], data(counts=counts))
    assert (found["intervention", "post"].n, found["control", "post"].value) == (12, 1.0)
    said = texts(plots.cell_means(plan(), "share", data(counts=counts)))
    assert "Wilson 95 % interval" in said
    assert "12" in said.split("\n")
    rows = [{"arm": "control", "wave": "post", "value": 1}] * 9
    assert (
        described(plan().expanded(), plan().measures[1], data(rows=rows))["control", "post"] == found["control", "post"]
    )


def test_one_arm_without_a_baseline_and_five_waves_of_two() -> None:
    alone = plan(design="cross_section", control=None, baseline=None)
    said = texts(plots.cell_means(alone, "m", data(cells=[{"wave": "post", "n": 1, "mean": 1e-9}])))
    assert "n intervention" in said
    assert "control" not in said
    waves = [{"key": f"w{i} {HOSTILE}"[:99], "kind": "baseline" if i == 0 else "followup"} for i in range(5)]
    cells = [
        {"arm": arm, "wave": w["key"], "n": 10**6, "mean": 1e11 * i, "sd": 1e9}
        for arm in ("intervention", "control")
        for i, w in enumerate(waves)
    ]
    said = texts(plots.cell_means(plan(waves=waves), "m", data(cells=cells)))
    assert said.count("1\u2009000\u2009000") == 10


@pytest.mark.parametrize(
    ("measure", "shape"),
    [
        ("m", {"cells": [{"arm": "intervention", "wave": "other", "n": 3, "mean": 1, "sd": 1}]}),
        ("nobody", {"cells": [{"arm": "intervention", "wave": "post", "n": 3, "mean": 1, "sd": 1}]}),
        ("count", {"events": [{"arm": "intervention", "wave": "post", "events": 3, "exposure": 10}]}),
    ],
)
def test_means_that_cannot_be_drawn_are_refused(measure: str, shape: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="nothing to plot"):
        plots.cell_means(plan(), measure, data(**shape))


# --- forests ----------------------------------------------------------------------------------------------------


def block(treated: int, control: int) -> dict[str, Any]:
    units = [
        {
            "unit": f"T{i} {HOSTILE}",
            "arm": "t",
            "n": 7,
            "departure": summary(0.01 * i),
            "effect": summary(0.3 + 0.01 * i),
        }
        for i in range(treated)
    ] + [{"unit": f"C{i}", "arm": "c", "n": 8, "departure": summary(-0.01 * i), "effect": None} for i in range(control)]
    return {"measure": HOSTILE, "role": "primary", "sd": summary(0.3, 0.05), "units": units}


def test_the_event_study_shows_every_step_before_the_start_and_the_effect() -> None:
    effect = {"measure": "m", "role": "primary", "sd": summary(0.4)}
    trends = [{"step": w, **summary(0.1 * w)} for w in (1, 2)]
    svg = plots.event_study({**effect, "parallel_trends": trends})
    for said in ("before: wave 1 to 2", "before: wave 2 to 3", "after the start", "0.40 [0.20, 0.60]"):
        assert said in texts(svg)
    [(x, _)] = marks(svg, "#d55e00")
    assert all(x > other for other, _ in marks(svg, "#595959"))
    for without in ({}, {"parallel_trends": []}):
        with pytest.raises(Refused, match="two waves before"):
            plots.event_study({**effect, **without})


def test_units_in_their_order_with_the_effect_over_all() -> None:
    svg = plots.units(block(3, 2), {"C1": "Ward <seven>"})
    said = texts(svg)
    for expected in ("0.32 [0.12, 0.52]", "0.30 [0.20, 0.40]", "−0.01 [−0.21, 0.19]", "C0 (n 8)", "Ward <seven> (n 8)"):
        assert expected in said
    assert "95 % equal-tailed" in said
    dots = sorted(marks(svg, "#0072b2"), key=lambda at: at[1])
    assert [x for x, _ in dots] == sorted((x for x, _ in dots), reverse=True)
    (diamond, _), *_ = marks(svg, "#d55e00")
    assert diamond == pytest.approx(dots[-1][0], abs=0.01)  # 0.30 both
    assert plots.units(block(3, 2), {"C1": "Ward <seven>"}) == svg


@pytest.mark.parametrize(("treated", "control"), [(1, 0), (0, 1), (20, 20), (20, 21), (250, 250), (500, 0)])
def test_any_number_of_units_fits_a_page(treated: int, control: int) -> None:
    root = ET.fromstring(plots.units(block(treated, control)))
    assert float(root.get("height", "nan").removesuffix("pt")) < 11 * 72
    said = "\n".join("".join(t.itertext()) for t in root.iter(f"{SVG}text"))
    assert ("without names" in said) == (treated + control > 40)
    assert ("0.30 [0.20, 0.40]" in said) == (treated > 0)


def test_hidden_units_are_counted_and_not_drawn() -> None:
    said = texts(plots.units(block(3, 2), {"C1": "Ward seven"}, {"C1", f"T0 {HOSTILE}"}))
    assert "Ward seven" not in said
    assert "2 treated units" in said
    assert "2 more units not shown: too few people" in said
    with pytest.raises(Refused, match="no effects by unit"):
        plots.units(block(0, 1), {}, {"C0"})


def test_no_units_are_refused() -> None:
    with pytest.raises(Refused, match="no effects by unit"):
        plots.units({"measure": "m", "role": "primary", "units": []})


def synthesised(k: int) -> tuple[SynthesisRequest, dict[str, Any]]:
    evidence = [
        {
            "organization": f"Clinic {i}",
            "effect_sd": 0.3 + 0.05 * i,
            "se_sd": 0.1,
            "grade": "ABCD"[i % 4],
            "role": "origin" if i == 0 else "adopter",
        }
        for i in range(k)
    ]
    answer = {
        "mu": {**summary(0.33), "p_benefit": 1.0, "p_meaningful": 0.9},
        "tau": {**summary(0.12)},
        "new": {**summary(0.33, 0.2), "p_benefit": 0.0, "p_meaningful": 0.7},
        "studies": [{"organization": e["organization"], **summary(0.3), "p_below_zero": 0.0} for e in evidence],
    }
    return SynthesisRequest.model_validate({"evidence": evidence}), answer


def test_synthesis_shows_reported_shrunken_mean_and_new() -> None:
    request, answer = synthesised(3)
    svg = plots.synthesis(request, answer)
    said = texts(svg)
    for expected in ("origin, grade A", "adopter, grade C", "0.33 [0.13, 0.53]", "0.33 [−0.06, 0.72]", "MMD 0.2",
                     "P(mean above 0) >99.9 %", "P(a new one above 0) <0.1 %", "less the bias"):  # fmt: skip
        assert expected in said
    squares = [x for x, _ in marks(svg, "#ffffff")][:3]  # the last is the legend's
    assert np.diff(squares) == pytest.approx(np.diff(squares)[0], rel=1e-3)
    assert plots.synthesis(request, answer) == svg


def test_synthesis_of_one_of_many_and_of_organizations_that_share_a_source() -> None:
    for k in (1, 200):
        assert f"{k} stud" in texts(plots.synthesis(*synthesised(k)))
    request, _ = synthesised(3)
    shared = [e.model_copy(update={"source": "one paper"}) if i != 1 else e for i, e in enumerate(request.evidence)]
    request = request.model_copy(update={"evidence": shared, "engine": Engine.EXACT})
    answer = synthesise(request)
    svg = plots.synthesis(request, answer)
    said = texts(svg)
    first, second, _ = answer["studies"]
    for expected in ("2 studies", "Clinic 0 and Clinic 2", "origin, grade C, 2 entries", "adopter, grade B",
                     percent(answer["mu"]["p_benefit"]), percent(answer["new"]["p_benefit"])):  # fmt: skip
        assert expected in said
    for summary_ in (first, second, answer["mu"], answer["new"]):
        assert estimate(summary_["mean"], summary_["interval"]["low"], summary_["interval"]["high"]) in said
    assert len(marks(svg, "#ffffff")) == 4  # three entries and the legend
    with pytest.raises(Refused, match="other evidence"):
        plots.synthesis(synthesised(2)[0], answer)
    with pytest.raises(Refused, match="no estimate"):
        plots.synthesis(request, {"refused": {"code": "x"}})


def test_a_hopeless_study_does_not_squeeze_the_others() -> None:
    request, answer = synthesised(3)
    wild = request.evidence[1].model_copy(update={"se_sd": 500.0})
    svg = plots.synthesis(
        request.model_copy(update={"evidence": [request.evidence[0], wild, request.evidence[2]]}), answer
    )
    assert len(marks(svg, "#595959")) == 2  # arrows at both ends


# --- operating characteristics, checks, chains ------------------------------------------------------------------


def test_operating_characteristics_stand_where_their_shares_are() -> None:
    shares = [0.0, 0.24, 1.0]
    points = [
        {"effect": e, "scale": {"share": s, "mcse": 0.01}, "refine": {"share": 1 - s, "mcse": 0.01}, "replace": None}
        for e, s in zip((0.45, 0.2, 0.0), shares, strict=True)
    ]
    svg = plots.operating_characteristics(points, 0.2)
    groups = {g.get("id"): g for g in ET.fromstring(svg).iter(f"{SVG}g")}
    at = sorted((float(u.get("x", "")), float(u.get("y", ""))) for u in groups["scale"].iter(f"{SVG}use"))
    heights = [y for _, y in at]
    assert (heights[0] - heights[1]) / (heights[0] - heights[2]) == pytest.approx(0.76, abs=1e-4)
    said = texts(svg)
    assert "MMD 0.2" in said
    assert "scale" in said
    assert "replace" not in said
    assert "refused" not in said
    assert "refused" in texts(plots.operating_characteristics([{**points[0], "refused": points[0]["refine"]}], 0.2))
    assert plots.operating_characteristics(points, 0.2) == svg
    with pytest.raises(Refused, match="no true effects"):
        plots.operating_characteristics([], 0.2)


def test_predictive_check_marks_what_the_model_does_not_show() -> None:
    checks = [
        {"cell": HOSTILE, "quantity": "mean", "observed": 22.9, "low": 20.0, "high": 25.5, "p": 1.0},
        {"cell": "control", "quantity": "sd", "observed": 15.0, "low": 8.0, "high": 12.0, "p": 0.0},
    ]
    svg = plots.predictive(checks, "m", 0.9)
    said = texts(svg)
    for expected in ("p 1.000", "p <0.001", "90 % of replicated", "standard deviation"):
        assert expected in said
    assert len(marks(svg, "#d55e00")) == 1
    assert "share, %" not in said
    many = [{**checks[0], "quantity": "share", "cell": str(i)} for i in range(300)]
    assert float(ET.fromstring(plots.predictive(many)).get("height", "").removesuffix("pt")) < 11 * 72
    with pytest.raises(Refused, match="no cell"):
        plots.predictive([])


def test_chains_of_one_posterior_stay_within_the_band_and_others_leave_it() -> None:
    rng = np.random.default_rng(3)

    def inside(values: np.ndarray[Any, Any]) -> bool:
        differences, band = ecdf_differences(values)
        return band is not None and bool(np.abs(differences).max() <= band)

    assert np.mean([inside(rng.normal(size=(4, 200))) for _ in range(300)]) >= 0.95
    assert not any(inside(rng.normal(size=(4, 200)) + np.array([0, 0, 0, 0.7])[:, None]) for _ in range(20))
    # By hand: two chains of two, the first holds the low ranks.
    differences, _ = ecdf_differences(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert differences[0][50] == pytest.approx(0.5)
    assert differences[1][50] == pytest.approx(-0.5)


def test_trace_and_rank_of_odd_quantities() -> None:
    rng = np.random.default_rng(4)
    draws = {"delta": rng.normal(size=(4, 1000)), HOSTILE: np.ones((2, 1000)), "tiny": 1e-12 * rng.normal(size=(4, 3))}
    for plot in (plots.trace, plots.rank):
        svg = plot(draws)
        assert "chain 4" in texts(svg)
        assert plot(draws) == svg
    assert "every 3rd is drawn" in texts(plots.trace(draws))
    assert "nothing to rank" in texts(plots.rank(draws))


@pytest.mark.parametrize(
    ("draws", "code"),
    [
        ({}, "nothing_to_plot"),
        ({"a": np.ones(5)}, "nothing_to_plot"),
        ({"a": np.full((2, 5), np.nan)}, "not_finite"),
        ({str(i): np.ones((2, 5)) for i in range(17)}, "too_many_quantities"),
    ],
)
def test_draws_that_cannot_be_drawn_are_refused(draws: dict[str, Any], code: str) -> None:
    for plot in (plots.trace, plots.rank):
        with pytest.raises(Refused) as refused:
            plot(draws)
        assert refused.value.code == code


# --- words and numbers ------------------------------------------------------------------------------------------


def test_probabilities_are_never_certain() -> None:
    assert [percent(p) for p in (0, 0.0004, 0.5, 0.9996, 1)] == ["<0.1 %", "<0.1 %", "50.0 %", ">99.9 %", ">99.9 %"]


def test_numbers_keep_the_digits_that_tell() -> None:
    assert [number(v) for v in (0.0, -0.001, -1.236, 1e-300, -2.5e11)] == ["0.00", "0.00", "−1.24", "0.00", "−2.5e+11"]
    assert estimate(0.6491, 0.6471, 0.6511) == "0.6491 [0.6471, 0.6511]"
    assert estimate(0.5, -0.5, 1.5) == "0.50 [−0.50, 1.50]"


def test_long_names_keep_both_ends_and_stay_apart() -> None:
    names = [f"0192f0c1-7b3e-7000-8000-{i:012}" for i in range(100)]
    assert all(len(name(n)) == 24 for n in names)
    assert len({name(n) for n in names}) == 100
    assert name("a\x00b\nc\x1b") == "a b c"


def test_names_are_text_and_nothing_else() -> None:
    svg = plots.units(block(1, 0), {f"T0 {HOSTILE}": "<b> & $a$"})
    assert "<b> & $a$" in texts(svg)
    assert not re.search(r"<b>|<script", svg)
    assert all(line.isprintable() for line in itertools.chain.from_iterable(t.split("\n") for t in svg.splitlines()))


# --- categories -------------------------------------------------------------------------------------------------------


def ordered(**more: Any) -> Plan:
    """A plan of one ordinal measure."""
    base = plan().model_dump()
    measure = {"measure": "m", "role": "primary", "family": "ordinal", "direction": "higher_is_better", **more}
    return Plan.model_validate({**base, "measures": [measure]})


COUNTED = {
    "categories": [
        {"arm": "intervention", "wave": "post", "unit": "a", "counts": [1, 2, 17]},
        {"arm": "intervention", "wave": "post", "unit": "b", "counts": [0, 0, 20]},
        {"arm": "control", "wave": "post", "counts": [10, 5, 5]},
    ]
}


def test_categories_are_shown_as_shares_of_each_arm_and_wave() -> None:
    said = texts(plots.categories(ordered(), "m", data(**COUNTED)))
    for text in (
        "intervention, post",
        "control, post",
        "n 40",
        "n 20",
        "92",
        "50",
        "25",
        "higher categories are better",
    ):
        assert text in said
    rows = [
        {"arm": c["arm"], "wave": "post", "value": 4 + i}
        for c in COUNTED["categories"]
        for i, count in enumerate(c["counts"])
        for _ in range(count)
    ]
    of_rows = texts(plots.categories(ordered(minimum=4, maximum=6), "m", data(rows=rows)))
    for text in ("4", "5", "6", "92", "50"):
        assert text in of_rows


def test_categories_of_small_groups_are_left_out_and_counted() -> None:
    said = texts(plots.categories(ordered(), "m", data(**COUNTED), {("intervention", "post")}))
    assert "intervention, post" not in said
    assert "1 not shown: too few people" in said
    with pytest.raises(Refused) as refused:
        plots.categories(ordered(), "m", data(**COUNTED), {("intervention", "post"), ("control", "post")})
    assert refused.value.code == "nothing_to_plot"


def test_categories_are_of_ordinal_measures_with_data() -> None:
    asked: tuple[tuple[Plan, str, dict[str, Any]], ...] = (
        (plan(), "m", {"cells": [{"arm": "intervention", "wave": "post", "n": 9, "mean": 3, "sd": 1}]}),
        (ordered(), "other", COUNTED),
        (ordered(), "m", {"categories": []}),
        (ordered(), "m", {"categories": [{"arm": "elsewhere", "wave": "post", "counts": [1, 2]}]}),
        (ordered(), "m", {"rows": [{"arm": "intervention", "wave": "post", "value": 1.5}]}),
    )
    for planned, measure, shape in asked:
        with pytest.raises(Refused) as refused:
            plots.categories(planned, measure, data(**shape))
        assert refused.value.code == "nothing_to_plot"
