"""Asking for an analysis and keeping its answer; the fitting itself happens in a child process (`run.py`)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from analysis.documents import FitRequest, MeasureData, Plan, Role, confirmatory_seed
from app import metrics
from app.analyses.asked import asked_of_child
from app.analyses.context import context_since, context_warnings
from app.analyses.events import analysis_finished
from app.analyses.files import store
from app.analyses.looks import LookFacts, forget_look, has_estimate, history_warnings, taken_looks, why_exploratory
from app.analyses.models import Analysis, AnalysisPictures, AnalysisPlot, Kind
from app.analyses.pictures import WORK as PICTURES
from app.analyses.rebuilding import revised_since
from app.analyses.retention import AFTER_SCALING, retention_plan, retention_waves
from app.analyses.shown import forms, hidden_since, kept
from app.analyses.timing import UNDATED, months_apart, too_early
from app.db import lock, now
from app.errors import Conflict, Invalid, NotFound, fault
from app.jobs.models import JobStatus
from app.jobs.poke import enqueue
from app.measures.collected import backwards, collected
from app.measures.confidential import smallest_cell, suppressed_of
from app.measures.interruptions import OF_DEFINITIONS
from app.measures.keyed import keyed
from app.measures.revisions import latest
from app.measures.snapshot import Snapshot, is_linked, snapshot
from app.measures.too_few import refuse_few, without_few
from app.measures.waves import responses
from app.operations import keep, work_of
from app.pilots.models import Pilot
from app.plans.allocated import named_allocations
from app.plans.models import PlanVersion
from app.plans.remarks import remarks_that_travel
from app.plans.service import plan_of, require_version


def ask(session: Session, pilot: Pilot, *, seed: int | None, look: int | None, person: str, at: datetime) -> Analysis:
    """Queue an analysis of the data as they are in this transaction.

    Raises Conflict `no_plan`, `no_data`; Invalid for a look that is not planned.
    """
    version = require_version(session, pilot)
    plan = plan_of(version)
    looks = {planned.look: planned for planned in plan.looks}
    number = max(looks) if look is None else look
    if number not in looks:
        msg = f"look {number} is not planned; the plan has {', '.join(map(str, sorted(looks)))}"
        raise Invalid(msg, [fault(["look"], msg, "unknown_look")])
    wave = looks[number].wave
    taken = _taken(session, pilot, plan, wave)
    apart = months_apart(session, pilot, plan, wave)
    reason = why_exploratory(
        LookFacts(
            look=number,
            taken=taken_looks(session, pilot),
            own_seed=seed is not None,
            locked=version.locked_at is not None,
            stage=pilot.stage,
            too_early=too_early(plan, looks[number], apart),
            backwards=_backwards(session, pilot, plan, wave),
        )
    )
    asked = Asked(plan, version.hash, version, number, seed, reason, person, at)
    analysis = _queued(session, pilot, asked, taken)
    analysis.counts_as_look = reason is None
    same_data = forms(session, _hash_of(plan, taken))
    analysis.warnings = [
        *analysis.warnings,
        *([] if apart is not None else [UNDATED]),
        *history_warnings(session, pilot, version, wave, same_data),
        *context_warnings(session, analysis),
    ]
    if version.locked_at is not None and version.looked_at is None:
        version.looked_at = at
        session.add(version)
    return enqueue(session, WORK, analysis)


def ask_retention(
    session: Session, pilot: Pilot, *, wave: str, seed: int | None, person: str, at: datetime
) -> Analysis:
    """Queue an analysis of a retention wave, after scaling; the first of a wave that ends with an estimate counts.

    Raises Conflict `no_plan`, `no_data`, `not_scaled`; Invalid for a wave that is none of retention.
    """
    version = require_version(session, pilot)
    plan = plan_of(version)
    planned = retention_waves(plan)
    if wave not in planned:
        msg = (
            f"{wave!r} is no retention wave of the plan; it has {', '.join(planned) or 'none: an approver may add one'}"
        )
        raise Invalid(msg, [fault(["wave"], msg, "unknown_wave")])
    if pilot.stage not in AFTER_SCALING:
        msg = f"whether an effect lasts is asked after scaling; this pilot is in {pilot.stage.value}"
        raise Conflict(msg, "not_scaled")
    if not responses(session, pilot.id, pilot.iteration, plan).get(wave):
        msg = f"there are no answers at {wave} yet; enter them, then ask again"
        raise Conflict(msg, "no_data")
    lasting = _lasting(session, pilot, plan, wave)
    reason = None
    if seed is not None:
        reason = "it has a seed of its own"
    elif why := _backwards(session, pilot, plan, wave):
        reason = why
    elif _confirmed(session, pilot, wave):
        reason = f"the wave {wave} has its confirmatory analysis already"
    asked = Asked(lasting, lasting.hash(), version, 1, seed, reason, person, at)
    analysis = _queued(session, pilot, asked, _taken(session, pilot, lasting, wave))
    analysis.retention_wave = wave
    analysis.warnings = [*analysis.warnings, *context_warnings(session, analysis)]
    return enqueue(session, WORK, analysis)


def _lasting(session: Session, pilot: Pilot, plan: Plan, wave: str) -> Plan:
    """The plan of a retention wave, by who answered there and whether they are the same people."""
    answered = responses(session, pilot.id, pilot.iteration, plan).get(wave, {})
    controls = [arm.key for arm in plan.arms if arm.role == "control"]
    controlled = bool(controls) and all(answered.get(arm) for arm in controls)
    primary = next(m.measure for m in plan.measures if m.role is Role.PRIMARY)
    linked = is_linked(session, pilot.id, pilot.iteration, plan, primary, wave)
    return retention_plan(plan, wave, controlled=controlled, linked=linked)


def _backwards(session: Session, pilot: Pilot, plan: Plan, wave: str) -> str | None:
    waves = [wave, *([plan.baseline] if plan.baseline is not None else [])]
    return backwards(collected(session, pilot.id, pilot.iteration, plan, waves), plan.baseline, wave)


def _confirmed(session: Session, pilot: Pilot, wave: str) -> bool:
    """Whether a confirmatory analysis of the wave is under way or has an estimate."""
    earlier = session.exec(
        select(Analysis).where(
            Analysis.pilot_id == pilot.id,
            Analysis.iteration == pilot.iteration,
            Analysis.retention_wave == wave,
            Analysis.kind == Kind.CONFIRMATORY,
        )
    )
    return any(not a.status.final or has_estimate(a) for a in earlier)


def retention_of(session: Session, pilot: Pilot) -> Analysis | None:
    """The newest confirmatory analysis of a retention wave of the current iteration that has an estimate, or None."""
    found = session.exec(
        select(Analysis)
        .where(
            Analysis.pilot_id == pilot.id,
            Analysis.iteration == pilot.iteration,
            col(Analysis.retention_wave).is_not(None),
            Analysis.kind == Kind.CONFIRMATORY,
            Analysis.status == JobStatus.SUCCEEDED,
        )
        .order_by(col(Analysis.id).desc())
    )
    return next((a for a in found if has_estimate(a)), None)


@dataclass(frozen=True)
class Asked:
    """What was asked for; `reason` says why it is exploratory, None: it is not."""

    plan: Plan
    plan_hash: str
    version: PlanVersion
    look: int
    seed: int | None
    reason: str | None
    person: str
    at: datetime


def _taken(session: Session, pilot: Pilot, plan: Plan, wave: str) -> Snapshot:
    """The snapshot of what the plan compares up to a wave; Conflict `no_data` when there is nothing."""
    taken = snapshot(session, pilot.id, pilot.iteration, plan, wave)
    if not taken.data:
        msg = "no measures were entered in this iteration; there is nothing to analyse"
        raise Conflict(msg, "no_data")
    refuse_few(without_few(taken, plan, wave, smallest_cell(session)), smallest_cell(session))
    return taken


def _queued(session: Session, pilot: Pilot, asked: Asked, taken: Snapshot) -> Analysis:
    """The row of an analysis with all it stands on; not in the queue yet."""
    version, seed = asked.version, asked.seed
    request = FitRequest(plan=asked.plan, data=_documents(taken), look=asked.look, attrition=taken.attrition or None)
    data_hash, plan_hash = request.data_hash(), asked.plan_hash
    revision = latest(session, pilot.id, pilot.iteration)
    suppressed = suppressed_of(session, pilot, pilot.iteration)
    if suppressed:
        data_hash = keyed(session, data_hash)
    if seed is None:
        seed = confirmatory_seed(plan_hash, data_hash)
    document = request.model_copy(update={"seed": seed}).model_dump(mode="json", exclude_unset=True)
    warnings = list(taken.warnings)
    if asked.reason is not None:
        warnings.append({"code": "exploratory", "message": f"exploratory, cannot be decided on: {asked.reason}"})
    warnings += [{"code": r.code, "message": r.message} for r in remarks_that_travel(session, version)]
    return Analysis(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        iteration=pilot.iteration,
        plan_version_id=version.id,
        look=asked.look,
        kind=Kind.CONFIRMATORY if asked.reason is None else Kind.EXPLORATORY,
        seed=seed,
        request={**document, "seed": seed, "look": asked.look},
        plan_hash=plan_hash,
        data_hash=data_hash,
        data_revision=revision,
        warnings=warnings,
        suppressed=kept(suppressed, asked.plan),
        provenance={
            "plan_version": version.number,
            "plan_hash": plan_hash,
            "data_hash": data_hash,
            "data_revision": revision,
            "seed": seed,
            "allocations": named_allocations(session, version),
        },
        created_by=asked.person,
        created_at=asked.at,
    )


def _documents(taken: Snapshot) -> dict[str, MeasureData]:
    return {key: MeasureData.model_validate(shape) for key, shape in taken.data.items()}


def _hash_of(plan: Plan, taken: Snapshot) -> str:
    return FitRequest(plan=plan, data=_documents(taken)).data_hash()


def changes_since(session: Session, analysis: Analysis) -> list[dict[str, str]]:
    """Warnings when the data, the attrition or what is known of how they were measured differ now from the snapshot."""
    taken, same = retaken(session, analysis, None)
    found = []
    if not same:
        message = "data were entered or changed since; this result stands on the snapshot named in provenance"
        said = ". ".join([message, *revised_since(session, analysis)])
        found.append({"code": "data_changed", "message": said})
    if taken.attrition != (analysis.request.get("attrition") or {}):
        message = "attrition is known differently now; this result stands on what was known when it was asked for"
        found.append({"code": "attrition_changed", "message": message})
    known = {warning["message"] for warning in analysis.warnings}
    found += [w for w in taken.warnings if w["code"] in OF_DEFINITIONS and w["message"] not in known]
    return found + context_since(session, analysis)


def retaken(session: Session, analysis: Analysis, at: int | None) -> tuple[Snapshot, bool]:
    """The snapshot of an analysis taken again, now or of the data `at` a revision; whether it is the one it used."""
    plan = Plan.model_validate(analysis.request["plan"]).expanded()
    wave = next(planned.wave for planned in plan.looks if planned.look == analysis.look)
    later = _with_later_waves(session, analysis, plan)
    taken = snapshot(session, analysis.pilot_id, analysis.iteration, later, wave, at)
    without_few(taken, plan, wave, smallest_cell(session))
    return taken, analysis.data_hash in forms(session, _hash_of(plan, taken))


def _with_later_waves(session: Session, analysis: Analysis, plan: Plan) -> Plan:
    """The plan with the retention waves that were added since: what is entered of them is no change of its data."""
    pilot = session.exec(select(Pilot).where(Pilot.id == analysis.pilot_id)).one()
    newest = plan_of(require_version(session, pilot, analysis.iteration))
    known = {wave.key for wave in plan.waves}
    later = [wave for wave in newest.waves if wave.kind == "retention" and wave.key not in known]
    return plan.model_copy(update={"waves": [*plan.waves, *later]})


def plots_of(session: Session, analysis: Analysis) -> list[tuple[str, str]]:
    """Measure and name of every plot of an analysis, in the order of the alphabet."""
    found = session.exec(
        select(AnalysisPlot.measure, AnalysisPlot.name).where(AnalysisPlot.analysis_id == analysis.id)
    ).all()
    return sorted((measure, name) for measure, name in found)


def plot(session: Session, analysis: Analysis, name: str, measure: str | None) -> AnalysisPlot:
    """A plot (of the primary measure unless one is named); NotFound says which there are."""
    if measure is None:
        planned = Plan.model_validate(analysis.request["plan"]).measures
        measure = next((m.measure for m in planned if m.role is Role.PRIMARY), planned[0].measure)
    found = session.get(AnalysisPlot, (analysis.id, measure, name))
    if found is not None and hidden_since(session, analysis, name, measure):
        msg = "this plot shows groups of too few people: it was drawn when they were larger, or shown"
        raise NotFound(msg, "suppressed")
    if found is not None:
        return found
    there = plots_of(session, analysis)
    if not there:
        msg = f"the analysis has no plots: it is {analysis.status.value}; they are drawn with a result"
        if analysis.status is JobStatus.SUCCEEDED:
            msg = "the analysis has no plots: there is no estimate to draw, its result says why"
        raise NotFound(msg, "no_plot")
    mine = [there_name for there_measure, there_name in there if there_measure == measure]
    if mine:
        msg = f"there is no plot {name!r} of {measure}; there are {', '.join(mine)}"
    else:
        msg = f"there are no plots of {measure!r}; there are of {', '.join(dict.fromkeys(m for m, _ in there))}"
    raise NotFound(msg, "no_plot", plots=[{"measure": m, "name": n} for m, n in there])


def _kept(session: Session, analysis: Analysis, answer: dict[str, Any]) -> None:
    keep(session, analysis, answer["result"])
    store(session, analysis.id, answer.get("files", {}))
    session.add_all(AnalysisPlot(analysis_id=analysis.id, **drawn) for drawn in answer["plots"])
    if answer["plots"]:
        enqueue(session, PICTURES, AnalysisPictures(analysis_id=analysis.id))
    _measure(analysis)


def _measure(analysis: Analysis) -> None:
    result = analysis.result or {}
    if analysis.started_at is not None and analysis.finished_at is not None:
        design, model = analysis.request["plan"]["design"], str(analysis.provenance.get("model"))
        seconds = (analysis.finished_at - analysis.started_at).total_seconds()
        metrics.ANALYSES.labels(design, model).observe(seconds)
    for gate in result.get("gates", []):
        if gate["passed"] is False:
            metrics.GATES.labels(gate["name"]).inc()


def _ended(session: Session, analysis: Analysis) -> None:
    # Held: whoever asks for the next analysis meanwhile counts on the look that is forgotten here, or not.
    pilot = session.exec(lock(session, select(Pilot).where(Pilot.id == analysis.pilot_id))).one()
    if not has_estimate(analysis):
        forget_look(session, analysis)
    analysis_finished(session, pilot, analysis, analysis.finished_at or now())


WORK = work_of(Analysis, name="analysis", child="app.analyses.run", request=asked_of_child, kept=_kept, ended=_ended)
