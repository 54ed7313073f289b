"""The same people before and after: logit p = centre ∓ κ Δ / 2, an odds ratio between the waves (Dale 1986).

The sampler walks `free`, near round whatever the data; `location` and `factor` turn it into centre, log odds ratio
and Δ. They change the speed and not the posterior.
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import total_effect
from analysis.models.shared import Layout, unpacked

LAYOUT: Layout = {
    "total_prior": (2, 3),
    "intercept": (),
    "location": (3,),
    "factor": (3, 3),
    "table": (2, 2),
    "once_x": (2,),
    "once_n": (2,),
    "kappa": (),
}


def build() -> pm.Model:
    """The model on the table [no, yes] before × after and on counts of people seen once, before and after."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = d["location"] + (d["factor"] * pm.Flat("free", shape=3)).sum(axis=1)
        centre = pm.Deterministic("centre", at[0])
        association = pm.Deterministic("log_odds_ratio", at[1])
        total = total_effect(d, pm.Deterministic("total", at[2]))
        pm.Potential("centre_log_prior", -0.5 * d["intercept"] * (centre / 1.5) ** 2)
        pm.Potential("association_log_prior", -0.5 * (association - 2.0) ** 2)
        logit = centre + d["kappa"] * total * np.array([-0.5, 0.5])
        pm.Potential("linked", _linked(d["table"], pt.sigmoid(logit), association))
        pm.Potential("once", (d["once_x"] * logit - d["once_n"] * pt.softplus(logit)).sum())
    return model


def _linked(table: Any, p: Any, association: Any) -> Any:
    """Multinomial log likelihood of the table; the cells are Plackett's of the margins and the odds ratio."""
    more = pt.exp(association) - 1
    product = p[0] * p[1]
    s = 1 + (p[0] + p[1]) * more
    both = 2 * (more + 1) * product / (s + pt.sqrt(s**2 - 4 * (more + 1) * more * product))
    inside = [[1 - p[0] - p[1] + both, p[1] - both], [p[0] - both, both]]
    # Far out a cell may round to 0 or less; there the density is as good as 0 and has no slope.
    return sum(table[i, j] * pt.log(pt.maximum(inside[i][j], 1e-300)) for i in (0, 1) for j in (0, 1))
