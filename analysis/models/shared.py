"""The data of a model as one flat shared vector with named parts; no statistics here.

nutpie types its wrapper anew for every shared array of a model (about half a second each, in every process); one
array a model halves the time until a worker is ready. Sizes that differ from one analysis to the next (units, patterns)
stand as numbers at the head of the vector, so that one compiled model serves every number of units.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray

Layout = Mapping[str, tuple[int | str, ...]]
"""Shapes by name; a word in a shape is a size that the data decide."""
NAME = "data"

EFFECT: Layout = {"total_prior": (2, 3), "intercept": (), "leaning": ()}
"""What models of two arms read: the prior of Δ, 1 or 0 for a flat intercept, the treated arm's share in `centre`."""


def sizes_of(layout: Layout) -> list[str]:
    """The sizes that the data decide, in the order in which they head the vector."""
    return list(dict.fromkeys(size for shape in layout.values() for size in shape if isinstance(size, str)))


def unpacked(layout: Layout) -> dict[str, Any]:
    """Add the shared vector to the open model; its named parts in their shapes, filled with halves (every size 1)."""
    heads = sizes_of(layout)
    length = len(heads) + sum(prod(1 if isinstance(s, str) else s for s in shape) for shape in layout.values())
    # Halves are valid for all of them (an SD, a precision, a correlation): a model must start before it has data.
    flat = pm.Data(NAME, np.where(np.arange(length) < len(heads), 1.0, 0.5))
    known = {name: pt.cast(flat[i], "int64") for i, name in enumerate(heads)}
    parts: dict[str, Any] = {}
    start: Any = len(heads)
    for name, shape in layout.items():
        actual = [known[s] if isinstance(s, str) else s for s in shape]
        size: Any = 1
        for extent in actual:
            size *= extent
        parts[name] = flat[start] if shape == () else flat[start : start + size].reshape(actual, ndim=len(actual))
        start += size
    return parts


def packed(layout: Layout, values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The vector of `values` in the order of `layout`; a missing name or another size is an error."""
    sizes: dict[str, int] = {}
    parts = [np.asarray(values[name], dtype=np.float64) for name in layout]
    for (name, shape), part in zip(layout.items(), parts, strict=True):
        if part.ndim == len(shape):
            for wanted, actual in zip(shape, part.shape, strict=True):
                if isinstance(wanted, str):
                    sizes.setdefault(wanted, actual)
        if part.shape != tuple(sizes.get(s, -1) if isinstance(s, str) else s for s in shape):
            raise ValueError(f"{name} has shape {part.shape}, the model wants {shape} with {sizes}")
    if unknown := values.keys() - layout.keys():
        raise ValueError(f"the model knows no {', '.join(sorted(unknown))}")
    heads = np.array([sizes[name] for name in sizes_of(layout)], dtype=np.float64)
    return np.concatenate([heads, *(p.ravel() for p in parts)])
