"""Two arms, linked before and after, the correlation r unreported: means given baseline means, spread of y2.

With r known the slope is r τ/σ1 and the residual variance τ² (1 − r²), τ the SD of y2 within an arm. The reported SD
of y2 informs τ alone, so that r keeps its prior: nothing in such a summary can tell it.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import intercept, total_effect
from analysis.models.shared import EFFECT, Layout, unpacked

LAYOUT: Layout = {**EFFECT, **dict.fromkeys(("n", "mean1", "mean2", "s22"), (2,)), "sd1": (), "sigma_scale": ()}


def build() -> pm.Model:
    """The model on standardised sums of the arms, control first; r ~ N(0.65, 0.15) on (0, 0.95).

    `mean1` is about the pooled baseline mean; `sd1` is the pooled baseline SD within arms; `sigma` holds τ.
    The difference of the arms' means, `contrast`, is sampled and not Δ: where the baselines differ, Δ follows r.
    """
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        tau = pm.HalfNormal("sigma", d["sigma_scale"], shape=2)
        r = pm.Uniform("r", 0.0, 0.95)
        pm.Potential("r_log_prior", -0.5 * ((r - 0.65) / 0.15) ** 2)
        explained = r * tau / d["sd1"] * d["mean1"]
        contrast = pm.Flat("contrast")
        total = total_effect(d, pm.Deterministic("total", contrast + explained[0] - explained[1]))
        alpha = intercept(d, "alpha", 1.0, -explained[0] - d["leaning"] * contrast)
        residual = d["mean2"] - (alpha + explained + total * np.array([0.0, 1.0]))
        spread = -(d["n"] - 1) * pt.log(tau) - d["s22"] / (2 * tau**2)
        means = -pt.log(tau) - 0.5 * pt.log1p(-(r**2)) - d["n"] * residual**2 / (2 * tau**2 * (1 - r**2))
        pm.Potential("likelihood", (spread + means).sum())
    return model
