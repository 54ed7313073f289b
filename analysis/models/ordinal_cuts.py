"""Cut-points of ordered categories in a model: the first and the logs of the gaps, padded to a fixed length."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

CUTS = 10


def cut_points(z: Any, in_use: Any) -> Any:
    """Add `cut_points` (10,) at `z` (10,) on the real line to the open model; those beyond `in_use` repeat the last.

    Their prior is the one that a uniform Dirichlet on the categories' probabilities at η = 0 induces: the product of
    logistic densities over ordered values. Positions without use are standard normal.
    """
    used, gaps = pt.lt(np.arange(CUTS), in_use), np.arange(CUTS) > 0
    steps = pt.where(gaps, pt.exp(pt.where(used, z, 0.0)), z)
    cuts = pm.Deterministic("cut_points", pt.cumsum(pt.where(used, steps, 0.0)))
    logistic = -abs(cuts) - 2 * pt.log1p(pt.exp(-abs(cuts)))
    pm.Potential("cut_points_log_prior", pt.where(used, logistic + gaps * z, -0.5 * z**2).sum())
    return cuts
