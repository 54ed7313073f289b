"""δ given Δ: the draws are of the conditional the formulas name, mixtures, flat priors and no bias among them."""

import numpy as np
import pytest

from analysis.documents import BorrowPrior, NormalPrior
from analysis.priors import FLAT, NO_BIAS, Bias, Component, Run, borrowing, drawn_effect, given_total, normal

TOTAL = np.full((4, 50_000), 0.3)
BIAS = Bias(0.05, 0.15)


@pytest.mark.parametrize(
    ("effect", "mean", "sd"),
    [
        (normal(NormalPrior(mean=0, sd=0.2)), 0.25 * 0.04 / 0.0625, np.sqrt(0.04 * 0.0225 / 0.0625)),
        (FLAT, 0.25, 0.15),
    ],
)
def test_draws_of_the_effect_have_the_moments_of_the_conditional(
    effect: tuple[Component, ...], mean: float, sd: float
) -> None:
    draws = drawn_effect(Run("r", effect, BIAS), TOTAL, 1)
    assert draws.shape == TOTAL.shape
    assert draws.mean() == pytest.approx(mean, abs=0.002)
    assert draws.std() == pytest.approx(sd, rel=0.01)


def test_draws_under_a_mixture_come_from_its_parts_by_their_weights() -> None:
    run = Run("r", borrowing(BorrowPrior(mean=0.6, sd=0.1)), BIAS)
    weights, means, sds = (part[:, 0, 0] for part in given_total(run, TOTAL))
    draws = drawn_effect(run, TOTAL, 1)
    mean = weights @ means
    assert draws.mean() == pytest.approx(mean, abs=0.002)
    assert draws.std() == pytest.approx(np.sqrt(weights @ (sds**2 + (means - mean) ** 2)), rel=0.01)


def test_without_bias_the_effect_is_what_the_data_show() -> None:
    for effect in (FLAT, normal(NormalPrior(mean=0, sd=0.2)), borrowing(BorrowPrior(mean=0.6, sd=0.1))):
        assert drawn_effect(Run("r", effect, NO_BIAS), TOTAL, 1) == pytest.approx(TOTAL, abs=1e-12)
        assert drawn_effect(Run("r", effect, Bias(0.05, 0.0)), TOTAL, 1) == pytest.approx(TOTAL - 0.05, abs=1e-12)


def test_the_seed_makes_the_draws() -> None:
    run = Run("r", FLAT, BIAS)
    assert (drawn_effect(run, TOTAL, 1) == drawn_effect(run, TOTAL, 1)).all()
    assert (drawn_effect(run, TOTAL, 1) != drawn_effect(run, TOTAL, 2)).any()
