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

from app.analyses.models import Analysis
from app.audit.models import AuditEntry
from app.db import reading
from app.imports.models import Import
from app.jobs.models import Claimable, JobStatus
from app.measures.models import Measurement
from app.operations import Operation
from app.outbox.models import OutboxEvent
from app.pilots.models import Pilot
from app.simulations.models import Simulation, SimulationPart
from tests.acceptance.journeys import Ward, insist
from tests.acceptance.spreadsheets import left, of_people

PEOPLE = 30
IMPORTED = 500  # people, with two rows each
ANALYSED_EVERY = 4  # pilots of a client
WORK: dict[str, type[Operation]] = {"simulations": Simulation, "imports": Import, "analyses": Analysis}
SMALL: dict[str, Any] = {"people": {"intervention": 40, "control": 40}, "effects": [0.3], "pilots": 50, "seed": 5}
SCENARIOS = (SMALL, {**SMALL, "pilots": 60, "effects": [0.0, 0.3]})


@dataclass
class Turmoil:
    """`clients` at once, each a pilot after the other, until all `kills` are done; `kill` picks what dies."""

    ward: Ward
    kill: Callable[[random.Random], bool]
    """Whether there was something to kill."""
    clients: int
    kills: int
    gap_seconds: float
    """Between kills, on average."""
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
            await asyncio.sleep(self._chance.expovariate(1 / self.gap_seconds))
            self.killed += await asyncio.to_thread(self.kill, self._chance)

    async def _client(self) -> None:
        while self.killed < self.kills:
            busy = self._busiest if self.done["pilots"] % ANALYSED_EVERY == 0 else self._busy
            async for _move in self.ward.journey(busy):
                self.done["moves"] += 1
            self.done["pilots"] += 1

    async def _busiest(self, path: str) -> None:
        """As the others, and have the answers analysed: the same data under the same seed each time."""
        await self._enter(path)
        await insist(self.ward.client, "POST", f"{path}/analyses", {"seed": 7})
        self.done["analyses"] += 1
        await self._ask(path)

    async def _busy(self, path: str) -> None:
        await self._enter(path)
        await self._ask(path)

    async def _enter(self, path: str) -> None:
        """Enter answers of some people."""
        chance = random.Random(self.seed)
        for wave in ("pre", "post"):
            rows = [
                {"arm": arm, "participant": f"one-{i}", "value": chance.randint(0, 54)}
                for i, arm in enumerate(("intervention", "control") * (PEOPLE // 2))
            ]
            body = {"measure": "mbi_ee", "wave": wave, "rows": rows}
            told = await insist(self.ward.client, "POST", f"{path}/measurements", body)
            self.done["measurements"] += told["accepted"]

    async def _ask(self, path: str) -> None:
        """Ask for a file to be imported, and for two simulations, one of them large enough to be split."""
        file = of_people(IMPORTED)
        asked = await insist(self.ward.client, "POST", f"{path}/measurements/import?background=true", file)
        self.done["imports"] += 1
        self.done["measurements"] += 2 * IMPORTED
        for scenario in SCENARIOS:
            await insist(self.ward.client, "POST", f"{path}/plan/simulate", scenario)
            self.done["simulations"] += 1
        while (await insist(self.ward.client, "GET", f"/v1/imports/{asked['id']}"))["finished_at"] is None:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Standing:
    """What the database holds in the end."""

    pilots: int
    measurements: int
    finished: int
    """Events of analyses that ended."""
    left: int
    """Parts of simulations and of files, rows on their way."""
    work: dict[str, Counter[str]]
    """How many of each kind of work stand where."""
    ends: dict[str, Counter[int]]
    """How often each of them was ended: counts of counts."""

    @classmethod
    def of(cls, engine: sa.Engine) -> "Standing":
        """Count."""
        with reading(engine) as session:
            told = select(sa.func.count(col(OutboxEvent.id))).where(OutboxEvent.type == "analysis.finished")
            return cls(
                pilots=_count(session, Pilot.id),
                measurements=_count(session, Measurement.id),
                finished=session.exec(told).one(),
                left=_count(session, SimulationPart.id) + sum(left(engine)),
                work={name: Counter(s.value for s in session.exec(select(m.status))) for name, m in WORK.items()},
                ends={name: _ends(session, name) for name in WORK},
            )


def _ends(session: Session, name: str) -> Counter[int]:
    entries = select(AuditEntry.resource_id).where(AuditEntry.resource == name, AuditEntry.action == "ended")
    return Counter(Counter(session.exec(entries)).values())


def _count(session: Session, column: Any) -> int:
    return session.exec(select(sa.func.count(col(column)))).one()


def unfinished(engine: sa.Engine) -> int:
    """How much work has not ended."""
    with reading(engine) as session:
        return sum(session.exec(_open(model)).one() for model in WORK.values())


def _open(model: type[Claimable]) -> Any:
    return select(sa.func.count()).where(col(model.status).in_((JobStatus.QUEUED, JobStatus.RUNNING)))


def answers(engine: sa.Engine, model: type[Operation]) -> set[str]:
    """What work of a kind answered, but for where it came from: one for each that was asked if all are whole."""
    with reading(engine) as session:
        found = [result or {} for result in session.exec(select(model.result))]
    return {
        json.dumps({name: part for name, part in result.items() if name != "provenance"}, sort_keys=True)
        for result in found
    }
