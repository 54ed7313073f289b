"""Two arms, one value a person (a change, or a follow-up value): y ~ N(α + Δ T, σ_arm)."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import effect_and_total


def build() -> pm.Model:
    """The model on standardised sums per arm, control first: `n`, `mean`, `ss` (2,) each; `sigma_scale` ()."""
    with pm.Model() as model:
        n = pm.Data("n", np.array([2.0, 2.0]))
        mean = pm.Data("mean", np.zeros(2))
        ss = pm.Data("ss", np.ones(2))
        total = effect_and_total()
        alpha = pm.Normal("alpha", 0.0, 1.0)
        sigma = pm.HalfNormal("sigma", pm.Data("sigma_scale", 1.0), shape=2)
        residual = mean - (alpha + total * np.array([0.0, 1.0]))
        pm.Potential("likelihood", pt.sum(-n * pt.log(sigma) - (ss + n * residual**2) / (2 * sigma**2)))
    return model
