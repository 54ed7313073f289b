"""What others ask of the catalogues: a unit of an organization, an entry by its key."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, select

from app.catalog.models import Driver, Measure, ProgramDimension, Unit
from app.errors import Conflict, Invalid, fault


def entry[Entry: (Driver, Measure, ProgramDimension)](
    session: Session, model: type[Entry], key: str, organization_id: str | None
) -> Entry | None:
    """The entry of this key that the organization sees: its own before the shared one."""
    owner: Any = model.organization_id
    statement = (
        select(model)
        .where(model.key == key, sa.or_(owner.is_(None), owner == organization_id))
        .order_by(owner.is_(None))
    )
    return session.exec(statement).first()


def require_driver(session: Session, key: str, organization_id: str | None, loc: str = "driver") -> None:
    """Raise Invalid unless the driver is in the catalogue."""
    if entry(session, Driver, key, organization_id) is None:
        msg = f"there is no driver {key!r}; GET /v1/drivers lists them, an administrator may add one"
        raise Invalid(msg, [fault([loc], msg, "unknown_driver")])


def require_units(session: Session, unit_ids: Iterable[str], organization_id: str, loc: str = "unit_ids") -> None:
    """Raise Invalid, naming each, unless all units belong to the organization."""
    wanted = list(unit_ids)
    known = set(
        session.exec(select(Unit.id).where(Unit.organization_id == organization_id, Unit.id.in_(wanted)))  # type: ignore[attr-defined]
    )
    errors = [
        fault([loc, i], f"there is no unit {unit!r} in this organization", "unknown_unit")
        for i, unit in enumerate(wanted)
        if unit not in known
    ]
    if errors:
        msg = f"{len(errors)} of {len(wanted)} units are not of this organization; GET its units for their ids"
        raise Invalid(msg, errors)
    if len(set(wanted)) < len(wanted):
        raise Invalid("a unit is named twice", [fault([loc], "a unit is named twice", "duplicate")])


def add_entry[Entry: SQLModel](session: Session, row: Entry, key: str, organization_id: str | None) -> Entry:
    """Add a catalogue entry; Conflict when the key is taken by a shared or an own one."""
    model = type(row)
    taken = session.exec(
        select(model).where(
            sa.column("key") == key,
            sa.or_(sa.column("organization_id").is_(None), sa.column("organization_id") == organization_id),
        )
    ).first()
    if taken is not None:
        msg = f"the key {key!r} is in the catalogue already; choose another or use what is there"
        raise Conflict(msg, "key_taken")
    session.add(row)
    session.flush()
    return row


def check_parent(session: Session, unit: Unit, parent_id: str | None) -> None:
    """Raise Invalid unless `parent_id` is a unit of the same organization and not below `unit`."""
    seen = {unit.id}
    current = parent_id
    while current is not None:
        parent = session.get(Unit, current)
        if parent is None or parent.organization_id != unit.organization_id:
            msg = f"there is no unit {current!r} in this organization"
            raise Invalid(msg, [fault(["parent_id"], msg, "unknown_unit")])
        if current in seen:
            msg = "a unit cannot be part of itself or of a unit below it"
            raise Invalid(msg, [fault(["parent_id"], msg, "cycle")])
        seen.add(current)
        current = parent.parent_id
