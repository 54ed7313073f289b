"""Shares of trials in two arms: beta-binomial records, logit of the mean share = η + κ Δ · side."""

import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import total_effect
from analysis.models.shared import Layout, unpacked
from analysis.models.unit_proportions import spread

LEAST = 1e-3
LAYOUT: Layout = {
    "total_prior": (2, 3),
    "intercept": (),
    "location": (3,),
    "factor": (3, 3),
    "x": ("records",),
    "n": ("records",),
    "side": ("records",),
    "records": ("records",),
    "kappa": (),
    "dispersed": (),
}


def build() -> pm.Model:
    """The model on `designs.share_inputs.Shares`; records may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = d["location"] + (d["factor"] * pm.Flat("free", shape=3)).sum(axis=1)
        total = total_effect(d, pm.Deterministic("total", at[2]))
        eta = pm.Deterministic("eta", at[0])
        pm.Potential("eta_log_prior", -0.5 * d["intercept"] * (eta / 1.5) ** 2)
        dispersion = spread("dispersion", at[1], 1.0)
        phi = 1 / (dispersion**2 + LEAST**2)
        logit = eta + d["kappa"] * total * d["side"]
        a, b, x = phi * pt.sigmoid(logit), phi * pt.sigmoid(-logit), d["x"]
        varied = pt.gammaln(x + a) - pt.gammaln(a) + pt.gammaln(d["n"] - x + b) - pt.gammaln(b)
        varied = varied - pt.gammaln(d["n"] + phi) + pt.gammaln(phi)
        binomial = x * logit - d["n"] * pt.softplus(logit)
        pm.Potential("likelihood", (d["records"] * pt.switch(d["dispersed"], varied, binomial)).sum())
    return model
