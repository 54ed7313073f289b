"""Real sampling: published data and references by two roads, the same numbers twice, progress and cancelling."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from analysis.documents import FitRequest, confirmatory_seed
from analysis.draws import as_table, as_tree
from analysis.fit import Fit, fit, fit_with_draws
from analysis.sampling import Sampler, sample

Ask = Callable[..., FitRequest]

LORD: dict[str, Any] = {
    "pairs": [
        {"arm": "control", "n": 94, "mean": [9.9771, 9.9775], "sd": [0.9383, 1.1382], "r": 0.8946},
        {"arm": "treated", "n": 106, "mean": [11.9131, 13.8884], "sd": [0.9733, 1.1078], "r": 0.8935},
    ]
}


@pytest.fixture(scope="module")
def coached() -> Fit:
    request = {
        "plan": {
            "design": "parallel",
            "treated": "intervention",
            "control": "control",
            "measures": [
                {
                    "measure": "mbi_ee",
                    "family": "normal",
                    "direction": "lower_is_better",
                    "reference_sd": 10.3,
                    "scope": "global",
                }
            ],
            "followup_months": 6,
            "randomised": True,
            "attrition": {"intervention": 0.07, "control": 0.07},
        },
        "data": {
            "mbi_ee": {
                "changes": [
                    {"arm": "intervention", "n": 41, "mean": -5.2, "sd": 8.7},
                    {"arm": "control", "n": 41, "mean": 1.5, "sd": 7.7},
                ]
            }
        },
    }
    return fit_with_draws(FitRequest.model_validate(request))


def test_coaching_trial_agrees_with_the_closed_form(coached: Fit) -> None:
    """The normal approximation of a textbook: Δ̂ = 6.7 / 10.3, SE² = Σ s²/n, prior N(0, 0.5), bias SD 0.05."""
    estimate = 6.7 / 10.3
    se2 = (8.7**2 / 41 + 7.7**2 / 41) / 10.3**2
    effect = coached.answer["effects"][0]
    assert effect["evidence"]["effect_sd"] == pytest.approx(estimate, abs=0.01)
    assert effect["evidence"]["se_sd"] == pytest.approx(se2**0.5, abs=0.01)
    for block, bias2 in (("sd", 0.0), ("adjusted", 0.05**2)):
        precision = 1 / (se2 + bias2) + 1 / 0.5**2
        mean, sd = estimate / (se2 + bias2) / precision, precision**-0.5
        assert effect[block]["mean"] == pytest.approx(mean, abs=0.01)
        assert effect[block]["sd"] == pytest.approx(sd, abs=0.01)
        assert effect[block]["interval"]["low"] == pytest.approx(mean - 1.96 * sd, abs=0.02)
    assert effect["p_meaningful"] == pytest.approx(float(norm.sf((0.2 - mean) / sd)), abs=0.005)
    sceptical = 1 / (se2 + 0.05**2) + 1 / 0.2**2
    z = estimate / (se2 + 0.05**2) / sceptical**0.5
    assert effect["p_benefit_sceptical"] == pytest.approx(float(norm.cdf(z)), abs=0.005)
    assert effect["raw"]["mean"] == pytest.approx(-10.3 * effect["sd"]["mean"])
    assert effect["raw"]["interval"]["low"] < effect["raw"]["mean"] < effect["raw"]["interval"]["high"] < 0


def test_coaching_trial_keeps_its_numbers(coached: Fit) -> None:
    effect = coached.answer["effects"][0]
    for block, mean, sd in (("sd", 0.574, 0.170), ("adjusted", 0.569, 0.176)):
        assert effect[block]["mean"] == pytest.approx(mean, abs=0.002)
        assert effect[block]["sd"] == pytest.approx(sd, abs=0.002)


def test_coaching_trial_scales_with_all_gates_and_its_warnings(coached: Fit) -> None:
    answer = coached.answer
    assert answer["grade"] == "A"
    assert [g["name"] for g in answer["gates"] if not g["passed"]] == []
    recommendation = answer["recommendation"]
    assert (recommendation["outcome"], recommendation["provisional"]) == ("scale", False)
    assert {w["code"] for w in answer["warnings"]} == {"change_score_only", "global_primary", "prior_sensitive"}
    assert answer["tipping_point"]["status"] == "assessed"
    assert answer["tipping_point"]["flips_at"] is None
    assert answer["provenance"]["seed"] == confirmatory_seed(
        answer["provenance"]["plan_hash"], answer["provenance"]["data_hash"]
    )
    json.dumps(answer, allow_nan=False)


def test_draws_are_of_the_posterior_that_is_reported(coached: Fit) -> None:
    table = as_table(as_tree(coached.draws))
    assert list(table.columns[:4]) == ["measure", "run", "chain", "draw"]
    adjusted = table[(table["measure"] == "mbi_ee") & (table["run"] == "adjusted")]
    block = coached.answer["effects"][0]["adjusted"]
    assert len(adjusted) == 4 * 1000
    assert adjusted["delta"].mean() == pytest.approx(block["mean"], abs=0.1 * block["sd"])
    assert adjusted["delta"].std() == pytest.approx(block["sd"], rel=0.1)
    assert adjusted["delta"].quantile(0.025) == pytest.approx(block["interval"]["low"], abs=0.2 * block["sd"])
    assert {"sigma_0", "sigma_1", "alpha", "total"} <= set(table.columns)


def test_draws_can_be_kept_as_netcdf(coached: Fit, tmp_path: Any) -> None:
    import xarray as xr  # noqa: PLC0415

    as_tree(coached.draws).to_netcdf(tmp_path / "draws.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "draws.nc", engine="h5netcdf") as again:
        stored = again["mbi_ee/adjusted/posterior/delta"].to_numpy()
    assert (stored == coached.draws["mbi_ee"]["adjusted"].values["delta"]).all()


def test_two_arms_from_pairs_reference(ask: Ask) -> None:
    """Published: 1.8824 (SE 0.1019); the change score 1.975 and the post-only 3.911 are the traps."""
    request = ask(
        LORD,
        primary={"reference_sd": 2.0},
        priors={"effect": "flat", "slope": "flat"},
        engine="nuts",
    )
    effect = fit(request)["effects"][0]
    assert effect["raw"]["mean"] == pytest.approx(1.8824, abs=0.1 * 0.1019)
    assert effect["raw"]["sd"] == pytest.approx(0.1019, rel=0.1)
    slope = as_table(as_tree(fit_with_draws(request).draws)).query("run == 'as_observed'")["beta"]
    assert slope.mean() == pytest.approx(1.0478, abs=0.02)
    assert effect["slope"]["mean"] == pytest.approx(1.0478, abs=0.005)
    assert effect["slope"]["mean"] == pytest.approx(slope.mean(), abs=0.1 * slope.std())
    assert effect["slope"]["sd"] == pytest.approx(slope.std(), rel=0.1)


@pytest.mark.parametrize(("x", "n", "p"), [((0, 3), (12, 14), 0.9333), ((5, 5), (5, 5), 0.5)])
def test_two_proportions_reference(ask: Ask, x: tuple[int, int], n: tuple[int, int], p: float) -> None:
    counts = {
        "counts": [
            {"arm": arm, "wave": "post", "x": xs, "n": ns}
            for arm, xs, ns in zip(("treated", "control"), x, n, strict=True)
        ]
    }
    answer = fit(ask(counts, primary={"family": "binary", "direction": "lower_is_better"}, engine="nuts"))
    assert answer["effects"][0]["unadjusted"]["p_benefit"] == pytest.approx(p, abs=1e-4)
    codes = {w["code"] for w in answer["warnings"]}
    assert ("no_contrast" in codes) == (x == n)
    assert "evidence_unbounded" in codes
    assert answer["effects"][0]["evidence"] == {"effect_sd": None, "se_sd": None}


@pytest.mark.parametrize("case", ["changes", "pairs", "unknown_r", "binary", "borrow"])
def test_nuts_agrees_with_the_exact_engine(ask: Ask, case: str) -> None:
    pairs = json.loads(json.dumps(LORD))
    counts = [
        {"arm": "treated", "wave": "post", "x": 19, "n": 51},
        {"arm": "control", "wave": "post", "x": 24, "n": 56},
    ]
    for pair in pairs["pairs"] if case == "unknown_r" else []:
        pair["r"] = None
    data, primary = {
        "changes": (None, {}),
        "borrow": (None, {}),
        "pairs": (pairs, {"reference_sd": 2.0}),
        "unknown_r": (pairs, {"reference_sd": 2.0}),
        "binary": ({"counts": counts}, {"family": "binary"}),
    }[case]
    priors = {"borrow": {"mean": 0.3, "sd": 0.1}} if case == "borrow" else {}
    sampled, exact = (fit(ask(data, primary=primary, priors=priors, engine=engine)) for engine in ("nuts", "exact"))
    mine, twin = sampled["effects"][0], exact["effects"][0]
    for block in ("sd", "adjusted", "raw"):
        assert mine[block]["mean"] == pytest.approx(twin[block]["mean"], abs=0.1 * twin[block]["sd"])
        assert mine[block]["sd"] == pytest.approx(twin[block]["sd"], rel=0.1)
    for name in ("p_benefit", "p_meaningful", "p_below_zero", "p_harm", "p_rope", "p_benefit_sceptical"):
        assert mine[name] == pytest.approx(twin[name], abs=0.02)
    assert mine["exact"]["mean"] == twin["adjusted"]["mean"]
    assert sampled["recommendation"]["outcome"] == exact["recommendation"]["outcome"]
    assert all(g["passed"] for g in sampled["gates"])
    assert {g["passed"] for g in exact["gates"]} == {None}


@pytest.mark.parametrize("randomised", [True, False], ids=["A", "C"])
@pytest.mark.parametrize("case", ["changes", "pairs", "unknown_r", "binary", "unequal"])
def test_large_pilots_pass_every_gate(ask: Ask, case: str, *, randomised: bool) -> None:
    """SE(Δ) far below the SD of the bias: sampled side by side, δ and b would be a ridge too thin to walk."""
    n = 20_000
    pair = {"n": n, "mean": [0.0, 0.0], "sd": [1.0, 1.0], "r": None if case == "unknown_r" else 0.7}
    counts = [("treated", 11_000, n), ("control", 10, 20) if case == "unequal" else ("control", 10_000, n)]
    data = {
        "changes": {
            "changes": [{"arm": a, "n": n, "mean": m, "sd": 0.8} for a, m in (("treated", 0.25), ("control", 0.0))]
        },
        "pairs": {"pairs": [{**pair, "arm": "treated", "mean": [0.3, 0.5]}, {**pair, "arm": "control"}]},
    }
    data["unknown_r"] = data["pairs"]
    data["binary"] = data["unequal"] = {
        "counts": [{"arm": a, "wave": "post", "x": x, "n": people} for a, x, people in counts]
    }
    primary = {"family": "binary"} if case in ("binary", "unequal") else {}
    answer, exact = (
        fit(ask(data[case], primary=primary, randomised=randomised, engine=engine)) for engine in ("nuts", "exact")
    )
    assert [g["name"] for g in answer["gates"] if not g["passed"]] == []
    assert answer["provenance"]["sampler"]["refits"] == []
    mine, twin = answer["effects"][0], exact["effects"][0]
    for block in ("sd", "adjusted"):
        assert mine[block]["mean"] == pytest.approx(twin[block]["mean"], abs=0.06 * twin[block]["sd"])
        assert mine[block]["sd"] == pytest.approx(twin[block]["sd"], rel=0.05)
    assert mine["p_meaningful"] == pytest.approx(twin["p_meaningful"], abs=0.01)


@pytest.mark.parametrize("engine", ["exact", "nuts"])
def test_evidence_is_the_estimate_of_the_data_alone(ask: Ask, engine: str) -> None:
    """Means far from the centre of the scale: the prior on the intercept must not reach what a synthesis takes."""
    cells = [{"arm": a, "wave": "post", "n": 50, "mean": m, "sd": 10.0} for a, m in (("treated", 29), ("control", 20))]
    primary = {"reference_sd": 10.0, "reference_mean": 0.0}
    effect = fit(ask({"cells": cells}, primary=primary, engine=engine))["effects"][0]
    assert effect["evidence"]["effect_sd"] == pytest.approx(0.9, abs=0.01)
    assert effect["evidence"]["se_sd"] == pytest.approx(0.2, abs=0.005)
    counts = [{"arm": a, "wave": "post", "x": x, "n": 400} for a, x in (("treated", 388), ("control", 380))]
    effect = fit(ask({"counts": counts}, primary={"family": "binary"}, engine=engine))["effects"][0]
    estimate = (np.log(388 / 12) - np.log(380 / 20)) / (np.pi / np.sqrt(3))
    assert effect["evidence"]["effect_sd"] == pytest.approx(estimate, abs=0.02)


def test_the_same_request_gives_the_same_numbers(ask: Ask) -> None:
    first, again = (fit(ask(engine="nuts", seed=7)) for _ in range(2))
    other = fit(ask(engine="nuts", seed=8))
    assert first == again
    assert other["effects"][0]["sd"] != first["effects"][0]["sd"]


def test_another_measure_does_not_move_the_draws_of_the_first(ask: Ask) -> None:
    alone = fit(ask(engine="nuts"))["effects"][0]
    others = {"safety": ({"role": "balancing"}, ask().data["m"].model_dump(mode="json", exclude_none=True))}
    beside = fit(ask(engine="nuts", others=others))
    assert beside["effects"][0] == alone
    assert beside["effects"][1]["verdict"] == "passed"


def test_chains_do_not_depend_on_how_many_run_at_once(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    together = fit(ask(engine="nuts"))
    monkeypatch.setattr("os.process_cpu_count", lambda: 1)
    assert fit(ask(engine="nuts"))["effects"] == together["effects"]


@pytest.mark.slow
def test_another_process_gives_the_same_numbers(coaching: dict[str, Any]) -> None:
    mine = fit(FitRequest.model_validate(coaching))
    run = subprocess.run(
        [sys.executable, "-m", "analysis", "fit"],
        input=json.dumps(coaching),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert json.loads(run.stdout) == json.loads(json.dumps(mine))


def test_progress_is_of_the_draws_and_never_falls(ask: Ask) -> None:
    seen: list[float] = []
    fit(ask(engine="nuts"), progress=seen.append)
    assert all(a <= b for a, b in pairwise(seen))
    assert seen[-1] == 1.0
    assert len({round(value, 1) for value in seen}) > 4


class Stopped(Exception):
    pass


def test_what_progress_raises_cancels_the_sampling(ask: Ask) -> None:
    calls: list[float] = []

    def stop(fraction: float) -> None:
        calls.append(fraction)
        if len(calls) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        fit(ask(engine="nuts"), progress=stop)
    assert len(calls) == 3
    assert fit(ask(engine="nuts"))["recommendation"]["outcome"] == "scale"


def test_a_long_sampling_is_left_at_once() -> None:
    import time  # noqa: PLC0415

    from analysis.designs.inputs import TwoMeans  # noqa: PLC0415
    from analysis.documents import NormalPrior  # noqa: PLC0415
    from analysis.priors import NO_BIAS, Run, normal  # noqa: PLC0415

    inputs = TwoMeans(np.array([40.0, 40.0]), np.array([0.0, 0.4]), np.array([40.0, 40.0]), 1.0)
    run = Run("long", normal(NormalPrior(mean=0, sd=0.5)), NO_BIAS)
    sample(inputs, run, Sampler(draws=10, tune=50), 1, lambda _: None)  # whatever compiles, compiles here
    began: list[float] = []

    def stop(fraction: float) -> None:
        if fraction > 0:
            began.append(time.perf_counter())
            raise Stopped

    with pytest.raises(Stopped):
        sample(inputs, run, Sampler(draws=2_000_000), 1, stop)
    assert time.perf_counter() - began[0] < 2


def test_compass_is_refined_with_its_baseline_beside(compass: dict[str, Any]) -> None:
    answer = fit(FitRequest.model_validate(compass))
    primary, other = answer["effects"]
    assert answer["grade"] == "A"
    assert answer["recommendation"]["outcome"] == "refine"
    assert primary["raw"]["mean"] == pytest.approx(20 / 53 - 25 / 58)
    assert primary["balance"]["intervention"]["share"] == 0.5
    assert primary["baseline_adjusted"]["mean"] > primary["sd"]["mean"]
    assert other["role"] == "global"
    assert {w["code"] for w in answer["warnings"]} >= {"global_primary", "attrition_unknown"}
    tipping = next(c for c in answer["recommendation"]["criteria"] if c["name"] == "tipping_point")
    assert (tipping["value"], tipping["met"]) == (None, None)


def test_priors_far_from_the_data_are_not_believed(ask: Ask) -> None:
    """An intercept prior of N(0, 1) against 40 SD: replicated data do not look like the observed, no verdict."""
    cells = [
        {"arm": "treated", "wave": "post", "n": 3, "mean": 40.4, "sd": 0.9},
        {"arm": "control", "wave": "post", "n": 3, "mean": 40.0, "sd": 0.9},
    ]
    answer = fit(ask({"cells": cells}, primary={"reference_mean": 0.0}, engine="nuts"))
    failed = [g["name"] for g in answer["gates"] if not g["passed"]]
    assert "predictive" in failed
    assert answer["recommendation"]["outcome"] == "indeterminate"
