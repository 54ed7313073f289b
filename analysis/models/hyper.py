"""What the normal models with units share: a preconditioned position, hyper-parameters and their priors.

The sampler walks `free`, near round whatever the data; `location` and `factor` turn it into hyper-parameters on the
real line and coefficients. They change the speed and not the posterior.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import total_effect
from analysis.models.shared import Layout

HYPER = 5
"""σ twice, unit SD and unit × time SD through `ramp`, then `last`: r through Φ, or one more SD through `ramp`."""


def preconditioned(coefficients: int) -> Layout:
    """What such a model reads beside its own sums."""
    size = HYPER + coefficients
    return {"location": (size,), "factor": (size, size), "total_prior": (2, 3), "intercept": ()}


@dataclass(frozen=True)
class Position:
    """Where the sampler stands: hyper-parameters on the real line, the coefficients but Δ, Δ, what is beside."""

    sigma: Any
    unit: Any
    unit_time: Any
    last: Any
    nuisance: Any
    total: Any
    beside: Any


def position(data: Mapping[str, Any], coefficients: int, beside: int = 0) -> Position:
    """The position in its parts, with the prior of the run on Δ; `beside` so many more that stay as they are."""
    free = pm.Flat("free", shape=HYPER + coefficients + beside)
    at = data["location"] + pt.dot(data["factor"], free[: HYPER + coefficients])
    total = pm.Deterministic("total", at[HYPER + coefficients - 1])
    total_effect(data, total)
    nuisance = at[HYPER : HYPER + coefficients - 1]
    return Position(at[:2], at[2], at[3], at[4], nuisance, total, free[HYPER + coefficients :])


def below(z: Any) -> Any:
    """Φ(z)."""
    return 0.5 * pt.erfc(-z / math.sqrt(2))


def ramp(z: Any) -> Any:
    """∫ Φ = z Φ(z) + φ(z): near z above 0, vanishing below. An SD so written has Gaussian tails on both sides."""
    return z * below(z) + pt.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)


def half_normal(name: str, z: Any, scale: Any, stretch: Any = 1.0) -> Any:
    """The SD or SDs `name`, half-normal with `scale`, at `z` on the real line: `scale` × `stretch` × `ramp`."""
    relative = stretch * ramp(z)
    pm.Potential(f"{name}_log_prior", (pt.log(stretch * below(z)) - 0.5 * relative**2).sum())
    return pm.Deterministic(name, scale * relative)


def correlation(z: Any, prior: Any, name: str = "r") -> Any:
    """The correlation `name` between `prior[0]` and `prior[1]`, normal with mean `prior[2]`, precision `prior[3]`."""
    r = pm.Deterministic(name, prior[0] + (prior[1] - prior[0]) * below(z))
    pm.Potential(f"{name}_log_prior", -0.5 * prior[3] * (r - prior[2]) ** 2 - 0.5 * z**2)
    return r


R_UNREPORTED = np.array([0.0, 0.95, 0.65, 0.15**-2])
"""Bounds, mean and precision of a correlation that no datum tells."""
