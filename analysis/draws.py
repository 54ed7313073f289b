"""Draws of an analysis as one tree or one table, and what each quantity means; no statistics here, no file.

Effects are in SD units oriented to benefit; `delta` is the causal effect, `total` = `delta` + bias what the data show.
Arms are in the order control, treated.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import xarray as xr

    from analysis.sampling import Draws

QUANTITIES: Mapping[str, str] = {
    "delta": "causal effect δ, SD units, benefit is positive",
    "total": "effect as observed, δ + bias, SD units, benefit is positive",
    "centre": "sampled position of the intercept, SD units (binary: log-odds)",
    "alpha": "intercept of the control arm, SD units",
    "eta": "log-odds between the arms",
    "dispersion": "1/√φ of counts (negative binomial) or shares (beta-binomial): how much records vary beyond chance",
    "beta": "slope on the baseline (of units: within and between)",
    "contrast": "difference of the arms' means after, SD units",
    "sigma": "SD of people within an arm (_0 control, _1 treated), SD units",
    "unit_sd": "SD between units, SD units",
    "unit_time_sd": "SD of units between waves, SD units",
    "step_sd": "SD of the steps of the effect from one period since the start to the next, SD units",
    "phi": "autocorrelation of a series' residuals from one month to the next",
    "r": "correlation of a person's values in two waves",
    "coefficients": "coefficients of arms and waves, in the order of the design; SD units (log-odds, logs of rates)",
    "cut_points": "cut-points between the categories, log-odds; those beyond the last category repeat the last",
    "slope": "slope on the units' baseline means",
    "log_odds_ratio": "association of a person's answers in two waves, log odds ratio",
}
"""Every quantity that is handed out. None is of a single unit: units are integrated out of every model, so that draws
tell no more of a small unit than the estimate does. What is not here (the sampler's own coordinates) is left out."""
STATISTICS: Mapping[str, str] = {
    "diverging": "whether the trajectory diverged",
    "energy": "Hamiltonian of the draw",
    "n_steps": "leapfrog steps",
    "step_size": "step size",
    "mean_tree_accept": "mean acceptance of the trajectory",
}


def handed_out(drawn: "Mapping[str, Mapping[str, Draws]]") -> "dict[str, dict[str, Draws]]":
    """The draws with the quantities that are described, and no others."""
    return {
        measure: {
            run: replace(draws, values={name: draws.values[name] for name in QUANTITIES if name in draws.values})  # noqa: PD011
            for run, draws in runs.items()
        }
        for measure, runs in drawn.items()
    }


def folder_of(measure: str) -> str:
    """The group of a measure: a slash in its key would open a folder; the group's attribute `measure` has the key."""
    return measure.replace("/", "_")


def as_tree(drawn: "Mapping[str, Mapping[str, Draws]]") -> "xr.DataTree":
    """One DataTree: /measure/run/posterior and /measure/run/sample_stats; ready for netCDF."""
    import xarray as xr  # noqa: PLC0415 (only who stores draws pays for it)

    groups = {}
    for measure, runs in drawn.items():
        folder = f"/{folder_of(measure)}"
        groups[folder] = xr.Dataset(attrs={"measure": measure})
        for run, draws in runs.items():
            groups[f"{folder}/{run}/posterior"] = _dataset(draws.values, QUANTITIES)
            groups[f"{folder}/{run}/sample_stats"] = _dataset(draws.statistics, STATISTICS)
    return xr.DataTree.from_dict(groups)


def _dataset(arrays: Mapping[str, NDArray[np.float64]], told: Mapping[str, str]) -> "xr.Dataset":
    """Arrays (chain, draw, …) as a dataset with chains and draws numbered from 0."""
    import xarray as xr  # noqa: PLC0415

    chains, draws = next(iter(arrays.values())).shape[:2]
    named = {
        name: (
            ("chain", "draw", *(f"{name}_dim_{i}" for i in range(values.ndim - 2))),
            values,
            {"long_name": told[name]} if name in told else {},
        )
        for name, values in arrays.items()
    }
    return xr.Dataset(named, {"chain": np.arange(chains), "draw": np.arange(draws)})


def as_table(tree: "xr.DataTree") -> "pd.DataFrame":
    """One row a draw: measure, run, chain, draw and a column a parameter; a vector's parts are numbered from 0.

    A parameter that a model does not have is NaN.
    """
    import pandas as pd  # noqa: PLC0415

    frames = []
    for folder, runs in tree.children.items():
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
            frame.insert(0, "measure", runs.attrs.get("measure", folder))
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)
