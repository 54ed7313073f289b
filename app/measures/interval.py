"""The evaluation interval of an iteration: from the start of its baseline to the end of its follow-up."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from sqlmodel import Session, col, select

from analysis.documents import Plan
from app.context.rules import Interval
from app.measures.models import Wave
from app.pilots.models import Iteration

type Dates = Mapping[str, tuple[date | None, date | None]]
"""First and last day of waves as they were recorded, by their key."""


def interval_of(
    plan: Plan, recorded: Dates, *, locked_on: date | None, seen_on: date | None, closed_on: date | None, today: date
) -> Interval | None:
    """From the first day of the baseline to the last of the follow-up; None before there is a first day. Pure.

    Days as recorded go before days as planned. Without a day of the baseline the interval starts with the lock; without
    one of the last follow-up it ends with the analysis that judged it, else with the iteration, else today.
    """
    waves = plan.expanded().waves
    baselines = [days_in_force(w.key, w.starts_on, w.ends_on, recorded)[0] for w in waves if w.kind == "baseline"]
    known = [day for day in baselines if day is not None]
    starts_on = min(known) if known else locked_on
    if starts_on is None:
        return None
    last = ([w for w in waves if w.kind == "followup"] or [waves[-1]])[-1]
    ends_on = days_in_force(last.key, last.starts_on, last.ends_on, recorded)[1] or seen_on or closed_on or today
    return Interval(starts_on, max(starts_on, ends_on))


def days_in_force(
    key: str, starts_on: str | None, ends_on: str | None, recorded: Dates
) -> tuple[date | None, date | None]:
    """First and last day of a wave: as recorded, each else as planned."""
    first, last = recorded.get(key, (None, None))
    return first or day_of(starts_on), last or day_of(ends_on)


def day_of(text: str | None) -> date | None:
    """A day of a plan; what was written there before days were asked for may be any text."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def intervals(
    session: Session,
    iterations: Sequence[Iteration],
    plans: Mapping[int, Plan],
    seen: Mapping[int, date],
    today: date,
) -> dict[int, Interval | None]:
    """The interval of each iteration of one pilot, by its number; `seen` tells when each was judged."""
    recorded = _recorded(session, iterations)
    return {
        row.number: interval_of(
            plans[row.number],
            recorded.get(row.number, {}),
            locked_on=row.plan_locked_at.date() if row.plan_locked_at else None,
            seen_on=seen.get(row.number),
            closed_on=row.closed_at.date() if row.closed_at else None,
            today=today,
        )
        if row.number in plans
        else None
        for row in iterations
    }


def _recorded(
    session: Session, iterations: Iterable[Iteration]
) -> dict[int, dict[str, tuple[date | None, date | None]]]:
    found: dict[int, dict[str, tuple[date | None, date | None]]] = {}
    pilots = {row.pilot_id for row in iterations}
    for wave in session.exec(select(Wave).where(col(Wave.pilot_id).in_(pilots))):
        found.setdefault(wave.iteration, {})[wave.key] = (wave.starts_on, wave.ends_on)
    return found
