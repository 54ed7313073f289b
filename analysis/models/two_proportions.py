"""Two arms, x of n people each: logit p = η ± κ Δ / 2, symmetric in the arms."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import effect_and_total


def build() -> pm.Model:
    """The model on counts, control first: `x`, `n` (2,) each; `kappa` (), SD units to logits, signed by direction."""
    with pm.Model() as model:
        x, n = pm.Data("x", np.zeros(2)), pm.Data("n", np.array([2.0, 2.0]))
        kappa = pm.Data("kappa", 1.0)
        total = effect_and_total()
        eta = pm.Normal("eta", 0.0, 1.5)
        logit = eta + kappa * total * np.array([-0.5, 0.5])
        pm.Potential("likelihood", pt.sum(x * logit - n * pt.softplus(logit)))
    return model
