"""Writing and locking the plan of the current iteration; what an approver signs is in `signing.py`."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError
from sqlmodel import Session, col, select

from analysis.documents import Plan
from app.auth.persons import identity
from app.catalog.models import Measure
from app.catalog.service import entry
from app.errors import Conflict, Invalid, fault
from app.pilots.models import Pilot, Stage
from app.pilots.service import insiders_of, iteration_of, units_of
from app.plans.allocated import refuse_unfit
from app.plans.departures import departures
from app.plans.events import plan_locked
from app.plans.models import PlanVersion
from app.plans.reference import SERVICE_ONLY, Completed, family_faults, resolve
from app.plans.rules import Remark, missing_for_lock
from app.plans.schemas import PlanIn
from app.plans.simulated import newest_simulation

PLANNING = frozenset({Stage.DISCOVER, Stage.DEVELOP, Stage.REFINE})
# What a measure is, the catalogue says; a plan chooses how it is judged.
DEFINED = ("family", "direction", "scope", "minimum", "maximum")


def current_version(session: Session, pilot: Pilot, iteration: int | None = None) -> PlanVersion | None:
    """The newest version of the iteration's plan (default: the current one), or None."""
    statement = (
        select(PlanVersion)
        .where(PlanVersion.pilot_id == pilot.id, PlanVersion.iteration == (iteration or pilot.iteration))
        .order_by(col(PlanVersion.number).desc())
    )
    return session.exec(statement).first()


def require_version(session: Session, pilot: Pilot, iteration: int | None = None) -> PlanVersion:
    """The newest version; Conflict `no_plan` when there is none."""
    version = current_version(session, pilot, iteration)
    if version is None:
        msg = f"iteration {iteration or pilot.iteration} has no plan yet; PUT /v1/pilots/{pilot.id}/plan first"
        raise Conflict(msg, "no_plan")
    return version


def plan_of(version: PlanVersion) -> Plan:
    """The plan in its long form."""
    return Plan.model_validate(version.plan)


def complete(session: Session, pilot: Pilot, body: PlanIn, before: PlanVersion | None) -> Completed:
    """The plan in its long form, with what the catalogue and the benchmarks know filled in and checked against them."""
    errors, measures, origins = [], [], {}
    earlier = (before.reference_sds if before is not None else None) or {}
    for i, chosen in enumerate(body.measures):
        known = entry(session, Measure, chosen.measure, pilot.organization_id)
        if known is None:
            errors.append(
                fault(
                    ["measures", i, "measure"],
                    f"there is no measure {chosen.measure!r}; GET /v1/measures "
                    "lists them, an administrator may add one",
                    "unknown_measure",
                )
            )
            continue
        defined = known.model_dump(mode="json", include=set(DEFINED))
        for name in DEFINED:
            given, value = getattr(chosen, name), defined[name]
            if given is not None and given != value:
                errors.append(
                    fault(
                        ["measures", i, name],
                        f"{chosen.measure} has the {name} {value} in the catalogue, not {given}; leave it out",
                        "differs_from_catalogue",
                    )
                )
        scale = resolve(session, pilot.organization_id, chosen, known, earlier)
        faults = [*family_faults(chosen, known.family), *scale.faults]
        errors += [fault(["measures", i, name], message, code) for name, message, code in faults]
        origins[chosen.measure] = {"origin": scale.origin.value, "benchmark_id": scale.benchmark_id}
        measures.append(chosen.model_dump(exclude=set(SERVICE_ONLY)) | defined | scale.values)
    own = set(units_of(session, pilot.id))
    errors += [
        fault(
            ["units", i, "unit_id"],
            f"{unit.unit_id!r} is not a unit of this pilot; add it to unit_ids first",
            "unknown_unit",
        )
        for i, unit in enumerate(body.units)
        if unit.unit_id not in own
    ]
    if errors:
        msg = f"the plan does not fit the catalogue or the pilot in {len(errors)} places"
        raise Invalid(msg, errors)
    try:
        plan = Plan.model_validate(body.model_dump(exclude={"measures"}) | {"measures": measures}).expanded()
    except ValidationError as error:
        raise Invalid("the plan is not consistent", [fault([], e["msg"], e["type"]) for e in error.errors()]) from error
    return Completed(plan, origins)


def write(session: Session, pilot: Pilot, body: PlanIn, person: str, at: datetime) -> PlanVersion:
    """Write the draft; Conflict `plan_locked` once it is locked."""
    version = current_version(session, pilot)
    if version is not None and version.locked_at is not None:
        msg = (
            f"version {version.number} of the plan was locked by {version.locked_by} on "
            f"{version.locked_at:%Y-%m-%d} and never changes; an approver may amend it"
        )
        raise Conflict(msg, "plan_locked")
    if pilot.stage not in PLANNING:
        msg = f"a plan is written before the test; this pilot is in {pilot.stage.value}"
        raise Conflict(msg, "not_planning")
    completed = complete(session, pilot, body, version)
    plan = completed.plan
    refuse_unfit(session, pilot, plan)
    if version is None:
        version = PlanVersion(
            organization_id=pilot.organization_id,
            pilot_id=pilot.id,
            iteration=pilot.iteration,
            number=1,
            plan={},
            hash="",
            created_by=person,
            created_at=at,
        )
    if version.hash != plan.hash():
        version.approved_by = version.approved_at = version.approval_reason = version.approved_hash = None
    version.plan, version.hash = plan.model_dump(mode="json"), plan.hash()
    version.reference_sds = dict(completed.origins)
    session.add(version)
    session.flush()
    return version


def unmet_for_lock(session: Session, pilot: Pilot, version: PlanVersion) -> list[Remark]:
    """Everything that keeps the draft from being locked, with the approval that what departs takes."""
    plan = plan_of(version)
    unmet = missing_for_lock(plan)
    departing = departures(plan)
    if departing and not is_approved(session, pilot, version):
        what = "; ".join(d.message for d in departing)
        message = (
            f"an approver has to approve what departs from the default rule ({what}): "
            f"POST /v1/pilots/{pilot.id}/plan/approvals with a reason, by a key with the role approver of somebody who "
            "neither leads this pilot nor made it"
        )
        unmet.append(Remark("approval", message))
    return unmet


def is_approved(session: Session, pilot: Pilot, version: PlanVersion) -> bool:
    """Whether an approver approved the plan as it stands, who has not become one of its own people since."""
    return (
        version.approved_by is not None
        and version.approved_hash == version.hash
        and identity(version.approved_by) not in insiders_of(session, pilot)
    )


def refuse_incomplete(unmet: Sequence[Remark]) -> None:
    """Raise Conflict `plan_incomplete` with every unmet condition, if there is any."""
    if unmet:
        msg = f"{len(unmet)} conditions keep the plan from being locked"
        raise Conflict(msg, "plan_incomplete", unmet=[{"code": u.code, "message": u.message} for u in unmet])


def lock_plan(session: Session, pilot: Pilot, person: str, at: datetime) -> PlanVersion:
    """Freeze the current draft with its operating characteristics; Conflict lists everything that is missing."""
    version = require_version(session, pilot)
    if version.locked_at is not None:
        msg = f"version {version.number} is locked already, by {version.locked_by}"
        raise Conflict(msg, "plan_locked")
    refuse_incomplete(unmet_for_lock(session, pilot, version))
    version.locked_by, version.locked_at = person, at
    version.simulation_id = newest_simulation(session, version)
    iteration = iteration_of(session, pilot)
    iteration.plan_locked_at, iteration.intervention_id = at, pilot.intervention_id
    session.add_all([version, iteration])
    session.flush()
    plan_locked(session, pilot, version, person, at)
    return version
