"""Asking for a simulation of the current plan; `parts.py` splits large ones, `run.py` simulates in a child process."""

from datetime import datetime

from pydantic import ValidationError
from sqlmodel import Session

from analysis.scenario import SimulateRequest
from app.errors import Invalid, fault
from app.jobs.poke import enqueue
from app.pilots.models import Pilot
from app.plans.service import current_version, plan_of, require_version
from app.simulations.models import Simulation
from app.simulations.parts import WORK, split
from app.simulations.schemas import ScenarioIn


def ask(session: Session, pilot: Pilot, body: ScenarioIn, *, person: str, at: datetime) -> Simulation:
    """Queue a simulation of the newest version of the plan, draft or locked.

    Raises Conflict `no_plan`; Invalid for a scenario that does not fit the plan.
    """
    version = require_version(session, pilot)
    scenario = body.model_dump(mode="json", exclude_unset=True)
    try:
        SimulateRequest.model_validate({**scenario, "plan": version.plan})
    except ValidationError as error:
        msg = "the scenario does not fit the plan"
        # The scenario's own fields were checked before; what is left speaks of both and names its place itself.
        faults = [fault(list(e["loc"]), e["msg"].removeprefix("Value error, "), e["type"]) for e in error.errors()]
        raise Invalid(f"{msg}: {faults[0]['msg']}", faults) from error
    simulation = Simulation(
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        iteration=pilot.iteration,
        plan_version_id=version.id,
        plan_hash=version.hash,
        seed=body.seed,
        request={**scenario, "plan": plan_of(version).model_dump(mode="json"), "seed": body.seed},
        provenance={"plan_version": version.number, "plan_hash": version.hash, "seed": body.seed},
        created_by=person,
        created_at=at,
    )
    enqueue(session, WORK, simulation)
    request = SimulateRequest.model_validate(simulation.request)
    if request.part_size is not None:
        split(session, simulation, request, request.part_size, at)
    return simulation


def changes_since(session: Session, pilot: Pilot, simulation: Simulation) -> list[dict[str, str]]:
    """A warning when the plan of that iteration is another one now."""
    version = current_version(session, pilot, simulation.iteration)
    if version is None or version.hash == simulation.plan_hash:
        return []
    message = "the plan was changed since; this simulation is of the plan whose hash is in provenance"
    return [{"code": "plan_changed", "message": message}]
