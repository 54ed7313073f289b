"""Definitions of metrics in versions: what is counted, by which system, and since which month. Append-only."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from app.audit.models import Audited
from app.catalog.models import Measure
from app.db import id_field, instant_field, lock
from app.errors import Conflict


class MetricDefinition(Audited, SQLModel, table=True):
    """A version of what a logged metric counts; shared when it belongs to no organization."""

    __tablename__ = "metric_definitions"

    id: str = id_field()
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", max_length=36)
    measure: str = Field(max_length=100, index=True)
    # Not `version`: that counts the changes of a row elsewhere, and these never change.
    label: str = Field(max_length=200)
    definition: str = Field(max_length=20_000)
    valid_from: str = Field(max_length=7)
    source: str = Field(max_length=500)
    unit: str = Field(max_length=200)
    created_by: str = Field(max_length=200)
    created_at: datetime = instant_field()


def add_definition(session: Session, measure: Measure, row: MetricDefinition) -> MetricDefinition:
    """Add a version; Conflict `duplicate` where the name, or the month for the same owner, is taken."""
    session.exec(lock(session, select(Measure.id).where(Measure.id == measure.id))).one()
    for other in definitions_seen(session, measure.key, row.organization_id):
        same_month = other.organization_id == row.organization_id and other.valid_from == row.valid_from
        if other.label == row.label or same_month:
            msg = (
                f"{measure.key} has the version {other.label!r} from {other.valid_from} on already; a definition never "
                "changes, another version has another name and month"
            )
            raise Conflict(msg, "duplicate")
    session.add(row)
    session.flush()
    return row


def definitions_seen(session: Session, measure: str, organization_id: str | None) -> Sequence[MetricDefinition]:
    """The versions an organization sees, its own and the shared ones, by their first month."""
    owner = col(MetricDefinition.organization_id)
    statement = select(MetricDefinition).where(
        MetricDefinition.measure == measure, sa.or_(owner.is_(None), owner == organization_id)
    )
    return session.exec(statement.order_by(col(MetricDefinition.valid_from), col(MetricDefinition.id))).all()


def definitions_in_force(session: Session, measure: str, organization_id: str) -> Sequence[MetricDefinition]:
    """The versions an organization is measured by: its own if it has any, else the shared ones."""
    seen = definitions_seen(session, measure, organization_id)
    return [row for row in seen if row.organization_id is not None] or seen
