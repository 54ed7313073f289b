"""Simulations as work: small ones whole, large ones in parts that any worker takes, merged when the last is done.

    asked ──▶ set aside (running, nobody's) ──the last part──▶ queued ──a worker merges──▶ succeeded
                       │ a part failed ──▶ failed        cancelled at any time ──▶ cancelled

What a part answers is kept, so that a worker's death costs one part. Parts are deleted when the whole has ended; the
late answer of one that runs still is then refused, as that of any row that is no longer the worker's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.scenario import SimulateRequest, parts_of
from app.db import lock
from app.jobs import claims
from app.jobs.failures import Failure
from app.jobs.models import JobStatus
from app.jobs.poke import enqueue_all, poke
from app.jobs.work import Work
from app.operations import work_of
from app.simulations.models import Simulation, SimulationPart

CHILD = "app.simulations.run"
ALMOST = 0.99
"""Progress when all parts are done and their answers are to be put together."""


def split(session: Session, simulation: Simulation, request: SimulateRequest, size: int, at: datetime) -> None:
    """Have a queued simulation done in parts. Raises QueueFull."""
    claims.park(session, simulation, at)
    parts = [
        SimulationPart(
            organization_id=simulation.organization_id,
            simulation_id=simulation.id,
            number=number,
            chunks=[list(chunk) for chunk in chunks],
            pilots=sum(stop - start for _, start, stop in chunks),
        )
        for number, chunks in enumerate(parts_of(request, size))
    ]
    enqueue_all(session, PARTS, parts)


def _request(session: Session, simulation: Simulation) -> dict[str, Any]:
    parts = _parts(session, simulation)
    if not parts:
        return {"whole": simulation.request}
    return {"merge": simulation.request, "answers": [part.answer for part in parts]}


def _parts(session: Session, simulation: Simulation) -> Sequence[SimulationPart]:
    mine = select(SimulationPart).where(SimulationPart.simulation_id == simulation.id)
    return session.exec(mine.order_by(col(SimulationPart.number))).all()


def _ended(session: Session, simulation: Simulation) -> None:
    session.execute(sa.delete(SimulationPart).where(col(SimulationPart.simulation_id) == simulation.id))


def _part_request(session: Session, part: SimulationPart) -> dict[str, Any]:
    return {"part": session.get_one(Simulation, part.simulation_id).request, "chunks": part.chunks}


def _part_kept(session: Session, part: SimulationPart, answer: dict[str, Any]) -> None:
    part.answer = answer
    session.flush()
    whole = _whole(session, part)
    pilots, mine = col(SimulationPart.pilots), col(SimulationPart.simulation_id) == part.simulation_id
    succeeded = sa.case((col(SimulationPart.status) == JobStatus.SUCCEEDED, pilots), else_=0)
    done, total = session.execute(sa.select(sa.func.sum(succeeded), sa.func.sum(pilots)).where(mine)).one()
    claims.advance(session, whole, ALMOST * done / total)
    if done == total and claims.resume(session, whole) is not None:
        poke(session, WORK.name, whole.id)


def _part_failed(session: Session, part: SimulationPart, failure: Failure) -> None:
    whole = claims.give_up(session, _whole(session, part), part.finished_at or part.started_at, failure)  # type: ignore[arg-type]
    if whole is not None:
        WORK.settle(session, whole)


def _whole(session: Session, part: SimulationPart) -> Simulation:
    """The simulation, held: of the parts that end at the same moment, one after the other counts."""
    found: Simulation = session.exec(
        lock(session, select(Simulation).where(Simulation.id == part.simulation_id)),
        execution_options={"populate_existing": True},
    ).one()
    return found


WORK = work_of(Simulation, name="simulation", child=CHILD, request=_request, ended=_ended)
PARTS = Work(
    name="simulation_part",
    model=SimulationPart,
    child=CHILD,
    request=_part_request,
    succeed=_part_kept,
    fail=_part_failed,
)
