"""People over waves in groups: y ~ N(columns · θ + u + v_wave, σ) with correlation r; u and v are integrated out.

Groups are units (in an arm); a pattern is the set of waves a person answered.
"""

import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import correlation, half_normal, position, preconditioned
from analysis.models.shared import Layout, unpacked
from analysis.models.waves_likelihood import WavesLikelihood

COEFFICIENTS = 6
SEEN: Layout = {
    "arm": ("sizes",),
    "n": ("sizes", "patterns"),
    "count": ("sizes",),
    "ones": ("rows",),
    "sums": ("rows", "patterns", "waves"),
    "of": ("rows",),
    "people": (2, "patterns"),
    "totals": (2, "patterns", "waves"),
    "masks": ("patterns", "waves"),
    **dict.fromkeys(("squares", "between"), (2, "patterns", "waves", "waves")),
    **dict.fromkeys(("free", "groups"), (2, "patterns")),
    "spread": (2, "waves"),
    "known_r": (),
}
"""What the likelihood takes, in its order."""
LAYOUT: Layout = {
    **preconditioned(COEFFICIENTS),
    **SEEN,
    "columns": (2, "waves", COEFFICIENTS),
    "used": (COEFFICIENTS - 1,),
    "scales": (3,),
    "multiples": (2,),
    "r_prior": (4,),
}


def build() -> pm.Model:
    """The model on the sums of `designs.unit_inputs.Waves`; groups, patterns and waves may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = position(d, COEFFICIENTS)
        nuisance = pm.Deterministic("coefficients", at.nuisance)
        precision = d["intercept"] * d["used"] + 1 - d["used"]
        pm.Potential("coefficients_log_prior", -0.5 * (precision * nuisance**2).sum())
        sigma = half_normal("sigma", at.sigma, d["scales"][0])
        unit_sd = half_normal("unit_sd", at.unit, d["scales"][1])
        unit_time_sd = half_normal("unit_time_sd", at.unit_time, d["scales"][2])
        r = correlation(at.last, d["r_prior"])
        expected = pt.dot(d["columns"][..., :-1], nuisance) + d["columns"][..., -1] * at.total
        effects = (d["multiples"][0] * unit_sd) ** 2, (d["multiples"][1] * unit_time_sd) ** 2
        pm.Potential("likelihood", WavesLikelihood()(expected, sigma, r, *effects, *(d[name] for name in SEEN)))
    return model
