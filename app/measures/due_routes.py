"""Waves that are due, over all pilots, over HTTP."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import col

from app.auth.access import visible
from app.auth.deps import CallerDep
from app.db import now
from app.forms import Page
from app.measures.due import WITHIN_DAYS
from app.measures.due_waves import cursor_of, due_waves, place_of
from app.measures.wave_schemas import DueWaveOut
from app.pilots.models import Pilot
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, where_given

router = APIRouter(prefix="/v1/waves", tags=["6 Measures"], route_class=TransactionalRoute)


@router.get("/due")
def list_due_waves(
    session: SessionDep,
    caller: CallerDep,
    within_days: Annotated[int, Query(ge=0, le=366, description="How far ahead to look")] = WITHIN_DAYS,
    organization_id: str | None = None,
    lead: Annotated[str | None, Query(max_length=200, description="Only of the pilots this person leads")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DueWaveOut]:
    """The waves of all pilots that somebody has to do something about, by date: late ones first, then what comes."""
    pilots = where_given(visible(caller, Pilot), (col(Pilot.organization_id), organization_id), (col(Pilot.lead), lead))
    after = place_of(cursor) if cursor is not None else None
    found = list(islice(due_waves(session, pilots, now().date(), within_days, after), limit + 1))
    page = found[:limit]
    return Page(
        items=[DueWaveOut.model_validate({**vars(wave), "iteration": wave.pilot.iteration}) for wave in page],
        next_cursor=cursor_of(page[-1].place) if len(found) > limit else None,
    )
