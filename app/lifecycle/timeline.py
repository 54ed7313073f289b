"""The story of a pilot: gathers what happened from every table that remembers it, in the order of time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from analysis.documents import Role
from app.analyses.context import places_of
from app.analyses.models import Analysis
from app.analyses.retention import retained
from app.audit.models import SERVICE, AuditEntry
from app.context.models import ContextEvent
from app.context.service import Found, events_touching
from app.decisions.models import Decision
from app.errors import Invalid, fault
from app.forms import instant_text
from app.lifecycle.iterations import MOST_EVENTS, rounds_of
from app.lifecycle.models import Move, Review
from app.lifecycle.story import ORDER, What, says
from app.measures.confidential import smallest_cell
from app.measures.models import Wave
from app.pilots.models import Iteration, Lesson, Pilot, Program, Stage
from app.plans.models import Allocation, AllocationEntry, AllocationLevel, PlanVersion
from app.plans.service import plan_of

SEPARATOR = "~"


@dataclass(frozen=True)
class Item:
    """Something that happened; `id` tells apart what happened in one instant."""

    what: What
    at: datetime
    by: str
    iteration: int
    id: str
    details: dict[str, Any]

    @property
    def key(self) -> tuple[datetime, int, str]:
        """Items sort by time, then by what follows from what, then by their id: the same order at every reading."""
        return self.at, ORDER.index(self.what), self.id

    def cursor(self) -> str:
        """The place after this item."""
        at, rank, row_id = self.key
        return SEPARATOR.join((instant_text(at), str(rank), row_id))

    def answer(self) -> dict[str, Any]:
        """The item with its sentence."""
        return {
            "at": self.at,
            "by": self.by,
            "what": self.what.value,
            "iteration": self.iteration,
            "details": self.details,
            "says": says(self.what, self.by, self.iteration, self.details),
        }


def timeline(
    session: Session, pilot: Pilot, today: date, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of what happened to the pilot, oldest first, and the cursor of the next."""
    items = sorted((item for chapter in CHAPTERS for item in chapter(session, pilot, today)), key=lambda item: item.key)
    if cursor is not None:
        after = _place(cursor)
        items = [item for item in items if item.key > after]
    page = items[:limit]
    return [item.answer() for item in page], page[-1].cursor() if len(items) > limit else None


def _place(cursor: str) -> tuple[datetime, int, str]:
    try:
        at, rank, row_id = cursor.split(SEPARATOR, 2)
        return datetime.fromisoformat(at).astimezone(UTC), int(rank), row_id
    except (ValueError, OverflowError) as error:
        msg = "this is not a cursor of this timeline; pass the `next_cursor` of the page before, or none"
        raise Invalid(msg, [fault(["cursor"], msg, "unknown_cursor")]) from error


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


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
            yield Item(What.WAVE_BEGAN, _midnight(row.starts_on), SERVICE, row.iteration, row.id, details)


def _opened(session: Session, pilot: Pilot) -> Sequence[tuple[datetime, int]]:
    return session.exec(select(Iteration.opened_at, Iteration.number).where(Iteration.pilot_id == pilot.id)).all()


def _iteration_at(opened: Sequence[tuple[datetime, int]], at: datetime) -> int:
    """The iteration that was open at an instant."""
    return max((number for since, number in opened if since <= at), default=1)


def _entries(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    """What was entered, added up by day: the log knows how many rows came, never which values."""
    opened = _opened(session, pilot)
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
        place = (
            entry.at.date(),
            entry.person,
            _iteration_at(opened, entry.at),
            changes.get("measure"),
            changes.get("wave"),
        )
        found.setdefault(place, []).append(entry)
    for (_, person, iteration, measure, wave), entries in found.items():
        rows = sum((entry.changes or {}).get("rows", 0) for entry in entries)
        details = {"measure": measure, "wave": wave, "rows": rows if rows >= smallest_cell(session) else None}
        yield Item(What.DATA_ENTERED, entries[0].at, person, iteration, entries[0].id, details)


def _analyses(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    rows = select(Analysis).options(defer(col(Analysis.request)))  # type: ignore[arg-type]
    for row in session.exec(rows.where(Analysis.pilot_id == pilot.id)):
        result = row.result or {}
        recommendation = result.get("recommendation", {})
        lasts = retained(row.retention_wave, row.result) if row.retention_wave is not None else None
        details = {
            "analysis_id": row.id,
            "kind": row.kind.value,
            "look": row.look,
            "retention_wave": row.retention_wave,
            "retained": lasts.retained if lasts is not None else None,
            "p_benefit": lasts.p_benefit if lasts is not None else None,
            "recommendation": recommendation.get("outcome"),
            "grade": result.get("grade"),
            "says": recommendation.get("says"),
            "refused": result.get("refused", {}).get("message"),
        }
        yield Item(What.ANALYSIS_ASKED, row.created_at, row.created_by, row.iteration, row.id, details)
        if row.status.final:
            what = What(f"analysis.{row.status.value}")
            yield Item(what, row.finished_at or row.created_at, row.created_by, row.iteration, row.id, details)


def _decisions(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    for row in session.exec(select(Decision).where(Decision.pilot_id == pilot.id)):
        details = {
            "decision_id": row.id,
            "outcome": row.outcome.value,
            "recommended": row.recommendation.get("outcome", "indeterminate"),
            "grade": row.grade,
            "provisional": row.provisional,
            "rationale": row.rationale,
            "override_reason": row.override_reason,
        }
        yield Item(What.DECIDED, row.signed_at, row.signed_by, row.iteration, row.id, details)


def _moves(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    outcomes = dict(session.exec(select(Decision.id, Decision.outcome).where(Decision.pilot_id == pilot.id)).all())
    for row in session.exec(select(Move).where(Move.pilot_id == pilot.id)):
        retired = row.to_stage is Stage.RETIRED
        outcome = outcomes.get(row.decision_id or "")
        details = {
            "from": row.from_stage.value,
            "to": row.to_stage.value,
            "reason": row.reason,
            "decision": str(outcome) if outcome is not None else None,
            "retirement": pilot.retirement if retired else None,
        }
        yield Item(What.MOVED, row.at, row.by, row.iteration, row.id, details)
        successor = session.get(Pilot, pilot.successor_id) if retired and pilot.successor_id else None
        if successor is not None:
            details = {"pilot_id": successor.id, "title": successor.title}
            yield Item(What.SUCCESSOR, row.at, row.by, row.iteration, row.id, details)


def _lessons(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    for row in session.exec(select(Lesson).where(Lesson.pilot_id == pilot.id)):
        details = {"text": row.text, "stage": row.stage.value}
        yield Item(What.LEARNED, row.at, row.by, row.iteration, row.id, details)


def _context(session: Session, pilot: Pilot, today: date) -> Iterator[Item]:
    """Events that had begun, once each, with the first iteration they fall into."""
    told: set[str] = set()
    rounds = rounds_of(session, pilot, today)
    for iteration, interval in rounds.intervals.items():
        if interval is None:
            continue
        units = places_of(session, pilot.id, plan_of(rounds.plans[iteration]))
        found = events_touching(session, pilot.organization_id, units, interval, MOST_EVENTS)
        for event in found.events:
            if event.id not in told and event.starts_on <= today:
                told.add(event.id)
                yield _event(event, found, iteration)


def _event(event: ContextEvent, found: Found, iteration: int) -> Item:
    details = {
        "context_event_id": event.id,
        "title": event.title,
        "unit": found.units.get(event.unit_id or ""),
        "starts_on": event.starts_on,
        "ends_on": event.ends_on,
        "description": event.description,
    }
    return Item(What.CONTEXT, _midnight(event.starts_on), event.created_by, iteration, event.id, details)


def _programs(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    opened = _opened(session, pilot)
    for row in session.exec(select(Program).where(Program.pilot_id == pilot.id)):
        details = {"program_id": row.id, "dimension": row.dimension}
        at = row.established_at
        yield Item(What.PROGRAM_ESTABLISHED, at, row.established_by, _iteration_at(opened, at), row.id, details)
        if (at_demoted := row.demoted_at) is not None:
            yield Item(What.PROGRAM_DEMOTED, at_demoted, SERVICE, _iteration_at(opened, at_demoted), row.id, details)


def _reviews(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    opened = _opened(session, pilot)
    for row in session.exec(select(Review).where(Review.pilot_id == pilot.id)):
        details = {
            "review_id": row.id,
            "kind": row.kind.value,
            "due_on": row.due_on,
            "outcome": row.outcome.value if row.outcome is not None else None,
            "finding": row.finding,
        }
        yield Item(What.REVIEW_OPENED, row.opened_at, SERVICE, _iteration_at(opened, row.opened_at), row.id, details)
        if row.completed_at is not None:
            by = row.completed_by or SERVICE
            iteration = _iteration_at(opened, row.completed_at)
            yield Item(What.REVIEW_COMPLETED, row.completed_at, by, iteration, row.id, details)


CHAPTERS: Sequence[Callable[[Session, Pilot, date], Iterator[Item]]] = (
    _begun,
    _plans,
    _allocations,
    _waves,
    _entries,
    _analyses,
    _decisions,
    _moves,
    _lessons,
    _context,
    _programs,
    _reviews,
)
