"""What leaves the service of an analysis, over HTTP: draws, summaries, cells, pictures, the evidence package."""

from base64 import b64encode
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from analysis.tables import CELL_COLUMNS, SUMMARY_COLUMNS, as_csv, cell_lines
from app.analyses.files import engine_of, pieces, unpacked
from app.analyses.models import Analysis
from app.analyses.outputs import FILES, cells_of, draws_of, summaries_of
from app.analyses.package import package_of
from app.analyses.pictures import picture
from app.analyses.routes import PLOTS
from app.analyses.schemas import CellsUsed, SummaryLine
from app.analyses.service import plot
from app.auth.access import fetch
from app.auth.deps import CallerDep
from app.requests import MomentDep, TransactionalRoute

CSV, PNG, ZIP = "text/csv", "image/png", "application/zip"
PARQUET, NETCDF = "application/vnd.apache.parquet", "application/x-netcdf"
MEDIA = {"parquet": PARQUET, "csv": CSV, "netcdf": NETCDF}
ENDING = {"parquet": "parquet", "csv": "csv", "netcdf": "nc"}

router = APIRouter(prefix="/v1/analyses/{analysis_id}", tags=["7 Analyses"], route_class=TransactionalRoute)


class DrawsFormat(StrEnum):
    """How draws are written."""

    PARQUET = "parquet"
    CSV = "csv"
    NETCDF = "netcdf"


class TableFormat(StrEnum):
    """How lines are written."""

    JSON = "json"
    CSV = "csv"


def _binary(description: str, *media: str) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": description, "content": dict.fromkeys(media, schema)}}


def _also_csv(description: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {CSV: {"schema": {"type": "string"}}}}}


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _digest(sha256: str) -> dict[str, str]:
    """The hash of a whole answer for who downloads it (RFC 9530)."""
    return {"Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:"}


@router.get("/plots/{name}.png", response_class=Response, responses=_binary("The plot", PNG))
def read_picture(
    analysis_id: str,
    name: Annotated[str, Path(description=f"One of {', '.join(PLOTS)}", examples=["posterior"])],
    session: MomentDep,
    caller: CallerDep,
    measure: Annotated[str | None, Query(max_length=100, description="Of this measure; default: the primary")] = None,
) -> Response:
    """A plot as a picture that prints well (200 dots an inch), drawn some seconds after the result."""
    analysis = fetch(session, caller, Analysis, analysis_id)
    return Response(picture(session, plot(session, analysis, name, measure)), media_type=PNG)


@router.get("/draws", response_class=Response, responses=_binary("The draws", PARQUET, CSV, NETCDF))
def read_draws(
    analysis_id: str,
    session: MomentDep,
    caller: CallerDep,
    format: Annotated[DrawsFormat, Query(description="How they are written")] = DrawsFormat.PARQUET,  # noqa: A002 - its name in the address
) -> Response:
    """Every draw of every measure and run; 404 or 409 says why there are none and what would help."""
    analysis = fetch(session, caller, Analysis, analysis_id)
    file = draws_of(session, analysis)[FILES[format.value]]
    parts = pieces(engine_of(session), file)
    headers = _as_file(f"draws-{analysis.id}.{ENDING[format]}") | {
        "Content-Length": str(file.full_size),
        "ETag": f'"{file.sha256[:32]}"',
    }
    if format is DrawsFormat.CSV:  # the hash is of the file as it is kept, and a CSV is unpacked on the way
        return StreamingResponse(unpacked(parts), media_type=MEDIA[format], headers=headers)
    return StreamingResponse(parts, media_type=MEDIA[format], headers=headers | _digest(file.sha256))


@router.get("/summaries", response_model=list[SummaryLine], responses=_also_csv("A line a quantity"))
def read_summaries(
    analysis_id: str,
    session: MomentDep,
    caller: CallerDep,
    format: Annotated[TableFormat, Query(description="How they are written")] = TableFormat.JSON,  # noqa: A002
) -> Any:
    """The estimates, probabilities and diagnostics of a result, a line a quantity; as a CSV for a spreadsheet too."""
    analysis = fetch(session, caller, Analysis, analysis_id)
    lines = summaries_of(session, analysis)
    if format is TableFormat.JSON:
        return lines
    headers = _as_file(f"summaries-{analysis.id}.csv")
    return Response(as_csv(lines, SUMMARY_COLUMNS), media_type=CSV, headers=headers)


@router.get("/cells", response_model=CellsUsed, responses=_also_csv("A line a cell"))
def read_cells_used(
    analysis_id: str,
    session: MomentDep,
    caller: CallerDep,
    format: Annotated[TableFormat, Query(description="How they are written")] = TableFormat.JSON,  # noqa: A002
) -> Any:
    """The data the analysis used, as they were when it was asked for; cells of too few people are only marked."""
    analysis = fetch(session, caller, Analysis, analysis_id)
    data, warnings = cells_of(session, analysis)
    if format is TableFormat.JSON:
        return CellsUsed(iteration=analysis.iteration, look=analysis.look, data=data, warnings=warnings)
    headers = _as_file(f"cells-{analysis.id}.csv")
    return Response(as_csv(cell_lines(data), CELL_COLUMNS), media_type=CSV, headers=headers)


@router.get("/package", response_class=Response, responses=_binary("The evidence package", ZIP))
def read_package(analysis_id: str, session: MomentDep, caller: CallerDep) -> Response:
    """Everything a stranger needs to check a result (ZIP): `python -m analysis verify` computes it again.

    Plan, data, result, draws, plots, versions and the hash of each. Where cells are of too few people it holds marks
    in their place, and cannot be fitted again.
    """
    analysis = fetch(session, caller, Analysis, analysis_id)
    found = package_of(session, analysis)
    headers = _as_file(f"evidence-{analysis.id}.zip") | {"ETag": found.etag}
    return StreamingResponse(found.content(engine_of(session)), media_type=ZIP, headers=headers)
