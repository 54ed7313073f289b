"""When units cross over: from their dates and the waves', or from the arms their entries name (docs/methods.md §3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from analysis.designs.prepared import Note, Question
from analysis.documents import Plan, PlannedWave
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


def told_by_arms(plan: Plan, unit: str) -> bool:
    """Whether the arm of an entry is the state its unit was in: not where the plan puts the unit in an arm for good."""
    return plan.control is not None and all(u.arm is None for u in plan.units if u.unit_id == unit)


def crossings(question: Question, named: Mapping[Place, str | None], periods: Sequence[str]) -> Crossings:
    """When each unit with data crossed; `named` holds the arm of every unit and period with data. Raises `Refused`."""
    units = sorted({unit for unit, _ in named})
    starts = {u.unit_id: u.starts_on for u in question.plan.units}
    waves = {w.key: w for w in question.plan.waves}
    first: dict[str, int | None] = {}
    left_out: set[Place] = set()
    unsure = []
    for unit in units:
        here = [t for t, wave in enumerate(periods) if (unit, wave) in named]
        arms = {t: named[unit, periods[t]] for t in here}
        by_arm = {t: arm == question.plan.treated for t, arm in arms.items() if arm is not None}
        by_arm = by_arm if told_by_arms(question.plan, unit) else {}
        _refuse_return(question, unit, by_arm, periods)
        if (start := starts.get(unit)) is not None:
            when = _day(question, start, f"unit {unit!r}")
            dated = [_dates(question, waves[wave]) for wave in periods]
            first[unit] = next((t for t, (begins, _) in enumerate(dated) if begins >= when), None)
            inside = {t for t in here if (ends := dated[t][1]) is not None and dated[t][0] < when <= ends}
            left_out |= {(unit, periods[t]) for t in inside}
            _refuse_contradiction(question, unit, {t: e for t, e in by_arm.items() if t not in inside}, first[unit])
        elif len(by_arm) == len(here):
            exposed = [t for t in here if by_arm[t]]
            first[unit] = exposed[0] if exposed else None
            before = [t for t in here if not by_arm[t]]
            if exposed and before and exposed[0] - before[-1] > 1:
                unsure.append(unit)
        else:
            raise Refused(
                "crossing_unknown", f"{question.measure.measure}: nothing tells when unit {unit!r} crossed over.", HELP
            )
    return Crossings(first, frozenset(left_out), (*_left_out(question, left_out), *_unsure(question, unsure)))


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


def _refuse_contradiction(question: Question, unit: str, by_arm: Mapping[int, bool], first: int | None) -> None:
    if any(exposed != (first is not None and t >= first) for t, exposed in by_arm.items()):
        raise Refused(
            "crossing_contradicts",
            f"{question.measure.measure}: the arms that the entries of unit {unit!r} name do not fit the date it "
            "started by the plan.",
            "Correct the date of the unit or of the waves, or the arms; where both are right, leave the arms out.",
        )


def _dates(question: Question, wave: PlannedWave) -> tuple[date, date | None]:
    if wave.starts_on is None:
        raise Refused(
            "crossing_unknown",
            f"{question.measure.measure}: wave {wave.key!r} has no date: nothing tells who had started by then.",
            HELP,
        )
    ends = None if wave.ends_on is None else _day(question, wave.ends_on, f"wave {wave.key!r}")
    return _day(question, wave.starts_on, f"wave {wave.key!r}"), ends


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
