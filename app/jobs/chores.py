"""Work that comes by the clock: each chore once a tick, whatever the number of workers on whatever hosts.

Who takes a tick first has it; the row of the chore is the only thing that workers agree on. A chore that fails gives
its tick back and is tried again a minute later; one whose worker dies waits for the next tick, so that every chore has
to find by itself what is due, and to change nothing that was done already.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy import Engine
from sqlmodel import Field, SQLModel, col

from app.config import Settings
from app.db import instant_field, now, transaction
from app.jobs.ledger import AWAY

LOOK = 60.0  # seconds between two looks for what is due

log = structlog.get_logger(__name__)


class Tick(SQLModel, table=True):
    """When a chore was last taken."""

    __tablename__ = "ticks"

    name: str = Field(primary_key=True, max_length=60)
    taken_at: datetime = instant_field()


@dataclass(frozen=True, slots=True)
class Chore:
    """What is done `every` so often: `do(engine, settings, at)`, in transactions of its own."""

    name: str
    every: timedelta
    do: Callable[[Engine, Settings, datetime], object]


def take(engine: Engine, chore: Chore, at: datetime) -> bool:
    """Whether the chore is due at this instant and nobody else has taken it."""
    mine, taken = col(Tick.name) == chore.name, col(Tick.taken_at)
    # Taken in the future: by a host whose clock was ahead.
    over = sa.or_(taken <= at - chore.every, taken > at + chore.every)
    with transaction(engine) as session:
        due = sa.update(Tick).where(mine, over).values(taken_at=at)
        if session.connection().execute(due).rowcount:
            return True
        if session.get(Tick, chore.name) is not None:
            return False
        try:
            with session.begin_nested():
                session.add(Tick(name=chore.name, taken_at=at))
        except sa.exc.IntegrityError:
            return False  # the insert waited until another worker had it
        return True


def give_back(engine: Engine, chore: Chore, at: datetime) -> None:
    """Let the chore, taken at this instant, be due at once; nothing when somebody took it since."""
    mine = (col(Tick.name) == chore.name, col(Tick.taken_at) == at)
    with transaction(engine) as session:
        session.connection().execute(sa.update(Tick).where(*mine).values(taken_at=at - chore.every))


class Chores(threading.Thread):
    """Looks every minute for chores that are due; runs once, until `stopping` is set."""

    def __init__(self, chores: Sequence[Chore], engine: Engine, settings: Settings, stopping: threading.Event) -> None:
        super().__init__(name="chores", daemon=True)
        self._chores, self._engine, self._settings, self._stopping = chores, engine, settings, stopping

    def nudge(self) -> None:
        """Nothing: no change makes a chore due before its time."""

    def run(self) -> None:
        """Do what is due until the worker stops."""
        while True:
            for chore in self._chores:
                if self._stopping.is_set():
                    return
                self._look(chore, now())
            if self._stopping.wait(LOOK):
                return

    def _look(self, chore: Chore, at: datetime) -> None:
        try:
            if not take(self._engine, chore, at):
                return
            try:
                done = chore.do(self._engine, self._settings, at)
            except BaseException:
                give_back(self._engine, chore, at)
                raise
            log.info("chore_done", chore=chore.name, done=done)
        except AWAY as error:
            log.warning("database_away", error=str(error))
        except Exception:
            log.exception("chore_failed", chore=chore.name)
