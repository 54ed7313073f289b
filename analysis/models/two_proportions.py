"""Two arms, x of n people each: logit p = η ± κ Δ / 2, symmetric in the arms."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import intercept, total_effect
from analysis.models.shared import EFFECT, Layout, unpacked

LAYOUT: Layout = {**EFFECT, "x": (2,), "n": (2,), "kappa": ()}


def build() -> pm.Model:
    """The model on counts of the arms, control first; `kappa` turns SD units into logits, signed by direction."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        total = total_effect(d)
        eta = intercept(d, "eta", 1.5, d["kappa"] * (0.5 - d["leaning"]) * total)
        logit = eta + d["kappa"] * total * np.array([-0.5, 0.5])
        pm.Potential("likelihood", (d["x"] * logit - d["n"] * pt.softplus(logit)).sum())
    return model
