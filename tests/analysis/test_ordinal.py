"""Ordered categories: the integrals, and every posterior by a second road."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp
from scipy.stats import norm

from analysis import cut_points, exact, ordinal_effects, paired_ordinal, unit_ordinal
from analysis.designs.binary_inputs import KAPPA_LOGIT, PairedProportions
from analysis.designs.inputs import TwoProportions
from analysis.designs.ordinal_inputs import PairedOrdinal, UnitOrdinal, bounded
from analysis.priors import Run
from tests.analysis.binary_cases import ADJUSTED, EVIDENCE, OBSERVED, agree, over_time
from tests.analysis.binary_cases import in_arms as shares_in_arms
from tests.analysis.ordinal_cases import KINDS, in_arms, in_slots, shares, simulated

Array = NDArray[np.float64]
ARMS = [[6, 9, 4], [2, 8, 11]]

# --- parts --------------------------------------------------------------------------------------------------------


def test_cut_points_have_the_prior_of_a_uniform_dirichlet() -> None:
    """Draws from elsewhere, weighted: the shares at η = 0 have mean and variance of a Dirichlet(1, …, 1)."""
    rng = np.random.default_rng(1)
    z = np.stack([rng.normal(-1.0, 2.0, 400_000), *rng.normal(0.0, 1.5, (2, 400_000))], axis=1)
    proposal = norm.logpdf(z[:, 0], -1, 2) + norm.logpdf(z[:, 1:], 0, 1.5).sum(axis=1)
    weights = np.exp(cut_points.log_prior(z) - proposal)
    weights /= weights.sum()
    found = cut_points.shares(np.zeros(len(z)), cut_points.cut_points(z))
    assert weights @ found == pytest.approx(np.full(4, 0.25), abs=0.01)
    assert weights @ (found - 0.25) ** 2 == pytest.approx(np.full(4, 3 / 80), abs=0.003)


def test_cut_points_return_from_the_line() -> None:
    cuts = np.array([[-2.0, -1.9, 0.3], [0.0, 0.5, 7.0]])
    assert cut_points.cut_points(cut_points.on_line(cuts)) == pytest.approx(cuts)
    assert cut_points.shares(np.array(0.3), cuts[0]) == pytest.approx(shares(0.3, cuts[0]))
    assert cut_points.cut_points(cut_points.start(np.array([4.0, 0.0, 9.0]))) == pytest.approx(np.log([5 / 11, 6 / 10]))


def brute_force(inputs: UnitOrdinal, z: Array) -> float:
    """Log likelihood of one point by plain sums over u and v on ±8 SDs, shares by their definition."""
    su, sv = (float(s[0]) for s in unit_ordinal.logit_sds(inputs, z[None]))
    cuts = cut_points.cut_points(z[: inputs.cuts])
    eta = z[unit_ordinal.SLOPE] * inputs.baseline + inputs.kappa * z[unit_ordinal.TOTAL] * inputs.exposure
    steps = np.linspace(-8, 8, 401)
    log_weights = norm.logpdf(steps) + np.log(steps[1] - steps[0])

    def cell(counts: Array, at: Array) -> Array:
        above = expit(at[..., None] - cuts)
        edge = np.ones(above[..., :1].shape)
        p = -np.diff(np.concatenate([edge, above, 0 * edge], axis=-1), axis=-1)
        return np.log(np.maximum(p, 1e-300)) @ counts

    total = 0.0
    for g in range(len(inputs.units)):
        log_value = log_weights.copy()
        for s in range(inputs.n.shape[1]):
            at = eta[g, s] + su * steps
            if sv > 0:
                log_value += logsumexp(cell(inputs.counts[g, s], at[:, None] + sv * steps) + log_weights, axis=1)
            else:
                log_value += cell(inputs.counts[g, s], at)
        total += float(logsumexp(log_value))
    return total


@pytest.mark.parametrize("unit_time", [0.0, 1.0])
@pytest.mark.parametrize("kind", ["some", "one person each", "all in one category", "many"])
def test_unit_effects_are_integrated_out(kind: str, unit_time: float) -> None:
    rng = np.random.default_rng(2)
    counts = {
        "some": rng.multinomial(14, [0.2, 0.5, 0.3], (3, 2)),
        "one person each": np.eye(3)[rng.integers(0, 3, (3, 2))],
        "all in one category": np.tile([0, 25, 0], (3, 2, 1)),
        "many": rng.multinomial(1500, [0.1, 0.6, 0.3], (3, 2)),
    }[kind]
    inputs = in_slots(counts, unit=1.0, unit_time=unit_time, after=(0.0, 1.0))
    nodes = unit_ordinal.INTEGRATED.nodes(inputs, OBSERVED)
    weights = nodes.weights(OBSERVED).ravel()
    chosen = np.searchsorted(np.cumsum(weights), [0.1, 0.5, 0.9])
    z = unit_ordinal.INTEGRATED.filled(inputs, nodes.points.reshape(len(weights), -1)[chosen])
    found = unit_ordinal.log_likelihood(inputs, z, unit_ordinal.rule_of(inputs))
    assert np.std(found - [brute_force(inputs, point) for point in z]) < 2e-4


def test_linked_cells_have_their_margins_and_one_odds_ratio_at_every_pair_of_cuts() -> None:
    before, after = np.array([[0.9, 0.5, 0.02]]), np.array([[0.97, 0.6, 0.2]])
    for log_or in (-2.0, 0.0, 3.5):
        table = paired_ordinal.cells(before, after, np.array([log_or]))[0]
        assert table.sum() == pytest.approx(1)
        assert table.sum(axis=1)[::-1].cumsum()[::-1][1:] == pytest.approx(before[0])
        assert table.sum(axis=0)[::-1].cumsum()[::-1][1:] == pytest.approx(after[0])
        for i in range(1, 4):
            for j in range(1, 4):
                both, one, other, none = (
                    table[i:, j:].sum(),
                    table[i:, :j].sum(),
                    table[:i, j:].sum(),
                    table[:i, :j].sum(),
                )
                assert np.log(both * none / (one * other)) == pytest.approx(log_or, abs=1e-6)


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any), min_size=2, max_size=2))
@settings(max_examples=60, deadline=None)
def test_two_groups_bound_a_flat_effect_unless_they_lie_apart(counts: list[list[int]]) -> None:
    (low, high), (first, last) = ((np.flatnonzero(group)[[0, -1]]) for group in counts)
    apart = high <= first or last <= low
    assert bounded(np.array(counts, dtype=float), np.array([[-0.5], [0.5]])) == (not apart)


# --- posteriors by a second road ----------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [OBSERVED, ADJUSTED, EVIDENCE], ids=lambda run: run.name)
def test_two_arms_against_a_plain_grid(run: Run) -> None:
    """Three categories: shares at the middle of the arms on a triangle (their prior is flat there), Δ on a line."""
    p1, p2 = np.meshgrid(np.linspace(0.002, 0.998, 180), np.linspace(0.002, 0.998, 180), indexing="ij")
    inside = p1 + p2 < 0.9985
    cuts = np.stack([np.log(p1 / (1 - p1))[inside], np.log((p1 + p2)[inside] / (1 - (p1 + p2)[inside]))], axis=-1)
    total = np.linspace(-1.5, 3.5, 201)
    log_density, scores, superior = np.empty(len(total)), np.empty(len(total)), np.empty(len(total))
    for i, t in enumerate(total):
        of_arm = []
        for sign in (-0.5, 0.5):
            above = expit(sign * KAPPA_LOGIT * t - cuts)
            of_arm.append(np.stack([1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1]], axis=-1))
        value = sum(np.log(p) @ n for p, n in zip(of_arm, np.array(ARMS, dtype=float), strict=True))
        log_density[i] = logsumexp(value)
        weight = np.exp(value - log_density[i])
        scores[i] = weight @ ((of_arm[1] - of_arm[0]) @ np.array([1.0, 2.0, 3.0]))
        lower = np.cumsum(of_arm[0], axis=1) - 0.5 * of_arm[0]
        superior[i] = weight @ (of_arm[1] * lower).sum(axis=1)
    likelihood = np.exp(log_density - log_density.max())
    if run is ADJUSTED:
        delta = np.linspace(-1.5, 2.5, 401)
        density = norm.pdf(total[None] - 0.05 - delta[:, None], 0, 0.15) @ likelihood * norm.pdf(delta, 0, 0.5)
    else:
        delta, density = total, likelihood * (1.0 if run.flat else norm.pdf(total, 0, 0.5))
    share = density / density.sum()
    mean = float(share @ delta)
    inputs = in_slots([ARMS])
    agree(exact.posterior(inputs, run), mean, float(np.sqrt(share @ (delta - mean) ** 2)), {}, close=0.01)
    if run is OBSERVED:
        assert ordinal_effects.mean_difference(inputs, run).mean == pytest.approx(float(share @ scores), abs=2e-3)
        higher = ordinal_effects.detail(inputs, run, 0.95)["higher"]
        assert isinstance(higher, dict)
        assert higher["mean"] == pytest.approx(float(share @ superior), abs=1e-3)
        assert higher["interval"]["low"] < higher["mean"] < higher["interval"]["high"]


def test_many_people_by_maximum_likelihood() -> None:
    """The flat-prior posterior of 40,000 people is that of the likelihood: its maximum and the curvature there."""
    rng = np.random.default_rng(4)
    cuts, effect = np.array([-1.5, 0.0, 0.4, 2.0]), 0.3
    counts = np.array(
        [rng.multinomial(20_000, shares(s * KAPPA_LOGIT * effect, cuts)) for s in (-0.5, 0.5)], dtype=float
    )

    def loss(theta: Array) -> float:
        at = np.sort(theta[:4])
        return -sum(
            float(n @ np.log(shares(s * KAPPA_LOGIT * theta[4], at))) for s, n in zip((-0.5, 0.5), counts, strict=True)
        )

    best = minimize(loss, np.array([-1.0, -0.2, 0.2, 1.0, 0.0]), method="BFGS", options={"gtol": 1e-3}).x
    step, units = 1e-4, np.eye(5) * 1e-4
    curvature = np.array(
        [
            [
                (loss(best + a + b) - loss(best + a - b) - loss(best - a + b) + loss(best - a - b)) / (4 * step**2)
                for b in units
            ]
            for a in units
        ]
    )
    sd = float(np.sqrt(np.linalg.inv(curvature)[4, 4]))
    found = exact.posterior(in_slots([counts]), EVIDENCE)
    assert found.mean == pytest.approx(best[4], abs=0.02 * sd)
    assert found.sd == pytest.approx(sd, rel=0.01)


def of_prior(rng: np.random.Generator, draws: int, categories: int) -> Array:
    """Cut-points whose shares at η = 0 are drawn uniformly."""
    below = np.cumsum(rng.dirichlet(np.ones(categories), draws), axis=1)[:, :-1]
    return np.asarray(np.log(below / (1 - below)))


def weighed(log_weight: Array, total: Array) -> tuple[float, float, dict[float, float]]:
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float(weight @ total)
    tails = {t: float(weight[total > t].sum()) for t in (0.0, 0.2)}
    return mean, float(np.sqrt(weight @ (total - mean) ** 2)), tails


def logs(eta: Array, cuts: Array) -> Array:
    above = expit(eta[:, None] - cuts)
    edge = np.ones((len(eta), 1))
    return np.log(np.maximum(-np.diff(np.concatenate([edge, above, 0 * edge], axis=1), axis=1), 1e-300))


def test_units_over_waves_by_weighting_draws_of_the_prior() -> None:
    counts = np.array([[[3, 4, 1], [1, 3, 4]], [[4, 2, 2], [2, 3, 3]]], dtype=float)
    rng, draws = np.random.default_rng(5), 600_000
    cuts, total = of_prior(rng, draws, 3), rng.normal(0, 0.5, draws)
    u, v = (KAPPA_LOGIT * np.abs(rng.normal(0, scale, draws)) for scale in (0.25, 0.10))
    log_weight = np.zeros(draws)
    for unit in counts:
        level = u * rng.normal(size=draws)
        for sign, cell in zip((-0.5, 0.5), unit, strict=True):
            log_weight += logs(level + v * rng.normal(size=draws) + sign * KAPPA_LOGIT * total, cuts) @ cell
    inputs = in_slots(counts, unit=1.0, unit_time=1.0, after=(0.0, 1.0))
    agree(exact.posterior(inputs, OBSERVED), *weighed(log_weight, total), close=0.025)


def test_units_in_arms_by_weighting_draws_of_the_prior() -> None:
    counts, column = np.array([[5, 4, 1], [4, 4, 2], [1, 3, 6], [3, 4, 3]], dtype=float), [-0.6, 0.1, 0.6, -0.1]
    rng, draws = np.random.default_rng(6), 600_000
    cuts, total, slope = of_prior(rng, draws, 3), rng.normal(0, 0.5, draws), rng.normal(0.5, 0.5, draws)
    u = KAPPA_LOGIT * np.abs(rng.normal(0, 0.25, draws))
    log_weight = np.zeros(draws)
    for cell, x, side in zip(counts, column, (-0.5, -0.5, 0.5, 0.5), strict=True):
        log_weight += logs(slope * x + u * rng.normal(size=draws) + side * KAPPA_LOGIT * total, cuts) @ cell
    inputs = in_arms(counts, [0, 0, 1, 1], column)
    agree(exact.posterior(inputs, OBSERVED), *weighed(log_weight, total), close=0.025)
    found = exact.slope(inputs, OBSERVED)
    assert found is not None
    mean, sd, _ = weighed(log_weight, slope)
    assert found == pytest.approx((mean, sd), abs=0.03 * sd)


def test_linked_people_by_weighting_draws_of_the_prior() -> None:
    table = np.array([[5, 3, 1], [2, 4, 4], [0, 1, 3]], dtype=float)
    once = np.array([[2, 1, 0], [0, 1, 2]], dtype=float)
    rng, draws = np.random.default_rng(7), 400_000
    cuts, total = of_prior(rng, draws, 3), rng.normal(0, 0.5, draws)
    association, half = rng.normal(2, 1, draws), 0.5 * KAPPA_LOGIT * total
    before, after = (expit(side[:, None] - cuts) for side in (-half, half))
    cells = paired_ordinal.cells(before, after, association)
    log_weight = (table * np.log(cells)).sum(axis=(1, 2)) + logs(-half, cuts) @ once[0] + logs(half, cuts) @ once[1]
    inputs = PairedOrdinal(table, once, np.array([1.0, 2.0, 3.0]), KAPPA_LOGIT)
    agree(exact.posterior(inputs, OBSERVED), *weighed(log_weight, total), close=0.025)
    difference = cut_points.shares(half, cuts) - cut_points.shares(-half, cuts)
    mean, sd, _ = weighed(log_weight, difference @ inputs.scores)
    assert ordinal_effects.mean_difference(inputs, OBSERVED).mean == pytest.approx(mean, abs=0.03 * sd)


# --- two categories are yes and no --------------------------------------------------------------------------------


def no_and_yes(x: Array, n: Array) -> Array:
    return np.stack([np.asarray(n) - x, x], axis=-1).astype(float)


@pytest.mark.parametrize("units", ["none", "in arms", "over waves"])
def test_two_categories_are_the_binary_model(units: str) -> None:
    """The priors of the intercept differ (logistic, N(0, 1.5)): with many people that is no more than a rounding."""
    x, n = np.array([[900, 1120], [1010, 1200], [700, 960], [990, 1130]]), np.full((4, 2), 2000)
    if units == "none":
        mine = in_slots([no_and_yes(x[0], n[0])])
        pair = TwoProportions(x[0].astype(float), n[0].astype(float), KAPPA_LOGIT), mine
    elif units == "in arms":
        treated = np.array([0, 0, 1, 1])
        pair = shares_in_arms(x[:, :1], n[:, :1], treated), in_arms(no_and_yes(x[:, 0], n[:, 0]), treated)
    else:
        pair = over_time(x, n, np.ones(4)), in_slots(no_and_yes(x, n), unit=1.0, unit_time=1.0, after=(0.0, 1.0))
    binary, ordinal = (exact.posterior(inputs, OBSERVED) for inputs in pair)
    assert ordinal.mean == pytest.approx(binary.mean, abs=0.01 * binary.sd)
    assert ordinal.sd == pytest.approx(binary.sd, rel=0.01)
    if units != "none":
        risk, score = (exact.raw(inputs, OBSERVED) for inputs in pair)
        assert risk is not None
        assert score is not None
        assert score.mean == pytest.approx(risk.mean, abs=0.01 * risk.sd)


def test_two_linked_categories_are_the_binary_model() -> None:
    table, once = np.array([[900.0, 400.0], [250.0, 1100.0]]), np.array([[60.0, 40.0], [30.0, 50.0]])
    ordinal = PairedOrdinal(table, once, np.array([0.0, 1.0]), KAPPA_LOGIT)
    binary = PairedProportions(table, once[:, 1], once.sum(axis=1), KAPPA_LOGIT)
    mine, theirs = (exact.posterior(inputs, OBSERVED) for inputs in (ordinal, binary))
    assert mine.mean == pytest.approx(theirs.mean, abs=0.01 * theirs.sd)
    assert mine.sd == pytest.approx(theirs.sd, rel=0.01)


# --- symmetry -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_categories_and_direction_turned_about_turn_nothing(kind: str) -> None:
    inputs = simulated(np.random.default_rng(8), kind)
    if isinstance(inputs, PairedOrdinal):
        turned: UnitOrdinal | PairedOrdinal = dataclasses.replace(
            inputs, table=inputs.table[::-1, ::-1], once=inputs.once[:, ::-1], kappa=-inputs.kappa
        )
    else:
        turned = dataclasses.replace(
            inputs, counts=inputs.counts[..., ::-1], baseline=-inputs.baseline, kappa=-inputs.kappa
        )
    one, other = (exact.posterior(each, OBSERVED) for each in (inputs, turned))
    assert other.mean == pytest.approx(one.mean, abs=0.012 * one.sd)
    assert other.sd == pytest.approx(one.sd, rel=0.01)
    low, high = (ordinal_effects.detail(each, OBSERVED, 0.95) for each in (turned, inputs))
    assert isinstance(low["better"], dict)
    assert isinstance(high["higher"], dict)
    assert low["better"]["mean"] == pytest.approx(high["higher"]["mean"], abs=1e-3)
    assert "better" not in high


def test_sides_that_change_places_turn_the_effect_about() -> None:
    one, other = (exact.posterior(in_slots([arms]), OBSERVED) for arms in (ARMS, ARMS[::-1]))
    assert other.mean == pytest.approx(-one.mean, abs=2e-3 * one.sd)
    assert other.above(0.0) == pytest.approx(1 - one.above(0.0), abs=1e-3)


@pytest.mark.parametrize("counts", [[0, 30, 0, 0], [30, 0, 0, 0], [5, 0, 0, 9]])
def test_sides_that_do_not_differ_leave_benefit_and_harm_as_likely(counts: list[int]) -> None:
    found = exact.posterior(in_slots([[counts, counts]] * 3, unit=1.0), OBSERVED)
    assert found.above(0.0) == pytest.approx(0.5, abs=1e-3)
    assert found.mean == pytest.approx(0.0, abs=2e-3 * found.sd)


def test_categories_nobody_chose_stay() -> None:
    """An empty category changes what the shares may be, and hardly the effect."""
    with_, without = in_slots([[[6, 0, 9, 4], [2, 0, 8, 11]]]), in_slots([ARMS])
    one, other = (exact.posterior(inputs, OBSERVED) for inputs in (with_, without))
    assert one.mean == pytest.approx(other.mean, abs=0.1 * other.sd)
