"""Two arms, linked before and after: y2 ~ N(α + β (y1 − ȳ1) + Δ T, σ_arm)."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import intercept, total_effect
from analysis.models.shared import EFFECT, Layout, unpacked

SUMS = ("n", "mean1", "mean2", "s11", "s12", "s22")
LAYOUT: Layout = {**EFFECT, **dict.fromkeys(SUMS, (2,)), "slope_prior": (2,), "sigma_scale": ()}


def build() -> pm.Model:
    """The model on standardised sums of the arms, control first.

    `mean1` is about the pooled baseline mean, the sums of squares and products about the arm's means; `slope_prior`
    is mean and precision (0: flat).
    """
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        total = total_effect(d)
        alpha = intercept(d, "alpha", 1.0, -d["leaning"] * total)
        beta = pm.Flat("beta")
        pm.Potential("slope_log_prior", -0.5 * d["slope_prior"][1] * (beta - d["slope_prior"][0]) ** 2)
        sigma = pm.HalfNormal("sigma", d["sigma_scale"], shape=2)
        residual = d["mean2"] - (alpha + beta * d["mean1"] + total * np.array([0.0, 1.0]))
        squares = d["s22"] - 2 * beta * d["s12"] + beta**2 * d["s11"] + d["n"] * residual**2
        pm.Potential("likelihood", (-d["n"] * pt.log(sigma) - squares / (2 * sigma**2)).sum())
    return model
