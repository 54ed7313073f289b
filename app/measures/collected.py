"""The days on which answers were collected, held against the days of their waves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, select

from analysis.documents import Plan
from app.measures.interval import days_in_force
from app.measures.models import Wave
from app.measures.revisions import measurements
from app.measures.rules import Fault

AHEAD = timedelta(days=1)
"""Somewhere it is tomorrow already."""

type Days = tuple[date | None, date | None]
"""A first and a last day, as far as they are known."""


@dataclass(frozen=True)
class Collected:
    """Of one wave: its days, as recorded or else as planned, and the first and last day of its answers."""

    wave: Days
    answers: Days


def day_faults(day: date | None, today: date) -> Iterator[Fault]:
    """Nothing was collected on a day that is to come."""
    if day is not None and day > today + AHEAD:
        yield "collected_on", f"{day} is to come; give the day on which the answer was collected", "to_come"


def collected(
    session: Session, pilot_id: str, iteration: int, plan: Plan, waves: Sequence[str], at: int | None = None
) -> dict[str, Collected]:
    """The days of these waves, by their key."""
    m: Any = measurements(at)
    rows = session.exec(
        select(m.wave, sa.func.min(m.collected_on), sa.func.max(m.collected_on))
        .where(m.pilot_id == pilot_id, m.iteration == iteration, m.wave.in_(waves))
        .group_by(m.wave)
    ).all()
    answers = {wave: (first, last) for wave, first, last in rows}
    days = days_of(session, pilot_id, iteration, plan, waves)
    return {wave: Collected(days[wave], answers.get(wave, (None, None))) for wave in waves}


def days_of(session: Session, pilot_id: str, iteration: int, plan: Plan, waves: Sequence[str]) -> dict[str, Days]:
    """The first and last day of these waves, as recorded or else as planned."""
    mine = (Wave.pilot_id == pilot_id, Wave.iteration == iteration)
    recorded = {w.key: (w.starts_on, w.ends_on) for w in session.exec(select(Wave).where(*mine))}
    planned = {w.key: (w.starts_on, w.ends_on) for w in plan.waves}
    return {wave: days_in_force(wave, *planned.get(wave, (None, None)), recorded) for wave in waves}


def outside(found: Mapping[str, Collected]) -> Iterator[tuple[str, str]]:
    """A warning for each wave of which answers are dated outside its days; pure. No day of an answer is told."""
    for wave, days in found.items():
        (opens, closes), (first, last) = days.wave, days.answers
        before = first is not None and opens is not None and first < opens
        after = last is not None and closes is not None and last > closes
        if before or after:
            when = " and ".join(
                said
                for holds, said in ((before, f"before it began ({opens})"), (after, f"after it ended ({closes})"))
                if holds
            )
            message = (
                f"some answers at {wave} are dated {when}: correct their days (POST …/corrections) or those of the "
                "wave (PUT …/waves)"
            )
            yield "dates_outside_wave", message


def order_faults(plan: Plan, key: str, recorded: Mapping[str, Days]) -> Iterator[Fault]:
    """Faults of the days of a wave against those of the others: nothing follows a baseline before it begins; pure."""
    first = {w.key: days_in_force(w.key, w.starts_on, w.ends_on, recorded)[0] for w in plan.waves}
    baselines = {w.key for w in plan.waves if w.kind == "baseline"}
    for before in sorted(baselines):
        for after in sorted(first.keys() - baselines):
            starts, begins = first[before], first[after]
            if key in {before, after} and starts is not None and begins is not None and begins < starts:
                yield (
                    "starts_on",
                    f"{after} would begin on {begins}, before the baseline {before} does ({starts}); correct the days",
                    "before_baseline",
                )


def backwards(found: Mapping[str, Collected], baseline: str | None, wave: str) -> str | None:
    """Why a wave is none that follows the baseline, None where its days do not say so; pure."""
    if baseline is None or baseline not in found or wave not in found:
        return None
    starts = [day for day in (found[baseline].wave[0], found[baseline].answers[0]) if day is not None]
    begins = [day for day in (found[wave].wave[0], found[wave].answers[0]) if day is not None]
    if not starts or not begins or min(begins) >= min(starts):
        return None
    return (
        f"days of {wave} lie before those of {baseline}: what was answered then is no follow-up. Correct the days of "
        "the waves (PUT …/waves) or of the answers (POST …/corrections)"
    )
