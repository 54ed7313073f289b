"""Monthly series by several roads: dense normal quadrature, importance sampling, NUTS beside the exact engine."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln

from analysis import exact, series_counts
from analysis.case import prepared_case
from analysis.designs.prepared import Prepared
from analysis.designs.series_inputs import Series, SeriesCounts
from analysis.documents import NormalPrior
from analysis.fit import exact_verdict, fit
from analysis.laplace_months import integrate
from analysis.posterior import Posterior
from analysis.priors import FLAT, NO_BIAS, Run, normal
from tests.analysis.monthly import log_values, points, ready, request

Array = NDArray[np.float64]
OBSERVED = Run("as_observed", normal(NormalPrior(mean=0, sd=0.5)), NO_BIAS)
EVIDENCE = Run("evidence", FLAT, NO_BIAS, intercept=0.0)


def prepared(series: list[dict[str, Any]], family: str, **changes: Any) -> Prepared:
    plan, data = ready(series, family, **changes)
    return prepared_case(plan, data, plan.looks[-1]).primary


def correlations(gaps: Array, phi: float) -> Array:
    t = np.cumsum(gaps)
    return np.asarray(phi ** np.abs(t[:, None] - t))


# --- durations ----------------------------------------------------------------------------------------------------


def by_dense_sums(inputs: Series) -> tuple[float, float]:
    """Mean and SD of Δ: coefficients stand in the covariance of the months; a grid over σ and φ."""
    m, weights, means, variances = inputs.months, [], [], []
    mean, precision = m.prior.T
    prior_mean, prior_variance = np.append(mean, 0.0), np.append(1 / precision, 0.25)
    covariance = m.columns * prior_variance @ m.columns.T
    centred = inputs.y - m.columns @ prior_mean
    loading = prior_variance[-1] * m.columns[:, -1]
    for phi in np.linspace(-0.95, 0.98, 61):
        correlation = correlations(m.gaps, phi)
        for sigma in np.exp(np.linspace(np.log(0.03), np.log(3.0), 81)):
            root = np.linalg.cholesky(covariance + sigma**2 * correlation)
            y, x = np.linalg.solve(root, np.column_stack([centred, loading])).T
            log_prior = -0.5 * ((phi - 0.3) / 0.3) ** 2 - 0.5 * sigma**2 + np.log(sigma)
            weights.append(-0.5 * y @ y - np.log(np.diag(root)).sum() + log_prior)
            means.append(x @ y)
            variances.append(prior_variance[-1] - x @ x)
    w = np.exp(np.array(weights) - max(weights))
    w /= w.sum()
    found = float(w @ np.array(means))
    return found, float(np.sqrt(w @ (np.array(variances) + np.array(means) ** 2) - found**2))


@pytest.mark.parametrize("control", [False, True])
def test_durations_by_dense_sums(*, control: bool) -> None:
    series = [p for p in points(log_values(11, 26, 11, effect=-0.2), "duration") if p["t"] not in (-7, -6, 4)]
    if control:
        series += points(log_values(12, 26, 11), "duration", "c")
    inputs = prepared(series, "duration", phase_in_months=2).inputs
    assert isinstance(inputs, Series)
    mean, sd = by_dense_sums(inputs)
    found = exact.posterior(inputs, OBSERVED)
    assert found.mean == pytest.approx(mean, abs=0.01 * sd)
    assert found.sd == pytest.approx(sd, rel=0.01)


def test_long_series_by_maximum_likelihood() -> None:
    """160 months leave the priors little to say: the flat run is the maximum of the likelihood and its curvature."""
    inputs = prepared(points(log_values(13, 100, 60, effect=-0.2), "duration"), "duration").inputs
    assert isinstance(inputs, Series)
    m = inputs.months

    def solved(at: Array) -> tuple[float, Array, Array]:
        correlation = correlations(m.gaps, np.tanh(at[1]))
        root = np.exp(at[0]) * np.linalg.cholesky(correlation)
        y, x = np.linalg.solve(root, inputs.y), np.linalg.solve(root, m.columns)
        theta = np.linalg.lstsq(x, y, rcond=None)[0]
        left = y - x @ theta
        return 0.5 * left @ left + np.log(np.diag(root)).sum(), theta, np.linalg.inv(x.T @ x)

    best = minimize(lambda at: solved(at)[0], [-1.0, 0.3], method="Nelder-Mead")
    _, theta, covariance = solved(best.x)
    found, se = exact.posterior(inputs, EVIDENCE), float(np.sqrt(covariance[-1, -1]))
    assert found.mean == pytest.approx(theta[-1], abs=0.25 * se)
    assert found.sd == pytest.approx(se, rel=0.15)


# --- counts -------------------------------------------------------------------------------------------------------


def by_importance(inputs: SeriesCounts, sigma: float, phi: float, delta: float) -> float:
    """Log of the integral over coefficients and departures, which together are one dense normal vector."""
    m = inputs.months
    mean, precision = m.prior.T
    x = m.columns[:, :-1]
    centre = x @ mean + m.columns[:, -1] * delta
    covariance = x / precision @ x.T + sigma**2 * correlations(m.gaps, phi)
    known = np.linalg.inv(covariance)

    def log_joint(u: Array) -> Array:
        log_rate = inputs.offset + inputs.scale * u
        left = u - centre
        return np.asarray(
            (inputs.events * log_rate - np.exp(log_rate) - gammaln(inputs.events + 1)).sum(axis=-1)
            - 0.5 * np.einsum("...i,ij,...j", left, known, left)
            - 0.5 * np.linalg.slogdet(covariance)[1]
        )

    u = centre.copy()
    for _ in range(50):
        rate = np.exp(inputs.offset + inputs.scale * u)
        curvature = known + np.diag(inputs.scale**2 * rate)
        u = u + np.linalg.solve(curvature, inputs.scale * (inputs.events - rate) - known @ (u - centre))
    root = np.linalg.cholesky(np.linalg.inv(curvature))
    rng, freedom = np.random.default_rng(1), 12.0
    z = rng.standard_normal((100_000, len(u))) / np.sqrt(rng.chisquare(freedom, (100_000, 1)) / freedom)
    log_proposal = -0.5 * (freedom + len(u)) * np.log1p((z**2).sum(axis=1) / freedom) - np.log(np.diag(root)).sum()
    ratio = log_joint(u + z @ root.T) - log_proposal
    return float(ratio.max() + np.log(np.exp(ratio - ratio.max()).mean()))


@pytest.mark.parametrize("level", [1.5, 4.0, 200.0])
def test_laplace_leaves_out_nothing_that_matters(level: float) -> None:
    """Over σ, φ and Δ the integral has the shape that importance sampling finds, from one event a month on."""
    inputs = prepared(points(log_values(21, 10, 9), "count", level=level), "count").inputs
    assert isinstance(inputs, SeriesCounts)
    places = [(0.05, 0.0, 0.0), (0.3, 0.3, 0.0), (0.3, 0.3, 0.8), (0.3, 0.3, -0.8), (0.8, 0.7, 0.2), (0.6, -0.3, 0.2)]
    sigma, phi, delta = np.array(places).T
    fixed = inputs.months.columns[:, -1:] * delta
    found = integrate(series_counts.poisson(inputs, 1.0), sigma, phi, fixed, series_counts.start(inputs))
    errors = found.log_value - [by_importance(inputs, *place) for place in places]
    assert np.ptp(errors) < 0.08


def test_counts_without_wandering_are_a_poisson_regression() -> None:
    """With σ near 0 the mode of the coefficients is that of a penalised Poisson regression."""
    inputs = prepared(points(log_values(22, 12, 10, effect=-0.4), "count"), "count").inputs
    assert isinstance(inputs, SeriesCounts)
    m = inputs.months
    mean, precision = m.prior.T

    def loss(theta: Array) -> float:
        log_rate = inputs.offset + inputs.scale * (m.columns[:, :-1] @ theta)
        return float((np.exp(log_rate) - inputs.events * log_rate).sum() + 0.5 * precision @ (theta - mean) ** 2)

    one, none = np.ones(1), np.zeros((len(inputs.events), 1))
    found = integrate(series_counts.poisson(inputs, 1.0), 1e-4 * one, 0 * one, none, series_counts.start(inputs))
    assert found.theta[0] == pytest.approx(minimize(loss, mean, tol=1e-10).x, abs=1e-4)


# --- both engines -------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "duration": ("duration", {"phase_in_months": 2}, True),
    "count": ("count", {"phase_in_months": 2}, True),
}
SLOW: dict[str, tuple[str, float, int, int]] = {
    "two events a month": ("count", 2.0, 24, 12),
    "one event a month": ("count", 1.0, 16, 10),
    "thousands of events": ("count", 5000.0, 36, 24),
    "60 months": ("duration", 30.0, 36, 24),
    "8 + 8 months": ("duration", 30.0, 8, 8),
}


def agreed(found: dict[str, Any]) -> None:
    assert all(gate["passed"] for gate in found["gates"]), found["gates"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["duration", "count"])
def test_nuts_agrees_with_the_exact_engine(name: str) -> None:
    family, plan, control = CASES[name]
    series = points(log_values(31, 26, 13, effect=-0.25), family)
    if control:
        series += points(log_values(32, 26, 13), family, "c", seed=1)
    found = fit(request(series, family, "nuts", **plan))
    agreed(found)
    cells = {(check["cell"], check["quantity"].split(",")[0]) for check in found["effects"][0]["predictive"]}
    assert ("all months", "autocorrelation left") in cells
    assert len(cells) == 3
    assert found["provenance"]["model"] == f"{'series' if family == 'duration' else 'series_counts'}/1"


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_nuts_agrees_at_the_edges(name: str) -> None:
    family, level, before, after = SLOW[name]
    for seed in range(3):
        series = points(log_values(seed, before, after, effect=-0.25), family, level=level, seed=seed)
        agreed(fit(request(series, family, "nuts")))


# --- shocks and trends, 200 series each ---------------------------------------------------------------------------


def judged(series: list[dict[str, Any]], family: str, **rule: float) -> tuple[str, Posterior]:
    plan, data = ready(series, family, rule=rule)
    case = prepared_case(plan, data, plan.looks[-1])
    run = next(run for run in case.runs(case.primary) if run.name == "as_observed")
    return exact_verdict(plan, data, plan.looks[-1]).outcome, exact.posterior(case.primary.inputs, run)


def shocked(seed: int, family: str) -> list[dict[str, Any]]:
    """A control series, and somewhere in the window one to three months that fall by a fifth to a half."""
    rng = np.random.default_rng([41, seed])
    months = int(rng.integers(1, 4))
    first = int(rng.integers(0, 13 - months))
    fall = rng.uniform(np.log(1.25), np.log(2))
    logs = {t: v - fall * (first <= t < first + months) for t, v in log_values(seed, 36, 12).items()}
    return points(logs, family, seed=seed) + points(log_values(seed + 5000, 36, 12), family, "c", seed=seed + 5000)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["duration", "count"])
def test_two_hundred_shocks_are_not_called_effects(family: str) -> None:
    """At grade B, so that nothing but the effect itself stands in the way."""
    outcomes = [judged(shocked(seed, family), family)[0] for seed in range(200)]
    assert outcomes.count("scale") <= 6
    loose = [judged(shocked(seed, family), family, p_meaningful=0.3)[0] for seed in range(0, 200, 4)]
    assert loose.count("scale") <= 4


@pytest.mark.slow
@pytest.mark.parametrize("family", ["duration", "count"])
def test_two_hundred_trends_that_continue(family: str) -> None:
    found = [
        judged(points(log_values(seed, 36, 12, trend=-0.1), family, seed=seed, level=40.0), family)[1]
        for seed in range(200)
    ]
    means, sds = np.array([p.mean for p in found]), np.array([p.sd for p in found])
    inside = [p.quantile(0.025) < 0 < p.quantile(0.975) for p in found]
    assert abs(means.mean()) < 3.5 * means.std() / np.sqrt(200)
    assert 0.75 < means.std() / sds.mean() < 1.1
    assert 0.91 <= np.mean(inside) <= 0.995
