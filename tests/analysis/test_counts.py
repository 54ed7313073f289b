"""Counts of events: the likelihood and its posteriors by other roads, what is warned of, what is refused."""

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import nbinom, norm, poisson

from analysis import exact, gates, predictive, unit_proportions
from analysis.designs.count_cells import Records
from analysis.designs.count_inputs import KAPPA_LOG, LEAST, UnitCounts
from analysis.designs.dispersion import Dispersion, poisson_group
from analysis.half_normal import ramp
from analysis.unit_counts import phi_of
from analysis.unit_proportions import logit_sds
from tests.analysis.binary_cases import ADJUSTED, EVIDENCE, OBSERVED, agree, summed
from tests.analysis.record_cases import (
    answer,
    ask,
    effect,
    negative_binomial,
    prepared,
    refusal,
    rows,
    unit_events,
)

DESIGNS = ("parallel", "cluster", "cross_section", "did")


def data_of(design: str, seed: int = 3, units: int = 4) -> dict[str, Any]:
    arms = ("t",) if design == "cross_section" else ("c", "t")
    return unit_events(seed, units, arms=arms)


def inputs_of(*args: Any, **kwargs: Any) -> UnitCounts:
    found = prepared(*args, **kwargs).inputs
    assert isinstance(found, UnitCounts)
    return found


# --- by other roads -----------------------------------------------------------------------------------------------


def brute_force(inputs: UnitCounts, z: Any) -> float:
    """Log likelihood of single records at one point: u and v by plain sums, the counts by SciPy's distribution."""
    su, sv = (float(s[0]) for s in logit_sds(inputs, z[None]))
    phi = float(phi_of(inputs, z[None])[0])
    steps = np.linspace(-7, 7, 201)
    log_weights = norm.logpdf(steps) + np.log(steps[1] - steps[0])
    eta = inputs.columns @ z[:5] + inputs.kappa * z[-1] * inputs.exposure
    total = 0.0
    for g in range(len(inputs.units)):
        log_value = log_weights.copy()
        for s in np.flatnonzero(inputs.records[g]):
            at = eta[g, s] + su * steps[:, None] + sv * steps
            mean = inputs.expected[g, s] * np.exp(at)
            log_value += logsumexp(nbinom.logpmf(inputs.events[g, s], phi, phi / (phi + mean)) + log_weights, axis=1)
        total += float(logsumexp(log_value))
    return total


@pytest.mark.parametrize("design", DESIGNS)
def test_the_likelihood_is_that_of_negative_binomial_records_with_unit_effects(design: str) -> None:
    inputs = inputs_of(data_of(design), design=design)
    nodes = unit_proportions.INTEGRATED.nodes(inputs, OBSERVED)
    weights = nodes.weights(OBSERVED).ravel()
    chosen = np.searchsorted(np.cumsum(weights), [0.1, 0.5, 0.9])
    z = unit_proportions.INTEGRATED.filled(inputs, nodes.points.reshape(len(weights), -1)[chosen])
    rule = unit_proportions.rule_of(inputs)
    errors = unit_proportions.log_likelihood(inputs, z, rule) - [brute_force(inputs, point) for point in z]
    assert np.std(errors) < 3e-4


def test_two_arms_of_people_against_a_plain_grid() -> None:
    counts = {("c", "post"): [0, 3, 1, 7, 2, 4, 0, 2], ("t", "post"): [1, 0, 0, 2, 5, 0, 1]}
    inputs = inputs_of(rows(counts))
    rate = 28 / 15
    eta, spread, total = np.linspace(-2.5, 2.5, 61), np.linspace(-6, 3.5, 64), np.linspace(-2.5, 3.5, 81)
    phi = 1 / (ramp(spread) ** 2 + LEAST**2)
    log_value = np.zeros((len(eta), len(spread), len(total)))
    for (arm, _), values in counts.items():
        moved = -KAPPA_LOG * total * (0.5 if arm == "t" else -0.5)
        mean = rate * np.exp(eta[:, None, None] + moved)
        for count in values:
            log_value += nbinom.logpmf(count, phi[:, None], phi[:, None] / (phi[:, None] + mean))
    log_value += norm.logcdf(spread)[:, None] - 0.5 * ramp(spread)[:, None] ** 2
    for run in (OBSERVED, EVIDENCE):
        value = log_value - 0.5 * run.intercept * (eta[:, None, None] / 1.5) ** 2
        density = np.exp(value - value.max()).sum(axis=(0, 1))
        fine = np.linspace(-2.5, 3.5, 6001)
        density = np.exp(np.interp(fine, total, np.log(density)))
        if not run.flat:
            density *= norm.pdf(fine, 0, 0.5)
        # The flat run reaches beyond the grid; there its middle is compared.
        agree(exact.posterior(inputs, run), *summed(fine, density), close=0.05 if run.flat else 0.02)


def test_many_people_give_the_maximum_likelihood_and_its_standard_error() -> None:
    rng = np.random.default_rng(8)
    counts = {("c", "post"): negative_binomial(rng, 4, 0.7, 1500), ("t", "post"): negative_binomial(rng, 3, 0.7, 1500)}

    def loss(theta: Any) -> float:
        phi, value = np.exp(-2 * theta[2]), 0.0
        for (arm, _), k in counts.items():
            mean = np.exp(theta[0] + theta[1] * (arm == "t"))
            value -= nbinom.logpmf(k, phi, phi / (phi + mean)).sum()
        return float(value)

    found = minimize(loss, [1.0, 0.0, -0.3], method="BFGS")
    block = effect(rows(counts))
    assert block["evidence"]["effect_sd"] == pytest.approx(-found.x[1] / KAPPA_LOG, abs=0.005)
    # The information of a mean μ is n / (1/μ + 1/φ), and the dispersion's estimate is independent of it.
    means = np.exp([found.x[0], found.x[0] + found.x[1]])
    error = np.sqrt(((1 / means + np.exp(2 * found.x[2])) / 1500).sum())
    assert block["evidence"]["se_sd"] == pytest.approx(error / KAPPA_LOG, rel=0.01)
    assert block["rate_ratio"]["mean"] == pytest.approx(np.exp(found.x[1]), abs=0.02)
    assert block["raw"]["mean"] == pytest.approx(np.mean(counts["t", "post"]) - np.mean(counts["c", "post"]), abs=0.03)
    assert block["raw"]["unit"] == "events per unit of exposure"


def test_without_dispersion_records_are_poisson() -> None:
    data = {
        "events": [
            {"arm": a, "wave": "post", "events": k, "exposure": e} for a, k, e in (("c", 30, 100), ("t", 14, 90))
        ]
    }
    inputs = inputs_of(data)
    assert inputs.dispersed == 0
    eta, total = np.linspace(-3, 3, 601)[:, None], np.linspace(-2.5, 3.5, 6001)
    rate, value = 44 / 190, 0.0
    for sign, events, exposure in ((-1, 30, 100), (1, 14, 90)):
        value = value + poisson.logpmf(events, exposure * rate * np.exp(eta - sign * KAPPA_LOG * total / 2))
    value = value + norm.logpdf(eta, 0, 1.5) + norm.logpdf(total, 0, 0.5)
    agree(exact.posterior(inputs, OBSERVED), *summed(total, np.exp(value - value.max()).sum(axis=0)), close=0.003)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["did", "cluster"])
def test_nuts_and_the_exact_engine_agree(kind: str) -> None:
    from analysis.engine import settings_of  # noqa: PLC0415
    from analysis.sampling import sample  # noqa: PLC0415

    measure = prepared(data_of(kind), design=kind)
    draws = sample(measure.inputs, ADJUSTED, settings_of(measure), 2, lambda _: None)
    readings = gates.sampler_readings(draws.values, draws.divergences, draws.energy)
    sampled = exact.rao_blackwell(measure.inputs, ADJUSTED, draws.values)
    readings |= gates.agreement_readings(sampled, exact.posterior(measure.inputs, ADJUSTED), (-0.2, 0.0, 0.2))
    readings["predictive"] = gates.predictive_reading(predictive.checks(measure.inputs, draws.values))
    assert all(gates.Reading(name, value, kind, "").passed for name, value in readings.items()), readings


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_a_whole_fit_by_nuts_passes_its_gates(design: str) -> None:
    found = answer(data_of(design), design=design, engine="nuts")
    assert all(gate["passed"] for gate in found["gates"]), found["gates"]


# --- units of measurement, order, sides ---------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_days_or_years_change_nothing_but_raw_numbers(design: str) -> None:
    data = data_of(design)
    years = copy.deepcopy(data)
    for entry in years["events"]:
        entry["exposure"] /= 365.25
    by_day, by_year = effect(data, design=design), effect(years, design=design)
    for name in ("sd", "adjusted", "evidence", "p_benefit", "units", "rate_ratio"):
        assert by_day[name] == by_year[name]
    assert by_day["dispersion"] == pytest.approx(by_year["dispersion"])
    assert by_year["raw"]["mean"] == pytest.approx(365.25 * by_day["raw"]["mean"], rel=1e-9)


@pytest.mark.parametrize("design", ["parallel", "cluster", "did"])
def test_arms_and_direction_that_change_places_leave_the_answer(design: str) -> None:
    data = data_of(design, seed=4)
    turned = {"events": [{**e, "arm": "c" if e["arm"] == "t" else "t"} for e in reversed(data["events"])]}
    first = effect(data, design=design)
    other = effect(turned, design=design, measure={"direction": "higher_is_better"})
    assert other["adjusted"]["mean"] == pytest.approx(first["adjusted"]["mean"], abs=5e-3 * first["adjusted"]["sd"])
    assert other["adjusted"]["sd"] == pytest.approx(first["adjusted"]["sd"], rel=5e-3)
    assert other["p_benefit"] == pytest.approx(first["p_benefit"], abs=2e-3)
    assert effect({"events": data["events"][::-1]}, design=design)["adjusted"] == first["adjusted"]


def test_rows_and_what_they_are_the_counts_of_agree_in_order_of_any_kind() -> None:
    data = rows({("c", "post"): [3, 1, 4, 1, 5], ("t", "post"): [2, 0, 2, 1, 1]})
    again = {"rows": data["rows"][::-1]}
    assert effect(data)["adjusted"] == effect(again)["adjusted"]


def test_sides_that_do_not_differ_leave_benefit_and_harm_as_likely() -> None:
    same = [0, 2, 1, 5, 0, 3]
    assert effect(rows({("c", "post"): same, ("t", "post"): same}))["p_benefit"] == pytest.approx(0.5, abs=1e-3)


# --- overdispersion -----------------------------------------------------------------------------------------------


def test_counts_that_are_not_poisson_are_found_and_shown_beside() -> None:
    rng = np.random.default_rng(2)
    block = effect(
        rows({("c", "post"): negative_binomial(rng, 5, 1.0, 40), ("t", "post"): negative_binomial(rng, 5, 1.0, 40)})
    )
    assert "overdispersed" in block["codes"]
    assert block["dispersion"]["ratio"] > 2
    assert block["dispersion"]["records"] == 80
    (beside,) = block["alternatives"]
    assert beside["model"] == "Poisson"
    assert beside["sd"]["sd"] < 0.75 * block["sd"]["sd"]


def test_poisson_counts_pass_and_lose_little_by_the_wider_model() -> None:
    rng = np.random.default_rng(5)
    data = rows({("c", "post"): rng.poisson(5, 60), ("t", "post"): rng.poisson(4, 60)})
    block = effect(data)
    assert "overdispersed" not in block["codes"]
    assert "alternatives" not in block
    assert block["dispersion"]["p"] > 0.01
    import dataclasses  # noqa: PLC0415

    inputs = inputs_of(data)
    plain = exact.posterior(dataclasses.replace(inputs, dispersed=0.0), OBSERVED)
    assert block["sd"]["sd"] == pytest.approx(plain.sd, rel=0.06)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0.1, 20)), min_size=2, max_size=20), st.floats(0.01, 100))
def test_pearsons_statistic_knows_no_unit_of_exposure_and_no_order(
    records: list[tuple[int, float]], scale: float
) -> None:
    events, exposure = np.array(records, dtype=float).T
    one = np.ones(len(events))
    found = poisson_group(events, exposure, one)
    assert poisson_group(events[::-1], scale * exposure[::-1], one).squares == pytest.approx(found.squares)
    assert found.free == (len(events) - 1 if events.sum() else 0)
    assert 0 <= Dispersion.of([found]).p <= 1


@given(
    st.dictionaries(st.integers(0, 9), st.integers(1, 5), max_size=4),
    st.dictionaries(st.integers(0, 9), st.integers(1, 5), max_size=4),
)
def test_records_add_up(first: dict[int, int], second: dict[int, int]) -> None:
    both = Records(first, 2.0) + Records(second, 3.0)
    assert both.events == Records(first).events + Records(second).events
    assert both.n == sum(first.values()) + sum(second.values())
    assert both.exposure == 5


TOTALS = {"events": [{"arm": a, "wave": "post", "events": k, "exposure": 100.0} for a, k in (("c", 60), ("t", 30))]}


def test_one_total_an_arm_is_poisson_with_a_warning_and_never_scales() -> None:
    block = effect(TOTALS)
    assert "dispersion_unknown" in block["codes"]
    assert block["p_benefit"] > 0.99
    assert block["outcome"] == "refine"
    assert block["dispersion"] == {"ratio": None, "p": None, "records": 0}


@pytest.mark.parametrize("design", ["did", "cross_section", "cluster"])
def test_one_record_an_arm_and_wave_cannot_tell_dispersion_in_any_design(design: str) -> None:
    data = data_of(design, units=1)
    assert "dispersion_unknown" in effect(data, design=design)["codes"]


# --- nothing happened ---------------------------------------------------------------------------------------------


def test_an_arm_without_events_has_an_answer_and_no_evidence() -> None:
    block = effect(rows({("c", "post"): [2, 1, 0, 3, 1, 1, 2, 2], ("t", "post"): [0] * 8}))
    assert block["evidence"] == {"effect_sd": None, "se_sd": None}
    assert block["p_benefit"] > 0.8
    assert {"evidence_unbounded", "few_events"} <= set(block["codes"])


@pytest.mark.parametrize("design", DESIGNS)
def test_no_event_at_all_leaves_the_prior(design: str) -> None:
    data = data_of(design)
    nothing = {"events": [{**e, "events": 0} for e in data["events"]]}
    block = effect(nothing, design=design)
    assert "no_contrast" in block["codes"]
    assert block["evidence"]["effect_sd"] is None
    assert block["sd"]["mean"] == pytest.approx(0.0, abs=5e-3)
    assert block["sd"]["sd"] == pytest.approx(0.5, abs=0.02)


def test_a_cell_without_events_and_a_flat_prior_are_refused() -> None:
    found = refusal(rows({("c", "post"): [2, 1, 0], ("t", "post"): [0] * 3}), priors={"effect": "flat"})
    assert found["code"] == "improper_posterior"


def test_over_time_a_wave_without_events_bounds_nothing() -> None:
    """Three cells of a difference in differences do not hold the fourth."""
    data = data_of("did")
    empty = {
        "events": [
            {**e, "events": 0 if (e["arm"], e["wave"]) == ("t", "post") else e["events"]} for e in data["events"]
        ]
    }
    assert effect(empty, design="did")["evidence"]["effect_sd"] is None
    assert effect(data, design="did")["evidence"]["effect_sd"] is not None


# --- designs ------------------------------------------------------------------------------------------------------


def test_event_study_of_log_rates_allows_for_the_overdispersion() -> None:
    waves = [{"key": k, "kind": "followup" if k == "post" else "baseline"} for k in ("pre0", "pre", "post")]
    levels = {
        ("c", "pre0"): 20,
        ("c", "pre"): 20,
        ("t", "pre0"): 20,
        ("t", "pre"): 60,
        ("c", "post"): 20,
        ("t", "post"): 60,
    }
    calm = {
        "events": [
            {"arm": a, "unit": f"{a}{u}", "wave": w, "events": k, "exposure": 2.0}
            for (a, w), k in levels.items()
            for u in range(4)
        ]
    }
    block = effect(calm, design="did", waves=waves)
    (step,) = block["parallel_trends"]
    assert step["mean"] == pytest.approx(-np.log(3) / KAPPA_LOG, rel=0.02)
    assert step["sd"] == pytest.approx(np.sqrt(3 / 80 + 1 / 240) / KAPPA_LOG, rel=0.02)
    assert "trends_differ" in block["codes"]
    wild = copy.deepcopy(calm)
    for i, entry in enumerate(wild["events"]):
        entry["events"] = int(entry["events"] * (1.8 if i % 2 else 0.2))
    wider = effect(wild, design="did", waves=waves)
    assert wider["parallel_trends"][0]["sd"] == pytest.approx(
        step["sd"] * np.sqrt(wider["dispersion"]["ratio"]), rel=0.05
    )


def test_a_baseline_of_a_randomised_comparison_is_shown_beside() -> None:
    counts = {
        ("c", "pre"): [4, 5, 3] * 6,
        ("t", "pre"): [6, 7, 5] * 6,
        ("c", "post"): [4, 5, 3] * 6,
        ("t", "post"): [4, 5, 3] * 6,
    }
    block = effect(rows(counts))
    assert block["comparison"] == "post-only"
    assert block["balance"]["t"]["rate"] == 6
    assert block["balance"]["difference_sd"] == pytest.approx(-np.log(6 / 4) / KAPPA_LOG, rel=0.01)
    assert block["baseline_adjusted"]["mean"] == pytest.approx(np.log(6 / 4) / KAPPA_LOG, rel=0.01)
    assert refusal(rows(counts), randomised=False)["code"] == "baseline_unlinked"


def test_linked_rows_are_taken_for_different_people_and_told() -> None:
    data = rows({("c", "pre"): [1, 2], ("t", "pre"): [3, 1], ("c", "post"): [2, 2], ("t", "post"): [0, 1]})
    for i, row in enumerate(data["rows"]):
        row["participant"] = f"{row['arm']}{i % 2}"
    assert "participants_unused" in effect(data)["codes"]
    assert "participants_unused" in effect(data, design="did", randomised=False)["codes"]


def test_units_of_counts_are_listed_with_their_departures() -> None:
    data = unit_events(9, 5)
    for entry in data["events"]:
        entry["events"] = 40 if entry["unit"] == "t0" else 10
    block = effect(data, design="cluster", priors={"unit_sd": {"scale": 1.0}})
    departures = {u["unit"]: u["departure"]["mean"] for u in block["units"]}
    # More events are worse here: the unit lies below what is expected of its arm.
    assert departures["t0"] == min(departures.values()) < -0.03
    assert {u["n"] for u in block["units"]} == {1}


def test_a_reference_sd_of_logarithms_replaces_the_usual_one() -> None:
    data = rows({("c", "post"): [4] * 30, ("t", "post"): [3] * 30})
    usual, wide = (
        effect(data, priors={"effect": "flat"}),
        effect(data, measure={"reference_sd": 1.4}, priors={"effect": "flat"}),
    )
    assert wide["evidence"]["effect_sd"] == pytest.approx(usual["evidence"]["effect_sd"] / 2, rel=1e-4)


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "below zero": (rows({("c", "post"): [1, -1], ("t", "post"): [1, 2]}), {}, "not_a_count"),
    "not whole": (rows({("c", "post"): [1, 1.5], ("t", "post"): [1, 2]}), {}, "not_a_count"),
    "an empty arm": (rows({("c", "post"): [1, 2]}), {}, "arm_empty"),
    "a wave missing": (rows({("t", "pre"): [1, 2]}), {"design": "cross_section"}, "arm_empty"),
    "cells": ({"cells": [{"arm": "c", "wave": "post", "n": 9, "mean": 3, "sd": 2}]}, {}, "wrong_shape"),
    "a cell twice": ({"events": TOTALS["events"] * 2}, {}, "duplicate_cell"),
    "an unknown arm": (rows({("x", "post"): [1]}), {}, "unknown_arm"),
    "a reference SD of raw counts": (TOTALS, {"measure": {"reference_sd": 12.0}}, "reference_sd_not_log"),
    "units in both arms": (
        {"events": [{**e, "unit": "same"} for e in TOTALS["events"]]},
        {"design": "cluster"},
        "unit_in_both_arms",
    ),
    "not linked over time": (data_of("did"), {"design": "paired"}, "not_offered"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_counts_are_refused_with_what_would_help(bad: str) -> None:
    data, plan, code = BAD[bad]
    assert refusal(data, **plan)["code"] == code


@pytest.mark.parametrize(("events", "exposure"), [((0, 1), 1e-6), ((900_000, 1_100_000), 1.0), ((3, 5), 1e12)])
def test_huge_and_tiny_numbers_have_finite_answers(events: tuple[int, int], exposure: float) -> None:
    data = {
        "events": [
            {"arm": a, "unit": f"{a}{u}", "wave": "post", "events": k + u, "exposure": exposure}
            for a, k in zip("ct", events, strict=True)
            for u in range(4)
        ]
    }
    block = effect(data, design="cluster")
    assert np.isfinite(block["sd"]["mean"])
    assert block["sd"]["sd"] > 0


def test_predictive_checks_fail_on_draws_that_miss_the_data() -> None:
    rng = np.random.default_rng(1)
    inputs = inputs_of(
        rows({("c", "post"): negative_binomial(rng, 5, 1.0, 60), ("t", "post"): negative_binomial(rng, 5, 1.0, 60)})
    )
    zero = np.zeros((4, 200))
    for level, dispersion, passed in ((0.0, 1.0, True), (2.0, 1.0, False), (0.0, 0.01, False)):
        draws = {
            "coefficients": np.repeat((zero + level)[..., None], 5, axis=-1) * [1, 0, 0, 0, 0],
            "total": zero,
            "unit_sd": zero + 0.1,
            "unit_time_sd": zero + 0.1,
            "dispersion": zero + dispersion,
        }
        found = predictive.checks(inputs, draws)
        assert {c.quantity for c in found} == {"rate", "dispersion"}
        assert gates.Reading("predictive", gates.predictive_reading(found), "m", "r").passed == passed


def test_the_same_request_has_the_same_answer() -> None:
    request = ask(data_of("cluster"), design="cluster")
    from analysis.fit import fit  # noqa: PLC0415

    assert fit(request) == fit(request)
