"""Units over periods that cross over in sequence: y ~ N(columns · θ + u + v_period, σ of the state).

θ holds the increments of a random walk, which the SD of its steps multiplies (`wedge_walk`). u and v are integrated
out.
"""

import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import half_normal, position, preconditioned
from analysis.models.shared import Layout, unpacked
from analysis.models.wedge_likelihood import WedgeLikelihood
from analysis.models.wedge_walk import COEFFICIENTS, WALK, coefficients

SEEN: Layout = {
    **dict.fromkeys(("n", "mean", "exposed"), ("units", "periods")),
    **dict.fromkeys(("squares", "free"), (2,)),
}
"""What the likelihood takes, in its order."""
LAYOUT: Layout = {
    **preconditioned(COEFFICIENTS),
    **SEEN,
    "columns": ("units", "periods", COEFFICIENTS),
    **WALK,
    "scales": (4,),
}


def build() -> pm.Model:
    """The model on `designs.wedge_inputs.WedgeMeans`; units may be any number, periods up to 12."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = position(d, COEFFICIENTS)
        sigma = half_normal("sigma", at.sigma, d["scales"][0])
        unit_sd = half_normal("unit_sd", at.unit, d["scales"][1])
        unit_time_sd = half_normal("unit_time_sd", at.unit_time, d["scales"][2])
        step_sd = half_normal("step_sd", at.last, d["scales"][3])
        effects = coefficients(d, at.nuisance, step_sd)
        expected = pt.dot(d["columns"][..., :-1], effects) + d["columns"][..., -1] * at.total
        pm.Potential(
            "likelihood", WedgeLikelihood()(expected, sigma, unit_sd**2, unit_time_sd**2, *(d[name] for name in SEEN))
        )
    return model
