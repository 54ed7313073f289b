"""Moving a pilot: gather the facts, judge, set, record the event. Reading its history."""

from datetime import datetime

from sqlmodel import Session, col, select

from app.decisions.service import latest_decision
from app.errors import Conflict
from app.lifecycle.events import stage_changed
from app.lifecycle.facts import facts_of
from app.lifecycle.follow import follow
from app.lifecycle.models import Move
from app.lifecycle.schemas import MoveIn
from app.lifecycle.stages import NEXT, Unmet, missing_for
from app.lifecycle.successors import successor_of
from app.pilots.lessons import keep_lessons, refuse_contacts
from app.pilots.models import Intervention, Iteration, Pilot, Stage
from app.pilots.service import iteration_of, refuse_insider
from app.syntheses.models import Synthesis
from app.syntheses.standing import standing


def checklist(session: Session, pilot: Pilot, at: datetime) -> list[tuple[Stage, list[Unmet]]]:
    """Every move possible from here with what it still takes."""
    facts = facts_of(session, pilot, at.date())
    return [(target, missing_for(target, facts)) for target in NEXT[pilot.stage]]


def move(session: Session, pilot: Pilot, asked: MoveIn, person: str, at: datetime) -> Move:
    """Move a pilot; Conflict `move_refused` lists every unmet condition, `same_person` keeps four eyes."""
    if unmet := missing_for(asked.to, facts_of(session, pilot, at.date(), asked)):
        raise _refused(session, pilot, asked.to, unmet)
    before, signed = pilot.stage, Stage.FOUNDATIONAL in (pilot.stage, asked.to) and asked.to is not Stage.RETIRED
    if signed:
        refuse_insider(session, pilot, person)
    decision = latest_decision(session, pilot) if before is Stage.TEST else None
    stands = _standing(session, pilot, asked) if signed else None
    made = Move(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        sequence=last.sequence + 1 if (last := _last_move(session, pilot.id)) else 1,
        iteration=pilot.iteration,
        from_stage=before,
        to_stage=asked.to,
        reason=asked.reason,
        decision_id=decision.id if decision else None,
        synthesis_id=stands.id if stands else None,
        by=person,
        at=at,
    )
    if asked.lessons is not None:
        keep_lessons(session, pilot, asked.lessons, person, at)
        refuse_contacts(session, pilot)
    if before is Stage.REFINE and asked.to is not Stage.RETIRED:
        pilot.lessons = None  # told with the closed iteration; the new one starts to learn
    if asked.to is Stage.REFINE:
        _open_next_iteration(session, pilot, at)
    if asked.to is Stage.RETIRED:
        pilot.retirement = asked.retirement.value if asked.retirement else None
        pilot.successor_id = successor_of(session, pilot, asked, person, at)
        _close(session, pilot, at)
    pilot.provisional = asked.to is Stage.SCALE and decision is not None and decision.provisional
    pilot.stage = asked.to
    session.add_all([pilot, made])
    session.flush()
    stage_changed(session, pilot, made)
    follow(session, pilot, made, stands, asked.dimension)
    return made


def _refused(session: Session, pilot: Pilot, to: Stage, unmet: list[Unmet]) -> Conflict:
    codes = ", ".join(u.code for u in unmet)
    msg = f"the move from {pilot.stage.value} to {to.value} is refused; unmet: {codes}"
    if unmet[0].code == "no_such_move" and (last := _last_move(session, pilot.id)) is not None:
        when = f"{last.at:%Y-%m-%d %H:%M:%S} UTC"
        msg += f"; {last.by} moved the pilot from {last.from_stage.value} to {last.to_stage.value}, {when}"
    return Conflict(
        msg,
        "move_refused",
        unmet=[{"code": u.code, "message": u.message} for u in unmet],
        stage=pilot.stage.value,
        version=pilot.version,
    )


def _standing(session: Session, pilot: Pilot, asked: MoveIn) -> Synthesis | None:
    intervention = session.get_one(Intervention, pilot.intervention_id)
    return standing(session, intervention, asked.synthesis_id).synthesis


def _last_move(session: Session, pilot_id: str) -> Move | None:
    return session.exec(select(Move).where(Move.pilot_id == pilot_id).order_by(col(Move.sequence).desc())).first()


def _close(session: Session, pilot: Pilot, at: datetime) -> None:
    row = iteration_of(session, pilot)
    row.closed_at = at
    if pilot.stage is not Stage.REFINE:
        row.lessons = pilot.lessons
    session.add(row)


def _open_next_iteration(session: Session, pilot: Pilot, at: datetime) -> None:
    _close(session, pilot, at)
    pilot.iteration += 1
    session.add(
        Iteration(pilot_id=pilot.id, number=pilot.iteration, organization_id=pilot.organization_id, opened_at=at)
    )
