"""Coefficients of a stepped wedge as they are sampled: the increments of the walk about where the data put them.

An increment w in units of the steps' SD ω is N(0, 1) before the data. Data that tell ω w with precision `told` leave it
N(ω pull / (1 + told ω²), 1 / (1 + told ω²)), roughly; what is sampled is w relative to that, which hangs on ω neither
where ω is near 0 nor where the data tell it well. That changes the speed and not the posterior.
"""

from collections.abc import Mapping
from typing import Any

import pymc as pm
import pytensor.tensor as pt

from analysis.models.shared import Layout

COEFFICIENTS = 24
WALK: Layout = {"increments": (COEFFICIENTS,), "told": (COEFFICIENTS,), "pull": (COEFFICIENTS,), "step_at": ()}
"""Which coefficients are increments (1), what the data say of each, and the ω at which the scale is left as it is."""


def coefficients(d: Mapping[str, Any], sampled: Any, step_sd: Any, precision: Any = 1.0) -> Any:
    """What the columns but that of Δ are multiplied by; adds `coefficients`, standard normal where `precision` is 1."""
    told, pull = d["told"][:-1], d["pull"][:-1]
    known = 1 + told * step_sd**2
    relative = (1 + told * d["step_at"] ** 2) / known
    theta = pm.Deterministic("coefficients", step_sd * pull / known + pt.sqrt(relative) * sampled)
    squares = precision * theta**2
    intercept = d["intercept"] * squares[0]
    pm.Potential("coefficients_log_prior", 0.5 * (pt.log(relative).sum() - squares[1:].sum() - intercept))
    return theta * (1 + d["increments"][:-1] * (step_sd - 1))
