"""The change of a proportion in linked people: its table, its posterior by a second road."""

import itertools

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, multinomial, norm

from analysis import exact, paired_proportions
from analysis.designs.binary_inputs import KAPPA_LOGIT, PairedProportions
from analysis.priors import Run
from tests.analysis.binary_cases import ADJUSTED, EVIDENCE, OBSERVED, agree, summed


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
