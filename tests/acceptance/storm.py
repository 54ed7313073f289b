"""Moves with three endpoints while processes are killed, and what has to hold afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from signal import SIGTERM
from typing import Any

import sqlalchemy as sa

from app.db import reading
from tests.acceptance import told
from tests.acceptance.journeys import STAGES, Ward
from tests.acceptance.processes import Installation, wait_until
from tests.acceptance.receivers import Arrival, Dead, Receiver
from tests.acceptance.told import Delay


@dataclass
class Storm:
    """One healthy endpoint; later a flaky and a dead one beside it; `mortal` are the processes that may be killed.

    `clients` move pilots at once, each with a `pause` of so many seconds on average after a move.
    """

    ward: Ward
    engine: sa.Engine
    installation: Installation
    mortal: Sequence[int]
    healthy: Receiver
    flaky: Receiver
    clients: int
    pause: float
    seed: int = 2026
    made: int = 0
    killed: list[datetime] = field(default_factory=list)
    dead: Dead = field(default_factory=Dead)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._ids: dict[str, str] = {}

    async def alone(self, moves: int) -> None:
        """Moves that only the healthy endpoint hears of, all received."""
        self._ids["healthy"], secret = await self.ward.subscribe(self.healthy.url)
        self.healthy.start(secret)
        await self._go(moves)
        wait_until(lambda: not told.waiting(self.engine, self._ids["healthy"]))
        self._before = set(told.events(self.engine))

    async def breaks(self, moves: int, kills: Sequence[int]) -> None:
        """So many moves with all three; at each of `kills` (counted from here) a process dies and comes back.

        The dead endpoint swallows what it is sent; after half of the moves it refuses connections.
        """
        self._ids["flaky"], secret = await self.ward.subscribe(self.flaky.url)
        self.flaky.start(secret)
        self._ids["dead"], _ = await self.ward.subscribe(self.dead.url)
        self.began, first = datetime.now(UTC), self.made
        async with asyncio.TaskGroup() as group:
            group.create_task(self._leaves(first + moves // 2))
            group.create_task(self._kill_at([first + count for count in kills]))
            group.create_task(self._go(moves))
        self.ended = datetime.now(UTC)
        wait_until(lambda: not told.waiting(self.engine, self._ids["healthy"], self._ids["flaky"]), 180)
        self.drained = (datetime.now(UTC) - self.ended).total_seconds()
        wait_until(lambda: "connection_refused" in told.errors(self.engine, self._ids["dead"]))

    async def holds(self) -> None:
        """Assert that nothing was lost, changed, or is stuck, and that the log tells of the dead; stops everything."""
        await self._log_tells()
        # uvicorn ends by the signal that it was sent
        assert set(self.installation.stop()) <= {0, -SIGTERM}
        self.events = told.events(self.engine)
        assert len(self.events) == told.moves(self.engine) == self.made
        self.since = {key: event for key, event in self.events.items() if key not in self._before}
        self.arrived, self.stumbled = (
            told.heard_all(self.healthy, self.events),
            told.heard_all(self.flaky, self.since),
        )
        told.in_order(self.events, self.healthy)
        told.in_order(self.since, self.flaky)
        with reading(self.engine) as session:
            for name in ("healthy", "flaky"):
                assert set(told.statuses(session, self._ids[name])) == {"delivered"}
            self.standing = told.statuses(session, self._ids["dead"])
        assert set(self.standing) <= {"pending", "failed"}
        assert self.standing.total() == len(self.since)
        self.errors = told.errors(self.engine, self._ids["dead"])

    def delays(self) -> tuple[Delay | None, Delay, Delay]:
        """To the healthy endpoint: while it was alone, beside the others before the first kill, and after it."""
        first = self.killed[0] if self.killed else self.ended
        by_time = told.delays(self.events, self.arrived)
        alone = [s for t, s in by_time.items() if t < self.began]
        return (
            Delay.of(alone) if alone else None,
            Delay.of([s for t, s in by_time.items() if self.began <= t < first]),
            Delay.of([s for t, s in by_time.items() if t >= first]),
        )

    def repeated(self, arrivals: Sequence[Arrival]) -> int:
        """How many arrivals were not the first of their event."""
        return len(arrivals) - len({arrival.event_id for arrival in arrivals})

    async def _go(self, moves: int) -> None:
        pilots = iter(range(moves // len(STAGES)))
        await asyncio.gather(*(self._client(pilots) for _ in range(self.clients)))

    async def _client(self, pilots: Iterator[int]) -> None:
        for _ in pilots:
            async for _move in self.ward.journey():
                self.made += 1
                await asyncio.sleep(self._chance.uniform(0, 2 * self.pause))

    async def _reached(self, count: int) -> None:
        while self.made < count:  # noqa: ASYNC110 - which count is waited for differs
            await asyncio.sleep(0.01)

    async def _leaves(self, count: int) -> None:
        """Swallow at least one try until its time limit, then be gone."""
        await self._reached(count)
        while "timeout" not in told.errors(self.engine, self._ids["dead"]):  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.1)
        self.dead.leave()

    async def _kill_at(self, counts: Sequence[int]) -> None:
        """Kill one of the processes after each of these moves, and start it again."""
        for count in counts:
            await self._reached(count)
            await asyncio.sleep(self._chance.uniform(0, 0.3))
            number = self._chance.choice(self.mortal)
            self.installation.kill(number)
            self.killed.append(datetime.now(UTC))
            await asyncio.sleep(self._chance.uniform(0, 0.5))
            self.installation.start(number)

    async def _log_tells(self) -> None:
        """Assert that an administrator sees what goes wrong with the dead endpoint."""
        client, path = self.ward.client, f"/v1/webhooks/{self._ids['dead']}"
        webhook = (await client.get(path)).json()
        assert webhook["notice"]["code"] == "failing"
        lines = [line async for line in self._lines(f"{path}/deliveries")]
        assert len({line["id"] for line in lines}) == len(lines) == self.made - len(self._before)
        assert {line["status"] for line in lines} <= {"pending", "sending", "failed"}
        tried = next(line for line in lines if line["tries"] and line["last_try"]["error"])
        one = (await client.get(f"/v1/deliveries/{tried['id']}")).json()
        ended = [row for row in one["log"] if row["error"]]
        assert ended
        assert all(row["status"] is None and row["error"]["message"] for row in ended)
        assert [row["number"] for row in one["log"]] == list(range(1, one["tries"] + 1))

    async def _lines(self, path: str) -> AsyncIterator[dict[str, Any]]:
        cursor: str | None = ""
        while cursor is not None:
            asked = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = (await self.ward.client.get(path, params=asked)).json()
            for line in page["items"]:
                yield line
            cursor = page["next_cursor"]
