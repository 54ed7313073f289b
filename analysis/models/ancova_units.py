"""Two arms of units: y2 ~ N(α + β_w within + β_b between + Δ T + u, σ_arm), u ~ N(0, unit SD) integrated out."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import R_UNREPORTED, correlation, half_normal, position, preconditioned
from analysis.models.shared import Layout, unpacked

COEFFICIENTS = 4
LAYOUT: Layout = {
    **preconditioned(COEFFICIENTS),
    **dict.fromkeys(("n", "mean", "within", "between"), ("units", 2)),
    **dict.fromkeys(("s11", "s12", "s22", "free", "slope_prior", "scales"), (2,)),
    "unknown_r": (),
    "sd1": (),
}


def build() -> pm.Model:
    """The model on the sums of `designs.unit_inputs.AncovaUnits`; units may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        z, theta = position(d, COEFFICIENTS)
        alpha, slope = pm.Deterministic("alpha", theta[0]), pm.Deterministic("beta", theta[1:3])
        pm.Potential("intercept_log_prior", -0.5 * d["intercept"] * alpha**2)
        # A slope no datum tells keeps a proper prior, also where the plan's is flat.
        told_within = 1.0 - d["unknown_r"]
        told = pt.stack([told_within * (pt.abs(d["within"]).sum() + d["s11"].sum()), pt.abs(d["between"]).sum()]) > 0
        precision = pt.switch(pt.or_(told, d["slope_prior"][1] > 0), d["slope_prior"][1], 1.0)
        centre = d["slope_prior"][0]
        pm.Potential("slope_log_prior", (-0.5 * precision * (slope - centre) ** 2).sum())
        sigma = half_normal("sigma", z[:2], d["scales"][0])
        unit_sd = half_normal("unit_sd", z[2], d["scales"][1])
        # The place of the unit × time SD, which this model has none of.
        pm.Potential("unused", -0.5 * z[3] ** 2)
        r = correlation(z[4], R_UNREPORTED) * d["unknown_r"]
        residual = sigma * pt.sqrt(1 - r**2)
        expected = (
            alpha
            + (slope[0] * told_within + r * sigma / d["sd1"]) * d["within"]
            + slope[1] * d["between"]
            + theta[3] * np.array([0.0, 1.0])
        )
        off = d["mean"] - expected
        w = d["n"] / residual**2
        total, pulled = w.sum(axis=1), (w * off).sum(axis=1)
        filled = (d["n"] > 0).sum(axis=0)
        units = pt.log1p(unit_sd**2 * total) - unit_sd**2 / (1 + unit_sd**2 * total) * pulled**2
        squares = d["s22"] - 2 * slope[0] * d["s12"] + slope[0] ** 2 * d["s11"]
        within = -d["free"] * pt.log(sigma) - squares / (2 * sigma**2) - filled * pt.log(residual)
        pm.Potential("likelihood", within.sum() - 0.5 * ((w * off**2).sum() + units.sum()))
    return model
