"""What the reader of a plan has to know of the benchmarks its reference SDs come from, or could come from."""

from collections.abc import Iterator, Sequence
from datetime import date

import sqlalchemy as sa
from sqlmodel import Session, col, select

from analysis.documents import Family, Plan
from app.benchmarks.models import Benchmark
from app.benchmarks.rules import Group, Period, chosen, fit_of, group_words
from app.benchmarks.service import benchmarks_of, candidate, group_of, period_of, replaced_by, says
from app.catalog.models import Unit
from app.pilots.service import units_of
from app.plans.models import Origin, PlanVersion
from app.plans.rules import Remark

# By table name: waves stand above plans in the layers.
WAVES = sa.table(
    "waves",
    *(sa.column(name) for name in ("pilot_id", "iteration", "key")),
    sa.column("starts_on", sa.Date),
    sa.column("ends_on", sa.Date),
)
ALWAYS = Period(date.min, date.max)


def benchmark_remarks(session: Session, version: PlanVersion, plan: Plan) -> Iterator[Remark]:
    """Benchmarks that are not of the baseline's time or of the pilot's people, or that were corrected since."""
    origins = version.reference_sds or {}
    for measure in plan.measures:
        benchmark = session.get(Benchmark, origins.get(measure.measure, {}).get("benchmark_id") or "")
        if benchmark is None:
            continue
        name = f"{measure.measure}: the reference SD is of {says(benchmark)}"
        days = _baseline_days(session, version, plan)
        if days is not None and not period_of(benchmark).overlaps(days):
            yield Remark(
                "benchmark_not_contemporaneous",
                f"{name}, while the baseline was collected {days.starts_on} to {days.ends_on}: a benchmark is of its "
                "time",
            )
        others = [
            group_words(group) if group != Group(None, None) else "units that name neither specialty nor occupation"
            for group in _groups(session, version, plan)
            if fit_of(group_of(benchmark), group) is None
        ]
        if others:
            yield Remark("benchmark_of_others", f"{name}; in this pilot are also {'; '.join(others)}")
        if (newer := replaced_by(session, benchmark)) is not None:
            yield Remark("benchmark_replaced", f"{name}; it was corrected since, by {newer}")


def better_benchmarks(session: Session, version: PlanVersion, plan: Plan) -> Iterator[Remark]:
    """Benchmarks that fit all units where a plan has the measure's default: they go before it."""
    origins = version.reference_sds or {}
    for measure in plan.measures:
        default = origins.get(measure.measure, {}).get("origin") == Origin.MEASURE_DEFAULT
        groups = _groups(session, version, plan)
        if not default or measure.family is not Family.NORMAL or not groups:
            continue
        rows = {row.id: row for row in benchmarks_of(session, measure.measure, version.organization_id)}
        everybodys = [c for c in map(candidate, rows.values()) if all(fit_of(c.group, group) for group in groups)]
        found = chosen(everybodys, groups[0], _baseline_days(session, version, plan) or ALWAYS)
        if found is not None:
            yield Remark(
                "benchmark_available",
                f"{measure.measure}: the reference SD is the measure's default; {says(rows[found[0].id])} fits this "
                "pilot, and goes before it: name it in benchmark_id",
            )


def _groups(session: Session, version: PlanVersion, plan: Plan) -> Sequence[Group]:
    """The specialties and occupations of the units a plan names, else of the pilot's; each once."""
    ids = [unit.unit_id for unit in plan.units] or units_of(session, version.pilot_id)
    rows = session.exec(select(Unit.specialty, Unit.occupation).where(col(Unit.id).in_(ids)).distinct()).all()
    groups = {Group(specialty, occupation) for specialty, occupation in rows}
    return sorted(groups, key=lambda group: (group.specialty or "", group.occupation or ""))


def _baseline_days(session: Session, version: PlanVersion, plan: Plan) -> Period | None:
    """The days of the baseline as recorded, else as planned; None where neither is known."""
    recorded = session.connection().execute(
        sa.select(WAVES.c.starts_on, WAVES.c.ends_on).where(
            WAVES.c.pilot_id == version.pilot_id,
            WAVES.c.iteration == version.iteration,
            WAVES.c.key == plan.baseline,
        )
    )
    planned = next(((_day(w.starts_on), _day(w.ends_on)) for w in plan.waves if w.key == plan.baseline), ())
    days = [day for row in recorded for day in row if day is not None] or [day for day in planned if day is not None]
    return Period(min(days), max(days)) if days else None


def _day(text: str | None) -> date | None:
    """A day of a plan; what was written there before days were asked for may be any text."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
