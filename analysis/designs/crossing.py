"""When units cross over: from their dates and those of the waves, or from the arms their entries name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from analysis.designs.prepared import Note, Question
from analysis.documents import Plan
from analysis.errors import Refused

Place = tuple[str, str]
"""(unit, wave)."""
HELP = (
    "Give each unit the date it started (`starts_on` in the plan's units) and each wave its dates, or name in every "
    "entry the arm its unit was in at that wave: control before the start, treated after it."
)


@dataclass(frozen=True)
class Crossings:
    """The period each unit was first exposed in (None: never), cells a start falls into, and warnings."""

    first: Mapping[str, int | None]
    left_out: frozenset[Place]
    notes: tuple[Note, ...]


def periods_of(plan: Plan, wave: str) -> list[str]:
    """Keys of the waves up to that of the look, in the plan's order."""
    keys = [w.key for w in plan.waves]
    return [w.key for w in plan.waves[: keys.index(wave) + 1] if w.kind != "retention" or w.key == wave]


def crossings(question: Question, named: Mapping[Place, str | None], periods: Sequence[str]) -> Crossings:
    """When each unit with data crossed; `named` holds the arm of every unit and period with data. Raises `Refused`.

    Arms say what was, dates of a plan what was meant to be: where both are there and differ, the arms hold.
    """
    starts = {u.unit_id: u.starts_on for u in question.plan.units}
    dated = _days_of(question, periods)
    first: dict[str, int | None] = {}
    left_out: set[Place] = set()
    unsure, differing = [], []
    for unit in sorted({unit for unit, _ in named}):
        here = [t for t, wave in enumerate(periods) if (unit, wave) in named]
        arms = {t: arm for t in here if (arm := named[unit, periods[t]]) is not None}
        # Without a control arm there is one arm to name, which tells nothing.
        by_arm = {t: arm == question.plan.treated for t, arm in arms.items()} if question.plan.control else {}
        _refuse_return(question, unit, by_arm, periods)
        start = starts.get(unit)
        when = None if start is None or dated is None else _day(question, start, f"unit {unit!r}")
        inside = {t for t in here if dated and when and dated[t][0] < when <= (dated[t][1] or dated[t][0])}
        left_out |= {(unit, periods[t]) for t in inside}
        told = {t: exposed for t, exposed in by_arm.items() if t not in inside}
        if when is not None and dated is not None:
            first[unit] = next((t for t, (begins, _) in enumerate(dated) if begins >= when), None)
            if all(exposed == _after(first[unit], t) for t, exposed in told.items()):
                continue
            differing.append(unit)
        if len(by_arm) < len(here):
            raise _contradicts(question, unit) if unit in differing else _unknown(question, unit, start)
        treated = [t for t, exposed in told.items() if exposed]
        before = [t for t, exposed in told.items() if not exposed]
        first[unit] = treated[0] if treated else None
        if treated and before and treated[0] - before[-1] > 1:
            unsure.append(unit)
    notes = (*_left_out(question, left_out), *_unsure(question, unsure), *_differing(question, differing))
    return Crossings(first, frozenset(left_out), notes)


def _after(first: int | None, period: int) -> bool:
    """Whether a unit first exposed in one period is exposed in another."""
    return first is not None and period >= first


def _refuse_return(question: Question, unit: str, by_arm: Mapping[int, bool], periods: Sequence[str]) -> None:
    treated = [t for t, exposed in by_arm.items() if exposed]
    back = [t for t, exposed in by_arm.items() if not exposed and treated and t > min(treated)]
    if back:
        raise Refused(
            "crossed_back",
            f"{question.measure.measure}: unit {unit!r} is treated at {periods[min(treated)]!r} and in control at "
            f"{periods[min(back)]!r}; in a stepped wedge a unit that has started stays.",
            "Correct the arm; where units did stop, keep to the waves before they did.",
        )


def _contradicts(question: Question, unit: str) -> Refused:
    """The refusal of a unit of which some entries name an arm that its date speaks against, and others none."""
    return Refused(
        "crossing_contradicts",
        f"{question.measure.measure}: the arms that some entries of unit {unit!r} name do not fit the date it started "
        "by the plan, and its other entries name none.",
        "Correct the date of the unit or of the waves, or name the arm in every entry of the unit, or in none.",
    )


def _unknown(question: Question, unit: str, start: str | None) -> Refused:
    """The refusal of a unit of which neither arms nor dates tell when it crossed over."""
    undated = "" if start is None else ": the unit has a date, and a wave has none"
    return Refused(
        "crossing_unknown",
        f"{question.measure.measure}: nothing tells when unit {unit!r} crossed over{undated}.",
        HELP,
    )


def _days_of(question: Question, periods: Sequence[str]) -> list[tuple[date, date | None]] | None:
    """First and last day of each period; None where a wave has no date."""
    waves = {w.key: w for w in question.plan.waves}
    found: list[tuple[date, date | None]] = []
    for key in periods:
        starts, ends = waves[key].starts_on, waves[key].ends_on
        if starts is None:
            return None
        last = None if ends is None else _day(question, ends, f"wave {key!r}")
        found.append((_day(question, starts, f"wave {key!r}"), last))
    return found


def _day(question: Question, text: str, of: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Refused(
            "date_invalid",
            f"{question.measure.measure}: {text!r}, a date of {of}, is none.",
            "Write dates as 2027-03-31.",
        ) from None


def _left_out(question: Question, places: set[Place]) -> list[Note]:
    if not places:
        return []
    listed = ", ".join(f"{unit} at {wave}" for unit, wave in sorted(places)[:5])
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""  # noqa: PLR2004 - as many as a sentence holds
    message = f"Units that started while a wave was under way are left out of that wave: {listed}{more}."
    return [Note("transition_left_out", message, question.measure.measure)]


def _unsure(question: Question, units: Sequence[str]) -> list[Note]:
    if not units:
        return []
    message = (
        f"Between the last wave in control and the first one treated {', '.join(units[:5])} have no data: the start is "
        "taken as the latter, and the time since start may be longer than counted."
    )
    return [Note("crossing_unsure", message, question.measure.measure)]


def _differing(question: Question, units: Sequence[str]) -> list[Note]:
    if not units:
        return []
    message = (
        f"The arms that the entries of {', '.join(units[:5])} name do not fit the dates of the plan; the arms are "
        "taken for what was. Correct what is wrong."
    )
    return [Note("crossing_differs", message, question.measure.measure)]
