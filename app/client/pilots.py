"""A pilot as its analyst and its lead use it: data in, analyses asked for and found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from app.client.analyses import Analysis
from app.client.answers import Answer, Report, Wave
from app.client.connection import Connection, segment
from app.client.progress import Progress
from app.client.uploads import upload


@dataclass(frozen=True)
class Pilot(Answer):
    """A pilot as it was when it was read."""

    connection: Connection = field(repr=False, compare=False)
    id: str
    title: str
    stage: str
    iteration: int
    driver: str
    lead: str
    organization_id: str
    provisional: bool

    @property
    def _path(self) -> str:
        return f"/v1/pilots/{segment(self.id)}"

    def refreshed(self) -> Self:
        """The pilot as it is now."""
        return self.of(self.connection.get(self._path), connection=self.connection)

    def plan(self, iteration: int | None = None) -> dict[str, Any]:
        """The newest version of the plan of an iteration (default: this one); NotFound where there is none."""
        return dict(self.connection.get(f"{self._path}/plan", {"iteration": iteration}))

    def next(self) -> list[dict[str, Any]]:
        """Every move possible from here, and what each still takes."""
        return list(self.connection.get(f"{self._path}/next")["items"])

    def waves(self, iteration: int | None = None) -> list[Wave]:
        """The waves of an iteration (default: this one), with response and attrition by arm."""
        return [Wave.of(raw) for raw in self.connection.every(f"{self._path}/waves", {"iteration": iteration})]

    def cells(self) -> dict[str, Any]:
        """The data an analysis would take now, by measure and shape."""
        return dict(self.connection.get(f"{self._path}/cells")["data"])

    def summaries(self, measure: str | None = None) -> Iterator[dict[str, Any]]:
        """The summaries that were entered, oldest first."""
        return self.connection.every(f"{self._path}/summaries", {"measure": measure})

    def measurements(self, measure: str | None = None, wave: str | None = None) -> Iterator[dict[str, Any]]:
        """The single values that were entered, oldest first."""
        return self.connection.every(f"{self._path}/measurements", {"measure": measure, "wave": wave})

    def enter(self, measure: str, wave: str, rows: Sequence[Mapping[str, Any]], *, partial: bool = False) -> Report:
        """Enter single values (`value`, and `unit_id`, `arm`, `participant`, `collected_on` as the plan needs them).

        All or nothing unless `partial`; the same again changes nothing. Invalid names each row that is wrong.
        """
        body = {"measure": measure, "wave": wave, "rows": [dict(row) for row in rows]}
        return self._entered("measurements", body, partial=partial)

    def enter_summary(
        self, measure: str, *, wave: str | None = None, partial: bool = False, **shape: Sequence[Mapping[str, Any]]
    ) -> Report:
        """Enter summaries in one shape, by its name: `changes=[{"arm": …, "n": …, "mean": …, "sd": …}, …]`."""
        body: dict[str, Any] = {"measure": measure, **{name: list(entries) for name, entries in shape.items()}}
        return self._entered("summaries", body if wave is None else {**body, "wave": wave}, partial=partial)

    def _entered(self, what: str, body: dict[str, Any], *, partial: bool) -> Report:
        answer = self.connection.json("POST", f"{self._path}/{what}", query={"partial": partial}, json=body)
        return Report.read(answer)

    def import_file(
        self,
        file: Path | str,
        *,
        mapping: Mapping[str, Any] | None = None,
        dictionary: Path | str | None = None,
        dry_run: bool = False,
        partial: bool = False,
        restore: bool = False,
        again: bool = False,
        progress: Progress | bool = True,
        seconds: float = 3600,
    ) -> Report:
        """The report about a CSV or XLSX file of measurements; `dry_run` says what would be accepted.

        `mapping` says what the columns are (default: as the pilot remembers it, or as it can be told from their
        names), `dictionary` is the data dictionary of a REDCap export. Raises NotEntered where rows are wrong, unless
        `partial` enters the others. `restore` enters also what was withdrawn and who was deleted before, `again`
        anonymous answers also where the same stand. Large files are worked on in the background and waited for, up
        to `seconds`.
        """
        return upload(
            self.connection,
            self._path,
            Path(file),
            mapping=mapping,
            dictionary=Path(dictionary) if dictionary is not None else None,
            dry_run=dry_run,
            partial=partial,
            restore=restore,
            again=again,
            progress=progress,
            seconds=seconds,
        )

    def analyse(self, *, seed: int | None = None, look: int | None = None, wave: str | None = None) -> Analysis:
        """Ask for an analysis of the data as they are now; `.wait()` waits for it.

        A seed of one's own makes it exploratory. `wave` names a retention wave, after scaling.
        """
        asked = {"seed": seed, "look": look, "wave": wave}
        body = {name: value for name, value in asked.items() if value is not None}
        return self._analysis(self.connection.json("POST", f"{self._path}/analyses", json=body))

    def analyses(
        self, *, kind: str | None = None, status: str | None = None, iteration: int | None = None
    ) -> Iterator[Analysis]:
        """Its analyses, oldest first: `kind` confirmatory or exploratory, `status` as succeeded."""
        query = {"kind": kind, "status": status, "iteration": iteration}
        return map(self._analysis, self.connection.every(f"{self._path}/analyses", query))

    def newest_analysis(self, kind: str | None = "confirmatory", iteration: int | None = None) -> Analysis | None:
        """The newest analysis that succeeded, with its result, of all iterations or of one; None: there is none yet."""
        found = list(self.analyses(kind=kind, status="succeeded", iteration=iteration))
        return found[-1].refreshed() if found else None

    def _analysis(self, raw: Mapping[str, Any]) -> Analysis:
        return Analysis.of(raw, connection=self.connection)
