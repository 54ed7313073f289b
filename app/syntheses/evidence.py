"""The evidence of an intervention: what was reported, and what signed decisions found.

This is the one thing organizations show each other: of a pilot its effect, error, design and grade, never its data. It
is therefore read here across organizations, whoever asks.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from analysis.documents import Plan, Role
from analysis.evidence import EvidenceRole
from app.analyses.models import Analysis
from app.catalog.models import Measure, Organization
from app.decisions.models import Decision
from app.pilots.models import Intervention
from app.plans.departures import departures
from app.requests import page_of
from app.syntheses.joining import folded
from app.syntheses.models import ReportedEvidence
from app.syntheses.schemas import EvidenceKind, EvidenceOut, LeftOut, Told

GATES_FAILED = LeftOut(code="gates_failed", message="a gate of its analysis failed: the estimate cannot be trusted")
SMALL_REFERENCE = LeftOut(
    code="reference_sd_small",
    message="people differ far more than the plan's reference SD says: its SD units are larger than those of others",
)
UNBOUNDED = LeftOut(
    code="unbounded", message="its data alone, without a prior, bound no effect: there is no estimate to pool"
)


# What a decision was signed with that its readers elsewhere have to know.
TOLD = frozenset({"allocation_undeclared", "allocation_seed_given"})


def evidence_of(session: Session, intervention: Intervention, measure: str | None = None) -> list[EvidenceOut]:
    """Every entry, oldest first; of one measure when it is named."""
    reported = session.exec(_reported(intervention)).all()
    decided = session.exec(_decided(intervention)).all()
    entries = _both(session, intervention, reported, decided)
    return [entry for entry in entries if measure is None or entry.measure == measure]


def evidence_page(
    session: Session, intervention: Intervention, limit: int, cursor: str | None
) -> tuple[list[EvidenceOut], str | None]:
    """One page of the entries of either kind, oldest first; both sort by an id that grows with time."""
    reported, more_reported = page_of(session, _reported(intervention), ReportedEvidence.id, limit, cursor)
    decided, more_decided = page_of(session, _decided(intervention), Decision.id, limit, cursor)
    entries = _both(session, intervention, reported, decided)
    more = len(entries) > limit or more_reported is not None or more_decided is not None
    return entries[:limit], entries[:limit][-1].id if more else None


def of_report(session: Session, row: ReportedEvidence) -> EvidenceOut:
    """A reported entry as it is shown."""
    return _both(session, session.get_one(Intervention, row.intervention_id), [row], [])[0]


def of_one_class(entries: Sequence[EvidenceOut], wanted: str | None = None) -> list[EvidenceOut]:
    """The entries with those of another class of measures left out: burnout and isolation are not one effect.

    Unless one is named the class is that of the origin's newest entry, else that which most organizations have.
    """
    pooled = wanted or _pooled_class([entry for entry in entries if entry.left_out is None])

    def marked(entry: EvidenceOut) -> EvidenceOut:
        if entry.left_out is not None or entry.measure_class == pooled:
            return entry
        message = f"measures {entry.measure_class or 'something unknown'}; what is pooled is {pooled}"
        return entry.model_copy(update={"left_out": LeftOut(code="other_class", message=message)})

    return [marked(entry) for entry in entries]


def _pooled_class(entries: Sequence[EvidenceOut]) -> str | None:
    origin = [e.measure_class for e in entries if e.role is EvidenceRole.ORIGIN and e.measure_class]
    if origin:
        return origin[-1]
    found: dict[str, set[str]] = {}
    for entry in entries:
        if entry.measure_class:
            found.setdefault(entry.measure_class, set()).add(entry.organization)
    return min(found, key=lambda name: (-len(found[name]), name), default=None)


def _age(entry: EvidenceOut) -> str:
    return entry.id


def _both(
    session: Session, intervention: Intervention, reported: Sequence[ReportedEvidence], decided: Sequence[Decision]
) -> list[EvidenceOut]:
    """The entries of either kind, oldest first, each with the class of its measure."""
    owners = {row.id: row.organization_id for row in reported} | {row.id: row.organization_id for row in decided}
    entries = sorted([*_of_reports(session, reported), *_of_decisions(session, intervention, decided)], key=_age)
    keys = {entry.measure for entry in entries if entry.measure}
    known = session.exec(select(Measure).where(col(Measure.key).in_(keys))).all()
    classes = {(measure.organization_id, measure.key): measure.measure_class for measure in known}

    def class_of(entry: EvidenceOut) -> str | None:
        measure = entry.measure or ""
        return classes.get((owners[entry.id], measure)) or classes.get((None, measure))

    return [entry.model_copy(update={"measure_class": class_of(entry)}) for entry in entries]


def _reported(intervention: Intervention) -> Any:
    return select(ReportedEvidence).where(ReportedEvidence.intervention_id == intervention.id)


def _decided(intervention: Intervention) -> Any:
    """The newest decision of every iteration: earlier looks are on a part of the same people."""
    later = aliased(Decision)
    newer = sa.exists().where(
        later.pilot_id == col(Decision.pilot_id),  # type: ignore[arg-type]
        later.iteration == col(Decision.iteration),  # type: ignore[arg-type]
        later.id > col(Decision.id),
    )
    return select(Decision).where(Decision.intervention_id == intervention.id, ~newer)


def _names(session: Session, ids: Sequence[str | None]) -> dict[str, str]:
    rows = session.exec(select(Organization.id, Organization.name).where(col(Organization.id).in_(set(ids)))).all()
    return dict(rows)


def _of_reports(session: Session, rows: Sequence[ReportedEvidence]) -> list[EvidenceOut]:
    names = _names(session, [i for row in rows for i in (row.registered_id, row.organization_id)])

    def whose(row: ReportedEvidence) -> str | None:
        # Who reports under its own name means itself, whoever takes that name later.
        its_own = folded(row.organization) == folded(names[row.organization_id])
        return row.registered_id or (row.organization_id if its_own else None)

    return [
        EvidenceOut.model_validate(
            {
                **row.model_dump(),
                "kind": EvidenceKind.REPORTED,
                "left_out": None if row.withdrawn_at is None else _withdrawn(row),
                "organization": names.get(whose(row) or "", row.organization),
                "organization_id": whose(row),
                "reporter_id": row.organization_id,
            }
        )
        for row in rows
    ]


def _withdrawn(row: ReportedEvidence) -> LeftOut:
    return LeftOut(code="withdrawn", message=f"withdrawn by who reported it: {row.withdrawal_reason}")


def _of_decisions(session: Session, intervention: Intervention, rows: Sequence[Decision]) -> list[EvidenceOut]:
    names = _names(session, [row.organization_id for row in rows])
    ids = [row.analysis_id for row in rows]
    found = session.exec(select(Analysis).where(col(Analysis.id).in_(ids))).all()
    analyses = {analysis.id: analysis for analysis in found}
    return [
        _of_decision(row, analyses[row.analysis_id], names[row.organization_id], intervention.organization_id)
        for row in rows
    ]


def _of_decision(decision: Decision, analysis: Analysis, name: str, origin: str | None) -> EvidenceOut:
    """The effect on the primary measure. Its source is the pilot: the iterations of one pilot are the same people."""
    effects = (analysis.result or {}).get("effects", [])
    primary: dict[str, Any] = next((e for e in effects if e["role"] == "primary"), {})
    found: dict[str, Any] = primary.get("evidence") or {}
    plan = Plan.model_validate(analysis.request["plan"])
    told = [warning for warning in decision.warnings if warning["code"] in TOLD]
    bounded = found.get("effect_sd") is not None and found.get("se_sd") is not None
    return EvidenceOut(
        id=decision.id,
        kind=EvidenceKind.DECISION,
        organization=name,
        organization_id=decision.organization_id,
        reporter_id=decision.organization_id,
        measure=primary.get("measure"),
        effect_sd=found.get("effect_sd"),
        se_sd=found.get("se_sd"),
        grade=decision.grade,
        role=EvidenceRole.ORIGIN if decision.organization_id == origin else EvidenceRole.ADOPTER,
        source=f"pilot {decision.pilot_id}",
        design=plan.design,
        randomised=plan.randomised,
        attrition=analysis.request.get("attrition"),
        provisional=decision.provisional,
        left_out=_why_left_out(plan, decision, bounded=bounded),
        warnings=[Told(code=warning["code"], message=warning["message"]) for warning in told],
        created_at=decision.signed_at,
    )


def _why_left_out(plan: Plan, decision: Decision, *, bounded: bool) -> LeftOut | None:
    if not decision.gates_passed:
        return GATES_FAILED
    primary = next((m.measure for m in plan.measures if m.role is Role.PRIMARY), None)
    if any(w["code"] == SMALL_REFERENCE.code and w.get("measure") == primary for w in decision.warnings):
        return SMALL_REFERENCE
    if departing := departures(plan):
        message = f"decided by a rule of its own: {'; '.join(d.message for d in departing)}"
        return LeftOut(code="own_rule", message=message)
    return None if bounded else UNBOUNDED
