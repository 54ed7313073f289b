"""Ordered categories in cells of units: logit P(Y > c) = slope · baseline + κ Δ exposure + |κ| (u + v) − τ_c.

u and v are integrated out as in `unit_proportions`. Cut-points are the first and the logs of the gaps, their prior
the one that a uniform Dirichlet on the categories' probabilities induces, in every run. The sampler walks `free`, near
round whatever the data; `location` and `factor` turn it into cut-points, slope, SDs on the real line and Δ.
"""

import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import total_effect
from analysis.models.hyper import half_normal
from analysis.models.ordinal_cuts import CUTS, cut_points
from analysis.models.shared import Layout, unpacked
from analysis.models.unit_likelihood import UnitLikelihood

DIMENSION = CUTS + 4
LAYOUT: Layout = {
    "total_prior": (2, 3),
    "intercept": (),
    "location": (DIMENSION,),
    "factor": (DIMENSION, DIMENSION),
    "x": ("units", "slots", "cuts"),
    "n": ("units", "slots", "cuts"),
    "baseline": ("units", "slots"),
    "exposure": ("units", "slots"),
    "slope_prior": (2,),
    "kappa": (),
    "scales": (2,),
    "multiples": (2,),
    "outer": (2, "outer"),
    "inner": (2, "inner"),
}


def build() -> pm.Model:
    """The model on `designs.ordinal_inputs.UnitOrdinal`; units, slots, cut-points and nodes may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = d["location"] + (d["factor"] * pm.Flat("free", shape=DIMENSION)).sum(axis=1)
        total = total_effect(d, pm.Deterministic("total", at[DIMENSION - 1]))
        in_use = d["x"].shape[2]
        cuts = cut_points(at[:CUTS], in_use)
        slope = pm.Deterministic("slope", at[CUTS])
        pm.Potential("slope_log_prior", -0.5 * d["slope_prior"][1] * (slope - d["slope_prior"][0]) ** 2)
        sds = [
            half_normal(name, at[CUTS + 1 + i], d["scales"][i]) for i, name in enumerate(("unit_sd", "unit_time_sd"))
        ]
        eta = slope * d["baseline"] + d["kappa"] * total * d["exposure"]
        su, sv = (abs(d["kappa"]) * d["multiples"][i] * sd for i, sd in enumerate(sds))
        data = (d[name] for name in ("n", "x", "outer", "inner"))
        pm.Potential("likelihood", UnitLikelihood()(eta[..., None] - cuts[:in_use], su, sv, *data))
        # What of the categories between two cut-points does not depend on η.
        between = d["x"].sum(axis=(0, 1))[: in_use - 1]
        gaps = pt.exp(at[1:CUTS][: in_use - 1])
        pm.Potential("between", (between * pt.log(-pt.expm1(-gaps))).sum())
    return model
