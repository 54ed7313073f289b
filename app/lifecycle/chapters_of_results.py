"""The chapters of a pilot's story from its analyses on: decisions, moves, lessons, events around it, what followed."""

from collections.abc import Iterator
from datetime import date

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from app.analyses.context import places_of
from app.analyses.models import Analysis
from app.analyses.retention import retained
from app.audit.models import SERVICE
from app.context.models import ContextEvent
from app.context.service import Found, events_touching
from app.decisions.models import Decision
from app.lifecycle.happened import Item, iteration_at, midnight, opened_iterations
from app.lifecycle.iterations import MOST_EVENTS, rounds_of
from app.lifecycle.models import Move, Review
from app.lifecycle.story import What
from app.pilots.models import Lesson, Pilot, Program, Stage
from app.plans.service import plan_of


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
    return Item(What.CONTEXT, midnight(event.starts_on), event.created_by, iteration, event.id, details)


def _programs(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    opened = opened_iterations(session, pilot)
    for row in session.exec(select(Program).where(Program.pilot_id == pilot.id)):
        details = {"program_id": row.id, "dimension": row.dimension}
        at = row.established_at
        yield Item(What.PROGRAM_ESTABLISHED, at, row.established_by, iteration_at(opened, at), row.id, details)
        if (at_demoted := row.demoted_at) is not None:
            yield Item(What.PROGRAM_DEMOTED, at_demoted, SERVICE, iteration_at(opened, at_demoted), row.id, details)


def _reviews(session: Session, pilot: Pilot, _today: date) -> Iterator[Item]:
    opened = opened_iterations(session, pilot)
    for row in session.exec(select(Review).where(Review.pilot_id == pilot.id)):
        details = {
            "review_id": row.id,
            "kind": row.kind.value,
            "due_on": row.due_on,
            "outcome": row.outcome.value if row.outcome is not None else None,
            "finding": row.finding,
        }
        yield Item(What.REVIEW_OPENED, row.opened_at, SERVICE, iteration_at(opened, row.opened_at), row.id, details)
        if row.completed_at is not None:
            by = row.completed_by or SERVICE
            iteration = iteration_at(opened, row.completed_at)
            yield Item(What.REVIEW_COMPLETED, row.completed_at, by, iteration, row.id, details)


RESULTS = (_analyses, _decisions, _moves, _lessons, _context, _programs, _reviews)
