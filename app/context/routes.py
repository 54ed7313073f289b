"""Contextual events over HTTP."""

from datetime import date
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from sqlmodel import col

from app.auth.access import acting_organization, fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.context.models import ContextEvent
from app.context.schemas import ContextEventIn, ContextEventOut, ContextEventPatch
from app.context.service import change_event, create_event
from app.db import now
from app.errors import Invalid, fault
from app.forms import Page
from app.requests import Cursor, IfMatch, Limit, SessionDep, TransactionalRoute, check_match, etag, page_of, where_given

router = APIRouter(prefix="/v1/context-events", tags=["1 Organization"], route_class=TransactionalRoute)


@router.post("", status_code=201, dependencies=[idempotent])
def add_context_event(
    body: ContextEventIn, session: SessionDep, caller: CallerDep, response: Response
) -> ContextEventOut:
    """Record what happened around the pilots: a pandemic wave, an EHR go-live, a merger, another program."""
    caller.require(Permission.CONTEXT_WRITE)
    organization_id = acting_organization(session, caller, body.organization_id)
    if organization_id is None:
        msg = "a key of the whole service has to name the organization"
        raise Invalid(msg, [fault(["organization_id"], msg, "missing")])
    row = create_event(session, body, organization_id, caller.person, now())
    response.headers["Location"] = f"/v1/context-events/{row.id}"
    response.headers["ETag"] = etag(row.version)
    return ContextEventOut.model_validate(row)


@router.get("")
def list_context_events(
    session: SessionDep,
    caller: CallerDep,
    organization_id: str | None = None,
    unit_id: Annotated[str | None, Query(description="Recorded of this very unit")] = None,
    since: Annotated[date | None, Query(alias="from", description="That went on on this day or later")] = None,
    until: Annotated[date | None, Query(alias="to", description="That had begun on this day")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ContextEventOut]:
    """The events of the organization, in the order in which they were recorded."""
    if since is not None and until is not None and until < since:
        msg = f"from {since} to {until} is no interval; the first day comes first"
        raise Invalid(msg, [fault(["to"], msg, "ends_before_it_starts")])
    statement = where_given(
        visible(caller, ContextEvent),
        (ContextEvent.organization_id, organization_id),
        (ContextEvent.unit_id, unit_id),
    )
    if since is not None:
        statement = statement.where(sa.or_(col(ContextEvent.ends_on).is_(None), col(ContextEvent.ends_on) >= since))
    if until is not None:
        statement = statement.where(col(ContextEvent.starts_on) <= until)
    rows, following = page_of(session, statement, ContextEvent.id, limit, cursor)
    return Page(items=[ContextEventOut.model_validate(r) for r in rows], next_cursor=following)


@router.get("/{context_event_id}")
def read_context_event(
    context_event_id: str, session: SessionDep, caller: CallerDep, response: Response
) -> ContextEventOut:
    """One event."""
    row = fetch(session, caller, ContextEvent, context_event_id)
    response.headers["ETag"] = etag(row.version)
    return ContextEventOut.model_validate(row)


@router.patch("/{context_event_id}")
def patch_context_event(
    context_event_id: str,
    body: ContextEventPatch,
    session: SessionDep,
    caller: CallerDep,
    response: Response,
    if_match: IfMatch = None,
) -> ContextEventOut:
    """Correct an event, or say when it ended."""
    row = fetch(session, caller, ContextEvent, context_event_id, Permission.CONTEXT_WRITE, for_update=True)
    check_match(if_match, row.version, "the event")
    change_event(session, row, body)
    response.headers["ETag"] = etag(row.version)
    return ContextEventOut.model_validate(row)
