"""Asking for an analysis and keeping its answer; the fitting itself happens in a child process (`run.py`)."""

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from analysis.documents import FitRequest, MeasureData, Plan, Role, confirmatory_seed
from app.analyses.events import analysis_finished
from app.analyses.looks import LookFacts, forget_look, has_estimate, history_warnings, taken_looks, why_exploratory
from app.analyses.models import Analysis, AnalysisPlot, Kind
from app.catalog.models import Unit
from app.db import now
from app.errors import Conflict, Invalid, NotFound, fault
from app.jobs.models import JobStatus
from app.jobs.poke import enqueue
from app.measures.snapshot import snapshot
from app.operations import keep, work_of
from app.pilots.models import Pilot, PilotUnit
from app.plans.models import PlanVersion
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
    taken = snapshot(session, pilot.id, pilot.iteration, plan, looks[number].wave)
    if not taken.data:
        msg = "no measures were entered in this iteration; there is nothing to analyse"
        raise Conflict(msg, "no_data")
    reason = why_exploratory(
        LookFacts(
            look=number,
            taken=taken_looks(session, pilot),
            own_seed=seed is not None,
            locked=version.locked_at is not None,
            stage=pilot.stage,
        )
    )
    kind = Kind.CONFIRMATORY if reason is None else Kind.EXPLORATORY
    data = {key: MeasureData.model_validate(shape) for key, shape in taken.data.items()}
    request = FitRequest(plan=plan, data=data, look=number, attrition=taken.attrition or None)
    data_hash = request.data_hash()
    if seed is None:
        seed = confirmatory_seed(version.hash, data_hash)
    document = request.model_copy(update={"seed": seed}).model_dump(mode="json", exclude_unset=True)
    warnings = list(taken.warnings)
    if reason is not None:
        warnings.append({"code": "exploratory", "message": f"exploratory, cannot be decided on: {reason}"})
    warnings += history_warnings(session, pilot, version, looks[number].wave, data_hash)
    analysis = Analysis(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        iteration=pilot.iteration,
        plan_version_id=version.id,
        look=number,
        kind=kind,
        counts_as_look=kind is Kind.CONFIRMATORY,
        seed=seed,
        request={**document, "seed": seed, "look": number},
        plan_hash=version.hash,
        data_hash=data_hash,
        warnings=warnings,
        provenance=_provenance(version, data_hash, seed),
        created_by=person,
        created_at=at,
    )
    if version.locked_at is not None and version.looked_at is None:
        version.looked_at = at
        session.add(version)
    return enqueue(session, WORK, analysis)


def _provenance(version: PlanVersion, data_hash: str, seed: int) -> dict[str, Any]:
    return {"plan_version": version.number, "plan_hash": version.hash, "data_hash": data_hash, "seed": seed}


def changes_since(session: Session, analysis: Analysis, plan: Plan) -> list[dict[str, str]]:
    """Warnings when the pilot's data or attrition differ now from the snapshot the analysis used."""
    wave = next(planned.wave for planned in plan.looks if planned.look == analysis.look)
    taken = snapshot(session, analysis.pilot_id, analysis.iteration, plan, wave)
    data = {key: MeasureData.model_validate(shape) for key, shape in taken.data.items()}
    found = []
    if FitRequest(plan=plan, data=data).data_hash() != analysis.data_hash:
        message = "data were entered or changed since; this result stands on the snapshot named in provenance"
        found.append({"code": "data_changed", "message": message})
    if taken.attrition != (analysis.request.get("attrition") or {}):
        message = "attrition is known differently now; this result stands on what was known when it was asked for"
        found.append({"code": "attrition_changed", "message": message})
    return found


def plots_of(session: Session, analysis: Analysis) -> list[tuple[str, str]]:
    """Measure and name of every plot of an analysis, in the order of the alphabet."""
    found = session.exec(
        select(AnalysisPlot.measure, AnalysisPlot.name).where(AnalysisPlot.analysis_id == analysis.id)
    ).all()
    return sorted((measure, name) for measure, name in found)


def plot(session: Session, analysis: Analysis, name: str, measure: str | None) -> str:
    """The SVG of a plot (of the primary measure unless one is named); NotFound says which there are."""
    if measure is None:
        planned = Plan.model_validate(analysis.request["plan"]).measures
        measure = next((m.measure for m in planned if m.role is Role.PRIMARY), planned[0].measure)
    found = session.get(AnalysisPlot, (analysis.id, measure, name))
    if found is not None:
        return found.svg
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


def _request(session: Session, analysis: Analysis) -> dict[str, Any]:
    """What `run.py` reads: the library's request, and how the units are called in the plots."""
    named = session.exec(
        select(Unit.id, Unit.name)
        .join(PilotUnit, col(PilotUnit.unit_id) == col(Unit.id))
        .where(PilotUnit.pilot_id == analysis.pilot_id)
    ).all()
    return {"fit": analysis.request, "unit_names": dict(named)}


def _kept(session: Session, analysis: Analysis, answer: dict[str, Any]) -> None:
    keep(session, analysis, answer["result"])
    session.add_all(AnalysisPlot(analysis_id=analysis.id, **drawn) for drawn in answer["plots"])


def _ended(session: Session, analysis: Analysis) -> None:
    if not has_estimate(analysis):
        forget_look(session, analysis)
    pilot = session.exec(select(Pilot).where(Pilot.id == analysis.pilot_id)).one()
    analysis_finished(session, pilot, analysis, analysis.finished_at or now())


WORK = work_of(Analysis, name="analysis", child="app.analyses.run", request=_request, kept=_kept, ended=_ended)
