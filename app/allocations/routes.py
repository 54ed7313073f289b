"""Allocations over HTTP: arms assigned by chance, or the declaration that they were."""

from collections.abc import Sequence

from fastapi import APIRouter
from sqlmodel import col

from app.allocations.schemas import AllocatedOut, AllocationIn, AllocationOut
from app.allocations.service import assign, entries_of
from app.allocations.shown import entries_out
from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page
from app.measures.confidential import smallest_cell
from app.pilots.models import Pilot
from app.plans.models import Allocation, AllocationEntry
from app.requests import Cursor, Limit, OnlyIteration, SessionDep, TransactionalRoute, page_of, where_given

router = APIRouter(prefix="/v1/pilots/{pilot_id}/plan", tags=["5 Plan"], route_class=TransactionalRoute)


def allocation_out(allocation: Allocation, entries: Sequence[AllocationEntry], least: int) -> AllocationOut:
    """The answer about an allocation, without what would count groups of fewer than `least` people."""
    shown = entries_out(entries, allocation.level, least)
    return AllocationOut.model_validate({**allocation.model_dump(), "entries": shown})


@router.post("/allocate", status_code=201, dependencies=[idempotent])
def allocate(pilot_id: str, session: SessionDep, caller: CallerDep, body: AllocationIn | None = None) -> AllocatedOut:
    """Assign units or people to arms by chance, before follow-up data exist; or declare how it was done elsewhere."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.PLANS_WRITE, for_update=True)
    made, entries, unchanged = assign(session, pilot, body or AllocationIn(), caller.person, now())
    return AllocatedOut.model_validate({**made.model_dump(), "entries": entries, "unchanged": unchanged})


@router.get("/allocations")
def list_allocations(
    pilot_id: str,
    session: SessionDep,
    caller: CallerDep,
    iteration: OnlyIteration = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AllocationOut]:
    """Who was assigned to which arm, and what was declared, of all iterations unless one is named. Append-only."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    statement = visible(caller, Allocation).where(col(Allocation.pilot_id) == pilot.id)
    rows, following = page_of(
        session, where_given(statement, (Allocation.iteration, iteration)), Allocation.id, limit, cursor
    )
    entries = entries_of(session, rows)
    return Page(
        items=[allocation_out(row, entries[row.id], smallest_cell(session)) for row in rows], next_cursor=following
    )
