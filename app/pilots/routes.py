"""Interventions and pilots over HTTP; moving a pilot is in `lifecycle/`."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import col

from app.auth.access import acting_organization, fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.catalog.service import require_driver
from app.db import now
from app.errors import Invalid, fault
from app.forms import Page
from app.pilots.coverage import covering
from app.pilots.models import SCALED, Intervention, Pilot, Stage
from app.pilots.schemas import InterventionIn, InterventionOut, InterventionPatch, PilotIn, PilotOut, PilotPatch
from app.pilots.service import (
    change_pilot,
    create_intervention,
    create_pilot,
    predecessors_of_each,
    refuse_emptied,
    refuse_in_use,
    units_of_each,
)
from app.requests import Cursor, IfMatch, Limit, SessionDep, TransactionalRoute, check_match, etag, page_of, where_given

interventions = APIRouter(prefix="/v1", tags=["3 Interventions"], route_class=TransactionalRoute)
pilots = APIRouter(prefix="/v1", tags=["4 Pilots"], route_class=TransactionalRoute)


def pilot_out(session: SessionDep, pilot: Pilot) -> PilotOut:
    """The answer about a pilot."""
    return pilots_out(session, [pilot])[0]


def pilots_out(session: SessionDep, rows: Sequence[Pilot]) -> list[PilotOut]:
    """The answers about several pilots."""
    ids = [pilot.id for pilot in rows]
    units, before = units_of_each(session, ids), predecessors_of_each(session, ids)
    covered = covering(session, rows)
    return [
        PilotOut.model_validate(
            {
                **pilot.model_dump(),
                "unit_ids": units[pilot.id],
                "succeeds": before[pilot.id],
                "scaled": pilot.stage in SCALED and not pilot.provisional,
                "covered_by": covered[pilot.id],
            }
        )
        for pilot in rows
    ]


@interventions.post("/interventions", status_code=201, dependencies=[idempotent])
def add_intervention(
    body: InterventionIn, session: SessionDep, caller: CallerDep, response: Response
) -> InterventionOut:
    """Describe a program or tactic. Every organization can read it, and what signed decisions found of it."""
    caller.require(Permission.INTERVENTIONS_WRITE)
    organization_id = acting_organization(session, caller, body.organization_id)
    row = create_intervention(session, body, organization_id)
    response.headers["Location"] = f"/v1/interventions/{row.id}"
    return InterventionOut.model_validate(row)


@interventions.get("/interventions")
def list_interventions(
    session: SessionDep,
    caller: CallerDep,
    driver: str | None = None,
    derived_from: str | None = None,
    organization_id: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InterventionOut]:
    """Interventions of all organizations."""
    statement = where_given(
        visible(caller, Intervention),
        (Intervention.driver, driver),
        (Intervention.derived_from, derived_from),
        (Intervention.organization_id, organization_id),
    )
    rows, following = page_of(session, statement, Intervention.id, limit, cursor)
    return Page(items=[InterventionOut.model_validate(r) for r in rows], next_cursor=following)


@interventions.get("/interventions/{intervention_id}")
def read_intervention(
    intervention_id: str, session: SessionDep, caller: CallerDep, response: Response
) -> InterventionOut:
    """One intervention."""
    row = fetch(session, caller, Intervention, intervention_id)
    response.headers["ETag"] = etag(row.version)
    return InterventionOut.model_validate(row)


@interventions.patch("/interventions/{intervention_id}")
def change_intervention(
    intervention_id: str,
    body: InterventionPatch,
    session: SessionDep,
    caller: CallerDep,
    response: Response,
    if_match: IfMatch = None,
) -> InterventionOut:
    """Change an intervention of your own organization."""
    row = fetch(session, caller, Intervention, intervention_id, Permission.INTERVENTIONS_WRITE, for_update=True)
    check_match(if_match, row.version, "the intervention")
    changes = body.model_dump(exclude_unset=True)
    refuse_emptied(changes)
    refuse_in_use(session, row, changes)
    if "driver" in changes:
        require_driver(session, changes["driver"], row.organization_id)
    row.sqlmodel_update(changes)
    session.add(row)
    session.flush()
    response.headers["ETag"] = etag(row.version)
    return InterventionOut.model_validate(row)


@pilots.post("/pilots", status_code=201, dependencies=[idempotent])
def add_pilot(body: PilotIn, session: SessionDep, caller: CallerDep, response: Response) -> PilotOut:
    """Start a pilot: name the driver; it begins in `discover`. You lead it unless you name somebody."""
    caller.require(Permission.PILOTS_WRITE)
    organization_id = acting_organization(session, caller, body.organization_id)
    if organization_id is None:
        msg = "a key of the whole service has to name the organization"
        raise Invalid(msg, [fault(["organization_id"], msg, "missing")])
    pilot = create_pilot(session, body, organization_id, caller.person, now())
    response.headers["Location"] = f"/v1/pilots/{pilot.id}"
    response.headers["ETag"] = etag(pilot.version)
    return pilot_out(session, pilot)


@pilots.get("/pilots")
def list_pilots(
    session: SessionDep,
    caller: CallerDep,
    stage: Stage | None = None,
    organization_id: str | None = None,
    driver: str | None = None,
    lead: str | None = None,
    intervention_id: str | None = None,
    q: Annotated[str | None, Query(max_length=200, description="Words in the title")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PilotOut]:
    """The pilots of the organization; `q` looks for words in the title."""
    statement = where_given(
        visible(caller, Pilot),
        (Pilot.stage, stage),
        (Pilot.organization_id, organization_id),
        (Pilot.driver, driver),
        (Pilot.lead, lead),
        (Pilot.intervention_id, intervention_id),
    )
    for word in (q or "").split():
        statement = statement.where(col(Pilot.title).icontains(word, autoescape=True))
    rows, following = page_of(session, statement, Pilot.id, limit, cursor)
    return Page(items=pilots_out(session, rows), next_cursor=following)


@pilots.get("/pilots/{pilot_id}")
def read_pilot(pilot_id: str, session: SessionDep, caller: CallerDep, response: Response) -> PilotOut:
    """One pilot."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    response.headers["ETag"] = etag(pilot.version)
    return pilot_out(session, pilot)


@pilots.patch("/pilots/{pilot_id}")
def patch_pilot(
    pilot_id: str,
    body: PilotPatch,
    session: SessionDep,
    caller: CallerDep,
    response: Response,
    if_match: IfMatch = None,
) -> PilotOut:
    """Write a pilot's notes, units, lead, lessons or sustainability review."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.PILOTS_WRITE, for_update=True)
    check_match(if_match, pilot.version, "the pilot")
    change_pilot(session, pilot, body, caller.person, now())
    response.headers["ETag"] = etag(pilot.version)
    return pilot_out(session, pilot)
