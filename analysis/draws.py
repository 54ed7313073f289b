"""Draws of an analysis as one tree or one table for storage; no statistics here.

Effects are in SD units oriented to benefit; `delta` is the causal effect, `total` = `delta` + bias what the data show.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import xarray as xr

STATISTICS = ("diverging", "energy", "n_steps", "step_size", "mean_tree_accept")


def as_tree(trees: "Mapping[str, Mapping[str, xr.DataTree]]") -> "xr.DataTree":
    """One DataTree: /measure/run/posterior and /measure/run/sample_stats; ready for netCDF.

    A slash in a measure's key would open a folder and becomes an underscore.
    """
    import xarray as xr  # noqa: PLC0415 (only who stores draws pays for it)

    groups = {}
    for measure, runs in trees.items():
        for run, tree in runs.items():
            path = f"/{measure.replace('/', '_')}/{run}"
            groups[f"{path}/posterior"] = tree["posterior"].to_dataset()
            stats = tree["sample_stats"].to_dataset()
            groups[f"{path}/sample_stats"] = stats[[name for name in STATISTICS if name in stats]]
    return xr.DataTree.from_dict(groups)


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
