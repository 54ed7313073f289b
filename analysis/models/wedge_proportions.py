"""Proportions of units that cross over in sequence: logit p = columns · θ + κ Δ exposure + |κ| (u + v_period).

θ holds the increments of a random walk, which the SD of its steps multiplies (`wedge_walk`). u and v are integrated out
by the nested Gauss-Hermite rules of `unit_likelihood`, as many nodes as the exact engine found to be enough.
"""

import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import total_effect
from analysis.models.hyper import half_normal
from analysis.models.shared import Layout, unpacked
from analysis.models.unit_likelihood import of_single_terms
from analysis.models.wedge_walk import COEFFICIENTS, WALK, coefficients

SDS = 3
DIMENSION = SDS + COEFFICIENTS
LAYOUT: Layout = {
    "total_prior": (2, 3),
    "intercept": (),
    "location": (DIMENSION,),
    "factor": (DIMENSION, DIMENSION),
    "x": ("units", "periods"),
    "n": ("units", "periods"),
    "columns": ("units", "periods", COEFFICIENTS),
    **WALK,
    "levels": (COEFFICIENTS,),
    "kappa": (),
    "scales": (SDS,),
    "outer": (2, "outer"),
    "inner": (2, "inner"),
}
LEVEL_PRECISION = 1.5**-2


def build() -> pm.Model:
    """The model on `designs.wedge_inputs.WedgeProportions`; units and nodes may be any number, periods up to 12."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = d["location"] + pt.dot(d["factor"], pm.Flat("free", shape=DIMENSION))
        total = total_effect(d, pm.Deterministic("total", at[DIMENSION - 1]))
        names = ("unit_sd", "unit_time_sd", "step_sd")
        unit_sd, unit_time_sd, step_sd = (half_normal(name, at[i], d["scales"][i]) for i, name in enumerate(names))
        # Intercept and periods are in logits, what changes with the time since start in steps of the walk.
        precision = 1 + d["levels"][:-1] * (LEVEL_PRECISION - 1)
        effects = coefficients(d, at[SDS : DIMENSION - 1], step_sd, precision)
        eta = pt.dot(d["columns"][..., :-1], effects) + d["columns"][..., -1] * total
        data = (d[name] for name in ("n", "x", "outer", "inner"))
        pm.Potential("likelihood", of_single_terms(eta, d["kappa"] * unit_sd, d["kappa"] * unit_time_sd, *data))
    return model
