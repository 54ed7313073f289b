"""The thread of a worker that delivers: claims what is due, has it sent, settles what ended; nothing blocks it.

One loop with many requests under way; the database is asked by a thread of its own, for everything that ended and
everything that is due in one transaction.
"""

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic, sleep

import structlog
from sqlalchemy import Engine

from app.config import Settings
from app.db import now, reading, transaction
from app.jobs.ledger import AWAY
from app.webhooks import claims
from app.webhooks.claims import Parcel
from app.webhooks.delivery import Outcome, Unreached, waits_of
from app.webhooks.room import Room
from app.webhooks.sender import Sender
from app.webhooks.settling import Result, settle
from app.webhooks.signing import Unreadable, readable, signed_headers

SWEEP = 0.5  # seconds between two looks for what became due, and for what no poke told of
TOGETHER = 0.03  # seconds in which what ends and what becomes due is gathered into one transaction
GRACE = 5.0  # seconds that requests may still take when the worker stops

log = structlog.get_logger(__name__)


class Courier(threading.Thread):
    """Runs once: `start`, then set `stopping` and `join`; `nudge` lets it look around now."""

    def __init__(self, engine: Engine, settings: Settings, stopping: threading.Event) -> None:
        super().__init__(name="courier", daemon=True)
        self._engine = engine
        self._settings = settings
        self._stopping = stopping
        self._room = Room()
        # Here and not in the thread: settings that cannot be read end the start, not the deliveries alone.
        self._waits = waits_of(settings.webhook_retry_seconds)
        self._sender = Sender.of(settings)
        self._lease = timedelta(seconds=settings.webhook_timeout_seconds + settings.lease_seconds)
        self._awake: Callable[[], object] = lambda: None
        self._under_way: dict[asyncio.Task[None], Parcel] = {}
        self._ended: list[Result] = []
        self._tended = 0.0

    def nudge(self) -> None:
        """Look around now; any thread may call this."""
        with contextlib.suppress(RuntimeError):  # its loop was closed already
            self._awake()

    def run(self) -> None:
        """Deliver until the worker stops; after a fault of its own it starts anew, what was under way is sent again."""
        while not self._stopping.is_set():
            try:
                asyncio.run(self._deliver())
            except Exception:
                log.exception("courier_failed")
                self._under_way.clear()
                self._stopping.wait(SWEEP)

    async def _deliver(self) -> None:
        loop, awake = asyncio.get_running_loop(), asyncio.Event()
        self._awake = lambda: loop.call_soon_threadsafe(awake.set)
        with ThreadPoolExecutor(1, "courier-ledger") as ledger:
            async with self._sender as sender:
                while not self._stopping.is_set():
                    awake.clear()
                    under_way = Counter(parcel.webhook_id for parcel in self._under_way.values())
                    for parcel in await loop.run_in_executor(ledger, self._turn, under_way):
                        task = asyncio.create_task(self._try(sender, parcel))
                        self._under_way[task] = parcel
                        task.add_done_callback(self._under_way.pop)
                        task.add_done_callback(lambda _: awake.set())
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(awake.wait(), SWEEP)
                        await asyncio.sleep(TOGETHER)
                given_up = await self._let_end()
            await loop.run_in_executor(ledger, self._close, given_up)

    async def _let_end(self) -> list[Parcel]:
        """Let requests end for a moment, break off the rest; what was broken off."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=GRACE)
        rest = {task: parcel for task, parcel in self._under_way.items() if not task.done()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        return list(rest.values())

    async def _try(self, sender: Sender, parcel: Parcel) -> None:
        began = monotonic()
        try:
            outcome = await self._send(sender, parcel)
        except Exception as error:
            log.exception("try_failed", delivery=parcel.delivery_id)
            outcome = Unreached("internal", f"the try could not be made ({type(error).__name__}); the log has more")
        self._ended.append(Result(parcel, outcome, monotonic() - began, now()))

    async def _send(self, sender: Sender, parcel: Parcel) -> Outcome:
        try:
            secrets = readable(parcel.sealed, self._settings.secret())
        except Unreadable as error:
            return Unreached("secret_unreadable", str(error))
        signatures = signed_headers(parcel.event_id, now(), parcel.payload, secrets)
        return await sender.post(parcel.url, {"content-type": "application/json", **signatures}, parcel.payload)

    def _turn(self, under_way: Mapping[str, int]) -> list[Parcel]:
        """Settle what ended, claim what is due; nothing is lost when the database is away."""
        ended = list(self._ended)
        try:
            if not ended and not self._anything_due():
                return []
            with transaction(self._engine) as session:
                settled = settle(session, ended, self._waits, random.random)
                if monotonic() - self._tended >= SWEEP:
                    claims.tend(session, now())
                    self._tended = monotonic()
                limit = len(self._waits) + 1
                taken = claims.claim_due(session, now(), self._lease, under_way, self._room, limit)
        except AWAY as error:
            log.warning("database_away", error=str(error))
            return []
        except Exception:
            log.exception("turn_failed")
            self._settle_singly(ended)
            return []
        for result in settled:
            self._ended.remove(result)
        return taken

    def _anything_due(self) -> bool:
        with reading(self._engine) as session:
            return claims.anything_due(session, now())

    def _settle_singly(self, ended: list[Result]) -> None:
        """Keep one result that cannot be written from holding up the others; its delivery is claimed again."""
        for result in ended:
            try:
                with transaction(self._engine) as session:
                    settled = settle(session, [result], self._waits, random.random)
            except AWAY:
                return
            except Exception:
                log.exception("not_settled", delivery=result.parcel.delivery_id)
                settled = [result]
            for one in settled:
                self._ended.remove(one)

    def _close(self, given_up: list[Parcel]) -> None:
        """Write what ended and give the rest back; what cannot be written is claimed by another worker later."""
        try:
            with transaction(self._engine) as session:
                claims.release(session, given_up, now())
            until = monotonic() + GRACE
            while self._ended and monotonic() < until:
                with transaction(self._engine) as session:
                    settled = settle(session, self._ended, self._waits, random.random)
                for result in settled:
                    self._ended.remove(result)
                if self._ended:
                    sleep(TOGETHER)  # another worker writes to the same endpoint
        except AWAY as error:
            log.warning("database_away", error=str(error))
