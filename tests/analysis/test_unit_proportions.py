"""Proportions with units and in linked people: the integrals, and every posterior by a second road."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr, logit, logsumexp, ndtr
from scipy.stats import binom, norm

from analysis import exact, gates, marginal, predictive, unit_proportions, unit_rates
from analysis.designs.binary_inputs import KAPPA_LOGIT, PairedProportions, UnitProportions
from analysis.documents import NormalPrior
from analysis.half_normal import ramp
from analysis.priors import NO_BIAS, Run, normal
from analysis.unit_integral import RULES
from analysis.unit_proportions import log_likelihood, rule_of, rule_with
from tests.analysis.binary_cases import EVIDENCE, OBSERVED, SCEPTICAL, agree, in_arms, over_time, summed

Array = NDArray[np.float64]
# --- the integral over unit effects -------------------------------------------------------------------------------


def brute_force(inputs: UnitProportions, z: Array) -> float:
    """Log likelihood of one point by fine sums over u and, within it, v: plain Riemann sums on ±8 SDs."""
    su, sv = (float(s[0]) for s in unit_proportions.logit_sds(inputs, z[None]))
    steps = np.linspace(-8, 8, 961)
    weights = norm.pdf(steps) * (steps[1] - steps[0])
    eta = inputs.columns @ z[:5] + inputs.kappa * z[7] * inputs.exposure
    total = 0.0
    for g in range(len(inputs.units)):
        log_value = np.log(weights)
        for s in range(inputs.n.shape[1]):
            x, n = inputs.x[g, s], inputs.n[g, s]
            # The cell's likelihood of η + u with v summed out, wherever u may lie.
            at = eta[g, s] + su * steps
            if sv > 0:
                spread = at[:, None] + sv * steps[::2]
                inner = x * spread - n * np.logaddexp(0, spread)
                log_value = log_value + logsumexp(inner + np.log(2 * weights[::2]), axis=1)
            else:
                log_value = log_value + x * at - n * np.logaddexp(0, at)
        total += float(logsumexp(log_value))
    return total


CELLS = {
    "one person each": ([[0, 1], [1, 1], [0, 0]], [[1, 1], [1, 1], [1, 1]]),
    "two thousand each": ([[600, 700], [500, 640], [610, 590]], [[2000, 2000]] * 3),
    "nobody has it": ([[0, 0], [0, 0], [0, 0]], [[30, 40], [25, 30], [40, 20]]),
    "everybody has it": ([[30, 40], [25, 30], [40, 20]], [[30, 40], [25, 30], [40, 20]]),
    "a wave not answered": ([[3, 0], [7, 9], [0, 12]], [[12, 0], [20, 20], [15, 15]]),
    "one unit far off": ([[0, 2], [60, 55], [58, 61]], [[80, 80]] * 3),
}


@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize("unit_time", [0.0, 1.0])
def test_unit_effects_are_integrated_out_to_a_ten_thousandth(cells: str, unit_time: float) -> None:
    x, n = CELLS[cells]
    inputs = over_time(x, n, [0, 1, 1], unit_time=unit_time)
    nodes = unit_proportions.INTEGRATED.nodes(inputs, OBSERVED)
    weights = nodes.weights(OBSERVED).ravel()
    chosen = np.searchsorted(np.cumsum(weights), [0.1, 0.5, 0.9])
    z = unit_proportions.INTEGRATED.filled(inputs, nodes.points.reshape(len(weights), -1)[chosen])
    errors = log_likelihood(inputs, z, rule_of(inputs)) - [brute_force(inputs, point) for point in z]
    assert np.std(errors) < 2e-4


def test_without_unit_effects_the_likelihood_is_binomial() -> None:
    inputs = over_time([[3, 5], [9, 4]], [[12, 14], [20, 11]], [0, 1], unit=0.0, unit_time=0.0)
    z = np.random.default_rng(1).normal(size=(20, 8))
    eta = np.einsum("gsc,kc->kgs", inputs.columns, z[:, :5]) + KAPPA_LOGIT * z[:, 7, None, None] * inputs.exposure
    direct = binom.logpmf(inputs.x, inputs.n, expit(eta)).sum(axis=(1, 2))
    gap = log_likelihood(inputs, z, rule_with(inputs, 1, 1)) - direct
    assert np.ptp(gap) < 1e-9


def test_a_half_normal_stays_one_on_the_line() -> None:
    """Density exp(−σ²/2) dσ/dz has the moments of a half-normal."""
    z = np.linspace(-12, 12, 200_001)
    sd = ramp(z)
    density = np.exp(-0.5 * sd**2 + log_ndtr(z))
    assert np.allclose(np.gradient(sd, z)[1:-1], ndtr(z)[1:-1], atol=1e-7)
    assert density @ sd / density.sum() == pytest.approx(np.sqrt(2 / np.pi), abs=1e-6)
    assert density @ sd**2 / density.sum() == pytest.approx(1.0, abs=1e-6)


def test_rules_grow_until_they_are_good_enough() -> None:
    easy = over_time([[9, 10], [11, 8]], [[20, 20]] * 2, [0, 1])
    hard = over_time([[0, 0]] * 6, [[2000, 2000]] * 6, [0, 1] * 3)
    counts = [(len(rule_of(i).outer), len(rule_of(i).inner)) for i in (easy, hard)]
    assert counts[0] in RULES[:3]
    assert RULES.index(counts[1]) > RULES.index(counts[0])


# --- posteriors by a second road ----------------------------------------------------------------------------------


def test_cross_section_of_one_unit_against_a_plain_grid() -> None:
    inputs = over_time([[12, 21]], [[40, 45]], [1], unit=0.0, unit_time=0.0)
    alpha, total = np.linspace(-4, 3, 701)[:, None], np.linspace(-2, 3, 1001)
    half = 0.5 * KAPPA_LOGIT * total
    log_density = binom.logpmf(12, 40, expit(alpha - half)) + binom.logpmf(21, 45, expit(alpha + half))
    for run, prior in (
        (OBSERVED, norm.logpdf(alpha, 0, 1.5) + norm.logpdf(total, 0, 0.5)),
        (EVIDENCE, 0 * alpha + 0 * total),
    ):
        value = log_density + prior
        agree(exact.posterior(inputs, run), *summed(total, np.exp(value - value.max()).sum(axis=0)), close=0.003)


def test_did_by_weighting_draws_of_the_prior() -> None:
    """Four log odds as a cell of a 2 × 2 table has them: arms, a change all share, and Δ in equal parts on all four."""
    rng = np.random.default_rng(3)
    control, treated = 1.5 * rng.standard_normal((2, 2_000_000))
    change, total = 0.75 * rng.standard_normal(2_000_000), 0.5 * rng.standard_normal(2_000_000)
    part = 0.25 * KAPPA_LOGIT * total
    arms = ((treated, -part, 5), (treated, part, 11)), ((control, part, 6), (control, -part, 8))
    log_weight = np.zeros(len(total))
    for arm in arms:
        for (level, own, x), sign in zip(arm, (-1, 1), strict=True):
            eta = level + sign * change + own
            log_weight += x * eta - 15 * np.logaddexp(0, eta)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float(weight @ total)
    inputs = over_time([[5, 11], [6, 8]], [[15, 15]] * 2, [1, 0], unit=0.0, unit_time=0.0)
    tails = {t: float(weight[total > t].sum()) for t in (0.0, 0.2)}
    agree(exact.posterior(inputs, OBSERVED), mean, float(np.sqrt(weight @ (total - mean) ** 2)), tails)


SAME: dict[str, UnitProportions] = {
    "nobody, before and after": over_time([[0, 0]] * 2, [[100, 100]] * 2, [1, 1]),
    "everybody, before and after": over_time([[100, 100]], [[100, 100]], [1], unit=0.0, unit_time=0.0),
    "some, before and after": over_time([[3, 3], [9, 9]], [[20, 20]] * 2, [1, 1]),
    "nobody in two arms": in_arms([0] * 4, [50] * 4, [0, 0, 1, 1]),
    "nobody in two arms over time": over_time([[0, 0]] * 4, [[100, 100]] * 4, [0, 0, 1, 1]),
    "nobody in two arms over four waves": over_time([[0] * 4] * 4, [[50] * 4] * 4, [0, 0, 1, 1]),
    "arms moved alike": over_time([[4, 9], [2, 6], [4, 9], [2, 6]], [[20, 20]] * 4, [0, 0, 1, 1]),
    "arms that stayed as they were": over_time([[4, 4], [11, 11]], [[20, 20]] * 2, [0, 1], unit=0.0, unit_time=0.0),
}


@pytest.mark.parametrize("same", SAME)
def test_sides_that_do_not_differ_leave_benefit_and_harm_as_likely(same: str) -> None:
    found = exact.posterior(SAME[same], OBSERVED)
    assert found.above(0.0) == pytest.approx(0.5, abs=1e-3)
    assert found.mean == pytest.approx(0.0, abs=2e-3 * found.sd)


def test_sides_that_change_places_turn_the_effect_about() -> None:
    """Few events, so that priors weigh: arms exchanged, waves exchanged, and events counted as people without one."""
    x, n, treated = np.array([[0, 3], [1, 2], [0, 0], [0, 1]]), np.full((4, 2), 20), np.array([1, 1, 0, 0])
    found = exact.posterior(over_time(x, n, treated), OBSERVED)
    turned = (over_time(x, n, 1 - treated), over_time(x[:, ::-1], n, treated), over_time(n - x, n, treated))
    assert found.above(0.0) > 0.55
    for inputs in turned:
        other = exact.posterior(inputs, OBSERVED)
        assert other.above(0.0) == pytest.approx(1 - found.above(0.0), abs=2e-3)
        assert other.mean == pytest.approx(-found.mean, abs=4e-3 * found.sd)
        assert other.sd == pytest.approx(found.sd, rel=2e-3)


def test_the_risk_difference_of_a_did_is_that_of_the_treated_after() -> None:
    """Plenty of people: treated 30 % to 60 %, control 40 % to 50 %, log odds of the treated less those of the rest."""
    inputs = over_time([[3000, 6000], [4000, 5000]], [[10_000, 10_000]] * 2, [1, 0], unit=0.0, unit_time=0.0)
    without = expit(logit(0.3) + logit(0.5) - logit(0.4))
    assert unit_rates.risk_difference(inputs, EVIDENCE).mean == pytest.approx(0.6 - without, abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("run", [OBSERVED, SCEPTICAL, EVIDENCE], ids=lambda run: run.name)
def test_cluster_against_a_plain_grid(run: Run) -> None:
    """Four units, one person to thirty: intercept, unit SD and Δ on a grid, u by sums."""
    inputs = in_arms([3, 0, 12, 9], [10, 1, 30, 14], [0, 0, 1, 1])
    eta, sd = np.linspace(-4.5, 4.5, 46), np.linspace(0.0125, 1.2, 40)
    total, steps = np.linspace(-3, 4, 141), np.linspace(-6, 6, 241)
    log_value = np.zeros((len(eta), len(sd), len(total)))
    weights = norm.pdf(steps)
    for x, n, t in zip(inputs.x[:, 0], inputs.n[:, 0], inputs.treated, strict=True):
        linear = eta[:, None, None] + KAPPA_LOGIT * (t - 0.5) * total
        inner = linear[..., None] + KAPPA_LOGIT * sd[None, :, None, None] * steps
        log_value += np.log(binom.pmf(x, n, expit(inner)) @ weights)
    log_value += -0.5 * run.intercept * (eta[:, None, None] / 1.5) ** 2 - 0.5 * (sd[:, None] / 0.25) ** 2
    likelihood = np.exp(log_value - log_value.max()).sum(axis=(0, 1))
    fine = np.linspace(-3, 4, 7001)
    marginal_density = np.exp(np.interp(fine, total, np.log(likelihood)))
    if run.flat:
        agree(exact.posterior(inputs, run), *summed(fine, marginal_density), close=0.03)
        return
    prior_sd = 0.5 if run is OBSERVED else 0.2
    b = run.bias.sd
    delta = np.linspace(-3, 3, 601)
    if b == 0:
        density = np.interp(delta, fine, marginal_density) * norm.pdf(delta, 0, prior_sd)
    else:
        density = (
            norm.pdf(fine[None, ::5] - delta[:, None], 0, b) @ marginal_density[::5] * norm.pdf(delta, 0, prior_sd)
        )
    agree(exact.posterior(inputs, run), *summed(delta, density))


def test_a_prior_far_from_the_data_gets_nodes_of_its_own() -> None:
    inputs = over_time([[30, 90]], [[100, 100]], [1], unit=0.0, unit_time=0.0)
    far = Run("far", normal(NormalPrior(mean=-1.5, sd=0.1)), NO_BIAS)
    assert not marginal.integrated(unit_proportions._target(inputs, rule_of(inputs))).serves(far)
    alpha, total = np.linspace(-3, 5, 1601)[:, None], np.linspace(-2.5, 1.0, 3501)
    half = 0.5 * KAPPA_LOGIT * total
    value = binom.logpmf(30, 100, expit(alpha - half)) + binom.logpmf(90, 100, expit(alpha + half))
    value = value + norm.logpdf(alpha, 0, 1.5) + norm.logpdf(total, -1.5, 0.1)
    density = np.exp(value - value.max()).sum(axis=0)
    agree(exact.posterior(inputs, far), *summed(total, density, (-1.4, -1.0)), close=0.005)


# --- what is said of units and people -----------------------------------------------------------------------------


def test_the_risk_difference_of_units_by_drawing() -> None:
    inputs = in_arms([3, 5, 12, 9], [20, 18, 30, 16], [0, 0, 1, 1], [0.5, -0.2, 0.4, -0.7])
    z = unit_rates.selected_nodes(inputs, OBSERVED)
    found = unit_rates.risk_difference(inputs, OBSERVED)
    rng = np.random.default_rng(2)
    values = []
    for point in z:
        su = KAPPA_LOGIT * 0.25 * ramp(point[5:6])
        eta = inputs.columns[inputs.treated == 1, 0] @ point[:5] + su * rng.standard_normal((4000, 1))
        half = 0.5 * KAPPA_LOGIT * point[7]
        values.append(float((expit(eta + half) - expit(eta - half)).mean(axis=0) @ [30, 16]) / 46)
    assert found.mean == pytest.approx(np.mean(values), abs=0.01)
    assert found.sd == pytest.approx(np.std(values), rel=0.1)


def test_departures_of_units_by_weighting_draws_of_the_prior() -> None:
    inputs = in_arms([2, 9, 15], [20, 20, 20], [0, 0, 1])
    rng = np.random.default_rng(4)
    count = 400_000
    eta, total = 1.5 * rng.standard_normal(count), 0.5 * rng.standard_normal(count)
    u = 0.25 * np.abs(rng.standard_normal(count))[:, None] * rng.standard_normal((count, 3))
    linear = eta[:, None] + KAPPA_LOGIT * (total[:, None] * inputs.exposure[:, 0] + u)
    weight = np.exp(binom.logpmf(inputs.x[:, 0], 20, expit(linear)).sum(axis=1))
    weight /= weight.sum()
    means = weight @ u
    sds = np.sqrt(weight @ (u - means) ** 2)
    found = list(unit_rates.departures(inputs, unit_rates.selected_nodes(inputs, OBSERVED)))
    assert [row["arm"] for row, _, _ in found] == ["control", "control", "treated"]
    for g, (_, own, effect) in enumerate(found):
        assert own.mean == pytest.approx(means[g], abs=0.015)
        assert own.sd == pytest.approx(sds[g], rel=0.08)
        both = total + u[:, g]
        assert effect.mean == pytest.approx(weight @ both, abs=0.03)
        assert effect.sd == pytest.approx(np.sqrt(weight @ (both - weight @ both) ** 2), rel=0.08)


@pytest.mark.slow
def test_nodes_and_draws_give_the_same_departures_over_time() -> None:
    inputs = over_time([[12, 20], [9, 11], [15, 9], [13, 12]], [[40, 40]] * 4, [1, 1, 0, 0])
    from analysis.sampling import Sampler, sample  # noqa: PLC0415

    draws = sample(inputs, OBSERVED, Sampler(tune=300), 3, lambda _: None)
    by_nodes = list(unit_rates.departures(inputs, unit_rates.selected_nodes(inputs, OBSERVED)))
    by_draws = list(unit_rates.departures(inputs, unit_rates.selected_draws(inputs, draws.values)))
    for (_, one, one_effect), (_, other, other_effect) in zip(by_nodes, by_draws, strict=True):
        assert one.mean == pytest.approx(other.mean, abs=0.03)
        assert one_effect.mean == pytest.approx(other_effect.mean, abs=0.06)
    # The unit that rose most has the largest departure of the treated.
    assert by_nodes[0][1].mean > by_nodes[1][1].mean


def test_predictive_check_fails_on_draws_that_miss_the_data() -> None:
    paired = PairedProportions(np.array([[20.0, 5.0], [5.0, 20.0]]), np.zeros(2), np.zeros(2), KAPPA_LOGIT)
    units = over_time([[20, 22], [18, 21]], [[40, 40]] * 2, [0, 1])
    for off, passed in ((0.0, True), (4.0, False)):
        flat = np.full((4, 250), off)
        zero = np.zeros((4, 250))
        draws = {
            "centre": flat,
            "log_odds_ratio": zero + 2.8,
            "total": zero,
            "coefficients": np.repeat(flat[..., None], 5, axis=-1) * [1, 1, 0, 0, 0],
            "unit_sd": zero + 0.1,
            "unit_time_sd": zero + 0.05,
        }
        for inputs in (paired, units):
            reading = gates.predictive_reading(predictive.checks(inputs, draws))
            assert gates.Reading("predictive", reading, "m", "r").passed == passed
