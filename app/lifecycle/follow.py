"""What follows from a move by itself: reviews that fall due, a program established or demoted."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlmodel import Session, col, select

from app.lifecycle.models import Move, Review, ReviewKind, ReviewOutcome
from app.measures.interval import day_of
from app.measures.models import Wave, WaveKind
from app.pilots.models import SCALED, Intervention, Pilot, Program, ProgramStatus, Stage
from app.plans.service import current_version, plan_of
from app.programs.service import demote, establish, program_of
from app.syntheses.models import Synthesis


def a_year_after(day: date) -> date:
    """The same day of the next year; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)


def follow(session: Session, pilot: Pilot, made: Move, synthesis: Synthesis | None, dimension: str | None) -> None:
    """Open the reviews of the stage that was entered, end those of the stage that was left, keep the program."""
    day = made.at.date()
    if made.from_stage in SCALED and made.to_stage not in SCALED:
        end_reviews(session, pilot, made)
    if made.to_stage is Stage.SCALE and pilot.provisional:
        due = date.fromisoformat((pilot.controlled_evaluation or {})["due_on"])
        open_review(session, pilot, ReviewKind.CONTROLLED_EVALUATION, due, made.at)
    elif made.to_stage is Stage.SCALE:
        open_review(session, pilot, ReviewKind.RETENTION, retention_due(session, pilot, day), made.at)
    if synthesis is None:
        return
    intervention = session.get_one(Intervention, pilot.intervention_id)
    if made.to_stage is Stage.FOUNDATIONAL:
        due = a_year_after(day)
        program = establish(
            session,
            pilot,
            intervention,
            synthesis,
            dimension=dimension or "",
            review_due_on=due,
            person=made.by,
            at=made.at,
        )
        open_review(session, pilot, ReviewKind.PROGRAM, due, made.at, program)
    else:
        program_demoted_by(session, intervention, synthesis, made)


def program_demoted_by(session: Session, intervention: Intervention, synthesis: Synthesis, made: Move) -> None:
    """Demote the program of an intervention, where it is active."""
    program = program_of(session, intervention.id)
    if program is not None and program.status is ProgramStatus.ACTIVE:
        demote(session, program, synthesis, made.by, made.at)


def open_review(
    session: Session, pilot: Pilot, kind: ReviewKind, due_on: date, at: datetime, program: Program | None = None
) -> Review:
    """A review that falls due."""
    review = Review(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        program_id=program.id if program is not None else None,
        kind=kind,
        due_on=due_on,
        opened_at=at,
    )
    session.add(review)
    session.flush()
    return review


def end_reviews(session: Session, pilot: Pilot, made: Move) -> None:
    """What was due is no longer: the pilot left the stage. A program outlives the pilot that made it one."""
    rows: Iterable[Review] = session.exec(
        select(Review).where(Review.pilot_id == pilot.id, col(Review.completed_at).is_(None))
    )
    if made.to_stage is Stage.RETIRED:
        rows = [review for review in rows if review.kind is not ReviewKind.PROGRAM]
    for review in rows:
        review.completed_at, review.completed_by, review.outcome = made.at, made.by, ReviewOutcome.ENDED
        review.finding = f"The pilot went to {made.to_stage.value}."
        session.add(review)
    session.flush()


def retention_due(session: Session, pilot: Pilot, day: date) -> date:
    """When the next retention wave ends, as recorded or else as planned; without one, in a year."""
    recorded = session.exec(
        select(Wave).where(
            Wave.pilot_id == pilot.id, Wave.iteration == pilot.iteration, Wave.kind == WaveKind.RETENTION
        )
    ).all()
    ends = {wave.key: wave.ends_on or wave.starts_on for wave in recorded}
    version = current_version(session, pilot)
    planned = plan_of(version).waves if version is not None else []
    for wave in planned:
        named = wave.ends_on or wave.starts_on
        if wave.kind == "retention" and named and ends.get(wave.key) is None:
            ends[wave.key] = day_of(named)
    return min((end for end in ends.values() if end is not None and end > day), default=a_year_after(day))
