"""The data an analysis stands on, built again, over HTTP."""

from fastapi import APIRouter

from app.analyses.models import Analysis
from app.analyses.schemas import RebuiltOut
from app.analyses.service import retaken
from app.auth.access import fetch
from app.auth.deps import CallerDep
from app.measures.revisions import latest
from app.requests import MomentDep, TransactionalRoute

router = APIRouter(prefix="/v1", tags=["7 Analyses"], route_class=TransactionalRoute)
OLDER = "this analysis is older than the revisions of the data; its snapshot is the one stored with it"
GONE = "the data of that revision give another snapshot: rows of a person were deleted on request since"


@router.get("/analyses/{analysis_id}/snapshot")
def rebuild_snapshot(analysis_id: str, session: MomentDep, caller: CallerDep) -> RebuiltOut:
    """Build the data of an analysis again from what is stored of every entry and correction, and compare."""
    analysis = fetch(session, caller, Analysis, analysis_id)
    revision = analysis.data_revision
    newest = latest(session, analysis.pilot_id, analysis.iteration)
    _, same_now = retaken(session, analysis, None)
    same_then = retaken(session, analysis, revision)[1] if revision is not None else same_now
    says = f"revision {revision} gives the very data this analysis used" if same_then else GONE
    return RebuiltOut(
        revision=revision,
        newest=newest,
        rebuilt=same_then,
        changed_since=not same_now,
        says=OLDER if revision is None else says,
    )
