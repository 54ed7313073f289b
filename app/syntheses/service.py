"""Reporting evidence, asking for a synthesis and keeping its answer; it is computed by the child that fits."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, select

from analysis.evidence import MOST_ENTRIES, EvidenceRole, SynthesisRequest
from analysis.grade import Circumstances, grade
from app.analyses.models import Kind
from app.auth.access import acting_organization
from app.auth.deps import Caller
from app.catalog.models import Measure
from app.catalog.service import entry
from app.errors import Conflict, Forbidden, Invalid, fault
from app.jobs.poke import enqueue
from app.operations import work_of
from app.pilots.models import Intervention, Pilot
from app.syntheses.evidence import evidence_of, of_one_class
from app.syntheses.joining import as_compared, as_studies, each_study_once, within
from app.syntheses.models import ReportedEvidence, Synthesis
from app.syntheses.retained import retained_at_origin
from app.syntheses.schemas import EvidenceIn, EvidenceKind, EvidenceOut, SynthesisIn

Warnings = list[dict[str, str]]
MOST_REPORTS = MOST_ENTRIES // 2
"""Of one organization about one intervention, withdrawn ones included: everybody reads all of them, and those of the
intervention's own leave places for what others found."""
PILOT = re.compile(r"pilot ([0-9a-f-]{36})")


def report(
    session: Session, caller: Caller, intervention: Intervention, body: EvidenceIn, at: datetime
) -> ReportedEvidence:
    """Enter reported evidence with the grade of its design.

    The intervention's own organization reports of anyone; others report what they themselves found, as adopters.
    Raises Forbidden, NotFound for an organization that is not the caller's, Invalid for an unknown measure or a pilot
    that is not the caller's organization's, Conflict `too_many_reports`.
    """
    registered = acting_organization(session, caller, body.organization_id) if body.organization_id else None
    if intervention.organization_id not in (None, caller.organization_id):
        if registered is None:
            msg = "this belongs to another organization; give your own organization_id to report what yours found"
            raise Forbidden(msg)
        if body.role is EvidenceRole.ORIGIN:
            msg = "the intervention began at another organization; report what yours found as `adopter`"
            raise Conflict(msg, "not_the_origin")
    if caller.organization_id is None or entry(session, Measure, body.measure, caller.organization_id) is None:
        msg = f"there is no measure {body.measure!r}; GET /v1/measures lists them, an administrator may add one"
        raise Invalid(msg, [fault(["measure"], msg, "unknown_measure")])
    _require_own_pilot(session, caller.organization_id, body.source)
    _require_room(session, caller.organization_id, intervention)
    circumstances = Circumstances(body.design, body.randomised, body.units_per_arm, attrition=body.attrition)
    row = ReportedEvidence(
        **body.model_dump(exclude={"organization_id"}),
        intervention_id=intervention.id,
        organization_id=caller.organization_id,
        registered_id=registered,
        grade=grade(circumstances).letter,
        reported_by=caller.person,
        created_at=at,
    )
    session.add(row)
    session.flush()
    return row


def _require_own_pilot(session: Session, organization_id: str, source: str) -> None:
    """Raise Invalid where a source names a pilot that this organization does not have."""
    named = PILOT.fullmatch(as_compared(source))
    if named is None:
        return
    own = select(Pilot.id).where(Pilot.id == named[1], Pilot.organization_id == organization_id)
    if session.exec(own).first() is None:
        msg = f"there is no pilot {named[1]!r} in your organization; what others signed is in the evidence by itself"
        raise Invalid(msg, [fault(["source"], msg, "unknown_pilot")])


def _require_room(session: Session, organization_id: str, intervention: Intervention) -> None:
    """Raise Conflict `too_many_reports` where an organization has reported all it may of an intervention."""
    reported = session.exec(
        select(sa.func.count())
        .select_from(ReportedEvidence)
        .where(ReportedEvidence.intervention_id == intervention.id, ReportedEvidence.organization_id == organization_id)
    ).one()
    if reported >= MOST_REPORTS:
        msg = f"your organization has reported {reported} entries of this intervention; {MOST_REPORTS} are the most"
        raise Conflict(msg, "too_many_reports")


def withdraw(session: Session, row: ReportedEvidence, reason: str, person: str, at: datetime) -> ReportedEvidence:
    """Mark an entry as withdrawn; Conflict `withdrawn` when it was before."""
    if row.withdrawn_at is not None:
        msg = f"{row.withdrawn_by} withdrew this entry already; report anew what is right"
        raise Conflict(msg, "withdrawn")
    row.withdrawn_at, row.withdrawn_by, row.withdrawal_reason = at, person, reason
    session.add(row)
    session.flush()
    return row


def ask(session: Session, caller: Caller, intervention: Intervention, body: SynthesisIn, at: datetime) -> Synthesis:
    """Queue a synthesis of the evidence as it is in this transaction.

    Raises Conflict `no_evidence`, `too_much_evidence`.
    """
    entries = _marked(session, intervention, body.measure, body.measure_class)
    counted = [e for e in entries if e.left_out is None]
    if not counted:
        msg = "there is no evidence to pool: no decision with an estimate was signed, and none was reported"
        if entries:
            msg = f"there is no evidence to pool: all {len(entries)} entries are left out; the list says why"
        raise Conflict(msg, "no_evidence")
    if len(counted) > MOST_ENTRIES:
        # What others reported beyond their first has given way already.
        msg = f"{len(counted)} entries are more than the {MOST_ENTRIES} that are pooled at once; name a measure"
        raise Conflict(msg, "too_much_evidence")
    lasting = None if body.retained is not None else retained_at_origin(session, intervention, _class_of(counted))
    given = body.model_dump(mode="json", exclude={"measure", "measure_class"})
    if lasting is not None:
        given["retained"] = lasting.retained.model_dump()
    request = SynthesisRequest.model_validate({**given, "evidence": [e.model_dump() for e in as_studies(counted)]})
    seed, data_hash = request.seed_in_force(), request.data_hash()
    exploratory = body.model_dump() != SynthesisIn().model_dump()
    synthesis = Synthesis(
        organization_id=caller.organization_id,
        intervention_id=intervention.id,
        kind=Kind.EXPLORATORY if exploratory else Kind.CONFIRMATORY,
        measure=body.measure,
        seed=seed,
        request={**request.model_dump(mode="json"), "seed": seed},
        data_hash=data_hash,
        warnings=_warnings(entries, exploratory=exploratory),
        provenance={
            "evidence": [e.model_dump(mode="json") for e in entries],
            "measure_class": _class_of(counted),
            "retention_analysis_id": lasting.analysis_id if lasting is not None else None,
            "retained_given": body.retained is not None,
            "data_hash": data_hash,
            "seed": seed,
        },
        created_by=caller.person,
        created_at=at,
    )
    return enqueue(session, WORK, synthesis)


def _marked(
    session: Session, intervention: Intervention, measure: str | None, measure_class: str | None
) -> list[EvidenceOut]:
    """Every entry, those that do not count with the reason."""
    entries = of_one_class(evidence_of(session, intervention, measure), measure_class)
    return within(each_study_once(entries), intervention.organization_id, MOST_ENTRIES)


def _warnings(entries: Sequence[EvidenceOut], *, exploratory: bool) -> Warnings:
    """What a reader of the result has to know of the evidence."""
    found = []
    for e in entries:
        if e.left_out is not None:
            message = f"left out, {e.organization} ({e.kind.value} {e.id}): {e.left_out.message}"
            found.append({"code": e.left_out.code, "message": message})
        elif e.provisional:
            message = f"provisional, {e.organization} ({e.kind.value} {e.id}): the follow-up was short"
            found.append({"code": "provisional", "message": message})
    measures = sorted({e.measure for e in entries if e.left_out is None and e.measure})
    if len(measures) > 1:
        message = f"effects on {', '.join(measures)} are pooled: one class of measures, each in its own SD units"
        found.append({"code": "several_measures", "message": message})
    found += _of_reports([e for e in entries if e.left_out is None])
    if exploratory:
        message = "exploratory: asked for with settings of its own, not by the rule fixed beforehand"
        found.append({"code": "exploratory", "message": message})
    return found


def _of_reports(counted: Sequence[EvidenceOut]) -> Iterator[dict[str, str]]:
    """What nobody but who entered it has seen."""
    adopters = {e.organization for e in counted if e.role is EvidenceRole.ADOPTER}
    decided = {e.organization for e in counted if e.role is EvidenceRole.ADOPTER and e.kind is EvidenceKind.DECISION}
    if adopters and not decided:
        message = f"all {len(adopters)} adopters are reported: no plan, data or signature of theirs is in this service"
        yield {"code": "adopters_reported", "message": message}
    unknown = [e.organization for e in counted if e.kind is EvidenceKind.REPORTED and e.attrition is None]
    if unknown:
        message = f"attrition is unknown, so that no grade was lowered for it: {', '.join(unknown)}"
        yield {"code": "attrition_unknown", "message": message}


def changes_since(session: Session, intervention: Intervention, synthesis: Synthesis) -> Warnings:
    """A warning when the evidence that counts, or what was retained at the origin, is another one now."""
    kept = synthesis.provenance
    entries = _marked(session, intervention, synthesis.measure, kept.get("measure_class"))
    counted = [e for e in entries if e.left_out is None]
    if len(counted) <= MOST_ENTRIES:
        changed: dict[str, Any] = {"evidence": [e.model_dump() for e in as_studies(counted)]}
        if not kept.get("retained_given"):
            lasting = retained_at_origin(session, intervention, _class_of(counted))
            changed["retained"] = lasting.retained.model_dump() if lasting is not None else None
        now_hash = SynthesisRequest.model_validate({**synthesis.request, **changed}).data_hash()
        if now_hash == synthesis.data_hash:
            return []
    message = "the evidence has changed since; this synthesis stands on the entries kept in provenance"
    return [{"code": "evidence_changed", "message": message}]


def _class_of(counted: Sequence[EvidenceOut]) -> str | None:
    return next((e.measure_class for e in counted), None)


def _request(_session: Session, synthesis: Synthesis) -> dict[str, Any]:
    return {"synthesise": synthesis.request}


# The child is that of the analyses: what compiles and samples is there already.
WORK = work_of(Synthesis, name="synthesis", child="app.analyses.run", request=_request)
