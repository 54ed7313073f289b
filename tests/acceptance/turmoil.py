"""Clients that do everything at once while whatever runs is killed, and the count of what they were told was done."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.audit.models import AuditEntry
from app.db import reading
from app.jobs.models import JobStatus
from app.measures.models import Measurement
from app.pilots.models import Pilot
from app.simulations.models import Simulation, SimulationPart
from tests.acceptance.journeys import Ward, insist

ROWS = 12
SMALL: dict[str, Any] = {"people": {"intervention": 40, "control": 40}, "effects": [0.3], "pilots": 50, "seed": 5}
SCENARIOS = (SMALL, {**SMALL, "pilots": 60, "effects": [0.0, 0.3]})


@dataclass
class Turmoil:
    """`clients` at once, each a pilot after the other, until all `kills` are done; `kill` picks what dies."""

    ward: Ward
    kill: Callable[[random.Random], None]
    clients: int
    kills: int
    seed: int = 2026
    done: Counter[str] = field(default_factory=Counter)
    killed: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    async def rage(self) -> None:
        """Load and kills together; ends when every client has ended its pilot after the last kill."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kills())
            for _ in range(self.clients):
                group.create_task(self._client())

    async def _kills(self) -> None:
        while self.killed < self.kills:
            await asyncio.sleep(self._chance.uniform(0.2, 1.2))
            await asyncio.to_thread(self.kill, self._chance)
            self.killed += 1

    async def _client(self) -> None:
        while self.killed < self.kills:
            async for _move in self.ward.journey(self._busy):
                self.done["moves"] += 1
            self.done["pilots"] += 1

    async def _busy(self, path: str) -> None:
        """Enter answers of some people, and ask for two simulations, one of them large enough to be split."""
        rows = [
            {"measure": "mbi_ee", "wave": wave, "arm": arm, "participant": f"p{i}", "value": 20 + i}
            for i, arm in enumerate(("intervention", "control") * (ROWS // 2))
            for wave in ("pre", "post")
        ]
        told = await insist(self.ward.client, "POST", f"{path}/measurements", {"rows": rows})
        self.done["measurements"] += told["accepted"]
        for scenario in SCENARIOS:
            await insist(self.ward.client, "POST", f"{path}/plan/simulate", scenario)
            self.done["simulations"] += 1


@dataclass(frozen=True)
class Standing:
    """What the database holds in the end."""

    pilots: int
    measurements: int
    simulations: Counter[str]
    ends: Counter[str]
    parts: int

    @classmethod
    def of(cls, engine: sa.Engine) -> "Standing":
        """Count."""
        with reading(engine) as session:
            ended = select(AuditEntry.resource_id).where(
                AuditEntry.resource == "simulations", AuditEntry.action == "ended"
            )
            return cls(
                pilots=_count(session, Pilot.id),
                measurements=_count(session, Measurement.id),
                simulations=Counter(status.value for status in session.exec(select(Simulation.status))),
                ends=Counter(Counter(session.exec(ended)).values()),  # type: ignore[arg-type]
                parts=_count(session, SimulationPart.id),
            )


def _count(session: Session, column: Any) -> int:
    return session.exec(select(sa.func.count(col(column)))).one()


def unfinished(engine: sa.Engine) -> int:
    """How many simulations have not ended."""
    with reading(engine) as session:
        open_ = col(Simulation.status).in_((JobStatus.QUEUED, JobStatus.RUNNING))
        return session.exec(select(sa.func.count(col(Simulation.id))).where(open_)).one()


def answers(engine: sa.Engine) -> set[str]:
    """What simulations answered, but for the hashes of their plans: one of each kind if all are whole."""
    with reading(engine) as session:
        found = [result or {} for result in session.exec(select(Simulation.result))]
    return {
        json.dumps({name: part for name, part in result.items() if name != "provenance"}, sort_keys=True)
        for result in found
    }
