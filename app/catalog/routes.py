"""Organizations, units and the catalogues over HTTP."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Response
from sqlmodel import SQLModel

from app.auth.access import fetch, own, visible
from app.auth.deps import Caller, CallerDep, idempotent
from app.auth.permissions import Permission
from app.catalog.models import Driver, Measure, Organization, ProgramDimension, Unit
from app.catalog.schemas import (
    DriverIn,
    DriverOut,
    MeasureIn,
    MeasureOut,
    OrganizationIn,
    OrganizationOut,
    OrganizationPatch,
    ProgramDimensionIn,
    ProgramDimensionOut,
    UnitIn,
    UnitOut,
    UnitPatch,
)
from app.catalog.service import add_entry, check_parent
from app.errors import Forbidden, Invalid, fault
from app.forms import Form, Page
from app.requests import Cursor, IfMatch, Limit, SessionDep, TransactionalRoute, check_match, etag, page_of, where_given

organizations = APIRouter(prefix="/v1", tags=["1 Organization"], route_class=TransactionalRoute)
catalogue = APIRouter(prefix="/v1", tags=["2 Catalogue"], route_class=TransactionalRoute)


@organizations.post("/organizations", status_code=201, dependencies=[idempotent])
def create_organization(
    body: OrganizationIn, session: SessionDep, caller: CallerDep, response: Response
) -> OrganizationOut:
    """Add an organization. Takes an administrator of the whole service."""
    caller.require(Permission.ORGANIZATIONS_WRITE)
    if not caller.serves_all:
        msg = "organizations are added with an administrator's key of the whole service"
        raise Forbidden(msg)
    row = Organization(name=body.name)
    session.add(row)
    session.flush()
    response.headers["Location"] = f"/v1/organizations/{row.id}"
    return OrganizationOut.model_validate(row)


@organizations.get("/organizations")
def list_organizations(
    session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[OrganizationOut]:
    """The organizations this key may see: its own, or all."""
    rows, following = page_of(session, visible(caller, Organization), Organization.id, limit, cursor)
    return Page(items=[OrganizationOut.model_validate(r) for r in rows], next_cursor=following)


@organizations.get("/organizations/{organization_id}")
def read_organization(
    organization_id: str, session: SessionDep, caller: CallerDep, response: Response
) -> OrganizationOut:
    """One organization."""
    row = fetch(session, caller, Organization, organization_id)
    response.headers["ETag"] = etag(row.version)
    return OrganizationOut.model_validate(row)


@organizations.patch("/organizations/{organization_id}")
def change_organization(
    organization_id: str,
    body: OrganizationPatch,
    session: SessionDep,
    caller: CallerDep,
    response: Response,
    if_match: IfMatch = None,
) -> OrganizationOut:
    """Rename an organization."""
    row = fetch(session, caller, Organization, organization_id, Permission.ORGANIZATIONS_WRITE, for_update=True)
    check_match(if_match, row.version, "the organization")
    row.name = body.name
    session.add(row)
    session.flush()
    response.headers["ETag"] = etag(row.version)
    return OrganizationOut.model_validate(row)


@organizations.post("/organizations/{organization_id}/units", status_code=201, dependencies=[idempotent])
def create_unit(
    organization_id: str, body: UnitIn, session: SessionDep, caller: CallerDep, response: Response
) -> UnitOut:
    """Add a unit to an organization."""
    fetch(session, caller, Organization, organization_id, Permission.UNITS_WRITE)
    row = Unit(organization_id=organization_id, **body.model_dump())
    check_parent(session, row, row.parent_id)
    session.add(row)
    session.flush()
    response.headers["Location"] = f"/v1/units/{row.id}"
    return UnitOut.model_validate(row)


@organizations.get("/organizations/{organization_id}/units")
def list_units(
    organization_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[UnitOut]:
    """The units of an organization."""
    fetch(session, caller, Organization, organization_id)
    statement = visible(caller, Unit).where(Unit.organization_id == organization_id)
    rows, following = page_of(session, statement, Unit.id, limit, cursor)
    return Page(items=[UnitOut.model_validate(r) for r in rows], next_cursor=following)


@organizations.get("/units/{unit_id}")
def read_unit(unit_id: str, session: SessionDep, caller: CallerDep, response: Response) -> UnitOut:
    """One unit."""
    row = fetch(session, caller, Unit, unit_id)
    response.headers["ETag"] = etag(row.version)
    return UnitOut.model_validate(row)


@organizations.patch("/units/{unit_id}")
def change_unit(
    unit_id: str, body: UnitPatch, session: SessionDep, caller: CallerDep, response: Response, if_match: IfMatch = None
) -> UnitOut:
    """Change a unit."""
    row = fetch(session, caller, Unit, unit_id, Permission.UNITS_WRITE, for_update=True)
    check_match(if_match, row.version, "the unit")
    changes = body.model_dump(exclude_unset=True)
    if "parent_id" in changes:
        check_parent(session, row, changes["parent_id"])
    if changes.get("name", "") is None:
        msg = "name cannot be emptied; leave it out to keep it"
        raise Invalid(msg, [fault(["name"], msg, "missing")])
    row.sqlmodel_update(changes)
    session.add(row)
    session.flush()
    response.headers["ETag"] = etag(row.version)
    return UnitOut.model_validate(row)


def _entries(
    session: SessionDep, caller: Caller, model: type[SQLModel], filters: dict[str, Any], limit: int, cursor: str | None
) -> tuple[list[Any], str | None]:
    statement = where_given(visible(caller, model), *((sa.column(name), value) for name, value in filters.items()))
    return page_of(session, statement, model.id, limit, cursor)  # type: ignore[attr-defined]


def _add(session: SessionDep, caller: Caller, model: type[SQLModel], body: Form) -> Any:
    caller.require(Permission.CATALOGUE_WRITE)
    own(caller, caller.organization_id)
    values = body.model_dump()
    return add_entry(
        session, model(**values, organization_id=caller.organization_id), values["key"], caller.organization_id
    )


@catalogue.get("/drivers")
def list_drivers(
    session: SessionDep, caller: CallerDep, key: str | None = None, limit: Limit = 100, cursor: Cursor = None
) -> Page[DriverOut]:
    """What contributes to burnout or fulfilment."""
    rows, following = _entries(session, caller, Driver, {"key": key}, limit, cursor)
    return Page(items=[DriverOut.model_validate(r) for r in rows], next_cursor=following)


@catalogue.post("/drivers", status_code=201, dependencies=[idempotent])
def add_driver(body: DriverIn, session: SessionDep, caller: CallerDep) -> DriverOut:
    """Add a driver: for the key's organization, or (service administrator) for all."""
    return DriverOut.model_validate(_add(session, caller, Driver, body))


@catalogue.get("/measures")
def list_measures(
    session: SessionDep,
    caller: CallerDep,
    key: str | None = None,
    family: str | None = None,
    scope: str | None = None,
    measure_class: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[MeasureOut]:
    """The instruments and metrics pilots are judged by."""
    filters = {"key": key, "family": family, "scope": scope, "measure_class": measure_class}
    rows, following = _entries(session, caller, Measure, filters, limit, cursor)
    return Page(items=[MeasureOut.model_validate(r) for r in rows], next_cursor=following)


@catalogue.post("/measures", status_code=201, dependencies=[idempotent])
def add_measure(body: MeasureIn, session: SessionDep, caller: CallerDep) -> MeasureOut:
    """Add a measure: for the key's organization, or (service administrator) for all."""
    return MeasureOut.model_validate(_add(session, caller, Measure, body))


@catalogue.get("/program-dimensions")
def list_program_dimensions(
    session: SessionDep, caller: CallerDep, key: str | None = None, limit: Limit = 100, cursor: Cursor = None
) -> Page[ProgramDimensionOut]:
    """The dimensions of foundational programs."""
    rows, following = _entries(session, caller, ProgramDimension, {"key": key}, limit, cursor)
    return Page(items=[ProgramDimensionOut.model_validate(r) for r in rows], next_cursor=following)


@catalogue.post("/program-dimensions", status_code=201, dependencies=[idempotent])
def add_program_dimension(body: ProgramDimensionIn, session: SessionDep, caller: CallerDep) -> ProgramDimensionOut:
    """Add a dimension: for the key's organization, or (service administrator) for all."""
    return ProgramDimensionOut.model_validate(_add(session, caller, ProgramDimension, body))
