"""Proportions with units and in linked people: the integrals, and every posterior by a second road."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr, logsumexp, ndtr
from scipy.stats import binom, multinomial, norm

from analysis import exact, gates, marginal, paired_proportions, predictive, unit_proportions, unit_rates
from analysis.designs.binary_inputs import KAPPA_LOGIT, PairedProportions, UnitProportions
from analysis.documents import NormalPrior
from analysis.posterior import Posterior
from analysis.priors import FLAT, NO_BIAS, Bias, Run, normal
from analysis.unit_proportions import RULES, Rule, half_line, log_likelihood, rule_of

Array = NDArray[np.float64]
OBSERVED = Run("as_observed", normal(NormalPrior(mean=0.0, sd=0.5)), NO_BIAS)
ADJUSTED = Run("adjusted", normal(NormalPrior(mean=0.0, sd=0.5)), Bias(0.05, 0.15))
SCEPTICAL = Run("sceptical", normal(NormalPrior(mean=0.0, sd=0.2)), Bias(0.0, 0.05))
EVIDENCE = Run("evidence", FLAT, NO_BIAS, intercept=0.0)


def over_time(x: Any, n: Any, treated: Any, *, unit: float = 1.0, unit_time: float = 1.0) -> UnitProportions:
    """Units × waves as `did` (or `cross_section`, all treated) lays them out, higher is better."""
    x, n, treated = (np.asarray(part, dtype=np.float64) for part in (x, n, treated))
    units, waves = x.shape
    columns, after = np.zeros((units, waves, 5)), np.zeros(waves)
    after[-1] = 1.0
    if treated.all():
        columns[..., 0] = 1.0
    else:
        columns[treated == 0, :, 0] = columns[treated == 1, :, 1] = 1.0
        for w in range(1, waves):
            columns[:, w, 1 + w] = 1.0
    used = (columns != 0).any(axis=(0, 1))
    return UnitProportions(
        units=tuple(f"u{g}" for g in range(units)),
        treated=treated,
        x=x,
        n=n,
        columns=columns,
        exposure=treated[:, None] * after,
        prior=np.array([[0.0, 1.5**-2 if u else 1.0] for u in used]),
        intercepts=used.astype(np.float64),
        kappa=KAPPA_LOGIT,
        unit_scale=0.25,
        unit_time_scale=0.10,
        unit=unit,
        unit_time=unit_time,
        after=after,
    )


def in_arms(x: Any, n: Any, treated: Any, slope: Any = None) -> UnitProportions:
    """Units × one slot as `cluster` lays them out."""
    base = over_time(np.reshape(x, (-1, 1)), np.reshape(n, (-1, 1)), treated, unit_time=0.0)
    columns = np.zeros((len(base.units), 1, 5))
    columns[..., 0] = 1.0
    prior, intercepts = np.tile([0.0, 1.0], (5, 1)), np.eye(5)[0]
    prior[0, 1] = 1.5**-2
    if slope is not None:
        columns[:, 0, 1], prior[1] = slope, (0.5, 4.0)
    exposure = (base.treated - 0.5)[:, None]
    return dataclasses.replace(
        base, columns=columns, prior=prior, intercepts=intercepts, exposure=exposure, after=np.zeros(1)
    )


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
    nodes = unit_proportions.nodes_of(inputs, OBSERVED)
    weights = nodes.weights(OBSERVED).ravel()
    chosen = np.searchsorted(np.cumsum(weights), [0.1, 0.5, 0.9])
    z = unit_proportions.filled(inputs, nodes.points.reshape(len(weights), -1)[chosen])
    errors = log_likelihood(inputs, z, rule_of(inputs)) - [brute_force(inputs, point) for point in z]
    assert np.sqrt(np.mean(errors**2)) < 2e-4


def test_without_unit_effects_the_likelihood_is_binomial() -> None:
    inputs = over_time([[3, 5], [9, 4]], [[12, 14], [20, 11]], [0, 1], unit=0.0, unit_time=0.0)
    z = np.random.default_rng(1).normal(size=(20, 8))
    eta = np.einsum("gsc,kc->kgs", inputs.columns, z[:, :5]) + KAPPA_LOGIT * z[:, 7, None, None] * inputs.exposure
    direct = binom.logpmf(inputs.x, inputs.n, expit(eta)).sum(axis=(1, 2))
    gap = log_likelihood(inputs, z, Rule.of(inputs, 1, 1)) - direct
    assert np.ptp(gap) < 1e-9


def test_a_half_normal_stays_one_on_the_line() -> None:
    """Density exp(−σ²/2) dσ/dz has the moments of a half-normal."""
    z = np.linspace(-12, 12, 200_001)
    sd = half_line(z)
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


def agree(found: Posterior, mean: float, sd: float, tails: dict[float, float], close: float = 0.02) -> None:
    """Mean and SD within `close` SDs, probabilities within a third of that."""
    assert abs(found.mean - mean) < close * sd
    assert abs(found.sd / sd - 1) < close
    for threshold, p in tails.items():
        assert abs(found.above(threshold) - p) < close / 3


def summed(
    total: Array, density: Array, thresholds: tuple[float, ...] = (0.0, 0.2)
) -> tuple[float, float, dict[float, float]]:
    """Mean, SD and tails of a density on an even grid whose points lie on the thresholds."""
    share = density / density.sum()
    mean = float(share @ total)
    step = total[1] - total[0]
    tails = {
        t: float(share[total > t + step / 4].sum() + 0.5 * share[np.abs(total - t) <= step / 4].sum())
        for t in thresholds
    }
    return mean, float(np.sqrt(share @ (total - mean) ** 2)), tails


def test_cross_section_of_one_unit_against_a_plain_grid() -> None:
    inputs = over_time([[12, 21]], [[40, 45]], [1], unit=0.0, unit_time=0.0)
    alpha, total = np.linspace(-4, 3, 701)[:, None], np.linspace(-2, 3, 1001)
    log_density = binom.logpmf(12, 40, expit(alpha)) + binom.logpmf(21, 45, expit(alpha + KAPPA_LOGIT * total))
    for run, prior in (
        (OBSERVED, norm.logpdf(alpha, 0, 1.5) + norm.logpdf(total, 0, 0.5)),
        (EVIDENCE, 0 * alpha + 0 * total),
    ):
        value = log_density + prior
        agree(exact.posterior(inputs, run), *summed(total, np.exp(value - value.max()).sum(axis=0)), close=0.003)


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


def simulated(rng: np.random.Generator, kind: str) -> UnitProportions | PairedProportions:
    """Random tables of every design: sizes, effects and SDs between units as wide as their priors."""
    delta, base = rng.normal(0, 0.5), rng.normal(0, 1)
    unit_sd, unit_time_sd = np.abs(rng.normal(0, (0.25, 0.1)))
    if kind == "paired":
        p = expit(base + KAPPA_LOGIT * delta * np.array([-0.5, 0.5]))
        table = paired_proportions.cells(*p, rng.normal(2, 1))
        counts = rng.multinomial(rng.integers(15, 150), table.ravel() / table.sum()).reshape(2, 2)
        once = rng.integers(0, 20, 2)
        return PairedProportions(
            counts.astype(float), rng.binomial(once, p).astype(float), once.astype(float), KAPPA_LOGIT
        )
    units = int(rng.integers(2, 8)) * 2
    waves = {"cluster": 1, "cross_section": 2, "did": int(rng.integers(2, 5))}[kind]
    treated = np.ones(units) if kind == "cross_section" else np.arange(units) % 2
    n = rng.integers(3, 60, (units, waves))
    u = KAPPA_LOGIT * unit_sd * rng.normal(size=(units, 1))
    v = KAPPA_LOGIT * unit_time_sd * rng.normal(size=(units, waves)) * (kind != "cluster")
    after = np.zeros(waves)
    after[-1] = 1
    x = rng.binomial(n, expit(base + KAPPA_LOGIT * delta * treated[:, None] * after + u + v))
    if kind == "cluster":
        return in_arms(x, n, treated, rng.normal(0, 0.5, units))
    return over_time(x, n, treated)


KINDS = ("cluster", "cross_section", "did", "paired")


def compared(inputs: UnitProportions | PairedProportions, seed: int) -> dict[str, float]:
    """What the gates read of NUTS beside the exact engine."""
    from analysis.engine import _SAMPLERS  # noqa: PLC0415
    from analysis.sampling import sample  # noqa: PLC0415

    draws = sample(inputs, ADJUSTED, _SAMPLERS[inputs.structure], seed, lambda _: None)
    readings = gates.sampler_readings(draws.values, draws.divergences, draws.energy)
    found = exact.rao_blackwell(inputs, ADJUSTED, draws.values)
    readings |= gates.agreement_readings(found, exact.posterior(inputs, ADJUSTED), (-0.2, 0.0, 0.2))
    readings["predictive"] = gates.predictive_reading(predictive.checks(inputs, draws.values))
    return readings


@pytest.mark.parametrize("kind", KINDS)
def test_nuts_and_the_exact_engine_agree(kind: str) -> None:
    readings = compared(simulated(np.random.default_rng(5), kind), 1)
    assert all(gates.Reading(name, value, kind, "adjusted").passed for name, value in readings.items()), readings


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nuts_and_the_exact_engine_agree_on_many_random_tables(kind: str) -> None:
    rng = np.random.default_rng(11)
    readings = [compared(simulated(rng, kind), i) for i in range(50)]
    worst = {name: (max if name in gates.AT_MOST else min)(r[name] for r in readings) for name in readings[0]}
    # Chance alone moves one of 50 short runs over a line now and then; two may.
    failed = sum(any(not gates.Reading(n, v, kind, "").passed for n, v in r.items()) for r in readings)
    assert failed <= 2, worst
    assert np.mean([r["agreement_mean"] for r in readings]) < 0.03
    assert worst["agreement_probability"] < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_as_often_as_they_say(kind: str) -> None:
    """Δ from its prior, nuisances from theirs: the 95 % interval holds Δ in 95 % of pilots, within simulation error."""
    ranks = []
    for i in range(200):
        rng = np.random.default_rng([7, i])
        state = rng.bit_generator.state
        delta = rng.normal(0, 0.5)
        rng.bit_generator.state = state
        ranks.append(exact.posterior(simulated(rng, kind), OBSERVED).above(delta))
    covered = np.mean([(0.025 < r < 0.975) for r in ranks])
    assert 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200) < covered
    # Ranks are uniform: the mean of 200 has SD 0.0204.
    assert abs(np.mean(ranks) - 0.5) < 0.062


def test_a_prior_far_from_the_data_gets_nodes_of_its_own() -> None:
    inputs = over_time([[30, 90]], [[100, 100]], [1], unit=0.0, unit_time=0.0)
    far = Run("far", normal(NormalPrior(mean=-1.5, sd=0.1)), NO_BIAS)
    assert not marginal.integrated(unit_proportions._target(inputs, rule_of(inputs))).serves(far)
    alpha, total = np.linspace(-3, 5, 1601)[:, None], np.linspace(-2.5, 1.0, 3501)
    value = binom.logpmf(30, 100, expit(alpha)) + binom.logpmf(90, 100, expit(alpha + KAPPA_LOGIT * total))
    value = value + norm.logpdf(alpha, 0, 1.5) + norm.logpdf(total, -1.5, 0.1)
    density = np.exp(value - value.max()).sum(axis=0)
    agree(exact.posterior(inputs, far), *summed(total, density, (-1.4, -1.0)), close=0.005)


# --- linked people ------------------------------------------------------------------------------------------------


def test_cells_have_the_margins_and_the_odds_ratio() -> None:
    for p1, p2, log_or in itertools.product((1e-6, 0.2, 0.5, 0.99), (1e-4, 0.3, 0.7), (-4.0, -1e-9, 0.0, 1e-7, 3.0)):
        table = paired_proportions.cells(np.array(p1), np.array(p2), np.array(log_or))
        assert table.sum() == pytest.approx(1, abs=1e-12)
        assert (table[1].sum(), table[:, 1].sum()) == pytest.approx((p1, p2), rel=1e-6)
        if min(table.ravel()) > 1e-8:
            assert np.log(table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0])) == pytest.approx(log_or, abs=1e-5)


@pytest.mark.parametrize("run", [OBSERVED, ADJUSTED, EVIDENCE], ids=lambda run: run.name)
def test_paired_against_a_plain_grid(run: Run) -> None:
    table = np.array([[14.0, 12.0], [4.0, 22.0]])
    inputs = PairedProportions(table, np.array([3.0, 2.0]), np.array([5.0, 6.0]), KAPPA_LOGIT)
    centre, log_or, total = np.linspace(-2.5, 3, 67), np.linspace(-3, 6.5, 77), np.linspace(-2, 3, 251)
    c, o, t = np.meshgrid(centre, log_or, total, indexing="ij")
    p1, p2 = expit(c - KAPPA_LOGIT * t / 2), expit(c + KAPPA_LOGIT * t / 2)
    cells = paired_proportions.cells(p1, p2, o)
    value = multinomial.logpmf(
        table.ravel(), int(table.sum()), cells.reshape(*c.shape, 4) / cells.sum((-1, -2))[..., None]
    )
    value += binom.logpmf(3, 5, p1) + binom.logpmf(2, 6, p2)
    value += norm.logpdf(o, 2, 1) - 0.5 * run.intercept * (c / 1.5) ** 2
    likelihood = np.exp(value - value.max()).sum(axis=(0, 1))
    delta = np.linspace(-2, 3, 251)
    if run is ADJUSTED:
        density = norm.pdf(total[None] - 0.05 - delta[:, None], 0, 0.15) @ likelihood * norm.pdf(delta, 0, 0.5)
    else:
        density = likelihood * (1.0 if run.flat else norm.pdf(total, 0, 0.5))
    agree(exact.posterior(inputs, run), *summed(delta, density), close=0.01)
    if run is OBSERVED:
        weight = np.exp(value - value.max()) * norm.pdf(t, 0, 0.5)
        weight /= weight.sum()
        mean = float((weight * (p2 - p1)).sum())
        sd = float(np.sqrt((weight * (p2 - p1 - mean) ** 2).sum()))
        agree(
            paired_proportions.risk_difference(inputs, run), mean, sd, {0.0: float(weight[p2 > p1].sum())}, close=0.03
        )


def test_linking_people_narrows_the_interval() -> None:
    """The same margins: the more people stay as they were, the surer the change of those who did not."""
    loose = PairedProportions(np.array([[18.0, 22.0], [12.0, 28.0]]), np.zeros(2), np.zeros(2), KAPPA_LOGIT)
    tight = PairedProportions(np.array([[30.0, 10.0], [0.0, 40.0]]), np.zeros(2), np.zeros(2), KAPPA_LOGIT)
    assert (loose.x == tight.x).all()
    sds = [exact.posterior(inputs, OBSERVED).sd for inputs in (tight, loose)]
    assert sds[0] < 0.7 * sds[1]


# --- what is said of units and people -----------------------------------------------------------------------------


def test_the_risk_difference_of_units_by_drawing() -> None:
    inputs = in_arms([3, 5, 12, 9], [20, 18, 30, 16], [0, 0, 1, 1], [0.5, -0.2, 0.4, -0.7])
    z = unit_rates.selected_nodes(inputs, OBSERVED)
    found = unit_rates.risk_difference(inputs, OBSERVED)
    rng = np.random.default_rng(2)
    values = []
    for point in z:
        su = KAPPA_LOGIT * 0.25 * half_line(point[5:6])
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
