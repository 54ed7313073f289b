"""Simulations of a plan over HTTP: asked for here, computed in the background."""

from fastapi import APIRouter, Response
from sqlmodel import col

from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page
from app.jobs.models import JobStatus
from app.operations import cancel
from app.pilots.models import Pilot
from app.requests import Cursor, Limit, OnlyIteration, SessionDep, TransactionalRoute, page_of, where_given
from app.simulations.models import Simulation
from app.simulations.parts import WORK
from app.simulations.schemas import ScenarioIn, SimulationLine, SimulationOut
from app.simulations.service import ask, changes_since

router = APIRouter(prefix="/v1", tags=["5 Plan"], route_class=TransactionalRoute)


def simulation_out(simulation: Simulation, warnings: list[dict[str, str]]) -> SimulationOut:
    """The answer about a simulation."""
    scenario = {name: value for name, value in simulation.request.items() if name != "plan"}
    return SimulationOut.model_validate({**simulation.model_dump(), "scenario": scenario, "warnings": warnings})


@router.post("/pilots/{pilot_id}/plan/simulate", status_code=202, dependencies=[idempotent])
def simulate_plan(
    pilot_id: str, body: ScenarioIn, session: SessionDep, caller: CallerDep, response: Response
) -> SimulationOut:
    """Simulate pilots under the plan: how often it would scale, refine or replace what is useless or good."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.PLANS_SIMULATE)
    simulation = ask(session, pilot, body, person=caller.person, at=now())
    response.headers["Location"] = f"/v1/simulations/{simulation.id}"
    return simulation_out(simulation, [])


@router.get("/pilots/{pilot_id}/simulations")
def list_simulations(
    pilot_id: str,
    session: SessionDep,
    caller: CallerDep,
    iteration: OnlyIteration = None,
    status: JobStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SimulationLine]:
    """The simulations of a pilot's plans, of all its iterations unless one is named."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    statement = visible(caller, Simulation).where(col(Simulation.pilot_id) == pilot.id)
    statement = where_given(statement, (Simulation.iteration, iteration), (Simulation.status, status))
    rows, following = page_of(session, statement, Simulation.id, limit, cursor)
    return Page(items=[SimulationLine.model_validate(r) for r in rows], next_cursor=following)


@router.get("/simulations/{simulation_id}")
def read_simulation(simulation_id: str, session: SessionDep, caller: CallerDep) -> SimulationOut:
    """One simulation: its progress, then its result. Says so when the plan was changed since."""
    simulation = fetch(session, caller, Simulation, simulation_id)
    pilot = fetch(session, caller, Pilot, simulation.pilot_id)
    return simulation_out(simulation, changes_since(session, pilot, simulation))


@router.post("/simulations/{simulation_id}/cancel")
def cancel_simulation(simulation_id: str, session: SessionDep, caller: CallerDep) -> SimulationOut:
    """Cancel: at once what is queued, within seconds what runs."""
    simulation = fetch(session, caller, Simulation, simulation_id, Permission.PLANS_SIMULATE)
    cancel(session, WORK, simulation, now())
    return simulation_out(simulation, [])
