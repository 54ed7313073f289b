"""Publishing benchmarks, and finding the one for a unit."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.benchmarks.models import Benchmark
from app.benchmarks.rules import Candidate, Group, Period, group_words, number_faults, same_words
from app.benchmarks.schemas import BenchmarkIn
from app.catalog.models import Measure
from app.catalog.service import entry
from app.db import lock
from app.errors import Conflict, Invalid, fault


def publish(session: Session, body: BenchmarkIn, organization_id: str | None, person: str, at: datetime) -> Benchmark:
    """A new benchmark, shared where `organization_id` is None.

    Raises Invalid for what cannot be (a mean off the scale, an SD too large for it, a period to come, an unknown
    measure); Conflict `duplicate` for a group and period that the same owner has from this source, `replaced_already`.
    """
    known = entry(session, Measure, body.measure, organization_id)
    if known is None:
        msg = f"there is no measure {body.measure!r}; GET /v1/measures lists them"
        raise Invalid(msg, [fault(["measure"], msg, "unknown_measure")])
    # Who publishes of a measure waits for who does so now: else neither would see the other's as a duplicate.
    session.exec(lock(session, select(Measure.id).where(Measure.id == known.id))).one()
    faults = list(number_faults(known.minimum, known.maximum, body.mean, body.sd, body.n))
    if body.period_end > at.date():
        message = f"the period ends on {body.period_end}, which is to come; end it with the last day that was measured"
        faults.append(("period_end", message, "to_come"))
    if faults:
        raise Invalid(faults[0][1], [fault([name], message, code) for name, message, code in faults])
    row = Benchmark(**body.model_dump(), organization_id=organization_id, created_by=person, created_at=at)
    _check_replaced(session, row)
    _refuse_duplicate(session, row)
    session.add(row)
    session.flush()
    return row


def _check_replaced(session: Session, row: Benchmark) -> None:
    if row.replaces is None:
        return
    former = session.get(Benchmark, row.replaces)
    if former is None or former.organization_id != row.organization_id:
        msg = f"there is no benchmark {row.replaces!r} of yours to replace"
        raise Invalid(msg, [fault(["replaces"], msg, "unknown_benchmark")])
    if former.measure != row.measure:
        msg = f"{row.replaces!r} is of {former.measure}, not of {row.measure}: this is another benchmark, no correction"
        raise Invalid(msg, [fault(["replaces"], msg, "other_measure")])
    if (newer := replaced_by(session, former)) is not None:
        msg = f"{row.replaces!r} was replaced already; replace {newer!r}"
        raise Conflict(msg, "replaced_already", replaced_by=newer)


def _refuse_duplicate(session: Session, row: Benchmark) -> None:
    statement = valid().where(
        Benchmark.measure == row.measure,
        Benchmark.period_start == row.period_start,
        Benchmark.period_end == row.period_end,
        col(Benchmark.organization_id).is_not_distinct_from(row.organization_id),
        col(Benchmark.id).is_distinct_from(row.replaces),
    )
    for other in session.exec(statement):
        fields = ((other.specialty, row.specialty), (other.occupation, row.occupation), (other.source, row.source))
        if all(same_words(*pair) for pair in fields):
            msg = (
                f"{row.measure} of {group_words(group_of(row))}, {row.period_start} to {row.period_end}, is there from "
                f"this source: {other.id}. To correct it, name it in replaces and say why in reason"
            )
            raise Conflict(msg, "duplicate", benchmark_id=other.id)


def valid() -> SelectOfScalar[Benchmark]:
    """`select(Benchmark)` without those that were replaced."""
    later = aliased(Benchmark)
    return select(Benchmark).where(~sa.exists().where(col(later.replaces) == col(Benchmark.id)))


def replaced_by(session: Session, row: Benchmark) -> str | None:
    """The id of the benchmark that corrects this one, or None."""
    return session.exec(select(Benchmark.id).where(Benchmark.replaces == row.id)).first()


def replacements(session: Session, ids: Sequence[str]) -> dict[str | None, str]:
    """Of these benchmarks those that were corrected, with the id of what corrects them."""
    return dict(session.exec(select(Benchmark.replaces, Benchmark.id).where(col(Benchmark.replaces).in_(ids))).all())


def benchmarks_of(session: Session, measure: str, organization_id: str) -> Sequence[Benchmark]:
    """The benchmarks of a measure that hold for an organization: its own and the shared ones."""
    owner = col(Benchmark.organization_id)
    statement = valid().where(Benchmark.measure == measure, sa.or_(owner.is_(None), owner == organization_id))
    return session.exec(statement.order_by(col(Benchmark.id))).all()


def group_of(row: Benchmark) -> Group:
    """The group a benchmark is of."""
    return Group(row.specialty, row.occupation)


def period_of(row: Benchmark) -> Period:
    """The period a benchmark is of."""
    return Period(row.period_start, row.period_end)


def candidate(row: Benchmark) -> Candidate:
    """What the choice between benchmarks looks at."""
    return Candidate(row.id, group_of(row), period_of(row), row.n, own=row.organization_id is not None)


def says(row: Benchmark) -> str:
    """A benchmark in words: what, of whom, when, by whom."""
    return (
        f"benchmark {row.id}: {group_words(group_of(row))}, {row.period_start} to {row.period_end} "
        f"(n = {row.n:,}), {row.source}"
    )
