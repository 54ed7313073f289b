"""Two arms of units: y2 ~ N(α + β_w within + β_b between + Δ T + u, σ_arm), u ~ N(0, unit SD) integrated out."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import R_UNREPORTED, correlation, half_normal, position, preconditioned
from analysis.models.shared import Layout, unpacked

COEFFICIENTS = 4
KINDS, COLUMNS = 4, 6
LAYOUT: Layout = {
    **preconditioned(COEFFICIENTS),
    "sizes": ("sizes", 2),
    "count": ("sizes",),
    "moments": (KINDS, "sizes", COLUMNS * COLUMNS),
    **dict.fromkeys(("s11", "s12", "s22", "free", "filled", "told", "slope_prior", "scales"), (2,)),
    "unknown_r": (),
    "sd1": (),
}


def build() -> pm.Model:
    """The model on the sums of `designs.unit_inputs.AncovaUnits`; units may have any number of sizes."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = position(d, COEFFICIENTS)
        first, slope = pt.split(at.nuisance, [1, 2])
        alpha, slope = pm.Deterministic("alpha", first.squeeze()), pm.Deterministic("beta", slope)
        pm.Potential("intercept_log_prior", -0.5 * d["intercept"] * alpha**2)
        # A slope no datum tells keeps a proper prior, also where the plan's is flat.
        precision = pt.switch(d["told"] + d["slope_prior"][1] > 0, d["slope_prior"][1], 1.0)
        pm.Potential("slope_log_prior", (-0.5 * precision * (slope - d["slope_prior"][0]) ** 2).sum())
        sigma = half_normal("sigma", at.sigma, d["scales"][0])
        unit_sd = half_normal("unit_sd", at.unit, d["scales"][1])
        # The place of the unit × time SD, which this model has none of.
        pm.Potential("unused", -0.5 * at.unit_time**2)
        r = correlation(at.r, R_UNREPORTED) * d["unknown_r"]
        residual = sigma * pt.sqrt(1 - r**2)
        of_within, of_between = (part.squeeze() for part in pt.split(slope, [1, 1]))
        within = of_within * d["told"][0] + r * sigma / d["sd1"]
        off = pt.concatenate([-first, -within, pt.stack([-of_between, -at.total, np.float64(1.0)])])
        # A unit tells its mean over both arms, whose variance its effect adds to, and the arms' difference.
        w = d["sizes"] / residual**2
        both = w.sum(axis=1)
        grown = 1 + unit_sd**2 * both
        share = w / both[:, None]
        mean = both / grown
        weights = pt.stack(
            [mean * share[:, 0] ** 2, mean * share[:, 1] ** 2, mean * share[:, 0] * share[:, 1], w[:, 0] * share[:, 1]]
        )
        products = pt.dot(weights.flatten(), d["moments"].reshape((-1, COLUMNS * COLUMNS)))
        between = (products.reshape((COLUMNS, COLUMNS)) * off[:, None] * off).sum() + (d["count"] * pt.log(grown)).sum()
        squares = d["s22"] - 2 * of_within * d["s12"] + of_within**2 * d["s11"]
        cells = -d["free"] * pt.log(sigma) - squares / (2 * sigma**2) - d["filled"] * pt.log(residual)
        pm.Potential("likelihood", cells.sum() - 0.5 * between)
    return model
