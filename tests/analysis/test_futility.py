"""Predictive probability of success: against a closed form, against brute force, and as a pilot's lead meets it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from analysis.decide import DecisionRule
from analysis.documents import BorrowPrior, FitRequest, NormalPrior, Role, Rule
from analysis.fit import fit
from analysis.futility import predictive_probability
from analysis.priors import FLAT, Bias, Component, Run, borrowing, normal
from analysis.verdict import Judged

Ask = Callable[..., FitRequest]
RULE = Rule()
ADJUSTED = Run("adjusted", normal(NormalPrior(mean=0, sd=0.5)), Bias(0.05, 0.15))
SCEPTICAL = Run("sceptical", normal(NormalPrior(mean=0, sd=0.2)), Bias(0.05, 0.15))


def by_formula(estimate: float, se: float, last_se: float, rho: float) -> float:
    """Conjugate normal, written out with bounds on the last estimate; priors and bias as above."""
    needs = []
    for sd, at, p in ((0.5, 0.0, 0.95), (0.5, 0.2, 0.70), (0.2, 0.0, 0.90)):
        noise = last_se**2 + 0.15**2
        k = sd**2 / (sd**2 + noise)
        needs.append((at + norm.ppf(p) * np.sqrt(k * noise)) / k + 0.05)
    spread = 0.5**2 + 0.15**2
    m = 0.05 + spread / (spread + se**2) * (estimate - 0.05)
    v = 1 / (1 / spread + 1 / se**2)
    kappa = rho * last_se / se
    ahead, sd = (1 - kappa) * m + kappa * estimate, np.sqrt((1 - kappa) ** 2 * v + last_se**2 * (1 - rho**2))
    return float(norm.sf(max(needs), ahead, sd))


@pytest.mark.parametrize("estimate", [-0.5, 0.0, 0.2, 0.4, 0.9])
@pytest.mark.parametrize(("n_last", "rho"), [(50, 0.0), (200, 0.0), (50, 0.4), (25, 0.7)])
def test_a_single_normal_prior_has_a_closed_form(estimate: float, n_last: int, rho: float) -> None:
    """Twice the people halve the variance: n_last against 50 now."""
    counts = {"n_now": {"t": 50, "c": 50}, "n_last": {"t": n_last, "c": n_last}}
    found = predictive_probability(estimate, 0.15, ADJUSTED, SCEPTICAL, RULE, 0.2, correlation=rho, **counts)
    assert found == pytest.approx(by_formula(estimate, 0.15, 0.15 * np.sqrt(50 / n_last), rho), abs=1e-9)


def brute_force(prior: tuple[Component, ...], estimate: float, se: float, last_se: float, rho: float) -> float:
    """Worlds that agree with the interim estimate go on to the last look; each is judged on a plain grid of δ."""
    rng, worlds = np.random.default_rng(3), 40_000
    sds = np.array([c.precision**-0.5 for c in prior])
    which = rng.choice(len(prior), size=worlds, p=[c.weight for c in prior])
    delta = np.array([c.mean for c in prior])[which] + sds[which] * rng.standard_normal(worlds)
    total = delta + rng.normal(0.05, 0.15, worlds)
    weights = norm.pdf(estimate, total, se)
    keep = rng.choice(worlds, size=1500, p=weights / weights.sum())
    error = rho * last_se / se * (estimate - total[keep]) + last_se * np.sqrt(1 - rho**2) * rng.standard_normal(1500)
    last = total[keep] + error
    grid = np.linspace(-3, 3, 2001)
    likelihood = norm.pdf(last[:, None], grid + 0.05, np.sqrt(last_se**2 + 0.15**2))
    usual = likelihood * sum(c.weight * norm.pdf(grid, c.mean, c.precision**-0.5) for c in prior)
    doubtful = likelihood * norm.pdf(grid, 0, 0.2)
    share = lambda density, above: density[:, grid > above].sum(1) / density.sum(1)  # noqa: E731
    success = (share(usual, 0.0) >= 0.95) & (share(usual, 0.2) >= 0.70) & (share(doubtful, 0.0) >= 0.90)
    return float(success.mean())


@pytest.mark.parametrize("estimate", [0.1, 0.4, 0.7])
@pytest.mark.parametrize("borrowed", [False, True])
@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_worlds_that_agree_with_the_data_succeed_as_often_as_predicted(
    *, estimate: float, borrowed: bool, rho: float
) -> None:
    prior = borrowing(BorrowPrior(mean=0.4, sd=0.1, weight=0.5)) if borrowed else ADJUSTED.effect
    found = predictive_probability(
        estimate, 0.2, replace(ADJUSTED, effect=prior), SCEPTICAL, RULE, 0.2, correlation=rho
    )
    brute = brute_force(prior, estimate, 0.2, 0.2, rho)
    assert found == pytest.approx(brute, abs=4 * np.sqrt(found * (1 - found) / 1500) + 0.01)


def test_a_better_start_promises_more_and_more_people_settle_it() -> None:
    at = lambda estimate, **more: predictive_probability(  # noqa: E731
        estimate, 0.15, ADJUSTED, SCEPTICAL, RULE, 0.2, **more
    )
    rising = [at(e) for e in np.linspace(-1, 2, 40)]
    assert rising == sorted(rising)
    assert rising[0] < 1e-4
    assert rising[-1] > 0.999
    many = {"n_now": {"t": 50, "c": 50}, "n_last": {"t": 5000, "c": 5000}}
    assert at(0.8, **many) > at(0.8) > 0.5


def test_errors_that_go_together_make_a_poor_start_more_hopeless() -> None:
    """Why ρ = 0 is the cautious choice: it stops the fewest pilots."""
    chances = [
        predictive_probability(0.15, 0.15, ADJUSTED, SCEPTICAL, RULE, 0.2, correlation=rho) for rho in (0, 0.3, 0.6)
    ]
    assert chances == sorted(chances, reverse=True)


def test_a_flat_prior_predicts_from_the_estimate_alone() -> None:
    """Δ̂' ~ N(Δ̂, √2 SE) without prior and bias."""
    flat, sceptical = Run("adjusted", FLAT, Bias()), Run("sceptical", normal(NormalPrior(mean=0, sd=1e2)), Bias())
    found = predictive_probability(0.4, 0.1, flat, sceptical, RULE, 0.2)
    need = max(norm.ppf(0.95) * 0.1, 0.2 + norm.ppf(0.70) * 0.1)
    assert found == pytest.approx(norm.sf(need, 0.4, 0.1 * np.sqrt(2)), abs=1e-5)


# --- in a fit -----------------------------------------------------------------------------------------------------

LOOKS: dict[str, Any] = {
    "waves": [
        {"key": "pre", "kind": "baseline"},
        {"key": "mid", "kind": "interim"},
        {"key": "post", "kind": "followup"},
    ],
    "looks": [{"look": 1, "wave": "mid", "months": 3}, {"look": 2, "wave": "post", "months": 9}],
    "followup_months": None,
}


def cells(effect: float, wave: str = "mid") -> dict[str, Any]:
    return {
        "cells": [
            {"arm": arm, "wave": key, "n": 50, "mean": shift, "sd": 1.0}
            for arm, after in (("treated", effect), ("control", 0.0))
            for key, shift in (("pre", 0.0), (wave, after))
        ]
    }


def test_an_early_look_that_cannot_succeed_stops_without_condemning_the_intervention(ask: Ask) -> None:
    """No effect in few people: a meaningful one is not excluded, a success all but out of reach."""
    answer = fit(ask(cells(0.0), look=1, **LOOKS))
    chance, verdict = answer["predictive_probability_of_success"], answer["recommendation"]
    criterion = next(c for c in verdict["criteria"] if c["name"] == "futility")
    assert 0 < chance < 0.10
    assert (criterion["value"], criterion["threshold"], criterion["met"]) == (chance, 0.10, False)
    assert (verdict["outcome"], verdict["stop_for_futility"]) == ("refine", True)
    assert "Stop for futility" in verdict["says"]


def test_an_early_look_with_hope_goes_on(ask: Ask) -> None:
    answer = fit(ask(cells(0.35), look=1, **LOOKS))
    assert answer["predictive_probability_of_success"] > 0.10
    assert (answer["recommendation"]["outcome"], answer["recommendation"]["stop_for_futility"]) == ("refine", False)
    assert "Go on to the next look" in answer["recommendation"]["says"]


def test_the_last_look_predicts_nothing(ask: Ask) -> None:
    answer = fit(ask(cells(0.05, "post"), look=2, **LOOKS))
    assert answer["predictive_probability_of_success"] is None
    assert "futility" not in {c["name"] for c in answer["recommendation"]["criteria"]}
    assert answer["recommendation"]["stop_for_futility"] is False


def test_an_early_look_before_the_least_follow_up_never_scales(ask: Ask) -> None:
    """Overwhelming at three months; the plan asks for six. At seven months it scales, and needs P(δ > 0) ≥ 0.99."""
    early = fit(ask(cells(1.5), look=1, **LOOKS))["recommendation"]
    assert early["outcome"] == "refine"
    assert {c["name"] for c in early["criteria"] if c["decides"] == "scale" and c["met"] is False} == {
        "followup_months"
    }
    later = {**LOOKS, "looks": [{"look": 1, "wave": "mid", "months": 7}, {"look": 2, "wave": "post", "months": 12}]}
    verdict = fit(ask(cells(1.5), look=1, **later))["recommendation"]
    assert verdict["outcome"] == "scale"
    assert next(c["threshold"] for c in verdict["criteria"] if c["name"] == "p_benefit") == 0.99


def test_no_event_in_an_arm_leaves_futility_open(ask: Ask) -> None:
    counts = [{"arm": a, "wave": w, "x": x, "n": 20} for a, x in (("treated", 0), ("control", 3)) for w in ("mid",)]
    plan = {**LOOKS, "baseline": None, "waves": LOOKS["waves"][1:]}
    answer = fit(ask({"counts": counts}, primary={"family": "binary"}, look=1, **plan))
    assert answer["predictive_probability_of_success"] is None
    criterion = next(c for c in answer["recommendation"]["criteria"] if c["name"] == "futility")
    assert criterion["met"] is None
    assert answer["recommendation"]["stop_for_futility"] is False


@pytest.mark.slow
def test_simulated_last_looks_succeed_as_often_as_predicted(ask: Ask) -> None:
    """The whole path: new people at the last look, drawn from the posterior at the first, each pilot fitted exactly."""
    rng, pilots, n = np.random.default_rng(5), 800, 50
    now = fit(ask(cells(0.35), look=1, **LOOKS))
    evidence, chance = now["effects"][0]["evidence"], now["predictive_probability_of_success"]
    v0 = 0.5**2 + 0.05**2
    v = 1 / (1 / v0 + 1 / evidence["se_sd"] ** 2)
    totals = rng.normal(v / evidence["se_sd"] ** 2 * evidence["effect_sd"], np.sqrt(v), pilots)
    successes = 0
    for total in totals:
        data = cells(0.0, "post")
        for cell in data["cells"]:
            people = rng.normal(total * (cell["arm"] == "treated") * (cell["wave"] == "post"), 1.0, n)
            cell["mean"], cell["sd"] = people.mean(), people.std(ddof=1)
        effect = fit(ask(data, look=2, **LOOKS))["effects"][0]
        successes += (
            effect["p_benefit"] >= 0.95 and effect["p_meaningful"] >= 0.70 and effect["p_benefit_sceptical"] >= 0.90
        )
    assert successes / pilots == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / pilots) + 0.01)


# --- in the rule --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("success", "stop"), [(0.0999, True), (0.10, False), (None, False)])
def test_only_refine_is_stopped(success: float | None, *, stop: bool) -> None:
    early = DecisionRule(Rule(), "A", 6, 6, early=True)
    undecided = Judged("m", Role.PRIMARY, 0.8, 0.4, 0.2, 0.0, 0.7, 0.99)
    assert early.judge([undecided], None, success).stop is stop
    assert early.judge([undecided], None, success).outcome == "refine"
    assert early.judge([replace(undecided, p_meaningful=0.05)], None, success).outcome == "replace"
    assert early.judge([replace(undecided, p_meaningful=0.05)], None, success).stop is False
    assert replace(early, early=False).judge([undecided], None, success).stop is False
    assert replace(early, failed_gates=("rhat",)).judge([undecided], None, success).stop is False
