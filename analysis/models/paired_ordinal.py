"""The same people before and after in ordered categories: logit P(Y > c) = ∓ κ Δ / 2 − τ_c, an odds ratio (Dale 1986).

The sampler walks `free`, near round whatever the data; `location` and `factor` turn it into cut-points, log odds ratio
and Δ. They change the speed and not the posterior.
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import total_effect
from analysis.models.ordinal_cuts import CUTS, cut_points
from analysis.models.shared import Layout, unpacked

DIMENSION = CUTS + 2
LAYOUT: Layout = {
    "total_prior": (2, 3),
    "intercept": (),
    "location": (DIMENSION,),
    "factor": (DIMENSION, DIMENSION),
    "table": ("categories", "categories"),
    "once": (2, "categories"),
    "kappa": (),
}


def build() -> pm.Model:
    """The model on the table before × after and on people seen once, before and after, by category."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = d["location"] + (d["factor"] * pm.Flat("free", shape=DIMENSION)).sum(axis=1)
        in_use = d["table"].shape[0] - 1
        cuts = cut_points(at[:CUTS], in_use)[:in_use]
        association = pm.Deterministic("log_odds_ratio", at[CUTS])
        total = total_effect(d, pm.Deterministic("total", at[CUTS + 1]))
        pm.Potential("association_log_prior", -0.5 * (association - 2.0) ** 2)
        # P(Y ≤ c) in each wave, the last of which is 1.
        before, after = (_to_one(pt.sigmoid(cuts - sign * d["kappa"] * total)) for sign in (-0.5, 0.5))
        for wave, below in enumerate((before, after)):
            pm.Potential(f"once_{wave}", (d["once"][wave] * _log(_steps(below, 0))).sum())
        pm.Potential("linked", (d["table"] * _log(_linked(before, after, association))).sum())
    return model


def _to_one(values: Any) -> Any:
    return pt.concatenate([values, np.ones(1)])


def _linked(first: Any, second: Any, association: Any) -> Any:
    """Probabilities of the cells: differences of Plackett's distribution function at the margins."""
    more = pt.expm1(association)
    p, q = first[:, None], second[None, :]
    s = 1 + (p + q) * more
    both = 2 * (more + 1) * p * q / (s + pt.sqrt(pt.maximum(s**2 - 4 * (more + 1) * more * p * q, 1e-300)))
    return _steps(_steps(both, 0), 1)


def _steps(values: Any, axis: int) -> Any:
    """The values along an axis, each less the one before it."""
    first = values[:1] if axis == 0 else values[:, :1]
    return pt.concatenate([first, pt.diff(values, axis=axis)], axis=axis)


def _log(values: Any) -> Any:
    """Far out a cell may round to 0 or less; there the density is as good as 0 and has no slope."""
    return pt.log(pt.maximum(values, 1e-300))
