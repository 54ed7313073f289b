"""Decisions over HTTP."""

from fastapi import APIRouter, Response
from sqlmodel import col

from app.analyses.models import Analysis
from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.decisions.models import Decision
from app.decisions.schemas import DecisionIn, DecisionOut, ShareBackIn
from app.decisions.service import share_back, sign
from app.forms import Page
from app.pilots.models import Pilot
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of

router = APIRouter(prefix="/v1", tags=["8 Decisions and moves"], route_class=TransactionalRoute)


@router.post("/pilots/{pilot_id}/decisions", status_code=201, dependencies=[idempotent])
def sign_decision(
    pilot_id: str, body: DecisionIn, session: SessionDep, caller: CallerDep, response: Response
) -> DecisionOut:
    """Sign a decision on the confirmatory analysis. Takes an approver who does not lead the pilot."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.DECISIONS_SIGN, for_update=True)
    analysis = fetch(session, caller, Analysis, body.analysis_id)
    decision = sign(session, pilot, analysis, body, caller.person, now())
    response.headers["Location"] = f"/v1/decisions/{decision.id}"
    return DecisionOut.model_validate(decision)


@router.get("/pilots/{pilot_id}/decisions")
def list_decisions(
    pilot_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[DecisionOut]:
    """The decisions of a pilot, of all its iterations."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    statement = visible(caller, Decision).where(col(Decision.pilot_id) == pilot.id)
    rows, following = page_of(session, statement, Decision.id, limit, cursor)
    return Page(items=[DecisionOut.model_validate(r) for r in rows], next_cursor=following)


@router.get("/decisions/{decision_id}")
def read_decision(decision_id: str, session: SessionDep, caller: CallerDep) -> DecisionOut:
    """One decision."""
    return DecisionOut.model_validate(fetch(session, caller, Decision, decision_id))


@router.post("/decisions/{decision_id}/share-back", status_code=201, dependencies=[idempotent])
def tell_share_back(decision_id: str, body: ShareBackIn, session: SessionDep, caller: CallerDep) -> DecisionOut:
    """Say how the result is shared back with the staff, once, where the decision left it open."""
    decision = fetch(session, caller, Decision, decision_id, Permission.DECISIONS_SHARE_BACK, for_update=True)
    return DecisionOut.model_validate(share_back(session, decision, body.share_back))
