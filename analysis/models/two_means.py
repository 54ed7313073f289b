"""Two arms, one value a person (a change, or a follow-up value): y ~ N(α + Δ T, σ_arm)."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import intercept, total_effect
from analysis.models.shared import EFFECT, Layout, unpacked

LAYOUT: Layout = {**EFFECT, "n": (2,), "mean": (2,), "ss": (2,), "sigma_scale": ()}


def build() -> pm.Model:
    """The model on standardised n, means and sums of squares of the arms, control first."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        total = total_effect(d)
        alpha = intercept(d, "alpha", 1.0, -d["leaning"] * total)
        sigma = pm.HalfNormal("sigma", d["sigma_scale"], shape=2)
        residual = d["mean"] - (alpha + total * np.array([0.0, 1.0]))
        squares = d["ss"] + d["n"] * residual**2
        pm.Potential("likelihood", (-d["n"] * pt.log(sigma) - squares / (2 * sigma**2)).sum())
    return model
