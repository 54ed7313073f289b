"""Shares of trials: the beta-binomial by other roads, what is warned of, what is refused."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import betabinom, binom, norm

from analysis import exact, gates, predictive
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.count_inputs import LEAST
from analysis.designs.share_inputs import Shares
from analysis.half_normal import ramp
from tests.analysis.binary_cases import ADJUSTED, OBSERVED, agree, summed
from tests.analysis.record_cases import effect, prepared, refusal


def shares(control: Any, treated: Any, n: int = 40, wave: str = "post") -> dict[str, Any]:
    """Records of both arms under names of their own."""
    return {
        "counts": [
            {"arm": arm, "unit": f"{arm}{i}", "wave": wave, "x": int(x), "n": n}
            for arm, values in (("c", control), ("t", treated))
            for i, x in enumerate(values)
        ]
    }


def drawn(rng: np.random.Generator, mean: float, phi: float, records: int, n: int = 40) -> Any:
    return rng.binomial(n, rng.beta(phi * mean, phi * (1 - mean), records))


def inputs_of(data: dict[str, Any]) -> Shares:
    found = prepared(data, "share").inputs
    assert isinstance(found, Shares)
    return found


def test_two_arms_of_records_against_a_plain_grid() -> None:
    control, treated = [12, 3, 20, 9], [5, 2, 11, 1, 8]
    inputs = inputs_of(shares(control, treated))
    eta, spread, total = np.linspace(-4, 2.5, 53), np.linspace(-6, 3, 61), np.linspace(-1.5, 2.5, 81)
    phi = (1 / (ramp(spread) ** 2 + LEAST**2))[:, None]
    log_value = norm.logcdf(spread)[:, None] - 0.5 * ramp(spread)[:, None] ** 2 - 0.5 * (eta[:, None, None] / 1.5) ** 2
    for values, side in ((control, 0.5), (treated, -0.5)):
        p = expit(eta[:, None, None] + side * KAPPA_LOGIT * total)
        for x in values:
            log_value = log_value + betabinom.logpmf(x, 40, phi * p, phi * (1 - p))
    density = np.exp(log_value - log_value.max()).sum(axis=(0, 1))
    fine = np.linspace(-1.5, 2.5, 4001)
    density = np.exp(np.interp(fine, total, np.log(density))) * norm.pdf(fine, 0, 0.5)
    agree(exact.posterior(inputs, OBSERVED), *summed(fine, density))


def test_many_records_give_the_shares_and_their_standard_errors_back() -> None:
    rng = np.random.default_rng(4)
    control, treated = drawn(rng, 0.4, 5.0, 800), drawn(rng, 0.3, 5.0, 800)
    block = effect(shares(control, treated), "share")
    shown = [part.mean() / 40 for part in (control, treated)]
    assert block["raw"]["mean"] == pytest.approx(shown[1] - shown[0], abs=0.003)
    assert block["raw"]["unit"] == "difference of shares"
    assert block["evidence"]["effect_sd"] == pytest.approx(-(logit(shown[1]) - logit(shown[0])) / KAPPA_LOGIT, abs=0.01)
    # A record's share varies by p (1 − p) (1 + 39 ρ) / 40 with ρ = 1/6.
    variance = sum((1 + 39 / 6) / (40 * 800 * p * (1 - p)) for p in shown)
    assert block["evidence"]["se_sd"] == pytest.approx(np.sqrt(variance) / KAPPA_LOGIT, rel=0.06)
    assert block["dispersion"]["ratio"] == pytest.approx(1 + 39 / 6, rel=0.1)


def test_records_that_vary_beyond_chance_are_found_and_shown_beside() -> None:
    rng = np.random.default_rng(1)
    block = effect(shares(drawn(rng, 0.4, 4.0, 15), drawn(rng, 0.3, 4.0, 15)), "share")
    assert "overdispersed" in block["codes"]
    (beside,) = block["alternatives"]
    assert beside["model"] == "binomial"
    assert beside["sd"]["sd"] < 0.6 * block["sd"]["sd"]
    calm = effect(shares(rng.binomial(40, 0.4, 15), rng.binomial(40, 0.3, 15)), "share")
    assert "overdispersed" not in calm["codes"]
    assert "alternatives" not in calm


def test_one_record_an_arm_is_binomial_with_a_warning_and_never_scales() -> None:
    data = {"counts": [{"arm": a, "wave": "post", "x": x, "n": 200} for a, x in (("c", 120), ("t", 60))]}
    block = effect(data, "share")
    assert "dispersion_unknown" in block["codes"]
    assert block["p_benefit"] > 0.99
    assert block["outcome"] == "refine"
    eta, total = np.linspace(-2, 2, 401)[:, None], np.linspace(-1.0, 2.0, 1501)
    value = norm.logpdf(eta, 0, 1.5) + norm.logpdf(total, 0, 0.5)
    for x, side in ((120, 0.5), (60, -0.5)):
        value = value + binom.logpmf(x, 200, expit(eta + side * KAPPA_LOGIT * total))
    density = np.exp(value - value.max()).sum(axis=0)
    agree(exact.posterior(inputs_of(data), OBSERVED), *summed(total, density), close=0.005)


def test_sides_that_change_places_turn_the_effect_about() -> None:
    control, treated = [12, 3, 20, 9], [5, 2, 11, 1, 8]
    first = effect(shares(control, treated), "share")
    other = effect(shares(treated, control), "share", measure={"direction": "higher_is_better"})
    without = effect(shares([40 - x for x in treated], [40 - x for x in control]), "share")
    for turned in (other, without):
        assert turned["p_benefit"] == pytest.approx(first["p_benefit"], abs=1e-3)
        assert turned["adjusted"]["sd"] == pytest.approx(first["adjusted"]["sd"], rel=3e-3)
    backwards = {"counts": shares(control, treated)["counts"][::-1]}
    assert effect(backwards, "share")["adjusted"] == first["adjusted"]
    same = effect(shares(control, control), "share")
    assert same["p_benefit"] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("control", "treated"), [([0, 0, 0], [5, 3, 4]), ([4, 9, 2], [40, 40, 40])])
def test_an_arm_at_the_end_of_the_scale_has_an_answer_and_no_evidence(control: list[int], treated: list[int]) -> None:
    block = effect(shares(control, treated), "share")
    assert block["evidence"] == {"effect_sd": None, "se_sd": None}
    assert refusal(shares(control, treated), "share", priors={"effect": "flat"})["code"] == "improper_posterior"


def test_nothing_anywhere_leaves_the_prior() -> None:
    block = effect(shares([0] * 4, [0] * 4), "share")
    assert "no_contrast" in block["codes"]
    assert block["p_benefit"] == pytest.approx(0.5, abs=2e-3)


def test_a_baseline_of_a_randomised_comparison_is_shown_beside() -> None:
    before, after = shares([10] * 6, [16] * 6, wave="pre"), shares([10] * 6, [10] * 6)
    data = {"counts": before["counts"] + after["counts"]}
    block = effect(data, "share")
    assert block["balance"]["t"]["share"] == 0.4
    assert block["baseline_adjusted"]["mean"] == pytest.approx((logit(0.4) - logit(0.25)) / KAPPA_LOGIT, rel=0.02)
    assert refusal(data, "share", randomised=False)["code"] == "baseline_unlinked"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "rows": ({"rows": [{"arm": a, "wave": "post", "value": 0.4} for a in "ct"]}, "wrong_shape"),
    "cells": ({"cells": [{"arm": a, "wave": "post", "n": 9, "mean": 0.4, "sd": 0.1} for a in "ct"]}, "wrong_shape"),
    "an empty arm": (shares([], [3, 4]), "arm_empty"),
    "a record twice": ({"counts": shares([1], [2])["counts"] * 2}, "duplicate_cell"),
    "some without a name": (
        {"counts": [*shares([1], [2])["counts"], {"arm": "t", "wave": "post", "x": 1, "n": 2}]},
        "unit_missing",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_shares_are_refused_with_what_would_help(bad: str) -> None:
    data, code = BAD[bad]
    found = refusal(data, "share")
    assert found["code"] == code
    if code == "wrong_shape":
        assert "x of n" in found["what_would_help"]


def test_huge_numbers_of_trials_have_finite_answers() -> None:
    block = effect(shares([399_000_000, 402_000_000], [398_000_000, 401_000_000], n=10**9), "share")
    assert np.isfinite(block["sd"]["mean"])
    assert block["sd"]["sd"] > 0


@pytest.mark.slow
def test_nuts_and_the_exact_engine_agree() -> None:
    from analysis.engine import settings_of  # noqa: PLC0415
    from analysis.sampling import sample  # noqa: PLC0415

    rng = np.random.default_rng(6)
    measure = prepared(shares(drawn(rng, 0.4, 4.0, 8), drawn(rng, 0.3, 4.0, 8)), "share")
    draws = sample(measure.inputs, ADJUSTED, settings_of(measure), 2, lambda _: None)
    readings = gates.sampler_readings(draws.values, draws.divergences, draws.energy)
    sampled = exact.rao_blackwell(measure.inputs, ADJUSTED, draws.values)
    readings |= gates.agreement_readings(sampled, exact.posterior(measure.inputs, ADJUSTED), (-0.2, 0.0, 0.2))
    readings["predictive"] = gates.predictive_reading(predictive.checks(measure.inputs, draws.values))
    assert all(gates.Reading(name, value, "m", "").passed for name, value in readings.items()), readings


def test_predictive_checks_fail_on_draws_that_miss_the_data() -> None:
    rng = np.random.default_rng(1)
    inputs = inputs_of(shares(drawn(rng, 0.5, 4.0, 40), drawn(rng, 0.5, 4.0, 40)))
    zero = np.zeros((4, 200))
    for level, dispersion, passed in ((0.0, 0.5, True), (2.0, 0.5, False), (0.0, 0.01, False)):
        found = predictive.checks(inputs, {"eta": zero + level, "total": zero, "dispersion": zero + dispersion})
        assert {c.quantity for c in found} == {"share", "dispersion"}
        assert gates.Reading("predictive", gates.predictive_reading(found), "m", "r").passed == passed
