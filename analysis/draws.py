"""Draws of an analysis as one tree or one table for storage; no statistics here.

Effects are in SD units oriented to benefit; `delta` is the causal effect, `total` = `delta` + bias what the data show.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import xarray as xr

    from analysis.sampling import Draws


def as_tree(drawn: "Mapping[str, Mapping[str, Draws]]") -> "xr.DataTree":
    """One DataTree: /measure/run/posterior and /measure/run/sample_stats; ready for netCDF.

    A slash in a measure's key would open a folder and becomes an underscore.
    """
    import xarray as xr  # noqa: PLC0415 (only who stores draws pays for it)

    groups = {}
    for measure, runs in drawn.items():
        for run, draws in runs.items():
            path = f"/{measure.replace('/', '_')}/{run}"
            groups[f"{path}/posterior"] = _dataset(draws.values)
            groups[f"{path}/sample_stats"] = _dataset(draws.statistics)
    return xr.DataTree.from_dict(groups)


def _dataset(arrays: Mapping[str, NDArray[np.float64]]) -> "xr.Dataset":
    """Arrays (chain, draw, …) as a dataset with chains and draws numbered from 0."""
    import xarray as xr  # noqa: PLC0415

    chains, draws = next(iter(arrays.values())).shape[:2]
    named = {
        name: (("chain", "draw", *(f"{name}_dim_{i}" for i in range(values.ndim - 2))), values)
        for name, values in arrays.items()
    }
    return xr.Dataset(named, {"chain": np.arange(chains), "draw": np.arange(draws)})


def as_table(tree: "xr.DataTree") -> "pd.DataFrame":
    """One row a draw: measure, run, chain, draw and a column a parameter; a vector's parts are numbered from 0.

    Arms are in the order control, treated. A parameter that a model does not have is NaN.
    """
    import pandas as pd  # noqa: PLC0415

    frames = []
    for measure, runs in tree.children.items():
        for run, node in runs.children.items():
            posterior = node["posterior"].to_dataset()
            columns: dict[str, Any] = {}
            for name, variable in posterior.data_vars.items():
                values = variable.to_numpy().reshape(posterior.sizes["chain"] * posterior.sizes["draw"], -1)
                single = values.shape[1] == 1
                columns |= {str(name) if single else f"{name}_{i}": values[:, i] for i in range(values.shape[1])}
            index = pd.MultiIndex.from_product([posterior[d].to_numpy() for d in ("chain", "draw")])
            frame = pd.DataFrame(columns)
            frame.insert(0, "draw", index.get_level_values(1))
            frame.insert(0, "chain", index.get_level_values(0))
            frame.insert(0, "run", run)
            frame.insert(0, "measure", measure)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)
