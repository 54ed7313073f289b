"""What a chapter of a pilot's story is made of: items in the order of time; who reads them is in `timeline.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlmodel import Session, select

from app.forms import instant_text
from app.lifecycle.story import ORDER, What, says
from app.pilots.models import Iteration, Pilot

SEPARATOR = "~"


@dataclass(frozen=True)
class Item:
    """Something that happened; `id` tells apart what happened in one instant."""

    what: What
    at: datetime
    by: str
    iteration: int
    id: str
    details: dict[str, Any]

    @property
    def key(self) -> tuple[datetime, int, str]:
        """Items sort by time, then by what follows from what, then by their id: the same order at every reading."""
        return self.at, ORDER.index(self.what), self.id

    def cursor(self) -> str:
        """The place after this item."""
        at, rank, row_id = self.key
        return SEPARATOR.join((instant_text(at), str(rank), row_id))

    def answer(self) -> dict[str, Any]:
        """The item with its sentence."""
        return {
            "at": self.at,
            "by": self.by,
            "what": self.what.value,
            "iteration": self.iteration,
            "details": self.details,
            "says": says(self.what, self.by, self.iteration, self.details),
        }


def midnight(day: date) -> datetime:
    """The instant a day begins, in UTC: what has a day and no time is told there."""
    return datetime.combine(day, time(), UTC)


def opened_iterations(session: Session, pilot: Pilot) -> Sequence[tuple[datetime, int]]:
    """When each iteration was opened, with its number."""
    return session.exec(select(Iteration.opened_at, Iteration.number).where(Iteration.pilot_id == pilot.id)).all()


def iteration_at(opened: Sequence[tuple[datetime, int]], at: datetime) -> int:
    """The iteration that was open at an instant."""
    return max((number for since, number in opened if since <= at), default=1)
