"""Recording contextual events, and finding those that touch units within an interval."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.catalog.models import Unit
from app.catalog.service import require_units
from app.context.models import ContextEvent
from app.context.rules import Interval, happened, touching
from app.context.schemas import ContextEventIn, ContextEventPatch
from app.errors import Invalid, fault

REQUIRED = ("title", "starts_on")


@dataclass(frozen=True)
class Found:
    """The events that touch an interval, the earliest first, as many as were asked for, and how many there are more."""

    events: Sequence[ContextEvent]
    units: Mapping[str, str]
    left_out: int

    def says(self, event: ContextEvent) -> str:
        """An event as part of a sentence."""
        return happened(event.title, self.units.get(event.unit_id or ""), days_of(event))


def days_of(event: ContextEvent) -> Interval:
    """From the first to the last day of an event."""
    return Interval(event.starts_on, event.ends_on)


def create_event(
    session: Session, body: ContextEventIn, organization_id: str, person: str, at: datetime
) -> ContextEvent:
    """Record an event; Invalid for a unit of another organization or an end before the start."""
    row = ContextEvent(
        **body.model_dump(exclude={"organization_id"}),
        organization_id=organization_id,
        created_by=person,
        created_at=at,
    )
    _check(session, row)
    session.add(row)
    session.flush()
    return row


def change_event(session: Session, row: ContextEvent, body: ContextEventPatch) -> ContextEvent:
    """Apply a patch; refused like a new event."""
    changes = body.model_dump(exclude_unset=True)
    if emptied := [name for name in REQUIRED if changes.get(name, "") is None]:
        msg = f"{', '.join(emptied)} cannot be emptied; leave it out to keep it"
        raise Invalid(msg, [fault([name], "cannot be emptied; leave it out to keep it", "missing") for name in emptied])
    row.sqlmodel_update(changes)
    _check(session, row)
    session.add(row)
    session.flush()
    return row


def _check(session: Session, row: ContextEvent) -> None:
    if row.unit_id is not None:
        with session.no_autoflush:
            require_units(session, [row.unit_id], row.organization_id, loc="unit_id")
    if row.ends_on is not None and row.ends_on < row.starts_on:
        msg = f"it ends on {row.ends_on}, before it starts on {row.starts_on}; leave ends_on empty while it goes on"
        raise Invalid(msg, [fault(["ends_on"], msg, "ends_before_it_starts")])


def events_touching(
    session: Session, organization_id: str, unit_ids: Collection[str], interval: Interval, most: int
) -> Found:
    """Events of the organization, or of units above or below these, that share a day with the interval."""
    tree = session.exec(select(Unit.id, Unit.parent_id).where(Unit.organization_id == organization_id)).all()
    places = touching(unit_ids, {unit: parent for unit, parent in tree})  # noqa: C416 - rows are no pairs to a checker
    conditions: list[Any] = [
        ContextEvent.organization_id == organization_id,
        sa.or_(col(ContextEvent.unit_id).is_(None), col(ContextEvent.unit_id).in_(places)),
        sa.or_(col(ContextEvent.ends_on).is_(None), col(ContextEvent.ends_on) >= interval.starts_on),
    ]
    if interval.ends_on is not None:
        conditions.append(col(ContextEvent.starts_on) <= interval.ends_on)
    events = session.exec(
        select(ContextEvent)
        .where(*conditions)
        .order_by(col(ContextEvent.starts_on), col(ContextEvent.id))
        .limit(most + 1)
    ).all()
    more = 0
    if len(events) > most:
        more = session.exec(select(sa.func.count()).select_from(ContextEvent).where(*conditions)).one() - most
    named = {event.unit_id for event in events if event.unit_id is not None}
    units = dict(session.exec(select(Unit.id, Unit.name).where(col(Unit.id).in_(named))).all()) if named else {}
    return Found(events[:most], units, more)
