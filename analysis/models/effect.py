"""The effect that every model shares: δ with its prior, the bias b of the design, and Δ = δ + b in the likelihood."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

UNUSED = np.array([[0.0, 0.0, 4.0], [-1e250, 0.0, 0.0]])


def effect_and_total() -> TensorVariable:
    """Add `delta`, `bias_z` and `total` to the open model; returns `total`, what the data show.

    Shared data: `effect_prior` (2, 3), rows of a normal mixture as log constant, mean and precision (precision 0 is
    flat); `bias` (2,), mean and SD of b. With an SD of 0 the bias is absent and `bias_z` idles at its prior.
    """
    prior = pm.Data("effect_prior", UNUSED)
    bias = pm.Data("bias", np.zeros(2))
    delta = pm.Flat("delta")
    bias_z = pm.Normal("bias_z", 0.0, 1.0)
    parts = prior[:, 0] - 0.5 * prior[:, 2] * (delta - prior[:, 1]) ** 2
    high, low = pt.maximum(parts[0], parts[1]), pt.minimum(parts[0], parts[1])
    pm.Potential("effect_log_prior", high + pt.log1p(pt.exp(low - high)))
    return pm.Deterministic("total", delta + bias[0] + bias[1] * bias_z)
