"""Where each unit of a pilot stands against its own benchmark at a wave, and how many stand where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from analysis.documents import Direction, Family, Plan, PlannedMeasure
from analysis.standing import PROBABLY, Placed, Reference, Standing, place, progress
from app.benchmarks.models import Benchmark
from app.benchmarks.rules import Fit, Group, Period, chosen, fit_of, group_words
from app.benchmarks.service import benchmarks_of, candidate, group_of, says
from app.catalog.models import Unit
from app.errors import Conflict, Invalid, fault
from app.measures.confidential import warning_of
from app.measures.dates import days_of_wave
from app.measures.standing_schemas import (
    BenchmarkUsed,
    DifferenceOut,
    IntervalOut,
    ProgressOut,
    UnitStandingOut,
    UnitStandingsOut,
    Unplaced,
)
from app.measures.unit_means import UnitMeans, unit_means
from app.pilots.models import Pilot
from app.pilots.service import units_of

NEVER = 0.01
"""What lies closer to 0 or 1 is told as a bound."""


@dataclass(frozen=True)
class Against:
    """What units are held against: the measure, the days of the wave, the benchmarks there are."""

    measure: PlannedMeasure
    days: Period | None
    benchmarks: Mapping[str, Benchmark]


def standings(
    session: Session, pilot: Pilot, iteration: int, plan: Plan, measure: PlannedMeasure, wave: str
) -> UnitStandingsOut:
    """Each unit of the pilot against its benchmark, by name, and the progress of all of them.

    Invalid for a wave the plan does not have; Conflict `no_mean` for measures that are not judged by means.
    """
    if wave not in {w.key for w in plan.waves}:
        msg = f"the plan has no wave {wave!r}; it has {', '.join(w.key for w in plan.waves)}"
        raise Invalid(msg, [fault(["wave"], msg, "unknown_wave")])
    if measure.family is not Family.NORMAL:
        msg = (
            f"{measure.measure} is {measure.family.value}; units are held against benchmarks by means of normal "
            "measures, which judge a unit better than a share above a cut-off. Name such a measure"
        )
        raise Conflict(msg, "no_mean")
    means = unit_means(session, pilot, iteration, plan, measure.measure, wave)
    known = days_of_wave(session, pilot, plan, wave, iteration)
    days = Period(min(known), max(known)) if known else None
    rows = benchmarks_of(session, measure.measure, pilot.organization_id)
    against = Against(measure, days, {row.id: row for row in rows})
    units = session.exec(
        select(Unit).where(col(Unit.id).in_({*units_of(session, pilot.id), *means.people, *means.hidden}))
    ).all()
    judged = [_judged(unit, means, against) for unit in sorted(units, key=lambda u: (u.name, u.id))]
    return UnitStandingsOut(
        iteration=iteration,
        measure=measure.measure,
        wave=wave,
        starts_on=days.starts_on if days else None,
        ends_on=days.ends_on if days else None,
        units=[out for out, _ in judged],
        progress=_progress([placed for _, placed in judged if placed is not None], len(judged)),
        warnings=warning_of(means.suppressed),
    )


def _judged(unit: Unit, means: UnitMeans, against: Against) -> tuple[UnitStandingOut, Placed | None]:
    out = UnitStandingOut(unit_id=unit.id, name=unit.name, specialty=unit.specialty, occupation=unit.occupation)
    if unit.id in means.hidden:
        out.suppressed = True
        out.not_placed = Unplaced(code="suppressed", message="of too few people, or others could be told from it")
        return out, None
    people = means.people.get(unit.id)
    if people is None:
        message = (
            "no mean of this unit is known at this wave: nobody answered, only changes were entered, or its people "
            "have no arm yet"
        )
        out.not_placed = Unplaced(code="no_answers", message=message)
        return out, None
    out.n, out.mean, out.sd = people.n, people.mean, people.sd
    group = Group(unit.specialty, unit.occupation)
    found = _benchmark(group, against)
    if isinstance(found, Unplaced):
        out.not_placed = found
        return out, None
    row, fit = found
    placed = place(
        people.n,
        people.mean,
        people.sd,
        Reference(row.mean, row.sd, row.n),
        higher_is_better=against.measure.direction is Direction.HIGHER_IS_BETTER,
    )
    _fill(out, placed, row, fit)
    return out, placed


def _benchmark(group: Group, against: Against) -> tuple[Benchmark, Fit] | Unplaced:
    """The most specific contemporaneous benchmark of a group, or why there is none."""
    if against.days is None:
        message = "when the wave was collected is not known, nor which benchmark is of its time; PUT …/waves/{key}"
        return Unplaced(code="wave_undated", message=message)
    candidates = [candidate(row) for row in against.benchmarks.values()]
    found = chosen(candidates, group, against.days)
    if found is not None:
        return against.benchmarks[found[0].id], found[1]
    at_other_times = [c for c in candidates if fit_of(c.group, group) is not None]
    if at_other_times:
        nearest = min(at_other_times, key=lambda c: (_apart(c.period, against.days), c.id))  # type: ignore[arg-type]
        message = (
            f"no benchmark of {group_words(group)} is of the time of the wave ({against.days.starts_on} to "
            f"{against.days.ends_on}); the nearest is {says(against.benchmarks[nearest.id])}"
        )
        return Unplaced(code="not_contemporaneous", message=message)
    message = f"there is no benchmark of {against.measure.measure} for {group_words(group)}; POST /v1/benchmarks"
    return Unplaced(code="no_benchmark", message=message)


def _apart(one: Period, other: Period) -> int:
    """Days between two periods that do not overlap."""
    return max((other.starts_on - one.ends_on).days, (one.starts_on - other.ends_on).days)


def _fill(out: UnitStandingOut, placed: Placed, row: Benchmark, fit: Fit) -> None:
    out.benchmark = BenchmarkUsed.model_validate({**row.model_dump(), "fit": fit})
    out.difference = DifferenceOut(
        observed=placed.observed,
        mean=placed.mean,
        sd=placed.sd,
        interval=IntervalOut(low=placed.low, high=placed.high),
    )
    out.probabilities = {standing.value: p for standing, p in placed.probabilities.items()}
    out.standing = placed.standing
    out.says = _says(placed, group_of(row))


def _says(placed: Placed, group: Group) -> str:
    """The class with its probability; without one of at least one half, that it cannot be told."""
    chances = ", ".join(f"{standing.value} {_chance(p)}" for standing, p in placed.probabilities.items())
    if placed.standing is None:
        return f"cannot be told against {group_words(group)}: {chances}"
    return f"probably {placed.standing.value} against {group_words(group)}: {chances}"


def _chance(p: float) -> str:
    """Two digits, and never certain."""
    return "< 0.01" if p < NEVER else "> 0.99" if p > 1 - NEVER else f"{p:.2f}"


def _progress(placed: Sequence[Placed], units: int) -> ProgressOut:
    found = progress(placed)
    return ProgressOut(
        counts={standing.value: found.counts[standing] for standing in Standing},
        unclear=found.unclear,
        expected={standing.value: found.expected[standing] for standing in Standing},
        placed=len(placed),
        not_placed=units - len(placed),
        probably=PROBABLY,
    )
