"""Foundational programs: established, demoted, accepted by organizations for themselves, and where those have gaps."""

from datetime import date, datetime

from sqlmodel import Session, col, select

from app.errors import Conflict
from app.pilots.models import Intervention, Pilot, Program, ProgramStatus
from app.programs.events import program_demoted, program_established
from app.programs.models import Acceptance
from app.syntheses.models import Synthesis


def program_of(session: Session, intervention_id: str) -> Program | None:
    """The program that an intervention became, active or demoted; None: it never did."""
    return session.exec(select(Program).where(Program.intervention_id == intervention_id)).first()


def establish(
    session: Session,
    pilot: Pilot,
    intervention: Intervention,
    synthesis: Synthesis,
    *,
    dimension: str,
    review_due_on: date,
    person: str,
    at: datetime,
) -> Program:
    """Make the intervention a foundational program, or one again; the rule was judged before, by the move."""
    program = program_of(session, intervention.id) or Program(
        intervention_id=intervention.id,
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        synthesis_id=synthesis.id,
        dimension=dimension,
        status=ProgramStatus.ACTIVE,
        established_by=person,
        established_at=at,
        review_due_on=review_due_on,
    )
    program.pilot_id, program.synthesis_id, program.dimension = pilot.id, synthesis.id, dimension
    program.status, program.review_due_on, program.demoted_at = ProgramStatus.ACTIVE, review_due_on, None
    program.established_by, program.established_at = person, at
    session.add(program)
    session.flush()
    program_established(session, program, intervention, person, at)
    return program


def reaffirm(session: Session, program: Program, synthesis: Synthesis, review_due_on: date, at: datetime) -> None:
    """The evidence, pooled anew, still holds."""
    program.synthesis_id, program.reviewed_at, program.review_due_on = synthesis.id, at, review_due_on
    session.add(program)
    session.flush()


def demote(session: Session, program: Program, synthesis: Synthesis, person: str, at: datetime) -> None:
    """The evidence no longer holds: the program stays in the catalogue, as demoted."""
    program.synthesis_id, program.reviewed_at = synthesis.id, at
    program.status, program.demoted_at = ProgramStatus.DEMOTED, at
    session.add(program)
    session.flush()
    intervention = session.get_one(Intervention, program.intervention_id)
    program_demoted(session, program, intervention, person, at)


def accept(
    session: Session,
    program: Program,
    organization_id: str,
    *,
    accepted: bool,
    note: str | None,
    person: str,
    at: datetime,
) -> Acceptance:
    """An organization's word on a program, for itself; Conflict `demoted` for one that no longer holds."""
    if accepted and program.status is ProgramStatus.DEMOTED:
        msg = "the program was demoted: its evidence no longer holds, so it cannot be accepted; see its synthesis"
        raise Conflict(msg, "demoted")
    word = Acceptance(
        organization_id=organization_id, program_id=program.id, accepted=accepted, note=note, by=person, at=at
    )
    session.add(word)
    session.flush()
    return word


def accepting(session: Session, program_ids: list[str]) -> dict[str, dict[str, bool]]:
    """The newest word of every organization on each program: `{program: {organization: accepted}}`."""
    words = session.exec(
        select(Acceptance).where(col(Acceptance.program_id).in_(program_ids)).order_by(col(Acceptance.id))
    )
    found: dict[str, dict[str, bool]] = {program_id: {} for program_id in program_ids}
    for word in words:
        found[word.program_id][word.organization_id] = word.accepted
    return found
