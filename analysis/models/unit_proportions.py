"""Proportions in cells of units: logit p = columns · θ + κ Δ exposure + |κ| (u + v), u and v integrated out.

Nested Gauss-Hermite rules about the joint mode of a unit's u and its slots' v, as many nodes as the exact engine found
to be enough. The sampler walks `free`, near round whatever the data; `location` and `factor` turn it into coefficients,
SDs on the real line and Δ. They change the speed and not the posterior.
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad

from analysis.models.effect import total_effect
from analysis.models.shared import Layout, unpacked

COEFFICIENTS = 5
DIMENSION = COEFFICIENTS + 3
LAYOUT: Layout = {
    "total_prior": (2, 3),
    "intercept": (),
    "location": (DIMENSION,),
    "factor": (DIMENSION, DIMENSION),
    "x": ("units", "slots"),
    "n": ("units", "slots"),
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


def build() -> pm.Model:
    """The model on `designs.binary_inputs.UnitProportions`; units, slots and nodes may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = d["location"] + (d["factor"] * pm.Flat("free", shape=DIMENSION)).sum(axis=1)
        total = total_effect(d, pm.Deterministic("total", at[DIMENSION - 1]))
        theta = pm.Deterministic("coefficients", at[:COEFFICIENTS])
        mean, precision = d["coefficient_prior"][:, 0], d["coefficient_prior"][:, 1]
        in_force = precision * (1 - d["intercepts"] + d["intercepts"] * d["intercept"])
        pm.Potential("coefficients_log_prior", -0.5 * (in_force * (theta - mean) ** 2).sum())
        unit_sd = _spread("unit_sd", at[COEFFICIENTS], d["scales"][0])
        unit_time_sd = _spread("unit_time_sd", at[COEFFICIENTS + 1], d["scales"][1])
        eta = sum((d["columns"][..., i] * theta[i] for i in range(COEFFICIENTS)), d["kappa"] * total * d["exposure"])
        kappa, multiples = abs(d["kappa"]), d["multiples"]
        sds = kappa * multiples[0] * unit_sd, kappa * multiples[1] * unit_time_sd
        pm.Potential("likelihood", _integrated(d, eta, *sds))
    return model


def _spread(name: str, z: Any, scale: Any) -> Any:
    """The SD `name`, half-normal with `scale`: z Φ(z) + φ(z) keeps it smooth down to 0, with the tails of a normal."""
    log_slope = pt.log(0.5 * pt.erfc(-z / np.sqrt(2)))
    relative = z * 0.5 * pt.erfc(-z / np.sqrt(2)) + pt.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    pm.Potential(f"{name}_log_prior", -0.5 * relative**2 + log_slope)
    return pm.Deterministic(name, scale * relative)


def _integrated(d: Any, eta: Any, su: Any, sv: Any) -> Any:
    """Log likelihood of all units; `su` and `sv` are the SDs of u and v in logits.

    Where the nodes lie does not change the integral, so no gradient passes through that.
    """
    x, n = d["x"], d["n"]
    place, fixed_u, fixed_v = (disconnected_grad(part) for part in (eta, su, sv))
    share = (x + 0.5) / (n + 1)
    u, v = _newton(place, pt.log(share / (1 - share)), 0.0, n * share * (1 - share), fixed_u, fixed_v)
    for _ in range(2):
        theta = place + fixed_u * u + fixed_v * v
        p = pt.sigmoid(theta)
        u, v = _newton(place, theta, x - n * p, n * p * (1 - p), fixed_u, fixed_v)
    p = pt.sigmoid(place + fixed_u * u + fixed_v * v)
    w = n * p * (1 - p)
    within = 1 + fixed_v**2 * w
    width = 1 / pt.sqrt(1 + fixed_u**2 * (w / within).sum(axis=1, keepdims=True))
    node, weight = d["outer"][0], d["outer"][1]
    at_u = disconnected_grad(u + width * node)  # (units, outer)
    moved = v[:, None] - (fixed_v * fixed_u * w / within)[:, None] * (at_u - u)[..., None]
    inner_width = 1 / pt.sqrt(within)
    inner, inner_weight = d["inner"][0], d["inner"][1]
    at_v = disconnected_grad(moved[..., None] + inner_width[:, None, :, None] * inner)  # (units, outer, slots, inner)
    theta = (eta[:, None] + su * at_u[..., None])[..., None] + sv * at_v
    value = x[:, None, :, None] * theta - n[:, None, :, None] * pt.softplus(theta)
    value = value + disconnected_grad(0.5 * (inner**2 - at_v**2) + pt.log(inner_weight))
    log_inner = _log_sum(value) + disconnected_grad(pt.log(inner_width))[:, None]
    log_outer = disconnected_grad(0.5 * (node**2 - at_u**2) + pt.log(weight) + pt.log(width))
    return _log_sum(log_inner.sum(axis=2) + log_outer).sum()


def _newton(eta: Any, theta: Any, gradient: Any, w: Any, su: Any, sv: Any) -> tuple[Any, Any]:
    """The mode (units, 1) of u and (units, slots) of v were the log likelihood quadratic about θ with curvature −w."""
    pull = w * (theta - eta) + gradient
    within = 1 + sv**2 * w
    u = su * (pull / within).sum(axis=1, keepdims=True) / (1 + su**2 * (w / within).sum(axis=1, keepdims=True))
    return u, sv * (pull - w * su * u) / within


def _log_sum(values: Any) -> Any:
    """Log of the sum of exponentials over the last axis."""
    best = disconnected_grad(values.max(axis=-1, keepdims=True))
    return best[..., 0] + pt.log(pt.exp(values - best).sum(axis=-1))
