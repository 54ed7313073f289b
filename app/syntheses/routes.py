"""Evidence of an intervention and its syntheses over HTTP; every organization may read them."""

from fastapi import APIRouter, Response
from sqlmodel import Session, col

from app.auth.access import fetch, visible
from app.auth.deps import Caller, CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page
from app.operations import cancel
from app.pilots.models import Intervention
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of
from app.syntheses.evidence import evidence_page, of_report
from app.syntheses.models import ReportedEvidence, Synthesis
from app.syntheses.schemas import EvidenceIn, EvidenceOut, SynthesisIn, SynthesisLine, SynthesisOut, WithdrawalIn
from app.syntheses.service import WORK, ask, changes_since, report, withdraw

router = APIRouter(prefix="/v1", tags=["3 Interventions"], route_class=TransactionalRoute)


def synthesis_out(session: Session, caller: Caller, synthesis: Synthesis) -> SynthesisOut:
    """The answer about a synthesis; who asked is shown within the organization."""
    intervention = fetch(session, caller, Intervention, synthesis.intervention_id)
    within = caller.serves_all or caller.organization_id == synthesis.organization_id
    return SynthesisOut.model_validate(
        {
            **synthesis.model_dump(),
            "warnings": [*synthesis.warnings, *changes_since(session, intervention, synthesis)],
            "created_by": synthesis.created_by if within else None,
        }
    )


@router.post("/interventions/{intervention_id}/evidence", status_code=201, dependencies=[idempotent])
def report_evidence(intervention_id: str, body: EvidenceIn, session: SessionDep, caller: CallerDep) -> EvidenceOut:
    """Report what an organization found. Takes an approver; signed decisions add theirs by themselves."""
    intervention = fetch(session, caller, Intervention, intervention_id)
    caller.require(Permission.EVIDENCE_REPORT)
    return of_report(session, report(session, caller, intervention, body, now()))


@router.post("/evidence/{evidence_id}/withdrawal", status_code=201, dependencies=[idempotent])
def withdraw_evidence(evidence_id: str, body: WithdrawalIn, session: SessionDep, caller: CallerDep) -> EvidenceOut:
    """Withdraw an entry your organization reported: it stays in the list with the reason, and counts no more."""
    row = fetch(session, caller, ReportedEvidence, evidence_id, Permission.EVIDENCE_REPORT, for_update=True)
    return of_report(session, withdraw(session, row, body.reason, caller.person, now()))


@router.get("/interventions/{intervention_id}/evidence")
def list_evidence(
    intervention_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[EvidenceOut]:
    """What was reported and what signed decisions found: one entry an iteration of a pilot, of all organizations."""
    intervention = fetch(session, caller, Intervention, intervention_id)
    entries, following = evidence_page(session, intervention, limit, cursor)
    return Page(items=entries, next_cursor=following)


@router.post("/interventions/{intervention_id}/syntheses", status_code=202, dependencies=[idempotent])
def request_synthesis(
    intervention_id: str, session: SessionDep, caller: CallerDep, response: Response, body: SynthesisIn | None = None
) -> SynthesisOut:
    """Pool the evidence as it is now and judge it by the foundational rule."""
    intervention = fetch(session, caller, Intervention, intervention_id)
    caller.require(Permission.SYNTHESES_WRITE)
    synthesis = ask(session, caller, intervention, body or SynthesisIn(), now())
    response.headers["Location"] = f"/v1/syntheses/{synthesis.id}"
    return synthesis_out(session, caller, synthesis)


@router.get("/interventions/{intervention_id}/syntheses")
def list_syntheses(
    intervention_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[SynthesisLine]:
    """The syntheses of an intervention, whichever organization asked."""
    intervention = fetch(session, caller, Intervention, intervention_id)
    statement = visible(caller, Synthesis).where(col(Synthesis.intervention_id) == intervention.id)
    rows, following = page_of(session, statement, Synthesis.id, limit, cursor)
    return Page(items=[SynthesisLine.model_validate(r) for r in rows], next_cursor=following)


@router.get("/syntheses/{synthesis_id}")
def read_synthesis(synthesis_id: str, session: SessionDep, caller: CallerDep) -> SynthesisOut:
    """One synthesis: its progress, then its result. Says so when the evidence has changed since."""
    return synthesis_out(session, caller, fetch(session, caller, Synthesis, synthesis_id))


@router.post("/syntheses/{synthesis_id}/cancel")
def cancel_synthesis(synthesis_id: str, session: SessionDep, caller: CallerDep) -> SynthesisOut:
    """Cancel a synthesis of your organization: at once what is queued, within seconds what runs."""
    synthesis = fetch(session, caller, Synthesis, synthesis_id, Permission.SYNTHESES_WRITE)
    cancel(session, WORK, synthesis, now())
    return synthesis_out(session, caller, synthesis)
