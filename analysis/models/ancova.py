"""Two arms, linked before and after: y2 ~ N(α + β (y1 − ȳ1) + Δ T, σ_arm)."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import effect_and_total


def build() -> pm.Model:
    """The model on standardised sums per arm, control first, each (2,).

    Shared data: `n`; `mean1` about the pooled baseline mean; `mean2`; `s11`, `s12`, `s22` about the arm's means;
    `slope_prior` (2,), mean and precision (0: flat); `sigma_scale` ().
    """
    with pm.Model() as model:
        n = pm.Data("n", np.array([2.0, 2.0]))
        mean1, mean2 = pm.Data("mean1", np.zeros(2)), pm.Data("mean2", np.zeros(2))
        s11, s12, s22 = (pm.Data(name, value) for name, value in
                         (("s11", np.ones(2)), ("s12", np.zeros(2)), ("s22", np.ones(2))))
        slope = pm.Data("slope_prior", np.array([0.5, 4.0]))
        total = effect_and_total()
        alpha = pm.Normal("alpha", 0.0, 1.0)
        beta = pm.Flat("beta")
        pm.Potential("slope_log_prior", -0.5 * slope[1] * (beta - slope[0]) ** 2)
        sigma = pm.HalfNormal("sigma", pm.Data("sigma_scale", 1.0), shape=2)
        residual = mean2 - (alpha + beta * mean1 + total * np.array([0.0, 1.0]))
        rss = s22 - 2 * beta * s12 + beta**2 * s11 + n * residual**2
        pm.Potential("likelihood", pt.sum(-n * pt.log(sigma) - rss / (2 * sigma**2)))
    return model
