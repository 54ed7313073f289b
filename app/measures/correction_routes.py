"""Corrections and revisions of the data over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlmodel import col

from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page
from app.measures.confidential import smallest_cell
from app.measures.corrected import summaries_out, values_out
from app.measures.correction_schemas import (
    CorrectedOut,
    CorrectedSummaryOut,
    CorrectionReport,
    CorrectionsIn,
    RevisionOut,
    WithdrawalIn,
)
from app.measures.corrections import correct
from app.measures.models import FormerMeasurement, FormerSummary, Revision
from app.measures.undoing import withdraw_revision
from app.pilots.models import Pilot
from app.pilots.service import iteration_of
from app.requests import Cursor, Limit, MomentDep, OfIteration, SessionDep, TransactionalRoute, page_of

router = APIRouter(prefix="/v1/pilots/{pilot_id}", tags=["6 Measures"], route_class=TransactionalRoute)


@router.post("/corrections", status_code=201, dependencies=[idempotent])
def correct_measures(pilot_id: str, body: CorrectionsIn, session: SessionDep, caller: CallerDep) -> CorrectionReport:
    """Correct or withdraw values and summaries of the current iteration, with a reason. What stood is kept.

    Analyses keep what they were computed from, and say that the data changed since.
    """
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    revision, counts = correct(session, pilot, body, person=caller.person, at=now())
    return CorrectionReport.model_validate({**revision.model_dump(), **counts})


@router.get("/revisions")
def list_revisions(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    iteration: OfIteration = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RevisionOut]:
    """Every change of the data of an iteration, oldest first: entries, imports, corrections, arms given by chance."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    number = iteration_of(session, pilot, iteration).number
    statement = visible(caller, Revision).where(col(Revision.pilot_id) == pilot.id, col(Revision.iteration) == number)
    rows, following = page_of(session, statement, Revision.id, limit, cursor)
    least = smallest_cell(session)
    # The hash of a file would confirm a guess of the few hidden values in it; who enters measures has the file.
    hashes = caller.may(Permission.MEASURES_WRITE)
    shown = [
        {
            **row.model_dump(),
            "entries": row.entries if row.entries >= least else None,
            "sha256": row.sha256 if hashes else None,
        }
        for row in rows
    ]
    return Page(items=[RevisionOut.model_validate(row) for row in shown], next_cursor=following)


@router.post("/revisions/{number}/withdraw", status_code=201, dependencies=[idempotent])
def withdraw_entries(
    pilot_id: str,
    number: Annotated[int, Path(ge=1, le=2**31 - 1, description="Of a revision that entered something")],
    body: WithdrawalIn,
    session: SessionDep,
    caller: CallerDep,
) -> CorrectionReport:
    """Take back a whole entry or import: all that it entered and still stands, corrected since or not.

    What stood is kept, as with single corrections; the same file again enters nothing, unless `restore` asks for it.
    """
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    revision, count = withdraw_revision(session, pilot, number, body.reason, person=caller.person, at=now())
    return CorrectionReport.model_validate(
        {**revision.model_dump(), "corrected": 0, "withdrawn": count, "unchanged": 0}
    )


@router.get("/corrections")
def list_corrections(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    iteration: OfIteration = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CorrectedOut]:
    """Values that were corrected or withdrawn: before and after, why, by whom; of too few people not shown."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    number = iteration_of(session, pilot, iteration).number
    f = FormerMeasurement
    statement = visible(caller, f).where(col(f.pilot_id) == pilot.id, col(f.iteration) == number)
    rows, following = page_of(session, statement, f.id, limit, cursor)
    return Page[CorrectedOut](items=values_out(session, pilot, number, rows), next_cursor=following)


@router.get("/summary-corrections")
def list_summary_corrections(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    iteration: OfIteration = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CorrectedSummaryOut]:
    """Summaries that were corrected or withdrawn: before and after, why, by whom; of too few people not shown."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    number = iteration_of(session, pilot, iteration).number
    f = FormerSummary
    statement = visible(caller, f).where(col(f.pilot_id) == pilot.id, col(f.iteration) == number)
    rows, following = page_of(session, statement, f.id, limit, cursor)
    return Page(items=summaries_out(session, pilot, number, rows), next_cursor=following)
