"""Benchmarks over HTTP."""

from datetime import date
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from sqlmodel import col

from app.auth.access import fetch, own, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.benchmarks.models import Benchmark
from app.benchmarks.schemas import BenchmarkIn, BenchmarkOut
from app.benchmarks.service import publish, replaced_by, replacements, valid
from app.db import now
from app.errors import Invalid, fault
from app.forms import Page
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of, where_given

router = APIRouter(prefix="/v1/benchmarks", tags=["2 Catalogue"], route_class=TransactionalRoute)


def _out(row: Benchmark, newer: str | None) -> BenchmarkOut:
    return BenchmarkOut.model_validate({**row.model_dump(), "replaced_by": newer})


@router.post("", status_code=201, dependencies=[idempotent])
def add_benchmark(body: BenchmarkIn, session: SessionDep, caller: CallerDep, response: Response) -> BenchmarkOut:
    """Publish a benchmark: for the key's organization, or (service administrator) for all. It never changes."""
    caller.require(Permission.CATALOGUE_WRITE)
    own(caller, caller.organization_id)
    row = publish(session, body, caller.organization_id, caller.person, now())
    response.headers["Location"] = f"/v1/benchmarks/{row.id}"
    return _out(row, None)


@router.get("")
def list_benchmarks(
    session: SessionDep,
    caller: CallerDep,
    measure: str | None = None,
    specialty: Annotated[str | None, Query(description="Of this specialty, whatever the case of its letters")] = None,
    occupation: Annotated[str | None, Query(description="Of this occupation, whatever the case of its letters")] = None,
    since: Annotated[
        date | None, Query(alias="from", description="Of a period that ended on this day or later")
    ] = None,
    until: Annotated[date | None, Query(alias="to", description="Of a period that had begun on this day")] = None,
    on: Annotated[date | None, Query(description="Of a period that holds this day")] = None,
    *,
    replaced: Annotated[bool, Query(description="With those that were corrected since")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BenchmarkOut]:
    """The benchmarks of your organization and the shared ones, in the order in which they were published."""
    if since is not None and until is not None and until < since:
        msg = f"from {since} to {until} is no period; the first day comes first"
        raise Invalid(msg, [fault(["to"], msg, "ends_before_it_starts")])
    statement = where_given(visible(caller, Benchmark), (Benchmark.measure, measure))
    for column, words in ((Benchmark.specialty, specialty), (Benchmark.occupation, occupation)):
        if words is not None:
            statement = statement.where(sa.func.lower(column) == sa.func.lower(words))
    for first, last in ((since, until), (on, on)):
        if first is not None:
            statement = statement.where(col(Benchmark.period_end) >= first)
        if last is not None:
            statement = statement.where(col(Benchmark.period_start) <= last)
    if not replaced:
        statement = statement.where(col(Benchmark.id).in_(valid().with_only_columns(col(Benchmark.id))))
    rows, following = page_of(session, statement, Benchmark.id, limit, cursor)
    newer = replacements(session, [row.id for row in rows])
    return Page(items=[_out(row, newer.get(row.id)) for row in rows], next_cursor=following)


@router.get("/{benchmark_id}")
def read_benchmark(benchmark_id: str, session: SessionDep, caller: CallerDep) -> BenchmarkOut:
    """One benchmark, also one that was replaced."""
    row = fetch(session, caller, Benchmark, benchmark_id)
    return _out(row, replaced_by(session, row))
