"""The files of draws in a package against draws made again; the rule is that of `compared.py`."""

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from analysis.compared import ABSOLUTE, ALLOWED, SAME, Error
from analysis.draw_files import read_netcdf, read_parquet
from analysis.draw_names import NETCDF, PARQUET
from analysis.draws import as_table, as_tree, handed_out

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

    from analysis.fit import Fit

WHO = ["measure", "run", "chain", "draw"]


def faults(files: Mapping[str, bytes], fitted: "Fit", *, same_versions: bool) -> list[str]:
    """What is wrong with the draws in these files; of netCDF the posterior is compared."""
    if not fitted.draws:
        return ["there are draws in the package, and none when fitted again"]
    computed = as_table(as_tree(handed_out(fitted.draws)))
    bulk = Error.of(fitted.answer).bulk
    found = []
    for name in (PARQUET, NETCDF):
        if name not in files:
            continue
        try:
            stored = read_parquet(files[name])[0] if name == PARQUET else as_table(read_netcdf(files[name]))
            said = _unequal(stored, computed) if same_versions else _apart(stored, computed, bulk)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's file does to a reader
            said = f"not to be read ({type(error).__name__})"
        if said:
            found.append(f"{name}: {said}")
    return found


def _unequal(stored: "pd.DataFrame", computed: "pd.DataFrame") -> str | None:
    if set(stored.columns) != set(computed.columns) or len(stored) != len(computed):
        return f"{len(stored)} draws of {len(stored.columns)} columns, not {len(computed)} of {len(computed.columns)}"
    order = [frame.sort_values(WHO, ignore_index=True) for frame in (stored, computed)]
    if not order[0][WHO].equals(order[1][WHO]):
        return "other measures, runs, chains or draws"
    for name in computed.columns.drop(WHO):
        one, other = (frame[name].to_numpy(float) for frame in order)
        same = np.isclose(one, other, rtol=SAME, atol=ABSOLUTE, equal_nan=True)
        if not same.all():
            first = int(np.argmin(same))
            return (
                f"{int((~same).sum())} draws of {name} differ; the first is {one[first]:.17g}, not {other[first]:.17g}"
            )
    return None


def _apart(stored: "pd.DataFrame", computed: "pd.DataFrame", bulk: float) -> str | None:
    """The first mean of an effect that lies farther off than two Monte-Carlo errors allow."""
    runs = [frame.groupby(["measure", "run"])[["delta", "total"]].agg(["mean", "std"]) for frame in (stored, computed)]
    if not runs[0].index.equals(runs[1].index):
        return "other measures or runs"
    for name in ("delta", "total"):
        limit = ALLOWED * runs[1][name]["std"] / sqrt(bulk)
        off = (runs[0][name]["mean"] - runs[1][name]["mean"]).abs() > limit
        if off.any():
            return f"the mean of {name} of {'/'.join(off.idxmax())} differs by more than Monte-Carlo error"
    return None
