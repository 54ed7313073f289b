"""Simulated pilots: drawn as stated, judged as `fit` judges, counted as a closed form says they must come out."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import norm

from analysis import operating, tally
from analysis.designs import OFFERED
from analysis.documents import Family, FitRequest
from analysis.fit import fit
from analysis.operating import simulate
from analysis.pilots import MAKERS, Group, Truth, groups_of, truth_of
from analysis.scenario import SimulateRequest, parts_of
from analysis.simulation import Ended, Simulation

Request = Callable[..., SimulateRequest]

PRIMARY: dict[str, Any] = {
    "measure": "m",
    "role": "primary",
    "family": "normal",
    "direction": "lower_is_better",
    "reference_sd": 10.0,
    "minimum": 0,
    "maximum": 54,
}
PLAN: dict[str, Any] = {
    "design": "parallel",
    "treated": "treated",
    "control": "control",
    "baseline": "pre",
    "followup": "post",
    "followup_months": 6,
    "randomised": True,
}
TWO_LOOKS: dict[str, Any] = {
    "waves": [
        {"key": "pre", "kind": "baseline"},
        {"key": "mid", "kind": "interim"},
        {"key": "post", "kind": "followup"},
    ],
    "looks": [{"look": 1, "wave": "mid", "months": 6}, {"look": 2, "wave": "post", "months": 12}],
}

TWO_BEFORE: dict[str, Any] = {
    "waves": [
        {"key": "year_before", "kind": "baseline"},
        {"key": "pre", "kind": "baseline"},
        {"key": "post", "kind": "followup"},
    ]
}
COUNTED: dict[str, Any] = {"primary": {"family": "count", "reference_sd": None}, "event_rate": 4.0}
BINARY: dict[str, Any] = {"primary": {"family": "binary", "reference_sd": None}, "rate": 0.4}


@pytest.fixture
def asked() -> Request:
    """A request; `plan`, `primary` and `others` change the plan, everything else the request."""

    def build(
        *,
        primary: dict[str, Any] | None = None,
        others: list[dict[str, Any]] | None = None,
        plan: dict[str, Any] | None = None,
        **request: Any,
    ) -> SimulateRequest:
        measures = [PRIMARY | (primary or {}), *({**PRIMARY, **o} for o in others or [])]
        return SimulateRequest.model_validate(
            {
                "plan": {**PLAN, "measures": measures, **(plan or {})},
                "people": {"treated": 60, "control": 60},
                "pilots": 200,
                **request,
            }
        )

    return build


def rows(answer: dict[str, Any]) -> dict[float, dict[str, Any]]:
    return {row["effect"]: row for row in answer["operating_characteristics"]}


def counted_of(simulation: Simulation, ended: list[Ended]) -> dict[str, Any]:
    """What `simulate` counts of these pilots."""
    return tally.counted(tally.tally_of(ended, simulation.primary.mmd))


def counts_of(request: SimulateRequest, truth: int = 1) -> dict[str, Any]:
    """What `simulate` counts of one truth, without the others."""
    simulation = Simulation.of(request).rehearsed()
    return counted_of(simulation, [simulation.pilot(truth, number) for number in range(request.pilots_each)])


def drawn(request: SimulateRequest, rng: np.random.Generator, truth: Truth, groups: list[Group]) -> Any:
    return MAKERS[request.plan.design, request.plan.measures[0].family].draw(rng, truth, groups)


def chance_of_scale(effect: float, se: float, bias: tuple[float, float] = (0, 0.05), *, drawn: bool = False) -> float:
    """P(Δ̂ is large enough for every criterion): known SE, conjugate normal; the default rule and prior."""
    mean, sd = bias
    needs = []
    for prior, at, p in ((0.5, 0.0, 0.95), (0.5, 0.2, 0.70), (0.2, 0.0, 0.90)):
        noise = se**2 + sd**2
        k = prior**2 / (prior**2 + noise)
        needs.append((at + norm.ppf(p) * np.sqrt(k * noise)) / k + mean)
    spread = np.hypot(se, sd) if drawn else se
    return float(norm.sf(max(needs), effect + (mean if drawn else 0.0), spread))


# --- the answer ---------------------------------------------------------------------------------------------------


def test_a_plan_and_people_are_enough(asked: Request) -> None:
    answer = simulate(asked())
    assert list(rows(answer)) == [0, 0.1, 0.2, 0.3, 0.45]
    for row in [*answer["operating_characteristics"], answer["assurance"]]:
        shares = [row[name]["share"] for name in ("scale", "refine", "replace", "refused")]
        assert sum(shares) == pytest.approx(1)
        p = row["scale"]["share"]
        assert row["scale"]["mcse"] == pytest.approx(np.sqrt(p * (1 - p) / 200))
    assert answer["grade"] == "A"
    assert answer["assurance"]["design_prior"] == {"mean": 0, "sd": 0.5}
    assert set(answer["provenance"]) >= {"seed", "plan_hash", "versions", "engine"}
    assert "exact_engine" in {w["code"] for w in answer["warnings"]}
    at_mmd = rows(answer)[0.2]["scale"]["share"]
    assert f"(0.2 SD) is scaled {100 * at_mmd:.0f} % of the time" in answer["says"]


def test_the_larger_the_effect_the_more_is_scaled_and_what_stood_in_the_way_is_named(asked: Request) -> None:
    answer = rows(simulate(asked(effects=[-0.5, 0.2, 1.2], pilots=100)))
    scaled = [row["scale"]["share"] for row in answer.values()]
    assert scaled[0] == 0
    assert scaled[0] < scaled[1] < scaled[2]
    assert scaled[2] == 1
    assert answer[-0.5]["replace"]["share"] == 1
    assert {r["name"] for r in answer[-0.5]["replaced_by"]} == {"p_meaningful", "p_below_zero"}
    assert answer[1.2]["unmet"] == []
    unmet = {r["name"]: r["share"] for r in answer[0.2]["unmet"]}
    assert unmet["p_meaningful"] == pytest.approx(1 - scaled[1])


@pytest.mark.parametrize(("n", "effect"), [(150, 0.2), (150, 0.35), (400, 0.3)])
def test_large_pilots_scale_as_often_as_a_closed_form_says(asked: Request, n: int, effect: float) -> None:
    """ANCOVA of 2 n people with r = 0.7 has an SE of √(2 (1 − r²)/n)."""
    row = counts_of(asked(people={"treated": n, "control": n}, effects=[effect], pilots=500))
    expected = chance_of_scale(effect, np.sqrt(2 * 0.51 / n))
    assert row["scale"]["share"] == pytest.approx(expected, abs=4 * row["scale"]["mcse"] + 0.01)


def test_assurance_is_the_mean_over_the_design_prior(asked: Request) -> None:
    answer = simulate(
        asked(
            people={"treated": 200, "control": 200},
            effects=[0.0],
            pilots=500,
            design_prior={"mean": 0.25, "sd": 0.2},
        )
    )["assurance"]
    grid = np.linspace(-1, 1.5, 501)
    weights = norm.pdf(grid, 0.25, 0.2)
    chance = np.array([chance_of_scale(d, np.sqrt(2 * 0.51 / 200)) for d in grid])
    joint, above = weights * chance, grid > 0.2
    for name, expected in (
        ("scale", joint.sum() / weights.sum()),
        ("scale_given_meaningful", joint[above].sum() / weights[above].sum()),
        ("scale_given_not_meaningful", joint[~above].sum() / weights[~above].sum()),
        ("meaningful_given_scale", joint[above].sum() / joint.sum()),
    ):
        assert answer[name]["share"] == pytest.approx(expected, abs=4 * answer[name]["mcse"] + 0.01), name


def test_nobody_believes_in_a_meaningful_effect(asked: Request) -> None:
    """Shares of no pilots at all are null, not 0 and not NaN."""
    answer = simulate(asked(effects=[0.0], pilots=50, design_prior={"mean": -2, "sd": 0.01}))["assurance"]
    assert answer["scale_given_meaningful"] is None
    assert answer["meaningful_given_scale"] is None
    assert answer["scale_given_not_meaningful"]["share"] == 0


# --- the path of a real pilot -------------------------------------------------------------------------------------

SEVERAL: list[dict[str, Any]] = [
    {"measure": "safety", "role": "balancing", "direction": "higher_is_better"},
    {"measure": "joy", "role": "global"},
    {"measure": "extra", "role": "secondary"},
]


@pytest.mark.parametrize(
    "change",
    [
        {"others": SEVERAL, "plan": {"attrition": {"treated": 0.15, "control": 0.12}}},
        {"plan": {"randomised": False}},
        {"plan": {"baseline": None}},
        BINARY,
        {"plan": TWO_LOOKS, "others": SEVERAL},
        {"primary": {"reference_sd": None}},
        {"primary": {"reference_mean": 25, "mmd": 0.1, "objective": True}},
        {"plan": {"priors": {"borrow": {"mean": 0.3, "sd": 0.1}}}},
        {"plan": {"design": "paired", "control": None}, "people": {"treated": 40}},
        {"plan": {"design": "cross_section", "control": None}, "people": {"treated": 40}, "units": {"treated": 2}},
        {"plan": {"design": "cluster"}, "units": {"treated": 3, "control": 2}},
        {"plan": {"design": "cluster", "baseline": None}, "units": {"treated": 4, "control": 4}},
        {"plan": {"design": "did"}, "units": {"treated": 2, "control": 2}},
        {"plan": {"design": "did", **TWO_BEFORE}, "units": {"treated": 2, "control": 2}},
        {**BINARY, "plan": {"design": "paired", "control": None}, "people": {"treated": 40}},
        {**BINARY, "plan": {"design": "cross_section", "control": None}, "people": {"treated": 40}},
        {**BINARY, "plan": {"design": "cluster"}, "units": {"treated": 3, "control": 2}},
        {**BINARY, "plan": {"design": "did"}, "units": {"treated": 2, "control": 2}},
        {**COUNTED, "plan": {"baseline": None}},
        {**COUNTED, "plan": {"design": "cluster"}, "units": {"treated": 3, "control": 3}},
        {**COUNTED, "plan": {"design": "cross_section", "control": None}, "people": {"treated": 40}},
        {**COUNTED, "plan": {"design": "did"}, "units": {"treated": 2, "control": 2}},
        {"primary": {"family": "share", "reference_sd": None}, "rate": 0.3, "trials": 20},
        {"primary": {"family": "duration", "reference_sd": None}},
        {"primary": {"family": "duration", "reference_sd": 0.4}, "plan": {"baseline": None}},
    ],
)
def test_every_simulated_pilot_ends_as_fit_would_end_it(asked: Request, change: dict[str, Any]) -> None:
    """The documents of a pilot, in the unit of the measure, through `fit` with all its runs."""
    request = asked(**change, effects=[0.3])
    simulation = Simulation.of(request)
    long = request.plan.expanded()
    for number in range(3):
        ended = simulation.run(np.random.default_rng(number), 0.3)
        rng = np.random.default_rng(number)
        truths, values = {}, {}
        for m in simulation.measures:
            truths[m.measure] = truth_of(request, simulation.plan, m, 0.3, 0.0)
            values[m.measure] = MAKERS[long.design, m.family].draw(rng, truths[m.measure], simulation.groups)
        look = long.looks[ended.looks - 1]
        data = {
            m.measure: MAKERS[long.design, m.family]
            .enter(truths[m.measure], values[m.measure], look.wave)
            .model_dump(exclude_unset=True)
            for m in simulation.measures
        }
        for m in simulation.measures:
            shapes = data[m.measure] if m.family is Family.NORMAL else {}
            for entry in [*shapes.get("pairs", []), *shapes.get("cells", []), *shapes.get("rows", [])]:
                in_raw_units(entry)
        planned = request.plan.model_dump()
        for measure in planned["measures"]:
            measure |= {"minimum": None, "maximum": None}  # simulated values have neither floor nor ceiling
        answer = fit(
            FitRequest.model_validate({"plan": planned, "data": data, "look": look.look, "engine": "exact", "seed": 1})
        )
        verdict = answer["recommendation"]
        assert (ended.outcome, ended.provisional, ended.stopped, ended.grade) == (
            verdict["outcome"],
            verdict["provisional"],
            verdict["stop_for_futility"],
            answer["grade"],
        )
        blocking = [c for c in verdict["criteria"] if c["decides"] == "scale" and c["met"] is False]
        # Grade C is less than is asked for and scales, provisionally.
        unmet = {(c["name"], c["measure"]) for c in blocking if (c["name"], c["value"]) != ("grade", "C")}
        assert set(ended.unmet) == unmet


def in_raw_units(entry: dict[str, Any]) -> None:
    """From SD units about 0 to a scale of 0 to 54 with SD 10."""
    if "value" in entry:
        entry["value"] = 27 + 10 * entry["value"]
    elif isinstance(entry["mean"], float):
        entry["mean"], entry["sd"] = 27 + 10 * entry["mean"], 10 * entry["sd"]
    else:
        entry["mean"], entry["sd"] = [27 + 10 * v for v in entry["mean"]], [10 * v for v in entry["sd"]]


def test_what_harms_is_replaced_and_what_is_not_known_blocks(asked: Request) -> None:
    row = counts_of(asked(others=SEVERAL, measures={"safety": {"effect": -0.8}}, effects=[0.8], pilots=100))
    assert row["replace"]["share"] > 0.95
    assert row["replaced_by"][0]["name"] == "balancing_breached"
    assert row["replaced_by"][0]["measure"] == "safety"
    ordinal = [{"measure": "safety", "role": "balancing", "family": "ordinal", "minimum": None, "maximum": None}]
    unknown = simulate(asked(others=ordinal, effects=[0.8], pilots=50, plan={"design": "did"}, shares=[0.4, 0.6]))
    assert rows(unknown)[0.8]["scale"]["share"] == 0
    assert {"name": "balancing", "measure": "safety", "share": 1.0, "mcse": 0.0} in rows(unknown)[0.8]["unmet"]
    assert "measure_not_simulated" in {w["code"] for w in unknown["warnings"]}


@pytest.mark.slow
def test_more_measures_let_fewer_pilots_scale(asked: Request) -> None:
    alone, together = (counts_of(asked(others=o, effects=[0.45])) for o in ([], SEVERAL))
    assert together["scale"]["share"] < alone["scale"]["share"] - 0.05
    assert "safety" in {r["measure"] for r in together["unmet"]}


def test_without_six_months_nothing_scales(asked: Request) -> None:
    row = counts_of(asked(plan={"followup_months": 3}, effects=[0.9], pilots=50))
    assert row["scale"]["share"] == 0
    assert next(r["share"] for r in row["unmet"] if r["name"] == "followup_months") == 1


def test_an_early_look_saves_time_and_stops_what_is_futile(asked: Request) -> None:
    one, two = (
        {effect: counts_of(asked(plan=p, effects=[effect], pilots=150)) for effect in (0.0, 0.9)}
        for p in ({}, TWO_LOOKS)
    )
    assert two[0.9]["looks"]["mean"] < 1.3
    assert two[0.0]["looks"]["mean"] < 1.6
    assert two[0.9]["scale"]["share"] > 0.95
    assert two[0.0]["stopped_for_futility"]["share"] > 0.02
    assert two[0.0]["scale"]["share"] <= one[0.0]["scale"]["share"] + 0.05
    assert one[0.0]["stopped_for_futility"]["share"] == 0
    assert one[0.0]["looks"]["mean"] == 1


def test_arms_not_randomised_scale_provisionally_and_great_loss_lowers_the_grade(asked: Request) -> None:
    chosen = simulate(asked(plan={"randomised": False}, effects=[0.9], pilots=100))
    assert chosen["grade"] == "C"
    assert rows(chosen)[0.9]["provisional"] == rows(chosen)[0.9]["scale"]
    assert rows(chosen)[0.9]["scale"]["share"] > 0.8
    lost = simulate(asked(attrition={"treated": 0.3, "control": 0.3}, effects=[0.9], pilots=50))
    assert lost["grade"] == "B"


def test_a_bias_of_the_grade_reaches_the_data_only_when_asked(asked: Request) -> None:
    """5,000 an arm, no effect: only the bias of grade C can make a pilot look good."""
    for bias in ("none", "prior"):
        large = {"treated": 5000, "control": 5000}
        row = counts_of(asked(plan={"randomised": False}, people=large, effects=[0.15], bias=bias, pilots=300))
        expected = chance_of_scale(0.15, np.sqrt(2 * 0.51 / 5000), (0.05, 0.15), drawn=bias == "prior")
        assert row["scale"]["share"] == pytest.approx(expected, abs=4 * row["scale"]["mcse"] + 0.01)
    assert expected > 0.01


DESIGNS: list[tuple[str, dict[str, Any], int, str]] = [
    ("paired", {}, 1, "D"),
    ("cross_section", {}, 2, "D"),
    ("cluster", {}, 4, "A"),
    ("cluster", {}, 2, "B"),
    ("did", {}, 2, "C"),
    ("did", TWO_BEFORE, 2, "B"),
]


def of_design(asked: Request, design: str, waves: dict[str, Any], k: int, grade: str, **more: Any) -> SimulateRequest:
    """60 people an arm in k units; one arm at grade D."""
    arms = ("treated",) if grade == "D" else ("treated", "control")
    return asked(
        plan={"design": design, "control": None if grade == "D" else "control", **waves},
        people=dict.fromkeys(arms, 60),
        units=dict.fromkeys(arms, k),
        **more,
    )


@pytest.mark.parametrize(("design", "waves", "k", "grade"), DESIGNS)
def test_every_design_of_normal_outcomes_is_simulated(
    asked: Request, design: str, waves: dict[str, Any], k: int, grade: str
) -> None:
    simulation = Simulation.of(of_design(asked, design, waves, k, grade, effects=[0.0, 1.5])).rehearsed()
    assert simulation.graded is not None
    assert simulation.graded.letter == grade
    low, high = (counted_of(simulation, [simulation.pilot(truth, number) for number in range(15)]) for truth in (1, 2))
    assert low["scale"]["share"] <= 0.1
    assert low["refused"]["share"] == high["refused"]["share"] == 0
    # Two units an arm convince no sceptic of even 1.5 SD: units may differ by as much.
    least, most = {"D": (0.0, 0.0)}.get(grade, (0.0, 0.3) if (design, k) == ("cluster", 2) else (0.5, 1.0))
    assert least <= high["scale"]["share"] <= most


def test_units_of_a_design_that_compares_people_are_said_to_be_left_out(asked: Request) -> None:
    """The same numbers with and without, and a warning."""
    plain, named = (
        simulate(asked(effects=[0.2], pilots=50, units=units)) for units in (None, {"treated": 3, "control": 3})
    )
    assert named["operating_characteristics"] == plain["operating_characteristics"]
    codes = [{w["code"] for w in answer["warnings"]} for answer in (plain, named)]
    assert codes[1] - codes[0] == {"units_not_simulated"}


@pytest.mark.parametrize(("k", "warned"), [(2, True), (4, False)])
def test_few_units_are_warned_about(asked: Request, k: int, *, warned: bool) -> None:
    answer = simulate(of_design(asked, "cluster", {}, k, "A", effects=[0.2], pilots=50))
    assert ("plan four or more" in answer["says"]) == warned
    assert answer["scenario"]["units"] == {"treated": k, "control": k}


@pytest.mark.parametrize(("design", "waves", "k", "grade"), DESIGNS[:5])
def test_every_design_of_binary_outcomes_is_simulated(
    asked: Request, design: str, waves: dict[str, Any], k: int, grade: str
) -> None:
    """Some pilots of each: the larger the effect, the higher P(δ > 0) reads in what stood in the way."""
    request = of_design(asked, design, waves, k, grade, **BINARY, effects=[-1.5, 1.5], pilots=50)
    simulation = Simulation.of(request).rehearsed()
    assert simulation.graded is not None
    assert simulation.graded.letter == grade
    bad, good = (counted_of(simulation, [simulation.pilot(truth, number) for number in range(8)]) for truth in (1, 2))
    assert bad["refused"]["share"] == good["refused"]["share"] == 0
    assert bad["scale"]["share"] == 0
    unmet = [{r["name"]: r["share"] for r in row["unmet"]} for row in (bad, good)]
    assert unmet[0]["p_benefit"] == 1
    assert unmet[1].get("p_benefit", 0.0) < 0.5
    assert (good["replace"]["share"], bad["replace"]["share"] > 0.5) == (0, grade != "D")


@pytest.mark.parametrize(
    "family",
    [
        {"family": "count", "event_rate": 4.0},
        {"family": "count", "event_rate": 4.0, "dispersion": 0.0},
        {"family": "share", "rate": 0.4, "trials": 20},
        {"family": "duration"},
    ],
    ids=["count", "Poisson", "share", "duration"],
)
def test_other_families_of_two_arms_are_simulated(asked: Request, family: dict[str, Any]) -> None:
    truth = {key: value for key, value in family.items() if key != "family"}
    primary = {"family": family["family"], "reference_sd": None}
    simulation = Simulation.of(asked(primary=primary, effects=[-1.5, 1.5], pilots=50, **truth)).rehearsed()
    bad, good = (counted_of(simulation, [simulation.pilot(effect, number) for number in range(8)]) for effect in (1, 2))
    assert (good["scale"]["share"], bad["replace"]["share"]) == (1, 1)


@pytest.mark.parametrize("sign", [-1, 1])
def test_counts_and_shares_have_the_rates_and_the_spread_that_were_asked_for(asked: Request, sign: int) -> None:
    direction = "higher_is_better" if sign > 0 else "lower_is_better"
    big: dict[str, Any] = {"people": {"treated": 20_000, "control": 20_000}, "pilots": 50, "effects": [0.5]}
    counted = asked(primary={"family": "count", "reference_sd": None, "direction": direction}, event_rate=4.0, **big)
    shared = asked(
        primary={"family": "share", "reference_sd": None, "direction": direction}, rate=0.3, trials=20, **big
    )
    moved = {"count": 4 * np.exp(sign * 0.7 * 0.5), "share": 1 / (1 + (0.7 / 0.3) * np.exp(-sign * 1.8138 * 0.5))}
    for request, family in ((counted, "count"), (shared, "share")):
        simulation = Simulation.of(request)
        (measure,) = simulation.measures
        truth = truth_of(request, simulation.plan, measure, 0.5, 0.0)
        values = MAKERS[simulation.plan.design, measure.family].draw(np.random.default_rng(4), truth, simulation.groups)
        by_arm = {v.group.arm: v.counts[:, -1] for v in values}
        scale = 1 if family == "count" else 20
        assert by_arm["treated"].mean() / scale == pytest.approx(moved[family], rel=0.03)
        assert values[0].counts[:, 0].mean() == pytest.approx(values[1].counts[:, 0].mean(), rel=0.03)
        # 1/√φ = 0.5: φ = 4, so the variance of counts is μ (1 + μ/4) and shares correlate by 1/5 within a record.
        control = by_arm["control"]
        extra = 1 + 4 / 4 if family == "count" else 1 + 19 / 5
        chance = 4 if family == "count" else 20 * 0.3 * 0.7
        assert control.var() / chance == pytest.approx(extra, rel=0.06)


def test_everything_offered_can_be_simulated() -> None:
    assert set(OFFERED) == set(MAKERS)


@pytest.mark.slow
def test_many_units_scale_as_often_as_a_closed_form_says(asked: Request) -> None:
    """Post-only in 25 + 25 units of 16: the SE is that of unit means, √(2 (ICC + unit × time + own/16)/25)."""
    arms = ("treated", "control")
    request = asked(
        plan={"design": "cluster", "baseline": None},
        people=dict.fromkeys(arms, 400),
        units=dict.fromkeys(arms, 25),
        icc=0.1,
        effects=[0.35],
        pilots=300,
    )
    expected = chance_of_scale(0.35, np.sqrt(2 * (0.1 + 0.01 + 0.9 / 16) / 25))
    row = counts_of(request)
    assert row["scale"]["share"] == pytest.approx(expected, abs=4 * row["scale"]["mcse"] + 0.03)


@pytest.mark.slow
def test_two_or_three_units_an_arm_seldom_scale(asked: Request) -> None:
    """A large true effect, as docs/methods.md warns; four units do better."""
    shares = []
    for k in (2, 3, 4):
        units = {"treated": k, "control": k}
        shares.append(counts_of(asked(plan={"design": "cluster"}, units=units, effects=[0.45], pilots=200)))
    found = [row["scale"]["share"] for row in shares]
    assert found[0] < 0.25
    assert found == sorted(found)


# --- drawing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 40])
def test_groups_have_the_moments_that_were_asked_for(asked: Request, n: int) -> None:
    """Small groups are drawn person by person, larger ones as Wishart matrices."""
    request = asked(r=0.6, plan=TWO_LOOKS)
    truth = truth_of(request, request.plan.expanded(), request.plan.measures[0], 0.5, 0.1)
    rng, groups = np.random.default_rng(1), [Group(None, "treated", n, treated=True)] * 6000
    values = drawn(request, rng, truth, groups)
    means, scatter = np.array([v.mean for v in values]), np.array([v.scatter for v in values]) / (n - 1)
    covariance = 0.4 * np.eye(3) + 0.6
    assert means.mean(axis=0) == pytest.approx([0, -0.6, -0.6], abs=4 / np.sqrt(6000 * n))
    assert np.cov(means.T) * n == pytest.approx(covariance, abs=0.08)
    assert scatter.mean(axis=0) == pytest.approx(covariance, abs=0.06)
    # Var(s_ij) of a Wishart matrix: (σ_ij² + σ_ii σ_jj)/(n − 1).
    assert scatter.var(axis=0) * (n - 1) == pytest.approx(covariance**2 + 1, rel=0.15)


def test_binary_values_have_their_rates_and_go_together(asked: Request) -> None:
    """Lower is better: a benefit of 0.4 SD takes 0.4 π/√3 off the logit; r is that of the latent values."""
    request = asked(primary={"family": "binary"}, rate=0.3, r=0.8)
    truth = truth_of(request, request.plan.expanded(), request.plan.measures[0], 0.4, 0.0)
    group = Group(None, "treated", 200_000, treated=True)
    happened = drawn(request, np.random.default_rng(2), truth, [group])[0].people
    assert happened is not None
    after = 1 / (1 + np.exp(-(np.log(0.3 / 0.7) - 0.4 * np.pi / np.sqrt(3))))
    assert happened.mean(axis=0) == pytest.approx([0.3, after], abs=0.005)
    latent = np.random.default_rng(3).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 200_000)
    both = (latent < norm.ppf([0.3, after])).all(axis=1).mean()
    assert happened.all(axis=1).mean() == pytest.approx(both, abs=0.005)


def test_units_vary_as_stated(asked: Request) -> None:
    """Unit means: ICC + unit × time variance + own variance/n; a unit's two waves share the ICC and what r leaves."""
    request = asked(plan={"design": "cluster"}, icc=0.2, unit_time_sd=0.3, r=0.5, units={"treated": 3, "control": 2})
    groups = groups_of(request)
    assert [(g.unit, g.arm, g.n) for g in groups] == [
        ("treated-1", "treated", 20),
        ("treated-2", "treated", 20),
        ("treated-3", "treated", 20),
        ("control-1", "control", 30),
        ("control-2", "control", 30),
    ]
    truth = truth_of(request, request.plan.expanded(), request.plan.measures[0], 0.0, 0.0)
    values = drawn(request, np.random.default_rng(4), truth, [groups[0]] * 8000)
    found = np.cov(np.array([v.mean for v in values]).T)
    own = 0.8 / 20
    expected = [[0.2 + 0.09 + own, 0.2 + 0.5 * own], [0.2 + 0.5 * own, 0.2 + 0.09 + own]]
    assert found == pytest.approx(np.array(expected), abs=0.02)
    assert np.mean([v.scatter for v in values], axis=0) / 19 == pytest.approx(0.8 * (0.5 * np.eye(2) + 0.5), abs=0.02)


# --- running ------------------------------------------------------------------------------------------------------


def test_the_answer_does_not_depend_on_the_processes_but_on_the_seed(
    asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "POOL_FROM", 0.0)
    request = asked(effects=[0.2], pilots=60)
    alone = simulate(request, processes=1)
    assert simulate(request, processes=2) == alone
    other = simulate(request.model_copy(update={"seed": 2}), processes=1)
    assert other["operating_characteristics"] != alone["operating_characteristics"]


def test_parts_computed_apart_and_in_any_order_merge_into_the_same_answer(asked: Request) -> None:
    request = asked(effects=[0.0, 0.4], pilots=60)
    parts = parts_of(request, 25)
    assert len(parts) == 9
    answers = [json.loads(json.dumps(operating.part(request, part, processes=1))) for part in reversed(parts)]
    assert operating.merged(request, answers) == simulate(request, processes=1)
    with pytest.raises(ValueError, match="do not make up the whole"):
        operating.merged(request, answers[1:])


def test_a_refusal_of_a_part_is_that_of_the_whole(asked: Request) -> None:
    request = asked(primary={"role": "secondary"}, effects=[0.2], pilots=50)
    whole = simulate(request, processes=1)
    assert "refused" in whole
    answers = [operating.part(request, part) for part in parts_of(request, 50)]
    assert operating.merged(request, answers) == whole


def test_large_requests_are_split_and_usual_ones_are_not(asked: Request) -> None:
    assert asked().part_size is None
    large = asked(pilots=20_000, effects=[0.0, 0.1, 0.2, 0.3])
    assert large.part_size is not None
    parts = parts_of(large, large.part_size)
    every = [(truth, i) for part in parts for truth, start, stop in part for i in range(start, stop)]
    assert len(every) == len(set(every)) == 100_000


def test_progress_rises_to_one(asked: Request) -> None:
    seen: list[float] = []
    simulate(asked(effects=[0.2], pilots=100), seen.append)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert 0 < seen[0] < 1


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_exception_of_the_progress_cancels_everything(
    asked: Request, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(BaseException):
        pass

    monkeypatch.setattr(operating, "POOL_FROM", 0.0)
    seen: list[float] = []

    def stop(fraction: float) -> None:
        seen.append(fraction)
        if len(seen) == 2:
            raise Enough

    with pytest.raises(Enough):
        simulate(asked(effects=[0.0, 0.2], pilots=2000), stop, processes=processes)
    assert seen[-1] < 0.5


def test_a_pool_that_cannot_start_leaves_the_work_to_one_process(
    asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked(effects=[0.2], pilots=60)
    expected = simulate(request, processes=1)
    monkeypatch.setattr(operating, "POOL_FROM", 0.0)
    monkeypatch.setattr(operating, "_end_with_parent", sys.exit)
    seen: list[float] = []
    assert simulate(request, seen.append, processes=2) == expected
    assert seen[-1] == 1


def test_no_simulation_loads_pymc(asked: Request) -> None:
    request = asked(effects=[0.2], pilots=50).model_dump_json()
    code = (
        "import sys; from analysis.operating import simulate; from analysis.scenario import SimulateRequest; "
        "simulate(SimulateRequest.model_validate_json(sys.stdin.read())); "
        "print([m for m in ('pymc', 'pytensor', 'nutpie') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=request, capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.strip() == "[]"


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"people": {"treated": 60}}, "people names 'treated'"),
        ({"people": {"treated": 60, "other": 60}}, "people names 'other'"),
        ({"people": {"treated": 60, "control": 30_000}}, "less than or equal to 20000"),
        ({"units": {"treated": 2}}, "units names"),
        ({"units": {"treated": 40, "control": 2}, "plan": {"design": "cluster"}}, "at least two a unit"),
        ({"measures": {"x": {"effect": 0.1}}}, "which the plan does not have"),
        ({"measures": {"m": {"effect": 0.1}}}, "are listed under `effects`"),
        ({"primary": {"family": "binary"}}, "give `rate`"),
        ({"primary": {"family": "count"}}, "give `event_rate`"),
        ({"primary": {"family": "share"}, "rate": 0.3}, "`trials` a record"),
        ({"primary": {"family": "share"}, "trials": 20}, "give `rate`"),
        ({"effects": [0.1, 0.1]}, "listed twice"),
        ({"effects": []}, "at least 1 item"),
        ({"pilots": 100_000, "effects": [i / 10 for i in range(12)]}, "at most 1000000"),
        ({"pilots": 10}, "greater than or equal to 50"),
        ({"r": 1.0}, "less than or equal to 0.95"),
        ({"effects": [float("nan")]}, "finite"),
        ({"guess": 1}, "Extra inputs"),
    ],
)
def test_a_request_out_of_form_says_where(asked: Request, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        asked(**change)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"plan": {"design": "its"}}, "not_offered"),
        ({"plan": {"design": "did"}, "primary": {"family": "duration"}}, "not_offered"),
        ({"primary": {"role": "secondary"}}, "no_primary"),
        ({"others": [{"measure": "n"}]}, "several_primaries"),
        ({"primary": {"family": "binary"}, "rate": 0.3, "plan": {"randomised": False}}, "baseline_unlinked"),
        ({"plan": {"control": None}, "people": {"treated": 60}}, "control_missing"),
    ],
)
def test_what_a_fit_would_refuse_is_refused_before_it_is_simulated(
    asked: Request, change: dict[str, Any], code: str
) -> None:
    assert simulate(asked(**change))["refused"]["code"] == code


def test_rare_pilots_without_an_answer_are_counted(asked: Request) -> None:
    """Two people an arm and hardly an event: some pilots are refused, none is invented."""
    tiny = asked(people={"treated": 2, "control": 2}, plan={"baseline": None, "priors": {"effect": "flat"}},
                 primary={"family": "binary", "reference_sd": None}, rate=0.5, effects=[0.0])  # fmt: skip
    answer = simulate(tiny)
    row = rows(answer)[0.0]
    assert 0 < row["refused"]["share"] < 1
    assert row["refused"]["share"] == pytest.approx(1 - 0.25, abs=4 * row["refused"]["mcse"])
    assert "pilots_refused" in {w["code"] for w in answer["warnings"]}
