"""An analysis as an analyst uses it: wait for it, read its result, take its draws, cells, plots and package along."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from app.client.answers import Answer, Result
from app.client.connection import Connection, segment
from app.client.errors import NoEstimate
from app.client.progress import Progress
from app.client.waiting import ended_well, wait_for

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import xarray as xr

type Format = Literal["parquet", "csv", "netcdf"]
ENDINGS: Mapping[str, str] = {"parquet": "parquet", "csv": "csv", "netcdf": "nc"}
LABEL = "analysis"


@dataclass(frozen=True)
class Analysis(Answer):
    """An analysis as it was when it was read; `refreshed` and `wait` give what it is now."""

    connection: Connection = field(repr=False, compare=False)
    id: str
    pilot_id: str
    status: str
    kind: str
    iteration: int
    look: int
    retention_wave: str | None
    progress: float
    created_at: str
    finished_at: str | None

    @property
    def _path(self) -> str:
        return f"/v1/analyses/{segment(self.id)}"

    def _at(self, raw: Mapping[str, Any]) -> Self:
        return self.of(raw, connection=self.connection)

    def refreshed(self) -> Self:
        """The analysis as it is now."""
        return self._at(self.connection.get(self._path))

    def wait(self, *, progress: Progress | bool = True, seconds: float = 900) -> Self:
        """The analysis once it has ended, however it ended; NotFinished after `seconds`."""
        first = self.connection.get(self._path)
        found = wait_for(self.connection, self._path, first, label=LABEL, progress=progress, seconds=seconds)
        return self._at(found)

    def cancelled(self) -> Self:
        """Cancel it: at once what is queued, within seconds what runs."""
        return self._at(self.connection.json("POST", f"{self._path}/cancel"))

    @property
    def result(self) -> Result:
        """What it found; raises NotFinished, NotSucceeded, and NoEstimate where the data do not allow an estimate."""
        # A list names analyses without their results.
        raw = self.raw if "result" in self.raw else self.refreshed().raw
        ended_well(LABEL, dict(raw))
        if "refused" in raw["result"]:
            raise NoEstimate(raw["result"]["refused"])
        return Result.read(raw["result"])

    @property
    def warnings(self) -> Sequence[Mapping[str, Any]]:
        """What the data of the pilot bring with them, what was entered or happened since, and the result's own."""
        raw = self.raw if "result" in self.raw else self.refreshed().raw
        return [*(raw.get("warnings") or []), *((raw.get("result") or {}).get("warnings") or [])]

    def draws(self, format: Format = "parquet", to: Path | str | None = None) -> Path:  # noqa: A002 - its name in the API
        """A file with every draw; `to` is its name or its folder (default: here). Written when it is whole."""
        name = f"draws-{self.id}.{ENDINGS[format]}"
        return self.connection.download(f"{self._path}/draws", _file(to, name), {"format": format})

    def draws_frame(self) -> "pd.DataFrame":
        """The draws for pandas: a row a draw; measure, run, chain, draw, and a column a parameter. Needs pandas."""
        import pandas as pd  # noqa: PLC0415 - only who asks for it has to have it

        return pd.read_parquet(io.BytesIO(self._draws("parquet")))

    def draws_tree(self) -> "xr.DataTree":
        """The draws for xarray and ArviZ: /measure/run/posterior and …/sample_stats. Needs xarray and h5netcdf.

        `tree["mbi_ee/adjusted"]` is what ArviZ plots and summarises.
        """
        import xarray as xr  # noqa: PLC0415 - only who asks for it has to have it

        with xr.open_datatree(io.BytesIO(self._draws("netcdf")), engine="h5netcdf") as tree:
            return tree.load()

    def _draws(self, format: Format) -> bytes:  # noqa: A002
        return self.connection.content(f"{self._path}/draws", {"format": format})

    def summaries(self) -> list[dict[str, Any]]:
        """Every estimate, probability and diagnostic, a line each."""
        return list(self.connection.get(f"{self._path}/summaries", {"format": "json"}))

    def cells(self) -> dict[str, Any]:
        """The data it used, by measure and shape; cells of too few people are only marked."""
        return dict(self.connection.get(f"{self._path}/cells", {"format": "json"})["data"])

    def plot(self, name: str = "posterior", format: Literal["svg", "png"] = "svg", measure: str | None = None) -> bytes:  # noqa: A002
        """A plot (of the primary measure unless one is named); NotFound says which there are."""
        return self.connection.content(f"{self._path}/plots/{segment(name)}.{format}", {"measure": measure})

    def package(self, to: Path | str | None = None) -> Path:
        """The evidence package: `python -m analysis verify` computes the result again from it."""
        return self.connection.download(f"{self._path}/package", _file(to, f"evidence-{self.id}.zip"))


def _file(to: Path | str | None, name: str) -> Path:
    path = Path(to) if to is not None else Path()
    return path / name if path.is_dir() else path
