"""Analyses over HTTP: asked for here, computed in the background."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from sqlmodel import col

from app.analyses.models import Analysis, Kind
from app.analyses.retention import retained
from app.analyses.schemas import AnalysisIn, AnalysisLine, AnalysisOut
from app.analyses.service import WORK, ask, ask_retention, changes_since, plot, plots_of
from app.analyses.shown import analysis_out
from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page
from app.jobs.models import JobStatus
from app.operations import cancel
from app.pilots.models import Pilot
from app.requests import Cursor, Limit, MomentDep, OnlyIteration, SessionDep, TransactionalRoute, page_of, where_given

SVG = "image/svg+xml"
PLOTS = (
    "posterior",
    "prior_posterior",
    "cell_means",
    "categories",
    "event_study",
    "by_time",
    "counterfactual",
    "units",
    "predictive",
    "trace",
    "rank",
)

router = APIRouter(prefix="/v1", tags=["7 Analyses"], route_class=TransactionalRoute)


@router.post("/pilots/{pilot_id}/analyses", status_code=202, dependencies=[idempotent])
def request_analysis(
    pilot_id: str, session: SessionDep, caller: CallerDep, response: Response, body: AnalysisIn | None = None
) -> AnalysisOut:
    """Analyse the data as they are now. The first of a look, in `test`, under the locked plan, is confirmatory.

    After scaling, `wave` names a retention wave: the first analysis of each tells whether the effect lasts.
    """
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.ANALYSES_WRITE, for_update=True)
    asked = body or AnalysisIn()
    if asked.wave is not None:
        analysis = ask_retention(session, pilot, wave=asked.wave, seed=asked.seed, person=caller.person, at=now())
    else:
        analysis = ask(session, pilot, seed=asked.seed, look=asked.look, person=caller.person, at=now())
    response.headers["Location"] = f"/v1/analyses/{analysis.id}"
    return analysis_out(session, analysis)


@router.get("/pilots/{pilot_id}/analyses")
def list_analyses(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    iteration: OnlyIteration = None,
    kind: Kind | None = None,
    status: JobStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AnalysisLine]:
    """The analyses of a pilot, of all its iterations unless one is named."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    statement = where_given(
        visible(caller, Analysis).where(col(Analysis.pilot_id) == pilot.id),
        (Analysis.iteration, iteration),
        (Analysis.kind, kind),
        (Analysis.status, status),
    )
    rows, following = page_of(session, statement, Analysis.id, limit, cursor)
    return Page(items=[AnalysisLine.model_validate(r) for r in rows], next_cursor=following)


@router.get("/analyses/{analysis_id}")
def read_analysis(analysis_id: str, session: MomentDep, caller: CallerDep) -> AnalysisOut:
    """One analysis: its progress, then its result. Says so when data were entered since."""
    analysis = fetch(session, caller, Analysis, analysis_id)
    answer = analysis_out(session, analysis)
    answer.plots = [
        f"/v1/analyses/{analysis.id}/plots/{name}.svg?measure={quote(measure)}"
        for measure, name in plots_of(session, analysis)
    ]
    if analysis.status is JobStatus.SUCCEEDED:
        answer.warnings = [*answer.warnings, *changes_since(session, analysis)]
        if analysis.retention_wave is not None:
            answer.retention = retained(analysis.retention_wave, analysis.result)
    return answer


@router.post("/analyses/{analysis_id}/cancel")
def cancel_analysis(analysis_id: str, session: SessionDep, caller: CallerDep) -> AnalysisOut:
    """Cancel: at once what is queued, within seconds what runs."""
    analysis = fetch(session, caller, Analysis, analysis_id, Permission.ANALYSES_WRITE)
    cancel(session, WORK, analysis, now())
    return analysis_out(session, analysis)


@router.get(
    "/analyses/{analysis_id}/plots/{name}.svg",
    response_class=Response,
    responses={
        200: {"description": "The plot", "content": {SVG: {"schema": {"type": "string"}, "example": "<svg …>"}}}
    },
)
def read_plot(
    analysis_id: str,
    name: Annotated[str, Path(description=f"One of {', '.join(PLOTS)}", examples=["posterior"])],
    session: MomentDep,
    caller: CallerDep,
    measure: Annotated[str | None, Query(max_length=100, description="Of this measure; default: the primary")] = None,
) -> Response:
    """A plot of the result, drawn when the analysis ended; where there is none, 404 says which there are.

    On the page at /docs an SVG stands as text; the PNG is shown as a picture.
    """
    analysis = fetch(session, caller, Analysis, analysis_id)
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(plot(session, analysis, name, measure).svg, media_type=SVG, headers=headers)
