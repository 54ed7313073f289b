"""Two arms, linked before and after, the correlation r unreported: means given baseline means, spread of y2.

With r known the slope is r τ/σ1 and the residual variance τ² (1 − r²), τ the SD of y2 within an arm. The reported SD
of y2 informs τ alone, so that r keeps its prior: nothing in such a summary can tell it.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import effect_and_total


def build() -> pm.Model:
    """The model on standardised sums per arm, control first, each (2,).

    Shared data: `n`; `mean1` about the pooled baseline mean; `mean2`; `s22`; `sd1` (), the pooled SD of the
    baseline within arms; `sigma_scale` (). Prior of r: N(0.65, 0.15) on (0, 0.95).
    """
    with pm.Model() as model:
        n = pm.Data("n", np.array([2.0, 2.0]))
        mean1, mean2 = pm.Data("mean1", np.zeros(2)), pm.Data("mean2", np.zeros(2))
        s22 = pm.Data("s22", np.ones(2))
        sd1 = pm.Data("sd1", 1.0)
        total = effect_and_total()
        alpha = pm.Normal("alpha", 0.0, 1.0)
        tau = pm.HalfNormal("sigma", pm.Data("sigma_scale", 1.0), shape=2)
        r = pm.TruncatedNormal("r", 0.65, 0.15, lower=0.0, upper=0.95)
        residual = mean2 - (alpha + r * tau / sd1 * mean1 + total * np.array([0.0, 1.0]))
        spread = -(n - 1) * pt.log(tau) - s22 / (2 * tau**2)
        means = -pt.log(tau) - 0.5 * pt.log1p(-(r**2)) - n * residual**2 / (2 * tau**2 * (1 - r**2))
        pm.Potential("likelihood", pt.sum(spread + means))
    return model
