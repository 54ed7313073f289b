"""Pooling several organizations: published references, two roads to each number, who counts once, what is refused."""

import io
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from analysis import __main__ as front
from analysis.errors import Refused
from analysis.evidence import SynthesisPriors, SynthesisRequest, TauPrior
from analysis.grade import BIAS
from analysis.synthesis import synthesise
from analysis.synthesis_exact import Inputs, inputs_of, pooled, surprise
from analysis.synthesis_studies import Study, studies

EIGHT = {
    "evidence": [
        {"organization": f"school {i}", "effect_sd": y, "se_sd": s, "grade": "A", "role": "adopter"}
        for i, (y, s) in enumerate(zip((28, 8, -3, 7, -1, 1, 18, 12), (15, 10, 16, 11, 9, 11, 10, 18), strict=True))
    ],
    "priors": {"mu": {"mean": 0, "sd": 5}, "tau": {"kind": "half-cauchy", "scale": 5}},
    "bias": False,
}


def entry(organization: str, effect: float, se: float = 0.13, grade: str = "A", **more: Any) -> dict[str, Any]:
    role = more.pop("role", "origin" if organization == "o" else "adopter")
    return {"organization": organization, "effect_sd": effect, "se_sd": se, "grade": grade, "role": role, **more}


def ask(*evidence: dict[str, Any], engine: str = "exact", **more: Any) -> dict[str, Any]:
    return synthesise(SynthesisRequest.model_validate({"evidence": evidence, "engine": engine, **more}))


def outcome(answer: dict[str, Any]) -> str:
    return str(answer["recommendation"]["outcome"])


def met(answer: dict[str, Any], name: str) -> Any:
    return next(c["met"] for c in answer["recommendation"]["criteria"] if c["name"] == name)


def codes(answer: dict[str, Any]) -> set[str]:
    return {w["code"] for w in answer["warnings"]}


THREE = (entry("o", 0.35), entry("a", 0.35), entry("b", 0.35))


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["exact", "nuts"])
def test_eight_schools(engine: str) -> None:
    answer = synthesise(SynthesisRequest.model_validate({**EIGHT, "engine": engine, "seed": 3}))
    mu, tau = answer["mu"], answer["tau"]
    near = 0.005 if engine == "exact" else 0.15
    assert (mu["mean"], mu["sd"]) == pytest.approx((4.40, 3.32), abs=near)
    assert (tau["mean"], tau["sd"]) == pytest.approx((3.60, 3.22), abs=near)
    assert mu["p_benefit"] == pytest.approx(0.908, abs=0.001 if engine == "exact" else 0.01)
    assert answer["provenance"]["engine"] == engine
    assert {g["passed"] for g in answer["gates"]} == ({None} if engine == "exact" else {True})
    assert "unusual_effect" in codes(answer)


def test_a_plain_grid_of_mu_and_tau_that_shares_no_formula() -> None:
    y, s = np.array([0.45, 0.10, -0.05, 0.6]), np.array([0.15, 0.1, 0.2, 0.3])
    mu, tau = np.arange(-2.4975, 2.5, 0.005)[:, None], np.arange(0.001, 2.5, 0.002)[None]
    density = norm.pdf(mu, 0.1, 0.4) * norm.pdf(tau, 0, 0.25)
    for yj, sj in zip(y, s, strict=True):
        density = density * norm.pdf(yj, mu, np.hypot(sj, tau))
    density /= density.sum()
    new = norm.sf(0, np.broadcast_to(mu, density.shape), np.broadcast_to(tau, density.shape))
    p = pooled(Inputs(y, s**2, (0.1, 0.4**-2), TauPrior()))
    mean_mu, mean_tau = (density * mu).sum(), (density * tau).sum()
    assert p.mu.mean == pytest.approx(mean_mu, abs=1e-4)
    assert p.mu.sd == pytest.approx(np.sqrt((density * (mu - mean_mu) ** 2).sum()), rel=1e-3)
    assert p.tau.mean == pytest.approx(mean_tau, rel=2e-3)
    assert p.tau.sd == pytest.approx(np.sqrt((density * (tau - mean_tau) ** 2).sum()), rel=2e-3)
    assert p.mu.above(0.2) == pytest.approx(density[mu[:, 0] > 0.2].sum(), abs=2e-3)
    assert p.new.above(0.0) == pytest.approx((density * new).sum(), abs=5e-4)
    cdf = density.sum(0).cumsum()
    assert p.tau.quantile(0.5) == pytest.approx(tau[0, np.searchsorted(cdf, 0.5)], abs=4e-3)
    assert p.tau.above(p.tau.quantile(0.9)) == pytest.approx(0.1, abs=1e-6)


def test_everything_by_simulation_from_the_prior() -> None:
    """Importance sampling: no algebra of normal distributions at all."""
    rng, n = np.random.default_rng(11), 400_000
    y, s = np.array([0.5, 0.1, 0.2]), np.array([0.25, 0.2, 0.3])
    mu, tau = rng.normal(0, 0.5, n), np.abs(rng.normal(0, 0.25, n))
    theta = mu[:, None] + tau[:, None] * rng.standard_normal((n, 3))
    weight = norm.pdf(y, theta, s).prod(1)
    weight /= weight.sum()
    new = mu + tau * rng.standard_normal(n)
    p = pooled(Inputs(y, s**2, (0, 4.0), TauPrior()))
    for posterior, draws in ((p.mu, mu), (p.tau, tau), (p.new, new), *zip(p.studies, theta.T, strict=True)):
        mean = weight @ draws
        assert posterior.mean == pytest.approx(mean, abs=0.005)
        assert posterior.sd == pytest.approx(np.sqrt(weight @ (draws - mean) ** 2), rel=0.02)
        assert posterior.above(0.15) == pytest.approx(weight @ (draws > 0.15), abs=0.01)


def dense(y: np.ndarray, v: np.ndarray, mean: float, sd: float, tau: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Log density of y, then mean and variance of (μ, θ_1 …, θ_new) by conditioning one big normal vector on y."""
    j = len(y)
    load = np.ones(j + 2)
    own = np.diag([0.0, *([tau**2] * (j + 1))])
    prior = sd**2 * np.outer(load, load) + own
    pick = np.zeros((j, j + 2))
    pick[np.arange(j), 1 + np.arange(j)] = 1
    of_y = pick @ prior @ pick.T + np.diag(v)
    gain = prior @ pick.T @ np.linalg.inv(of_y)
    return (
        float(multivariate_normal.logpdf(y, np.full(j, mean), of_y)),
        mean + gain @ (y - mean),
        np.diag(prior - gain @ pick @ prior),
    )


@pytest.mark.parametrize(
    ("y", "se", "sd", "tau", "top"),
    [
        ([0.3, 0.3, 0.3], [0.1, 0.1, 0.1], 0.5, TauPrior(), 2.5),
        ([5.0, -5.0, 0.3, 9.0], [0.05] * 4, 0.5, TauPrior(), 5.0),
        ([0.3, 0.1, 0.5], [1e-3] * 3, 0.5, TauPrior(), 2.5),
        ([0.3, 0.1], [0.01, 3.0], 0.5, TauPrior(), 2.5),
        ([0.4], [0.2], 0.5, TauPrior(), 2.5),
        ([0.2, 0.5, -0.3, 0.1, 0.2, 0.0], [0.1, 0.2, 0.1, 0.3, 0.1, 0.2], 0.5, TauPrior(kind="half-cauchy"), 300.0),
        ([2.0, -1.0, 0.5, 4.0, 3.0], [0.4] * 5, 5.0, TauPrior(kind="half-cauchy", scale=0.1), 2000.0),
    ],
)
def test_dense_algebra_on_a_plain_grid_of_tau(
    y: Sequence[float], se: Sequence[float], sd: float, tau: TauPrior, top: float
) -> None:
    """Tiny errors, one study, huge heterogeneity, heavy tails; the second road conditions matrices."""
    values, variances = np.array(y), np.array(se) ** 2
    edges = np.concatenate([np.linspace(0, 1e-2, 400)[:-1], np.geomspace(1e-2, top, 2500)])
    at, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    rows = [dense(values, variances, 0.0, sd, t) for t in at]
    prior = np.log1p((at / tau.scale) ** 2) if tau.kind == "half-cauchy" else 0.5 * (at / tau.scale) ** 2
    log = np.array([r[0] for r in rows]) - prior
    w = np.exp(log - log.max()) * width
    w /= w.sum()
    means, vars_ = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    expected = w @ means
    spreads = np.sqrt(w @ (vars_ + (means - expected) ** 2))
    p = pooled(Inputs(values, variances, (0.0, sd**-2), tau))
    for i, posterior in enumerate((p.mu, *p.studies, p.new)):
        assert posterior.mean == pytest.approx(expected[i], abs=2e-3 * spreads[i])
        assert posterior.sd == pytest.approx(spreads[i], rel=4e-3)
        tail = w @ norm.sf((0.2 - means[:, i]) / np.sqrt(np.maximum(vars_[:, i], 1e-30)))
        assert posterior.above(0.2) == pytest.approx(tail, abs=1e-3)
    assert p.tau.mean == pytest.approx(w @ at, rel=4e-3)
    assert p.tau.quantile(0.5) == pytest.approx(at[np.searchsorted(w.cumsum(), 0.5)], rel=0.02)


def test_without_heterogeneity_a_flat_mean_is_the_fixed_effect() -> None:
    y, v = np.array([0.1, 0.4, 0.3]), np.array([0.02, 0.01, 0.04])
    p = pooled(Inputs(y, v, (0.0, 0.0), TauPrior(scale=1e-3)))
    assert p.mu.mean == pytest.approx((y / v).sum() / (1 / v).sum(), abs=1e-4)
    assert p.mu.sd == pytest.approx((1 / v).sum() ** -0.5, rel=1e-3)


def test_two_hundred_studies_find_what_made_them() -> None:
    rng = np.random.default_rng(3)
    y = rng.normal(rng.normal(0.3, 0.2, 200), 0.1)
    p = pooled(Inputs(y, np.full(200, 0.01), (0, 4.0), TauPrior()))
    assert p.mu.mean == pytest.approx(y.mean(), abs=1e-3)
    assert p.tau.mean == pytest.approx(np.sqrt(y.var(ddof=1) - 0.01), abs=0.005)


SETS = range(10)


@pytest.mark.slow
@pytest.mark.parametrize("number", SETS)
def test_nuts_agrees_with_exact_on_random_evidence(number: int) -> None:
    compare(number)


def test_nuts_agrees_with_exact_on_one_of_them() -> None:
    compare(1)


def compare(number: int) -> None:
    rng = np.random.default_rng(number)
    n = int(rng.integers(2, 9))
    evidence = [
        entry("o" if j == 0 else f"a{j}", rng.normal(0.25, 0.3), rng.uniform(0.05, 0.35), rng.choice(list("ABCD")))
        for j in range(n)
    ]
    priors = {"tau": {"kind": "half-cauchy" if number % 3 == 0 and n > 3 else "half-normal", "scale": 0.25}}
    both = {e: ask(*evidence, engine=e, priors=priors, seed=number) for e in ("nuts", "exact")}
    sampled, exact = both["nuts"], both["exact"]
    assert all(g["passed"] for g in sampled["gates"])
    for part in (None, "adopters_only"):
        a, b = (x if part is None else x[part] for x in (sampled, exact))
        pairs = [(a["mu"], b["mu"]), (a["new"], b["new"]), *zip(a["studies"], b["studies"], strict=True)]
        if priors["tau"]["kind"] == "half-normal":
            pairs.append((a["tau"], b["tau"]))
        for mine, twin in pairs:
            assert abs(mine["mean"] - twin["mean"]) < 0.1 * twin["sd"]
            assert mine["sd"] == pytest.approx(twin["sd"], rel=0.1)
            for name in twin.keys() & {"p_benefit", "p_meaningful", "p_below_zero_shrunken"}:
                assert mine[name] == pytest.approx(twin[name], abs=0.02)
    assert sampled["sensitivity"] == exact["sensitivity"]


# --- the answer -------------------------------------------------------------------------------------------------


def test_the_form_of_the_answer() -> None:
    answer = ask(*THREE, retained={"effect_sd": 0.3, "se_sd": 0.13})
    for block in (answer, answer["sensitivity"], answer["adopters_only"]):
        for name in ("mu", "tau", "new"):
            assert block[name].keys() >= {"mean", "sd", "median", "interval"}
            low, high = block[name]["interval"]["low"], block[name]["interval"]["high"]
            assert low < block[name]["median"] < high
        assert {"p_benefit", "p_meaningful"} <= block["mu"].keys() & block["new"].keys()
    assert [s["organization"] for s in answer["studies"]] == ["o", "a", "b"]
    assert [s["organization"] for s in answer["adopters_only"]["studies"]] == ["a", "b"]
    assert answer["studies"][0].keys() >= {"organization", "mean", "sd", "interval", "p_below_zero"}
    assert answer["provenance"].keys() >= {"seed", "data_hash", "model", "engine", "versions"}
    assert answer["recommendation"].keys() >= {"outcome", "says", "criteria"}
    assert answer["sensitivity"]["tau"]["mean"] > answer["tau"]["mean"]


@pytest.mark.parametrize(
    ("effect", "expected"), [(0.20, "not_yet"), (0.29, "not_yet"), (0.30, "foundational"), (0.35, "foundational")]
)
def test_reachable_from_about_030_at_an_error_of_013(effect: float, expected: str) -> None:
    evidence = (entry("o", effect), entry("a", effect), entry("b", effect))
    assert outcome(ask(*evidence, retained={"effect_sd": effect, "se_sd": 0.13})) == expected


def test_the_outcome_under_a_wider_prior_is_said() -> None:
    answer = ask(*THREE)
    assert (outcome(answer), answer["sensitivity"]["outcome"]) == ("foundational", "not_yet")
    assert "outcome_depends_on_tau" in codes(answer)


def test_bias_of_the_grades_enters_once() -> None:
    graded = ask(entry("o", 0.5, 0.1, "D"), entry("a", 0.5, 0.1, "C"))
    by_hand = ask(
        entry("o", 0.5 - BIAS["D"][0], float(np.hypot(0.1, BIAS["D"][1]))),
        entry("a", 0.5 - BIAS["C"][0], float(np.hypot(0.1, BIAS["C"][1]))),
        bias=False,
    )
    for name in ("mean", "sd", "p_benefit", "p_meaningful"):
        assert graded["mu"][name] == pytest.approx(by_hand["mu"][name])
    without = ask(entry("o", 0.5, 0.1, "D"), entry("a", 0.5, 0.1, "C"), bias=False)
    assert without["mu"]["mean"] > graded["mu"]["mean"]
    assert "bias_left_out" in codes(without)
    assert "bias of the designs left out" in without["recommendation"]["says"]


def test_harm_is_judged_from_an_adopters_own_estimate() -> None:
    """Shrinkage towards many good ones would hide it."""
    many = [entry(f"a{i}", 0.6, 0.05) for i in range(8)]
    answer = ask(entry("o", 0.6), *many, entry("bad", -0.15, 0.13))
    bad = answer["studies"][-1]
    v = 0.13**2 + 0.05**2
    assert bad["p_below_zero"] == pytest.approx(norm.cdf(0.15 / np.sqrt(v)), abs=1e-9)
    assert bad["p_below_zero"] >= 0.8
    assert bad["p_below_zero_shrunken"] < 0.5
    assert outcome(answer) == "no"
    assert "harm at bad" in answer["recommendation"]["says"]


def test_useless_where_adopted_is_no() -> None:
    answer = ask(entry("o", 0.9), entry("a", -0.05), entry("b", 0.0))
    assert answer["adopters_only"]["mu"]["p_benefit"] < 0.5
    assert outcome(answer) == "no"


def test_retained_decides_when_given() -> None:
    assert met(ask(*THREE), "retained") is None
    lost = ask(*THREE, retained={"effect_sd": 0.05, "se_sd": 0.13})
    assert (outcome(lost), met(lost, "retained")) == ("not_yet", False)
    kept = ask(*THREE, retained={"effect_sd": 0.3, "se_sd": 0.13})
    v = 0.13**2 + 0.05**2
    assert kept["retained"]["p_benefit"] == pytest.approx(norm.cdf(0.3 / v / np.sqrt(1 / v + 4)))
    assert outcome(kept) == "foundational"
    weak = ask(*THREE, retained={"effect_sd": 0.3, "se_sd": 0.13, "grade": "D"})
    assert (weak["retained"]["grade"], met(weak, "retained")) == ("D", False)


def test_a_flat_mean_is_capped() -> None:
    answer = ask(*THREE, priors={"mu": "flat"})
    assert (outcome(answer), met(answer, "cap")) == ("not_yet", False)
    assert "flat prior" in answer["recommendation"]["says"]
    assert outcome(ask(*THREE)) == "foundational"


def test_a_single_entry_is_pooled_and_warned_about() -> None:
    answer = ask(entry("o", 0.4))
    assert answer["adopters_only"] is None
    assert {"one_study", "no_adopter"} <= codes(answer)
    assert outcome(answer) == "not_yet"
    assert met(ask(entry("a", 0.4), entry("b", 0.4)), "origins") is False
    assert "no_origin" in codes(ask(entry("a", 0.4), entry("b", 0.4)))


def test_an_estimate_unlike_all_others_is_pointed_out() -> None:
    ordinary = [entry(f"a{i}", 0.2 + 0.02 * i, 0.05) for i in range(6)]
    assert "does_not_fit" not in codes(ask(entry("o", 0.3), *ordinary))
    assert "does_not_fit" in codes(ask(entry("o", 0.3), *ordinary, entry("far", 2.9, 0.05)))


def test_surprise_is_a_p_value_given_the_others() -> None:
    """Two studies, τ known to be tiny: the other predicts N(k y, its posterior variance + v)."""
    y, v = np.array([0.0, 0.5]), np.array([0.01, 0.02])
    p = []
    for j, other in ((0, 1), (1, 0)):
        precision = 4 + 1 / v[other]
        p.append(2 * norm.sf(abs(y[j] - y[other] / v[other] / precision) / np.sqrt(1 / precision + v[j])))
    assert surprise(Inputs(y, v, (0, 4.0), TauPrior(scale=1e-3))) == pytest.approx(2 * min(p), rel=1e-3)
    assert surprise(Inputs(y[:1], v[:1], (0, 4.0), TauPrior())) == 1.0


# --- counted once -----------------------------------------------------------------------------------------------


def only(*evidence: dict[str, Any], bias: bool = True) -> list[Study]:
    return studies(SynthesisRequest.model_validate({"evidence": evidence}).evidence, bias=bias)[0]


def test_the_same_study_entered_twice_changes_nothing() -> None:
    once = ask(*THREE)
    twice = ask(*THREE, entry(" A ", 0.35))
    assert twice["mu"]["mean"] == pytest.approx(once["mu"]["mean"])
    assert twice["mu"]["sd"] == pytest.approx(once["mu"]["sd"])
    assert [s["organization"] for s in twice["studies"]] == ["o", "a", "b", " A "]
    assert twice["studies"][3]["mean"] == pytest.approx(twice["studies"][1]["mean"])
    assert "counted_once" in codes(twice)
    assert "counted_once" not in codes(once)


def test_two_entries_are_no_two_adopters() -> None:
    answer = ask(entry("o", 0.5), entry("a", 0.5, source="p1"), entry("a", 0.5, source="p2"))
    assert (outcome(answer), met(answer, "adopters")) == ("not_yet", False)
    origin = ask(entry("o", 0.5), entry("o", 0.5, role="adopter"), entry("a", 0.5))
    assert met(origin, "adopters") is False
    assert [s["organization"] for s in origin["adopters_only"]["studies"]] == ["a"]


def test_pilots_that_name_their_sources_are_independent_people() -> None:
    (one,) = only(entry("a", 0.2, 0.1, source="p1"), entry("a", 0.4, 0.1, source="p2"), bias=False)
    assert (one.effect, one.variance) == pytest.approx((0.3, 0.005))
    (same,) = only(entry("a", 0.2, 0.1), entry("a", 0.4, 0.1, source="p2"), bias=False)
    assert (same.effect, same.variance) == pytest.approx((0.3, 0.01))
    (biased,) = only(entry("a", 0.2, 0.1, "B", source="p1"), entry("a", 0.4, 0.1, "B", source="p2"))
    assert biased.variance == pytest.approx(0.005 + BIAS["B"][1] ** 2)


def test_independent_pilots_by_simulation() -> None:
    """The spread of the combined estimate over pilots that differ in precision and share their bias."""
    rng, n = np.random.default_rng(2), 200_000
    s = np.array([0.1, 0.2])
    b = np.array([BIAS["A"][1], BIAS["B"][1]])
    (one,) = only(entry("a", 0.0, 0.1, "A", source="p"), entry("a", 0.0, 0.2, "B", source="q"))
    w = 1 / (s**2 + b**2)
    estimates = (rng.normal(0, s, (n, 2)) + rng.standard_normal((n, 1)) * b) @ (w / w.sum())
    assert one.variance == pytest.approx(estimates.var(), rel=0.02)
    assert one.grade == "B"


def test_one_source_from_two_organizations_is_one_study() -> None:
    linked = only(entry("o", 0.3, source="Trial"), entry("a", 0.3, source="trial"), entry("b", 0.3))
    assert [(s.entries, s.role.value) for s in linked] == [((0, 1), "origin"), ((2,), "adopter")]
    chain = only(entry("a", 0.3, source="x"), entry("b", 0.3, source="y"), entry("b", 0.3, source="x"))
    assert [s.entries for s in chain] == [(0, 1, 2)]


def test_the_order_of_entries_does_not_matter() -> None:
    evidence = (entry("o", 0.4, source="p"), entry("o", 0.2, 0.2, "C", source="q"), entry("a", 0.3), entry("b", 0.1))
    forward, backward = ask(*evidence), ask(*reversed(evidence))
    for name in ("mean", "sd"):
        assert forward["mu"][name] == pytest.approx(backward["mu"][name])
    assert outcome(forward) == outcome(backward)


@pytest.mark.parametrize("cover", [{"source": "s"}, {}])
def test_a_good_entry_does_not_hide_a_harmful_one(cover: dict[str, str]) -> None:
    good = [entry(f"a{i}", 0.6) for i in range(4)]
    hidden = ask(entry("o", 0.6, **cover), *good, entry("a0", 0.9, **cover), entry("a0", -0.3, **cover))
    assert outcome(hidden) == "no"


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "more", "code"),
    [
        ([], {}, "no_evidence"),
        ([entry("o", 0.3, 0.0)], {}, "se_not_positive"),
        ([entry("o", 0.3), entry("a", 0.3, -0.1)], {}, "se_not_positive"),
        ([entry("o", 0.3, 1e-9)], {}, "not_sd_units"),
        ([entry("o", 1e9)], {}, "not_sd_units"),
        ([entry("o", 0.3, 1e6)], {}, "not_sd_units"),
        ([entry("o", 0.3)], {"retained": {"effect_sd": 0.3, "se_sd": 0}}, "se_not_positive"),
        ([entry("o", 0.3)], {"priors": {"tau": {"kind": "half-cauchy"}}}, "too_few_studies"),
        (THREE[:2], {"priors": {"mu": "flat", "tau": {"kind": "half-cauchy"}}}, "too_few_studies"),
        ([entry("o", 0.3), entry("O", 0.3)], {"priors": {"tau": {"kind": "half-cauchy"}}}, "too_few_studies"),
    ],
)
def test_what_cannot_be_pooled_is_refused_with_help(evidence: Any, more: dict[str, Any], code: str) -> None:
    answer = ask(*evidence, **more)
    assert answer.keys() == {"refused"}
    assert answer["refused"]["code"] == code
    assert answer["refused"]["what_would_help"]


@pytest.mark.parametrize(("flat", "count"), [(False, 1), (False, 2), (True, 2), (True, 3)])
def test_moments_are_refused_exactly_where_they_diverge(flat: bool, count: int) -> None:  # noqa: FBT001
    """E τ² over [0, T] grows without end as T does, or settles."""
    v, scale = 0.02, 0.25
    y = np.linspace(0.1, 0.4, count)
    priors = SynthesisPriors(mu="flat" if flat else {"mean": 0, "sd": 0.5}, tau=TauPrior(kind="half-cauchy"))
    shares = []
    for top in (1e4, 1e6):
        tau = np.geomspace(1e-4, top, 20001)
        total = v + tau**2
        prior_sd = 1e9 if flat else 0.5
        # y as differences from their mean, and the mean: independent normals when all errors are equal.
        log = -0.5 * (count - 1) * np.log(total) - ((y - y.mean()) ** 2).sum() / (2 * total)
        log += norm.logpdf(y.mean(), 0, np.sqrt(total / count + prior_sd**2)) - np.log1p((tau / scale) ** 2)
        shares.append(np.trapezoid(tau**2 * np.exp(log - log.max()), tau) / np.trapezoid(np.exp(log - log.max()), tau))
    settles = shares[1] < 1.01 * shares[0]
    found = [Study((i,), f"a{i}", "adopter", "A", float(yi), v) for i, yi in enumerate(y)]
    if settles:
        assert inputs_of(found, priors, priors.tau).effect.size == count
    else:
        with pytest.raises(Refused, match="finite SD"):
            inputs_of(found, priors, priors.tau)


def test_adopters_alone_may_be_too_few_without_refusing_the_rest() -> None:
    answer = ask(*THREE[:2], priors={"tau": {"kind": "half-cauchy", "scale": 0.25}})
    assert answer["adopters_only"] is None
    assert {"too_few_studies", "heavy_tails"} <= codes(answer)
    assert met(answer, "p_benefit_adopters") is False


@pytest.mark.parametrize(
    "change",
    [
        {"evidence": [entry("o", 0.3, 0.1, "E")]},
        {"evidence": [entry("o", 0.3, role="spectator")]},
        {"evidence": [{**entry("o", 0.3), "effect_sd": "0.3"}]},
        {"evidence": [{**entry("o", 0.3), "n": 3}]},
        {"evidence": [entry(f"a{i}", 0.3) for i in range(201)]},
        {"priors": {"mu": "vague"}},
        {"priors": {"tau": {"kind": "half-normal", "scale": 0}}},
        {"mmd": -0.1},
    ],
)
def test_a_document_not_of_the_form_is_told_apart(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        SynthesisRequest.model_validate({"evidence": THREE, **change})


def test_a_posterior_that_nuts_cannot_walk_is_indeterminate() -> None:
    """Equal estimates without error: nearly all of τ lies within a millionth, the rest far out."""
    evidence = [entry(o, 0.4, 1e-6) for o in ("o", "a", "b")]
    answer = ask(*evidence, engine="nuts", bias=False, seed=1)
    assert outcome(answer) == "indeterminate"
    assert any(g["passed"] is False for g in answer["gates"])
    assert answer["provenance"]["sampler"]["refits"]
    assert outcome(ask(*evidence, bias=False)) == "foundational"


# --- seed, progress, the front ----------------------------------------------------------------------------------


def test_the_seed_follows_from_the_content_and_repeats() -> None:
    first, again = ask(*THREE, engine="nuts"), ask(*THREE, engine="nuts")
    assert first == again
    assert first["provenance"]["seed"] == ask(*THREE)["provenance"]["seed"]
    other = ask(*THREE[:2], entry("b", 0.36))
    assert other["provenance"]["seed"] != first["provenance"]["seed"]
    chosen = ask(*THREE, engine="nuts", seed=9)
    assert chosen["provenance"]["seed"] == 9
    assert chosen["mu"]["mean"] != first["mu"]["mean"]
    assert chosen["mu"]["mean"] == pytest.approx(first["mu"]["mean"], abs=0.02)


def test_near_a_threshold_four_times_the_draws_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis import foundational  # noqa: PLC0415

    p = ask(*THREE)["mu"]["p_meaningful"]
    monkeypatch.setattr(foundational, "RULE", foundational.Thresholds(p_meaningful=p))
    answer = ask(*THREE, engine="nuts")
    assert any("four times the draws" in r for r in answer["provenance"]["sampler"]["refits"])
    assert ask(*THREE, engine="nuts", mmd=0.1)["provenance"]["sampler"]["refits"] == []


def test_progress_is_monotone_and_can_cancel() -> None:
    seen: list[float] = []
    request = SynthesisRequest.model_validate({"evidence": THREE})
    synthesise(request, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    def stop(fraction: float) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        synthesise(request, progress=stop)


def call(
    arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    code = front.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_the_front_answers_one_or_a_line_each(monkeypatch: Any, capsys: Any) -> None:
    document = {"evidence": THREE, "engine": "exact"}
    code, out, err = call(["synthesise"], json.dumps(document), monkeypatch, capsys)
    assert (code, err) == (0, "")
    assert json.loads(out) == ask(*THREE)
    lines = [json.dumps(document), "nonsense", '{"evidence": []}', '{"evidence": [{"organization": "a"}]}']
    code, out, err = call(["synthesise", "--batch"], "\n".join(lines) + "\n", monkeypatch, capsys)
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [next(iter(a)) for a in answers] == ["mu", "error", "refused", "error"]
    assert "evidence.0.effect_sd: Field required" in answers[3]["error"]


def test_the_front_exits_2_on_another_form(monkeypatch: Any, capsys: Any) -> None:
    code, out, err = call(["synthesise"], '{"evidence": [], "unknown": 1}', monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert "unknown" in err
