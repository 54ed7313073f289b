"""Definitions of metrics over HTTP."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import ConfigDict, Field, StringConstraints

from app.auth.access import own, visible
from app.auth.deps import Caller, CallerDep, idempotent
from app.auth.permissions import Permission
from app.catalog.definitions import MetricDefinition, add_definition
from app.catalog.models import Measure
from app.catalog.months import Month
from app.db import now
from app.errors import NotFound
from app.forms import Answer, AtInstant, Form, Line, Page, Prose
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of

router = APIRouter(prefix="/v1/measures/{measure}/definitions", tags=["2 Catalogue"], route_class=TransactionalRoute)


class DefinitionIn(Form):
    """What a logged metric counts from a month on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "Signal 2025.2",
                    "definition": "Minutes with activity in the EHR outside scheduled hours, by 8 h scheduled; a pause "
                    "of 5 s ends activity.",
                    "valid_from": "2026-03",
                    "source": "EHR vendor's release notes, March 2026",
                    "unit": "minutes per 8 h scheduled",
                }
            ]
        }
    )
    version: Line = Field(description="Its name, by which points of a series may refer to it")
    definition: Prose = Field(description="What is counted, over what, by which system")
    valid_from: Month = Field(description="The first month that is counted this way")
    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    unit: Line


class DefinitionOut(Answer):
    """A version of a metric's definition; `organization_id` null: shared by all."""

    id: str
    organization_id: str | None
    measure: str
    version: str
    definition: str
    valid_from: str
    source: str
    unit: str
    created_by: str
    created_at: AtInstant


def _out(row: MetricDefinition) -> DefinitionOut:
    return DefinitionOut.model_validate({**row.model_dump(), "version": row.label})


def _measure(session: SessionDep, caller: Caller, key: str) -> Measure:
    """The measure the caller's organization sees by this key, its own before the shared one."""
    statement = visible(caller, Measure).where(Measure.key == key).order_by(sa.column("organization_id").is_(None))
    found: Measure | None = session.exec(statement).first()
    if found is None:
        msg = f"there is no measure {key!r}; GET /v1/measures lists them"
        raise NotFound(msg)
    return found


@router.post("", status_code=201, dependencies=[idempotent])
def add_measure_definition(measure: str, body: DefinitionIn, session: SessionDep, caller: CallerDep) -> DefinitionOut:
    """Add a version of a metric's definition: for the key's organization, or (service administrator) for all."""
    caller.require(Permission.CATALOGUE_WRITE)
    own(caller, caller.organization_id)
    row = MetricDefinition(
        **body.model_dump(exclude={"version"}),
        label=body.version,
        measure=measure,
        organization_id=caller.organization_id,
        created_by=caller.person,
        created_at=now(),
    )
    return _out(add_definition(session, _measure(session, caller, measure), row))


@router.get("")
def list_measure_definitions(
    measure: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[DefinitionOut]:
    """The versions of a metric's definition: your organization's and the shared ones, as they were added."""
    _measure(session, caller, measure)
    statement = visible(caller, MetricDefinition).where(MetricDefinition.measure == measure)
    rows, following = page_of(session, statement, MetricDefinition.id, limit, cursor)
    return Page(items=[_out(row) for row in rows], next_cursor=following)
