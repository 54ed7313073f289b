"""The chapters of a pilot's story up to its data: plan, allocation, what was entered, imported and corrected."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.documents import Role
from app.audit.models import SERVICE, AuditEntry
from app.lifecycle.happened import Item, iteration_at, midnight, opened_iterations
from app.lifecycle.story import What
from app.measures.confidential import smallest_cell
from app.measures.models import Revision, RevisionKind, Wave
from app.pilots.models import Pilot
from app.plans.models import Allocation, AllocationEntry, AllocationLevel, PlanVersion
from app.plans.service import plan_of

REVISED = {RevisionKind.IMPORT: What.DATA_IMPORTED, RevisionKind.CORRECTION: What.DATA_CORRECTED}
"""Revisions that are told by themselves; the others are told as what was entered."""


def _begun(_session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    details = {"title": pilot.title, "driver": pilot.driver}
    yield Item(What.CREATED, pilot.created_at, pilot.created_by, 1, pilot.id, details)


def _plans(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    for row in session.exec(select(PlanVersion).where(PlanVersion.pilot_id == pilot.id)):
        told = {"plan_id": row.id, "number": row.number, "hash": row.hash, "reason": row.amendment_reason}
        if row.number == 1:
            plan = plan_of(row)
            primary = ", ".join(m.measure for m in plan.measures if m.role is Role.PRIMARY) or "no primary measure"
            details = {"plan_id": row.id, "number": row.number, "design": plan.design.value, "primary": primary}
            yield Item(What.PLAN_WRITTEN, row.created_at, row.created_by, row.iteration, row.id, details)
        # An amendment is its own approval: it is told once.
        if row.approved_at is not None and row.amendment_reason is None:
            details = {**told, "reason": row.approval_reason}
            yield Item(What.PLAN_APPROVED, row.approved_at, row.approved_by or "", row.iteration, row.id, details)
        if row.locked_at is not None:
            what = What.PLAN_LOCKED if row.number == 1 else What.PLAN_AMENDED
            yield Item(what, row.locked_at, row.locked_by or "", row.iteration, row.id, told)


def _allocations(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    counted = dict(
        session.exec(
            select(AllocationEntry.allocation_id, sa.func.count())
            .where(AllocationEntry.pilot_id == pilot.id)
            .group_by(col(AllocationEntry.allocation_id))
        ).all()
    )
    for row in session.exec(select(Allocation).where(Allocation.pilot_id == pilot.id)):
        subjects = counted.get(row.id, 0)
        details = {
            "allocation_id": row.id,
            "kind": row.kind.value,
            "level": row.level.value if row.level else None,
            "subjects": subjects if subjects >= smallest_cell(session) or row.level is AllocationLevel.UNIT else None,
            "seed": row.seed,
            "method": row.method,
            "allocated_on": row.allocated_on,
        }
        yield Item(What.ALLOCATED, row.created_at, row.created_by, row.iteration, row.id, details)


def _waves(session: Session, pilot: Pilot, today: date) -> Iterator[Item]:
    for row in session.exec(select(Wave).where(Wave.pilot_id == pilot.id)):
        if row.starts_on is not None and row.starts_on <= today:
            details = {"wave": row.key, "kind": row.kind.value, "ends_on": row.ends_on}
            yield Item(What.WAVE_BEGAN, midnight(row.starts_on), SERVICE, row.iteration, row.id, details)


def _entries(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    """What was entered, added up by day: the log knows how many rows came, never which values."""
    opened = opened_iterations(session, pilot)
    found: dict[tuple[Any, ...], list[AuditEntry]] = {}
    for entry in session.exec(
        select(AuditEntry)
        .where(
            AuditEntry.resource_id == pilot.id,
            col(AuditEntry.resource).in_(("measurements", "summaries")),
            AuditEntry.action == "entered",
        )
        .order_by(col(AuditEntry.id))
    ):
        changes = entry.changes or {}
        if "file" in changes:
            continue  # told as a file
        place = (
            entry.at.date(),
            entry.person,
            iteration_at(opened, entry.at),
            changes.get("measure"),
            changes.get("wave"),
        )
        found.setdefault(place, []).append(entry)
    for (_, person, iteration, measure, wave), entries in found.items():
        rows = sum((entry.changes or {}).get("rows", 0) for entry in entries)
        details = {"measure": measure, "wave": wave, "rows": rows if rows >= smallest_cell(session) else None}
        yield Item(What.DATA_ENTERED, entries[0].at, person, iteration, entries[0].id, details)


def _revisions(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    """Files that were imported and corrections: how many entries, never which; of few people not even that."""
    mine = (Revision.pilot_id == pilot.id, col(Revision.kind).in_(REVISED), Revision.entries > 0)
    for row in session.exec(select(Revision).where(*mine)):
        details = {
            "revision": row.number,
            "entries": row.entries if row.entries >= smallest_cell(session) else None,
            "reason": row.reason,
            "source": row.source,
        }
        yield Item(REVISED[row.kind], row.created_at, row.created_by, row.iteration, row.id, details)


DATA = (_begun, _plans, _allocations, _waves, _entries, _revisions)
