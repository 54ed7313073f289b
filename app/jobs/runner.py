"""The worker: starts and stops the slots, inside the API's process or alone; what a slot does is in `slot.py`."""

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog
from sqlalchemy import Engine

from app.config import Settings
from app.jobs import poke
from app.jobs.ledger import Ledger
from app.jobs.slot import Slot
from app.jobs.work import Work

log = structlog.get_logger(__name__)


class _Listener(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Loop(Protocol):
    """A thread that finds its own rows, without a child process."""

    def start(self) -> None:
        """Begin; returns at once."""

    def nudge(self) -> None:
        """Look around now; any thread may call this."""

    def join(self) -> None:
        """Wait for its end, after the event it was made with was set."""


type MakeLoop = Callable[[Engine, Settings, threading.Event], Loop]


class Runner:
    """`settings.workers` slots for each child module that the works name, and the loops. Runs once."""

    def __init__(
        self, engine: Engine, settings: Settings, works: Sequence[Work[Any]], loops: Sequence[MakeLoop] = ()
    ) -> None:
        self._stopping = threading.Event()
        self._listener = _listener(engine, self.wake)
        ledgers = [Ledger(engine, settings, work, self._stopping) for work in works]
        self._by_module = {
            module: [
                Slot(module, [led for led in ledgers if led.work.child == module], settings, self._stopping, number)
                for number in range(settings.workers)
            ]
            for module in dict.fromkeys(work.child for work in works)
        }
        self._slots = [slot for slots in self._by_module.values() for slot in slots]
        own: list[Loop] = [make(engine, settings, self._stopping) for make in loops]
        self._threads: list[Loop] = [*own, *self._slots]

    @property
    def warm(self) -> int:
        """How many slots of each child module can take work now: of the one that has the fewest."""
        return min(sum(slot.warm for slot in slots) for slots in self._by_module.values())

    def start(self) -> None:
        """Start the slots; returns at once, the children warm up meanwhile."""
        poke.subscribe(self.wake)
        for thread in self._threads:
            thread.start()
        if self._listener is not None:
            self._listener.start()

    def wake(self) -> None:
        """Let every thread look around now."""
        for thread in self._threads:
            thread.nudge()

    def stop(self) -> None:
        """Let what is almost done end, give the rest back, end the children; takes about five seconds at most."""
        poke.unsubscribe(self.wake)
        self._stopping.set()
        self.wake()
        if self._listener is not None:
            self._listener.stop()
        for thread in self._threads:
            thread.join()
        log.info("worker_stopped")

    def run_forever(self) -> None:
        """Work until SIGTERM or SIGINT; for a process that does nothing else, in its main thread."""
        asked = threading.Event()
        before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.start()
            asked.wait()
        finally:
            self.stop()
            for number, handler in before.items():
                signal.signal(number, handler)


def _listener(engine: Engine, wake: Callable[[], None]) -> _Listener | None:
    if engine.dialect.name != "postgresql":
        return None
    from app.jobs import postgres  # noqa: PLC0415 - SQLite needs no engine of its own

    return postgres.Listener(engine, wake)
