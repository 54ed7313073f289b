"""Completing a review: whether the effect lasts, whether a provisional scale was confirmed, whether a program holds."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session, col, select

from app.analyses.retention import retained
from app.analyses.service import retention_of
from app.decisions.models import Decision, Outcome
from app.errors import Conflict
from app.lifecycle.follow import a_year_after, open_review, retention_due
from app.lifecycle.models import Review, ReviewKind, ReviewOutcome
from app.lifecycle.review_schemas import CompletionIn
from app.lifecycle.schemas import MoveIn
from app.lifecycle.service import move
from app.lifecycle.stages import SYNTHESES
from app.pilots.models import Intervention, Pilot, Program, Stage
from app.pilots.service import refuse_insider
from app.programs.service import demote, reaffirm
from app.syntheses.standing import standing


class Act(NamedTuple):
    """Who completes what, when."""

    session: Session
    pilot: Pilot
    review: Review
    body: CompletionIn
    person: str
    at: datetime


def complete(act: Act) -> Review:
    """Complete a review; Conflict names what it still takes, `same_person` keeps four eyes."""
    review = act.review
    if review.completed_at is not None:
        msg = f"this review was completed by {review.completed_by}; the next one has an id of its own"
        raise Conflict(msg, "already_completed")
    refuse_insider(act.session, act.pilot, act.person)
    review.completed_at, review.completed_by, review.finding = act.at, act.person, act.body.finding
    COMPLETIONS[review.kind](act)
    act.session.add(review)
    act.session.flush()
    return review


def _retention(act: Act) -> None:
    """P(δ > 0) at a retention wave that no earlier review stood on."""
    session, pilot, review = act.session, act.pilot, act.review
    analysis = retention_of(session, pilot)
    used = analysis is not None and session.exec(select(Review.id).where(Review.analysis_id == analysis.id)).first()
    if analysis is None or used:
        msg = "no analysis of a retention wave has ended since the last review; POST …/analyses with its wave first"
        raise Conflict(msg, "retention_missing")
    lasts = retained(analysis.retention_wave or "", analysis.result).retained
    if lasts is None:
        msg = "a gate of the retention analysis failed, so the estimate cannot be trusted; see its result"
        raise Conflict(msg, "gate_failed")
    review.analysis_id = analysis.id
    review.outcome = ReviewOutcome.RETAINED if lasts else ReviewOutcome.NOT_RETAINED
    open_review(session, pilot, ReviewKind.RETENTION, retention_due(session, pilot, act.at.date()), act.at)


def _controlled_evaluation(act: Act) -> None:
    """The newest decision of the pilot that evaluates this one, signed since the scale was provisional."""
    session, pilot, review = act.session, act.pilot, act.review
    decision = session.exec(
        select(Decision)
        .where(Decision.pilot_id == (pilot.evaluated_by or ""), col(Decision.signed_at) >= review.opened_at)
        .order_by(col(Decision.id).desc())
    ).first()
    if decision is None:
        msg = (
            "the controlled evaluation is not decided: run it as a pilot of its own with a comparison, "
            "PATCH evaluated_by of this one, and sign its decision"
        )
        raise Conflict(msg, "evaluation_missing")
    review.analysis_id = decision.analysis_id
    if decision.outcome is Outcome.SCALE and not decision.provisional:
        review.outcome, pilot.provisional = ReviewOutcome.CONFIRMED, False
        open_review(session, pilot, ReviewKind.RETENTION, retention_due(session, pilot, act.at.date()), act.at)
    else:
        review.outcome = ReviewOutcome.NOT_CONFIRMED
    session.add(pilot)


def _program(act: Act) -> None:
    """The evidence pooled anew: the program holds for another year, or is demoted and the pilot goes to refine."""
    session, pilot, review = act.session, act.pilot, act.review
    intervention = session.get_one(Intervention, pilot.intervention_id)
    stands = standing(session, intervention, act.body.synthesis_id)
    if stands.synthesis is None or stands.review is None:
        msg = SYNTHESES.get(stands.outcome, f"the synthesis cannot be gone by: {stands.says}")
        raise Conflict(msg, "synthesis_missing")
    if stands.synthesis.created_at <= review.opened_at:
        msg = "the synthesis is older than the review; a review asks for the evidence to be pooled anew"
        raise Conflict(msg, "synthesis_missing")
    review.synthesis_id = stands.synthesis.id
    if stands.review.demote:
        review.outcome = ReviewOutcome.DEMOTED
        session.add(review)
        if pilot.stage is not Stage.FOUNDATIONAL:
            demote(session, session.get_one(Program, review.program_id), stands.synthesis, act.person, act.at)
            return
        reason = f"{act.body.finding.rstrip('. ')}. {stands.review.says}"
        asked = MoveIn(to=Stage.REFINE, reason=reason, synthesis_id=stands.synthesis.id)
        move(session, pilot, asked, act.person, act.at)
        return
    review.outcome = ReviewOutcome.HOLDS
    program = session.get_one(Program, review.program_id)
    due = a_year_after(max(act.at.date(), review.due_on))
    reaffirm(session, program, stands.synthesis, due, act.at)
    open_review(session, pilot, ReviewKind.PROGRAM, due, act.at, program)


COMPLETIONS: Mapping[ReviewKind, Callable[[Act], None]] = {
    ReviewKind.RETENTION: _retention,
    ReviewKind.CONTROLLED_EVALUATION: _controlled_evaluation,
    ReviewKind.PROGRAM: _program,
}


def postpone(session: Session, review: Review, due_on: date, reason: str, today: date) -> Review:
    """Give an open review another date, with the reason; Conflict `already_completed`, `not_a_postponement`."""
    if review.completed_at is not None:
        msg = f"this review was completed by {review.completed_by}; its date is history"
        raise Conflict(msg, "already_completed")
    latest = max(review.due_on, a_year_after(today))  # from today: step by step it gets no further
    if not today < due_on <= latest:
        msg = f"a review is put off to a day after today, until {latest} at most"
        raise Conflict(msg, "not_a_postponement")
    review.due_on, review.postponed_because = due_on, reason
    session.add(review)
    session.flush()
    return review
