"""Proportions in cells of units: logit p = columns · θ + κ Δ exposure + |κ| (u + v), u and v integrated out.

Nested Gauss-Hermite rules about the joint mode of a unit's u and its slots' v, as many nodes as the exact engine found
to be enough. The sampler walks `free`, near round whatever the data; `location` and `factor` turn it into coefficients,
SDs on the real line and Δ. They change the speed and not the posterior.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import total_effect
from analysis.models.shared import Layout, unpacked
from analysis.models.unit_likelihood import of_single_terms

COEFFICIENTS = 5
DIMENSION = COEFFICIENTS + 3


def cells_layout(dimension: int) -> Layout:
    """What models of units × slots with so many parameters read beside their answers."""
    return {
        "total_prior": (2, 3),
        "intercept": (),
        "location": (dimension,),
        "factor": (dimension, dimension),
        "columns": ("units", "slots", COEFFICIENTS),
        "exposure": ("units", "slots"),
        "coefficient_prior": (COEFFICIENTS, 2),
        "intercepts": (COEFFICIENTS,),
        "kappa": (),
        "scales": (2,),
        "multiples": (2,),
        "outer": (2, "outer"),
        "inner": (2, "inner"),
    }


LAYOUT: Layout = {**cells_layout(DIMENSION), "x": ("units", "slots"), "n": ("units", "slots")}


def build() -> pm.Model:
    """The model on `designs.binary_inputs.UnitProportions`; units, slots and nodes may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = d["location"] + (d["factor"] * pm.Flat("free", shape=DIMENSION)).sum(axis=1)
        total = total_effect(d, pm.Deterministic("total", at[DIMENSION - 1]))
        theta = coefficients(d, at)
        unit_sd = spread("unit_sd", at[COEFFICIENTS], d["scales"][0])
        unit_time_sd = spread("unit_time_sd", at[COEFFICIENTS + 1], d["scales"][1])
        eta = (d["columns"] * theta).sum(axis=-1) + d["kappa"] * total * d["exposure"]
        su, sv = (abs(d["kappa"]) * d["multiples"][i] * sd for i, sd in enumerate((unit_sd, unit_time_sd)))
        data = (d[name] for name in ("n", "x", "outer", "inner"))
        pm.Potential("likelihood", of_single_terms(eta, su, sv, *data))
    return model


def coefficients(data: Mapping[str, Any], at: Any) -> Any:
    """The coefficients with their priors, flat where a run says so of intercepts."""
    theta = pm.Deterministic("coefficients", at[:COEFFICIENTS])
    mean, precision = data["coefficient_prior"][:, 0], data["coefficient_prior"][:, 1]
    in_force = precision * (1 - data["intercepts"] + data["intercepts"] * data["intercept"])
    pm.Potential("coefficients_log_prior", -0.5 * (in_force * (theta - mean) ** 2).sum())
    return theta


def spread(name: str, z: Any, scale: Any) -> Any:
    """The SD `name`, half-normal with `scale`: z Φ(z) + φ(z) keeps it smooth down to 0, with the tails of a normal."""
    log_slope = pt.log(0.5 * pt.erfc(-z / np.sqrt(2)))
    relative = z * 0.5 * pt.erfc(-z / np.sqrt(2)) + pt.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    pm.Potential(f"{name}_log_prior", -0.5 * relative**2 + log_slope)
    return pm.Deterministic(name, scale * relative)
