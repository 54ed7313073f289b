"""The effect that every model shares: δ with its prior, the bias b of the design, and Δ = δ + b in the likelihood."""

from collections.abc import Mapping
from typing import Any

import pymc as pm
import pytensor.tensor as pt


def effect_and_total(data: Mapping[str, Any]) -> Any:
    """Add `delta`, `bias_z` and `total` to the open model; returns `total`, what the data show.

    `effect_prior` (2, 3): rows of a normal mixture as log constant, mean and precision (0: flat). `bias` (2,): mean
    and SD of b; with an SD of 0 the bias is absent and `bias_z` idles at its prior.
    """
    prior, bias = data["effect_prior"], data["bias"]
    delta = pm.Flat("delta")
    bias_z = pm.Normal("bias_z", 0.0, 1.0)
    parts = prior[:, 0] - 0.5 * prior[:, 2] * (delta - prior[:, 1]) ** 2
    high, low = pt.maximum(parts[0], parts[1]), pt.minimum(parts[0], parts[1])
    pm.Potential("effect_log_prior", high + pt.log1p(pt.exp(low - high)))
    return pm.Deterministic("total", delta + bias[0] + bias[1] * bias_z)
