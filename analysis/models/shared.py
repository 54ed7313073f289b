"""The data of a model as one flat shared vector with named parts; no statistics here.

nutpie types its wrapper anew for every shared array of a model (about half a second each, in every process); one
array a model halves the time until a worker is ready.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray

Layout = Mapping[str, tuple[int, ...]]
NAME = "data"

EFFECT: Layout = {"total_prior": (2, 3), "intercept": (), "leaning": ()}
"""What every model reads: the prior of Δ, 1 or 0 for a flat intercept, and the share of the treated arm in `centre`."""


def unpacked(layout: Layout) -> dict[str, Any]:
    """Add the shared vector to the open model; its named parts in their shapes, filled with ones."""
    flat = pm.Data(NAME, np.ones(sum(prod(shape) for shape in layout.values())))
    parts, start = {}, 0
    for name, shape in layout.items():
        size = prod(shape)
        parts[name] = flat[start] if shape == () else flat[start : start + size].reshape(shape)
        start += size
    return parts


def packed(layout: Layout, values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The vector of `values` in the order of `layout`; a missing name or another size is an error."""
    parts = [np.asarray(values[name], dtype=np.float64) for name in layout]
    for (name, shape), part in zip(layout.items(), parts, strict=True):
        if part.shape != shape:
            raise ValueError(f"{name} has shape {part.shape}, the model wants {shape}")
    if unknown := values.keys() - layout.keys():
        raise ValueError(f"the model knows no {', '.join(sorted(unknown))}")
    return np.concatenate([p.ravel() for p in parts])
