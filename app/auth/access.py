"""The one door to rows: which rows a caller may see, and fetching one with the right refusal.

Tables that belong to an organization have `organization_id`; an administrator of the service sees all. What may
not be seen does not exist (404); what may be seen but not done is refused with 403.
"""

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, select

from app.auth.deps import Caller
from app.auth.permissions import Permission
from app.db import lock
from app.errors import Forbidden, NotFound

# Readable by every organization, written by its own (contract §2). Catalogue entries of nobody are everybody's.
# What was found of an intervention is its readers' too.
PUBLIC = frozenset({"interventions", "syntheses", "programs"})
# Read by other organizations only where their own chose to share them.
SHARED_BY_CHOICE = frozenset({"lessons"})
SHARED_WHEN_UNOWNED = frozenset({"drivers", "measures", "program_dimensions", "benchmarks", "metric_definitions"})


def visible[Row: SQLModel](caller: Caller, model: type[Row]) -> Any:
    """`select(model)`, restricted to the rows this caller may see."""
    return select(model) if caller.serves_all else _seen_by(model, caller.organization_id)


def _seen_by(model: Any, organization_id: Any) -> Any:
    """`select(model)`, restricted to what an organization may see."""
    statement, table = select(model), str(model.__tablename__)
    if table in PUBLIC:
        return statement
    owner = model.id if table == "organizations" else model.organization_id
    if table in SHARED_WHEN_UNOWNED:
        return statement.where(sa.or_(owner == organization_id, owner.is_(None)))
    if table in SHARED_BY_CHOICE:
        return statement.where(sa.or_(owner == organization_id, model.shared))
    return statement.where(owner == organization_id)


@cache
def _one_of(model: Any, *, every: bool) -> Any:
    """The statement of `fetch`: put together once, since to say it costs as much as to ask it."""
    statement = select(model) if every else _seen_by(model, sa.bindparam("organization_id"))
    return statement.where(model.id == sa.bindparam("row_id"))


def fetch[Row: SQLModel](
    session: Session,
    caller: Caller,
    model: type[Row],
    row_id: str,
    permission: Permission = Permission.READ,
    *,
    for_update: bool = False,
) -> Row:
    """The row of this id, if the caller may see it and do this to it.

    Raises NotFound (also for what belongs to others) or Forbidden.
    """
    statement = _one_of(model, every=caller.serves_all)
    asked = {"row_id": row_id} | ({} if caller.serves_all else {"organization_id": caller.organization_id})
    row: Row | None = session.exec(lock(session, statement) if for_update else statement, params=asked).one_or_none()
    if row is None:
        noun = (
            str(model.__tablename__)
            .removesuffix("s")
            .replace("analyse", "analysis")
            .replace("synthese", "synthesis")
            .replace("deliverie", "delivery")
            .replace("_", " ")
        )
        msg = f"there is no {noun} {row_id!r} that this key may see"
        raise NotFound(msg)
    caller.require(permission)
    if permission is not Permission.READ:
        own(caller, getattr(row, "organization_id", None) if model.__tablename__ != "organizations" else row_id)
    return row


def own(caller: Caller, organization_id: str | None) -> None:
    """Raise Forbidden unless the caller's key is of this organization (or of the whole service)."""
    if not caller.serves_all and caller.organization_id != organization_id:
        msg = "this belongs to another organization; only its own keys may change it"
        raise Forbidden(msg)


def acting_organization(session: Session, caller: Caller, organization_id: str | None) -> str | None:
    """The organization a new row belongs to: the one named, else the caller's own (None: of the whole service).

    Another organization is not found, not forbidden: a key learns nothing of the others.
    """
    if organization_id is None:
        return caller.organization_id
    # By table name: `catalog`, which has the model, stands above `auth` in the layers.
    table = sa.table("organizations", sa.column("id", sa.String))
    known = session.connection().scalar(sa.select(table.c.id).where(table.c.id == organization_id)) is not None
    if not known or (not caller.serves_all and organization_id != caller.organization_id):
        msg = f"there is no organization {organization_id!r} that this key may see"
        raise NotFound(msg)
    return organization_id
