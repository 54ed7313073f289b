"""When a wave is due, and what to do then; pure.

A wave is expected where its pilot stands in a stage that collects its kind, and where it has a date, recorded or
planned. Of several states that would hold the first in `STATES` is told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.measures.models import WaveKind
from app.measures.response import Total, percent
from app.pilots.models import Stage

WITHIN_DAYS = 14
"""Days before its start from which a wave is upcoming."""
CLOSING_DAYS = 3
"""Days before its end from which a low response is told."""
LOW_RESPONSE = 0.60
"""Share of the invited below which a response is low: what it is usually asked for in surveys."""

_TRIAL = frozenset({WaveKind.BASELINE, WaveKind.INTERIM, WaveKind.FOLLOWUP})
_AFTER = frozenset({WaveKind.RETENTION})
EXPECTED: Mapping[Stage, frozenset[WaveKind]] = {
    Stage.DEVELOP: _TRIAL,
    Stage.TEST: _TRIAL,
    Stage.REFINE: _TRIAL,
    Stage.SCALE: _AFTER,
    Stage.FOUNDATIONAL: _AFTER,
}


class DueState(StrEnum):
    """Where a wave stands that somebody has to do something about."""

    UPCOMING = "upcoming"
    DUE = "due"
    CLOSING = "closing"
    OVERDUE = "overdue"


@dataclass(frozen=True)
class Timed:
    """A wave with a date: its first day, its last one (None: no end is known), and what came of it.

    `rate` is the share of the invited who answered; None where it is not known or not shown.
    """

    first: date
    last: date | None = None
    came: bool = False
    rate: float | None = None

    def begun(self, today: date) -> bool:
        """Whether its first day has come."""
        return self.first <= today

    def ended(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.last is not None and self.last < today

    def lacks(self) -> bool:
        """Whether less than everything came; as long as that is not known, until its end if it has one."""
        if not self.came:
            return True
        return self.last is not None if self.rate is None else self.rate < 1

    def low(self) -> bool:
        """Whether the response is known to be low."""
        return not self.came or (self.rate is not None and self.rate < LOW_RESPONSE)


type Condition = Callable[[Timed, date, int], bool]
STATES: Mapping[DueState, Condition] = {
    DueState.UPCOMING: lambda w, today, within: 0 < (w.first - today).days <= within and w.lacks(),
    DueState.OVERDUE: lambda w, today, _: w.begun(today) and w.ended(today) and not w.came,
    DueState.CLOSING: lambda w, today, _: (
        w.begun(today) and w.last is not None and 0 <= (w.last - today).days <= CLOSING_DAYS and w.low()
    ),
    DueState.DUE: lambda w, today, _: w.begun(today) and not w.ended(today) and w.lacks(),
}


def days_of(starts_on: date | None, ends_on: date | None) -> tuple[date, date | None] | None:
    """First and last day of a wave of which one is known; an end before the start, of an older date, is none."""
    first = starts_on or ends_on
    if first is None:
        return None
    return first, ends_on if ends_on is not None and ends_on >= first else None


def state_of(wave: Timed, today: date, within_days: int = WITHIN_DAYS) -> DueState | None:
    """The state of a wave on a day; None: there is nothing to do."""
    return next((state for state, holds in STATES.items() if holds(wave, today, within_days)), None)


def day_that_counts(first: date, last: date | None, today: date) -> date:
    """The day a list of due waves is ordered by: when it begins, or once it has begun, when it ends."""
    return first if first > today or last is None else last


WORDS: Mapping[WaveKind, str] = {kind: kind.value for kind in WaveKind} | {WaveKind.FOLLOWUP: "follow-up"}
TO_DO: Mapping[DueState, str] = {
    DueState.UPCOMING: "invite who takes part, and record how many",
    DueState.DUE: "remind who has not answered, and enter what came",
    DueState.CLOSING: "remind who has not answered, or give the wave a later end",
    DueState.OVERDUE: "enter what came, or give the wave other dates",
}


def says(title: str, key: str, kind: WaveKind, state: DueState, wave: Timed, total: Total) -> str:
    """One sentence: which wave of which pilot, when, what came, and what to do."""
    end = f" and ends on {wave.last}" if wave.last is not None else ""
    when = {
        DueState.UPCOMING: f"begins on {wave.first}",
        DueState.DUE: f"began on {wave.first}{end}",
        DueState.CLOSING: f"ends on {wave.last}",
        DueState.OVERDUE: f"ended on {wave.last}",
    }[state]
    came = "" if state is DueState.UPCOMING and not wave.came else f", {_came(wave, total)}"
    where = "" if state is DueState.DUE else f" (PUT …/waves/{key})"
    return f"The {WORDS[kind]} wave {key} of “{title}” {when}{came}: {TO_DO[state]}{where}."


def _came(wave: Timed, total: Total) -> str:
    if not wave.came:
        return "nothing was entered"
    if not total.responded:
        return "some of it was entered"
    if total.invited is None:
        return f"{total.responded} answered"
    return f"{total.responded} of {total.invited} answered ({percent(total.responded / total.invited)})"
