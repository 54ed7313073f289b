"""Random-effects meta-analysis with the study effects integrated out: y_j ~ N(μ, √(v_j + τ²))."""

import pymc as pm
import pytensor.tensor as pt

from analysis.models.shared import Layout, unpacked

LAYOUT: Layout = {
    "effect": ("studies",),
    "variance": ("studies",),
    "mu_prior": (2,),
    "tau_scale": (),
    "half_cauchy": (),
}
"""`mu_prior`: mean and precision (0: flat). `half_cauchy`: 1 for that prior on τ, 0 for half-normal."""


def build() -> pm.Model:
    """The model on estimates and their variances, both after the bias of their designs; samples μ and τ alone.

    Likelihood and prior know τ only by its square, so τ is sampled with a sign, smooth through 0: on the log scale the
    long tail towards τ = 0 makes trajectories diverge.
    """
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        mu = pm.Flat("mu")
        signed = pm.Flat("signed_tau")
        pm.Deterministic("tau", abs(signed))
        pm.Potential("mu_log_prior", -0.5 * d["mu_prior"][1] * (mu - d["mu_prior"][0]) ** 2)
        ratio = (signed / d["tau_scale"]) ** 2
        pm.Potential("tau_log_prior", pt.switch(d["half_cauchy"] > 0.5, -pt.log1p(ratio), -0.5 * ratio))  # noqa: PLR2004
        total = d["variance"] + signed**2
        pm.Potential("likelihood", -0.5 * (pt.log(total) + (d["effect"] - mu) ** 2 / total).sum())
    return model
