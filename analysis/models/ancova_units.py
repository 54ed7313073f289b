"""Two arms of units: y2 ~ N(α + β_w within + β_b between + Δ T + u, σ_arm), u ~ N(0, unit SD) integrated out."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.ancova_likelihood import AncovaLikelihood
from analysis.models.hyper import R_UNREPORTED, correlation, half_normal, position, preconditioned
from analysis.models.shared import Layout, unpacked

COEFFICIENTS = 4
KINDS, COLUMNS = 4, 6
LAYOUT: Layout = {
    **preconditioned(COEFFICIENTS),
    "sizes": ("sizes", 2),
    "count": ("sizes",),
    "moments": (KINDS, "sizes", COLUMNS * COLUMNS),
    "squares": (2, 3),
    **dict.fromkeys(("free", "filled", "told", "slope_prior", "scales"), (2,)),
    "unknown_r": (),
    "sd1": (),
}


def build() -> pm.Model:
    """The model on the sums of `designs.unit_inputs.AncovaUnits`; units may have any number of sizes."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = position(d, COEFFICIENTS)
        alpha, slope = pm.Deterministic("alpha", at.nuisance[0]), pm.Deterministic("beta", at.nuisance[1:])
        pm.Potential("intercept_log_prior", -0.5 * d["intercept"] * alpha**2)
        # A slope no datum tells keeps a proper prior, also where the plan's is flat.
        precision = pt.switch(d["told"] + d["slope_prior"][1] > 0, d["slope_prior"][1], 1.0)
        pm.Potential("slope_log_prior", (-0.5 * precision * (slope - d["slope_prior"][0]) ** 2).sum())
        sigma = half_normal("sigma", at.sigma, d["scales"][0])
        unit_sd = half_normal("unit_sd", at.unit, d["scales"][1])
        # The place of the unit × time SD, which this model has none of.
        pm.Potential("unused", -0.5 * at.unit_time**2)
        r = correlation(at.last, R_UNREPORTED) * d["unknown_r"]
        residual = sigma * pt.sqrt(1 - r**2)
        within = slope[0] * d["told"][0] + r * sigma / d["sd1"]
        off = pt.stack([-alpha, -within[0], -within[1], -slope[1], -at.total, np.float64(1.0)])
        data = (d[name] for name in ("sizes", "count", "moments", "squares", "free", "filled"))
        pm.Potential("likelihood", AncovaLikelihood()(off, sigma, residual, unit_sd**2, slope[0], *data))
    return model
