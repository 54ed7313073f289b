"""The story of a pilot: what happened, from every table that remembers it, page by page in the order of time."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlmodel import Session

from app.errors import Invalid, fault
from app.lifecycle.chapters_of_data import DATA
from app.lifecycle.chapters_of_results import RESULTS
from app.lifecycle.happened import SEPARATOR, Item
from app.pilots.models import Pilot

CHAPTERS: Sequence[Callable[[Session, Pilot, date], Iterator[Item]]] = (*DATA, *RESULTS)


def timeline(
    session: Session, pilot: Pilot, today: date, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of what happened to the pilot, oldest first, and the cursor of the next."""
    items = sorted((item for chapter in CHAPTERS for item in chapter(session, pilot, today)), key=lambda item: item.key)
    if cursor is not None:
        after = _place(cursor)
        items = [item for item in items if item.key > after]
    page = items[:limit]
    return [item.answer() for item in page], page[-1].cursor() if len(items) > limit else None


def _place(cursor: str) -> tuple[datetime, int, str]:
    try:
        at, rank, row_id = cursor.split(SEPARATOR, 2)
        return datetime.fromisoformat(at).astimezone(UTC), int(rank), row_id
    except (ValueError, OverflowError) as error:
        msg = "this is not a cursor of this timeline; pass the `next_cursor` of the page before, or none"
        raise Invalid(msg, [fault(["cursor"], msg, "unknown_cursor")]) from error
