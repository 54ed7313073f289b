"""The exact engine against brute force that shares no formula with it: plain grids over every parameter."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import beta, norm

from analysis import exact
from analysis.designs.inputs import Ancova, AncovaUnknownR, TwoMeans, TwoProportions
from analysis.documents import BorrowPrior, NormalPrior
from analysis.posterior import Posterior
from analysis.priors import FLAT, NO_BIAS, Bias, Run, borrowing, normal
from analysis.proportions import BetaDifference

Array = NDArray[np.float64]

MAIN = normal(NormalPrior(mean=0, sd=0.5))
RUNS = [
    Run("main", MAIN, NO_BIAS),
    Run("biased", MAIN, Bias(0.05, 0.15)),
    Run("sceptical", normal(NormalPrior(mean=0, sd=0.2)), Bias(0.0, 0.05)),
    Run("flat", FLAT, NO_BIAS),
    Run("flat and biased", FLAT, Bias(0.15, 0.25)),
    Run("borrowed", borrowing(BorrowPrior(mean=0.4, sd=0.1, weight=0.5)), Bias(0.0, 0.1)),
]
EFFECTS = np.linspace(-3.0, 3.0, 1201)


def ids(run: Run) -> str:
    return run.name


def of_effect(total: Array, likelihood: Array, run: Run) -> Array:
    """Density of δ on EFFECTS: its prior times the likelihood of Δ = δ + b averaged over b, on plain grids."""
    prior = np.zeros_like(EFFECTS)
    for c in run.effect:
        prior += c.weight * (norm.pdf(EFFECTS, c.mean, c.precision**-0.5) if c.precision else 1.0)
    if run.bias.sd == 0:
        shown = np.interp(EFFECTS + run.bias.mean, total, likelihood, left=0.0, right=0.0)
    else:
        z = np.linspace(-7, 7, 401)
        at = EFFECTS[:, None] + run.bias.mean + run.bias.sd * z
        shown = np.interp(at, total, likelihood, left=0.0, right=0.0) @ norm.pdf(z)
    density = prior * shown
    return np.asarray(density / np.trapezoid(density, EFFECTS))


def same(posterior: Posterior, density: Array) -> None:
    mean = np.trapezoid(density * EFFECTS, EFFECTS)
    sd = np.sqrt(np.trapezoid(density * (EFFECTS - mean) ** 2, EFFECTS))
    assert posterior.mean == pytest.approx(mean, abs=2e-3 * sd)
    assert posterior.sd == pytest.approx(sd, rel=2e-3)
    for threshold in (-0.2, 0.0, 0.2):
        cut = threshold <= EFFECTS
        assert posterior.above(threshold) == pytest.approx(np.trapezoid(density[cut], EFFECTS[cut]), abs=2e-3)
    for p in (0.025, 0.5, 0.975):
        assert posterior.above(posterior.quantile(p)) == pytest.approx(1 - p, abs=1e-6)


def scale_integral(n: float, squares: Array, scale: float) -> Array:
    """∫ σ^−n exp(−squares / 2σ²) HN(σ; scale) dσ, relative to its largest value, by a fine sum."""
    sigma = np.geomspace(1e-3, 20.0, 4000)
    log = -n * np.log(sigma) - squares[..., None] / (2 * sigma**2) - sigma**2 / (2 * scale**2) + np.log(sigma)
    log -= (-n * np.log(sigma) - squares.min() / (2 * sigma**2) - sigma**2 / (2 * scale**2) + np.log(sigma)).max()
    return np.asarray(np.exp(log).sum(-1))


@pytest.mark.parametrize("run", RUNS, ids=ids)
@pytest.mark.parametrize("n", [(41, 41), (4, 7)], ids=str)
def test_two_means(run: Run, n: tuple[int, int]) -> None:
    inputs = TwoMeans(np.array(n, float), np.array([-0.15, 0.5]), np.array([0.55, 0.7]) * (np.array(n) - 1), 1.0)
    mu = np.linspace(-4, 4, 1601)  # α on the same grid as α + Δ: the sum over α is a correlation
    arm = [scale_integral(n[a], inputs.ss[a] + n[a] * (inputs.mean[a] - mu) ** 2, 1.0) for a in (0, 1)]
    likelihood = np.correlate(arm[1], arm[0] * norm.pdf(mu), "full")
    total = np.linspace(-8, 8, 3201)
    same(exact.posterior(inputs, run), of_effect(total, likelihood, run))


@pytest.mark.parametrize("run", RUNS[:4], ids=ids)
def test_ancova(run: Run) -> None:
    n = np.array([12.0, 15.0])
    inputs = Ancova(
        n=n,
        mean1=np.array([-0.1, 0.08]),
        mean2=np.array([0.05, 0.5]),
        s11=np.array([10.0, 15.0]),
        s12=np.array([6.0, 11.0]),
        s22=np.array([9.0, 14.0]),
        slope_mean=0.5,
        slope_precision=4.0,
        sigma_scale=1.0,
    )
    mu = np.linspace(-4, 4, 801)
    likelihood = np.zeros(2 * len(mu) - 1)
    table = np.linspace(0, 400, 4001)
    integral = [np.log(scale_integral(n[a], table, 1.0)) for a in (0, 1)]
    for slope in np.linspace(-0.5, 1.8, 93):
        arm = []
        for a in (0, 1):
            rss = inputs.s22[a] - 2 * slope * inputs.s12[a] + slope**2 * inputs.s11[a]
            squares = rss + n[a] * (inputs.mean2[a] - slope * inputs.mean1[a] - mu) ** 2
            arm.append(np.exp(np.interp(squares, table, integral[a])))
        likelihood += norm.pdf(slope, 0.5, 0.5) * np.correlate(arm[1], arm[0] * norm.pdf(mu), "full")
    same(exact.posterior(inputs, run), of_effect(np.linspace(-8, 8, len(likelihood)), likelihood, run))


@pytest.mark.parametrize("run", RUNS[:4], ids=ids)
def test_ancova_with_unknown_correlation(run: Run) -> None:
    n = np.array([12.0, 15.0])
    mean1, mean2, s22 = np.array([-0.2, 0.16]), np.array([0.05, 0.5]), np.array([9.0, 14.0])
    inputs = AncovaUnknownR(n=n, mean1=mean1, mean2=mean2, s22=s22, sd1=1.1, sigma_scale=1.0)
    mu = np.linspace(-4, 4, 401)
    tau = np.geomspace(0.1, 8.0, 500)
    likelihood = np.zeros(2 * len(mu) - 1)
    for r in np.linspace(0.0, 0.95, 96):
        arm = []
        for a in (0, 1):
            variance = tau**2 * (1 - r**2)
            log = -(n[a] - 1) * np.log(tau) - s22[a] / (2 * tau**2) - tau**2 / 2 + np.log(tau)
            centre = mean2[a] - r * tau / 1.1 * mean1[a]
            residual = centre - mu[:, None]
            arm.append(np.exp(log - 0.5 * np.log(variance) - n[a] * residual**2 / (2 * variance)).sum(1))
        likelihood += norm.pdf(r, 0.65, 0.15) * np.correlate(arm[1], arm[0] * norm.pdf(mu), "full")
    same(exact.posterior(inputs, run), of_effect(np.linspace(-8, 8, len(likelihood)), likelihood, run))


@pytest.mark.parametrize("n", [20_000, 100_000, 10_000_000])
def test_unknown_correlation_in_large_arms_with_unlike_baselines(n: int) -> None:
    """Where everything but r is known, Δ is a line in r: its density is that of r, and no comb of nodes."""
    inputs = AncovaUnknownR(
        n=np.full(2, float(n)),
        mean1=np.array([-0.5, 0.5]),
        mean2=np.array([-0.5, 0.35]),
        s22=np.full(2, n - 1.0),
        sd1=1.0,
        sigma_scale=1.0,
    )
    mine = exact.posterior(inputs, RUNS[0])
    r = np.linspace(0, 0.95, 200_001)
    total = 0.85 - r
    weight = norm.pdf(r, 0.65, 0.15) * norm.pdf(total, 0, 0.5) * norm.pdf(-0.5 + 0.5 * r)
    for threshold in (-0.05, 0.0, 0.1, 0.2, 0.33):
        expected = weight[total > threshold].sum() / weight.sum()
        assert mine.above(threshold) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("run", RUNS, ids=ids)
@pytest.mark.parametrize("counts", [(24, 56, 19, 51), (6, 14, 5, 12)], ids=str)
def test_two_proportions(run: Run, counts: tuple[int, int, int, int]) -> None:
    xc, nc, xt, nt = counts
    kappa = -np.pi / np.sqrt(3)
    inputs = TwoProportions(np.array([xc, xt], float), np.array([nc, nt], float), kappa)
    total, eta = np.linspace(-6, 6, 1201), np.linspace(-8, 8, 801)
    control, treated = (expit(eta[:, None] + sign * kappa * total / 2) for sign in (-1, 1))
    log = xc * np.log(control) + (nc - xc) * np.log1p(-control) + xt * np.log(treated) + (nt - xt) * np.log1p(-treated)
    likelihood = (np.exp(log - log.max()) * norm.pdf(eta, 0, 1.5)[:, None]).sum(0)
    same(exact.posterior(inputs, run), of_effect(total, likelihood, run))


def test_beta_difference_against_plain_integration() -> None:
    inputs = TwoProportions(np.array([24.0, 19.0]), np.array([56.0, 51.0]), -np.pi / np.sqrt(3))
    mine = BetaDifference(inputs)
    p = np.linspace(0, 1, 4001)
    control, treated = beta.pdf(p, 25, 33), beta.pdf(p, 20, 33)
    joint = control[:, None] * treated[None, :]
    joint /= joint.sum()
    difference = p[None, :] - p[:, None]
    assert mine.mean == pytest.approx(float((joint * difference).sum()), abs=1e-6)
    assert mine.sd == pytest.approx(float(np.sqrt((joint * (difference - mine.mean) ** 2).sum())), abs=1e-6)
    for threshold in (-0.1, 0.05):
        assert mine.above(threshold) == pytest.approx(float(joint[difference > threshold].sum()), abs=2e-3)
    assert mine.above(mine.quantile(0.1)) == pytest.approx(0.9, abs=1e-8)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log(p / (1 - p))
        effect = (odds[None, :] - odds[:, None]) / inputs.kappa
    assert mine.effect_above(0.2) == pytest.approx(float(joint[effect > 0.2].sum()), abs=2e-3)


@pytest.mark.parametrize(("turned", "p"), [(False, 0.2008), (True, 0.2008)])
def test_beta_difference_of_a_small_arm_against_a_huge_one(*, turned: bool, p: float) -> None:
    """10 of 20 against 50,000 of 100,000: the huge arm is a point, the small one a Beta(11, 11)."""
    x, n = np.array([10.0, 50_000.0]), np.array([20.0, 100_000.0])
    kappa = np.pi / np.sqrt(3)
    mine = BetaDifference(TwoProportions(x[::-1] if turned else x, n[::-1] if turned else n, kappa))
    expected = float(beta.sf(expit(kappa * 0.2), 11, 11))
    assert mine.effect_above(0.2) == pytest.approx(expected, abs=1e-4)
    assert mine.effect_above(0.2) == pytest.approx(p, abs=2e-3)
    assert mine.above(0.1) == pytest.approx(float(beta.sf(0.6, 11, 11)), abs=1e-4)
    assert mine.effect_above(0.0) == pytest.approx(0.5, abs=1e-6)


def test_a_probability_is_never_below_nought() -> None:
    for x in ((0.0, 60.0), (60.0, 0.0), (0.0, 0.0)):
        for kappa in (1.8, -1.8):
            mine = BetaDifference(TwoProportions(np.array(x), np.array([60.0, 60.0]), kappa))
            for at in (-0.9, -0.2, 0.0, 0.2, 0.9):
                assert 0 <= mine.effect_above(at) <= 1
                assert 0 <= mine.above(at) <= 1


def test_weight_of_what_was_borrowed_falls_under_conflict() -> None:
    def weight(mean: float) -> float:
        inputs = TwoMeans(np.array([60.0, 60.0]), np.array([0.0, mean]), np.array([40.0, 40.0]), 1.0)
        return float(exact.component_weights(inputs, Run("b", borrowing(BorrowPrior(mean=0.4, sd=0.1)), NO_BIAS))[0])

    weights = [weight(m) for m in (0.4, 0.0, -0.4, -0.8)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 0.5 > weights[2]


def test_weight_of_what_was_borrowed_by_the_evidence_of_either_prior() -> None:
    """Bayes' rule on the components fitted apart: p(data | c) = likelihood integrated against each prior."""
    inputs = TwoProportions(np.array([24.0, 14.0]), np.array([56.0, 51.0]), -np.pi / np.sqrt(3))
    run = Run("b", borrowing(BorrowPrior(mean=0.4, sd=0.1, weight=0.25)), NO_BIAS)
    total, eta = np.linspace(-6, 6, 2401), np.linspace(-8, 8, 801)
    control, treated = (expit(eta[:, None] + sign * inputs.kappa * total / 2) for sign in (-1, 1))
    log = 24 * np.log(control) + 32 * np.log1p(-control) + 14 * np.log(treated) + 37 * np.log1p(-treated)
    likelihood = (np.exp(log - log.max()) * norm.pdf(eta, 0, 1.5)[:, None]).sum(0)
    parts = [
        w * np.trapezoid(likelihood * norm.pdf(total, m, s), total)
        for w, m, s in ((0.25, 0.4, np.hypot(0.1, 0.15)), (0.75, 0.0, 0.5))
    ]
    assert exact.component_weights(inputs, run)[0] == pytest.approx(parts[0] / sum(parts), abs=1e-4)


@pytest.mark.parametrize("mean", [0.3, 8.0, 300.0])
@pytest.mark.parametrize("n", [(2, 2), (2, 1_000_000), (1_000_000, 1_000_000)], ids=str)
def test_extreme_sizes_and_distances_give_finite_and_sensible_answers(mean: float, n: tuple[int, int]) -> None:
    inputs = TwoMeans(np.array(n, float), np.array([0.0, mean]), 0.5 * (np.array(n, float) - 1), 1.0)
    for run in RUNS:
        posterior = exact.posterior(inputs, run)
        assert np.isfinite([posterior.mean, posterior.sd, posterior.quantile(0.5)]).all()
        assert posterior.sd > 0
        assert 0 <= posterior.above(0.2) <= posterior.above(0) <= 1
    if n[0] == n[1] == 1_000_000:
        flat = exact.posterior(inputs, RUNS[3])
        assert flat.mean == pytest.approx(mean, abs=2e-3 * max(1, mean / 8))


@pytest.mark.parametrize(
    ("x", "n"), [((0, 0), (10, 10)), ((10, 10), (10, 10)), ((0, 10), (10, 10)), ((0, 0), (1_000_000, 1_000_000))]
)
def test_no_events_or_nothing_else(x: tuple[int, int], n: tuple[int, int]) -> None:
    inputs = TwoProportions(np.array(x, float), np.array(n, float), np.pi / np.sqrt(3))
    for run in RUNS[:3]:
        posterior = exact.posterior(inputs, run)
        assert np.isfinite([posterior.mean, posterior.sd]).all()
        if x[0] == x[1]:
            # The data say nothing of a difference: δ keeps its prior, less the bias it is thought to carry.
            assert -run.bias.mean - 1e-9 <= posterior.mean <= 1e-9
            assert posterior.sd == pytest.approx(run.effect[0].precision ** -0.5, rel=0.35)
        else:
            assert posterior.above(0) > 0.95


@pytest.mark.parametrize("n", [(150, 90), (124_632, 124_632), (844_750, 5_000)], ids=str)
def test_ancova_of_large_arms_is_generalised_least_squares(n: tuple[int, int]) -> None:
    """Residual SDs far below those of y2, of either arm: the search for them has a long way to go."""
    size = np.array(n, float)
    sd1, sd2, r = np.array([1.0, 0.73]), np.array([1.0, 1.22]), np.array([0.94, 0.82])
    inputs = Ancova(
        n=size,
        mean1=np.array([-0.15, 0.15]),
        mean2=np.array([0.0, 0.8]),
        s11=(size - 1) * sd1**2,
        s12=(size - 1) * r * sd1 * sd2,
        s22=(size - 1) * sd2**2,
        slope_mean=0.0,
        slope_precision=0.0,
        sigma_scale=10.0,
    )
    variance = np.ones(2)
    for _ in range(200):
        beta_hat = ((inputs.s12 / variance).sum()) / ((inputs.s11 / variance).sum())
        variance = (inputs.s22 - 2 * beta_hat * inputs.s12 + beta_hat**2 * inputs.s11) / (size - 1)
    se = np.sqrt((variance / size).sum() + 0.3**2 / (inputs.s11 / variance).sum())
    mine = exact.posterior(inputs, Run("evidence", FLAT, NO_BIAS, intercept=0.0))
    assert mine.mean == pytest.approx(0.8 - 0.3 * beta_hat, abs=0.05 * se)
    assert mine.sd == pytest.approx(se, rel=0.03)
