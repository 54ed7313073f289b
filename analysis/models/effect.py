"""The effect that every model shares: Δ = δ + b, what the data show, under the prior that δ and the bias b imply.

δ itself is not sampled: beside a tight likelihood of Δ, δ and b would form a ridge too thin to walk. δ given Δ is
normal, and `priors.drawn_effect` draws it afterwards.
"""

from collections.abc import Mapping
from typing import Any

import pymc as pm
import pytensor.tensor as pt


def total_effect(data: Mapping[str, Any], total: Any = None) -> Any:
    """Put the prior of the run on `total`, which is added to the open model unless it is there; returns it.

    `total_prior` (2, 3): rows of a normal mixture as log constant, mean and precision (0: flat).
    """
    prior = data["total_prior"]
    total = pm.Flat("total") if total is None else total
    parts = prior[:, 0] - 0.5 * prior[:, 2] * (total - prior[:, 1]) ** 2
    high, low = pt.maximum(parts[0], parts[1]), pt.minimum(parts[0], parts[1])
    pm.Potential("total_log_prior", high + pt.log1p(pt.exp(low - high)))
    return total


def intercept(data: Mapping[str, Any], name: str, prior_sd: float, offset: Any) -> Any:
    """Add the deterministic `name` = `centre` + `offset` with its prior N(0, `prior_sd`), flat where the run says so.

    `centre` is what is sampled: with the offset taken out it hardly depends on the effect, however unequal the arms.
    """
    value = pm.Deterministic(name, pm.Flat("centre") + offset)
    pm.Potential("intercept_log_prior", -0.5 * data["intercept"] * (value / prior_sd) ** 2)
    return value
