"""The evidence package of an analysis: gathers what it may hold; what that is, `analysis.package` says."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from analysis.documents import FitRequest
from analysis.draw_names import NETCDF, PARQUET
from analysis.package import MANIFEST, README, digest, documents, in_words, manifest, plot_name
from app.analyses.files import files_of, pieces
from app.analyses.models import Analysis, AnalysisFile, AnalysisPlot
from app.analyses.outputs import DRAWS_HIDDEN, estimate_of
from app.analyses.shown import analysis_out, data_shown, hidden_since, result_out, small_since, untold
from app.analyses.zipped import zipped
from app.forms import instant_text
from app.measures.confidential import warning_of

HIDDEN = "cells of too few people are only marked"
DELETED = "rows of people were deleted on request since"
SMALL_PLOT = "shows groups of too few people"


@dataclass(frozen=True)
class Package:
    """What goes into the archive: documents and plots in memory, the files of draws as they are stored."""

    manifest: bytes
    documents: dict[str, bytes]
    draws: list[AnalysisFile]

    @property
    def etag(self) -> str:
        """The manifest names every byte of the rest."""
        return f'"{digest([self.manifest])["sha256"][:32]}"'

    def content(self, engine: Engine) -> Iterator[bytes]:
        """The archive, in pieces; the draws are read a chunk at a time."""
        return zipped(self._members(engine))

    def _members(self, engine: Engine) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield README, [self.documents[README]]
        yield MANIFEST, [self.manifest]
        for name in sorted(self.documents.keys() - {README}):
            yield name, [self.documents[name]]
        for file in self.draws:
            yield file.name, pieces(engine, file)


def package_of(session: Session, analysis: Analysis) -> Package:
    """The package as its readers may have it; raises as `estimate_of`."""
    stored = estimate_of(analysis)
    data, hidden = data_shown(session, analysis)
    shown = analysis_out(session, analysis)
    unfit = _unfit(analysis, stored, marked=bool(hidden.cells))
    provenance = {**shown.provenance}
    if unfit is None:
        # Nothing of these data is hidden: the library's own hash tells nothing that is not here.
        provenance["data_hash"] = stored["provenance"]["data_hash"]
    request = {**analysis.request, "data": data, "seed": provenance["seed"]}
    if unfit is None:
        request = analysis.request
    result = result_out(stored, hidden.units, provenance, untold(analysis, hidden))
    made = documents(request, result, [*analysis.warnings, *warning_of(hidden)])
    left_out: dict[str, str] = {}
    for plot in session.exec(
        select(AnalysisPlot)
        .where(AnalysisPlot.analysis_id == analysis.id)
        .order_by(col(AnalysisPlot.measure), col(AnalysisPlot.name))
    ):
        name = plot_name(plot.measure, plot.name)
        if hidden_since(session, analysis, plot.name, plot.measure):
            left_out[name] = SMALL_PLOT
        else:
            made[name] = plot.svg.encode()
    draws = _draws(session, analysis, left_out)
    digests = {name: digest([content]) for name, content in made.items()}
    digests |= {file.name: {"sha256": file.sha256, "bytes": file.size} for file in draws}
    return Package(in_words(manifest(_about(analysis, provenance), digests, left_out, unfit)), made, draws)


def _unfit(analysis: Analysis, stored: dict[str, Any], *, marked: bool) -> str | None:
    """Why what is handed out cannot be fitted again; None: it can."""
    if marked:
        return HIDDEN
    same = FitRequest.model_validate(analysis.request).data_hash() == stored["provenance"].get("data_hash")
    return None if same else DELETED


def _draws(session: Session, analysis: Analysis, left_out: dict[str, str]) -> list[AnalysisFile]:
    """The files of draws that may be handed out; of the others says why not."""
    found = files_of(session, analysis.id)
    why = DRAWS_HIDDEN if small_since(session, analysis) else "were not kept with this analysis"
    kept = [] if small_since(session, analysis) else [found[name] for name in (NETCDF, PARQUET) if name in found]
    left_out |= {name: why for name in (NETCDF, PARQUET) if name not in {file.name for file in kept}}
    return kept


def _about(analysis: Analysis, provenance: dict[str, Any]) -> dict[str, Any]:
    return {
        "analysis_id": analysis.id,
        "pilot_id": analysis.pilot_id,
        "iteration": analysis.iteration,
        "look": analysis.look,
        "kind": analysis.kind.value,
        "retention_wave": analysis.retention_wave,
        "made_at": instant_text(analysis.finished_at) if analysis.finished_at else None,
        "plan_hash": provenance["plan_hash"],
        "data_hash": provenance["data_hash"],
        "seed": provenance["seed"],
        "plan_version": provenance.get("plan_version"),
        "allocations": provenance.get("allocations"),
    }
