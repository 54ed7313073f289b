"""The audit log: who changed what, when; written by itself for every row that a session changes."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, ClassVar

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session as OrmSession
from sqlmodel import Field, SQLModel

from app.db import Json, id_field, instant_field
from app.forms import instant_text

SERVICE = "pilotlight"


class AuditEntry(SQLModel, table=True):
    """One change of one row, in the transaction of the change. Append-only."""

    __tablename__ = "audit"

    id: str = id_field()
    at: datetime = instant_field()
    person: str = Field(max_length=200)
    key_id: str | None = Field(default=None, max_length=36)
    organization_id: str | None = Field(default=None, max_length=36, index=True)
    action: str = Field(max_length=20)
    resource: str = Field(max_length=60)
    resource_id: str = Field(max_length=300, index=True)
    changes: dict[str, Any] | None = Field(default=None, sa_type=Json)


class Audited:
    """Mixin: changes of this table go to the audit log, but for the columns in `unaudited`."""

    unaudited: ClassVar[frozenset[str]] = frozenset()


class Versioned(Audited):
    """Mixin: `version` counts the changes of the row, for `ETag` and `If-Match`."""


def note(
    session: OrmSession,
    action: str,
    resource: str,
    resource_id: str,
    *,
    organization_id: str | None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Record a change that the rows themselves do not show (bulk entry, say)."""
    actor = session.info.get("actor", {})
    session.add(
        AuditEntry(
            person=actor.get("person", SERVICE),
            key_id=actor.get("key_id"),
            organization_id=organization_id,
            action=action,
            resource=resource,
            resource_id=resource_id,
            changes=dict(changes) if changes else None,
        )
    )


def note_row(session: OrmSession, action: str, row: Audited, changes: Mapping[str, Any]) -> None:
    """Record what happened to one row, in the name of the organization that it belongs to."""
    identity = ":".join(str(getattr(row, key.name)) for key in inspect(type(row)).primary_key)
    note(session, action, str(row.__tablename__), identity, organization_id=_organization(row), changes=changes)  # type: ignore[attr-defined]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)


def _changes(row: Audited, *, created: bool) -> dict[str, Any]:
    state = inspect(row, raiseerr=True)
    found: dict[str, Any] = {}
    for attribute in state.mapper.column_attrs:
        if attribute.key in row.unaudited or attribute.key == "version":
            continue
        if created:
            value = getattr(row, attribute.key)
            if value is not None:
                found[attribute.key] = _plain(value)
            continue
        history = state.attrs[attribute.key].history
        if history.has_changes():
            before = history.deleted[0] if history.deleted else None
            found[attribute.key] = [_plain(before), _plain(history.added[0] if history.added else None)]
    return found


def _organization(row: Any) -> str | None:
    return row.id if row.__tablename__ == "organizations" else getattr(row, "organization_id", None)


@event.listens_for(OrmSession, "before_flush")
def _record(session: OrmSession, _context: object, _instances: object) -> None:
    """Count versions and write the log; a table opts in with the mixins above."""
    entries = [("created", row) for row in session.new if isinstance(row, Audited)]
    entries += [("deleted", row) for row in session.deleted if isinstance(row, Audited)]
    entries += [("changed", row) for row in session.dirty if isinstance(row, Audited) and session.is_modified(row)]
    for action, row in entries:
        changes = _changes(row, created=action == "created")
        if action == "changed":
            if not changes:
                continue
            if isinstance(row, Versioned):
                row.version += 1  # type: ignore[attr-defined]
        note_row(session, action, row, changes)
