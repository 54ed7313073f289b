"""Draws as files for other programs: netCDF, Parquet and CSV, as bytes; the same draws give the same bytes.

netCDF has every draw with what the sampler says of it; Parquet and CSV have one row a draw. All hold 64-bit numbers
that read back to the last digit. What they are of is told inside netCDF and Parquet; a CSV has no place for it.
"""

import gzip
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.draw_names import CSV, NETCDF, PARQUET
from analysis.draws import QUANTITIES, STATISTICS, as_table, as_tree, folder_of, handed_out

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import xarray as xr

    from analysis.sampling import Draws

METADATA = b"pilotlight"
"""The key of Parquet's metadata that holds `about` and the meaning of the columns, as JSON."""
LEFT_OUT = "no draws by unit: units are integrated out of the model, their effects are summarised in the result"
FAST = 1
"""Level of compression. The digits of draws are random: a higher one takes six times as long for a twentieth less."""


def files(drawn: "Mapping[str, Mapping[str, Draws]]", about: Mapping[str, str | int]) -> dict[str, bytes]:
    """The three files by name; empty where there are no draws (exact engine, refusal)."""
    kept = handed_out(drawn)
    if not kept:
        return {}
    told = {**about, "left_out": LEFT_OUT}
    table = as_table(as_tree(kept))
    return {NETCDF: netcdf(kept, told), PARQUET: parquet(table, told), CSV: csv_gz(table)}


def netcdf(drawn: "Mapping[str, Mapping[str, Draws]]", about: Mapping[str, str | int]) -> bytes:
    """A compressed netCDF-4 file: /measure/run/posterior and /measure/run/sample_stats, as `draws.as_tree` has them.

    Written without the tree, whose own way to a file takes twice as long: an analysis waits for it.
    """
    import h5netcdf  # type: ignore[import-untyped]  # noqa: PLC0415

    out = io.BytesIO()
    with h5netcdf.File(out, "w") as file:
        file.attrs.update(about)
        for measure, runs in drawn.items():
            folder = file.create_group(folder_of(measure))
            folder.attrs["measure"] = measure
            for run, draws in runs.items():
                _group(folder.create_group(f"{run}/posterior"), draws.values, QUANTITIES)
                _group(folder.create_group(f"{run}/sample_stats"), draws.statistics, STATISTICS)
    return out.getvalue()


def _group(group: Any, arrays: Mapping[str, NDArray[Any]], told: Mapping[str, str]) -> None:
    chains, draws = next(iter(arrays.values())).shape[:2]
    group.dimensions = {"chain": chains, "draw": draws}
    for name, size in (("chain", chains), ("draw", draws)):
        group.create_variable(name, (name,), data=np.arange(size))
    for name, values in arrays.items():
        further = {f"{name}_dim_{i}": size for i, size in enumerate(values.shape[2:])}
        group.dimensions.update(further)
        # netCDF has no booleans; xarray reads these back as such.
        stored = values.astype("i1") if values.dtype == bool else values
        variable = group.create_variable(
            name, ("chain", "draw", *further), data=stored, chunks=stored.shape,
            compression="gzip", compression_opts=FAST, shuffle=True,
        )  # fmt: skip
        variable.attrs["long_name"] = told[name]
        if values.dtype == bool:
            variable.attrs["dtype"] = "bool"


def read_netcdf(content: bytes) -> "xr.DataTree":
    """The tree of a netCDF file, in memory."""
    import xarray as xr  # noqa: PLC0415

    with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as tree:
        return tree.load()


def parquet(table: "pd.DataFrame", about: Mapping[str, str | int]) -> bytes:
    """A Parquet file (zstd) of a row a draw, with `about` and the meaning of the columns in its metadata."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415

    columns = {name: QUANTITIES[_base(name)] for name in table.columns if _base(name) in QUANTITIES}
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {**arrow.schema.metadata, METADATA: json.dumps({**about, "columns": columns}).encode()}
    out = io.BytesIO()
    pq.write_table(
        arrow.replace_schema_metadata(metadata),
        out,
        compression="zstd",
        # Draws do not repeat; their bytes side by side compress best.
        use_dictionary=[name for name in table.columns if name not in columns],
        use_byte_stream_split=list(columns),
    )
    return out.getvalue()


def read_parquet(content: bytes) -> tuple["pd.DataFrame", dict[str, Any]]:
    """The table of a Parquet file and what it says of itself."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    arrow = pq.read_table(pa.BufferReader(content))
    return arrow.to_pandas(), json.loads((arrow.schema.metadata or {}).get(METADATA, b"{}"))


def csv_gz(table: "pd.DataFrame") -> bytes:
    """A CSV of a row a draw, compressed by gzip; a quantity that a model does not have is empty."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.csv as pc  # type: ignore[import-untyped]  # noqa: PLC0415

    out = io.BytesIO()
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    pc.write_csv(arrow, out, pc.WriteOptions(quoting_style="needed"))
    return gzip.compress(out.getvalue(), FAST, mtime=0)


def _base(column: str) -> str:
    """The quantity of a column: `sigma_0` is of `sigma`."""
    name, _, part = column.rpartition("_")
    return name if part.isdigit() else column
