"""Waves, rows and summaries over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlmodel import col

from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.errors import Invalid, fault
from app.forms import Page
from app.measures.confidential import suppressed_of, warning_of
from app.measures.models import Measurement, Summary, Wave
from app.measures.revisions import latest
from app.measures.rows import enter_rows
from app.measures.schemas import (
    EntryReport,
    MeasurementPage,
    MeasurementsIn,
    RowReport,
    SufficientStatistics,
    SummariesIn,
    SummaryPage,
)
from app.measures.shown import data_out, is_shown, marks, row_out, summary_out
from app.measures.snapshot import snapshot
from app.measures.summaries import enter_summaries
from app.measures.wave_list import page_of_waves, waves_out
from app.measures.wave_schemas import WaveIn, WaveOut
from app.measures.waves import put_wave
from app.pilots.models import Pilot
from app.pilots.service import iteration_of
from app.plans.service import current_version, plan_of, require_version
from app.requests import (
    Cursor,
    IfMatch,
    Limit,
    MomentDep,
    OfIteration,
    SessionDep,
    TransactionalRoute,
    check_match,
    etag,
    page_of,
    where_given,
)

router = APIRouter(prefix="/v1/pilots/{pilot_id}", tags=["6 Measures"], route_class=TransactionalRoute)
Partial = Annotated[bool, Query(description="Enter what is right and report the rest, instead of all or nothing")]
Restore = Annotated[
    bool, Query(description="Enter also what was withdrawn before, and people who were deleted and came back")
]
Again = Annotated[
    bool, Query(description="Enter anonymous answers also where the same stand already: they are of other people")
]

OfMeasure = Annotated[str | None, Query(max_length=100, description="Only of this measure")]
OfWave = Annotated[str | None, Query(max_length=100, description="Only of this wave")]


@router.put("/waves/{key}")
def write_wave(
    pilot_id: str,
    key: Annotated[str, Path(description="Key of a wave of the plan", examples=["pre"])],
    body: WaveIn,
    session: SessionDep,
    caller: CallerDep,
    response: Response,
    if_match: IfMatch = None,
) -> WaveOut:
    """Record how many were invited at a wave of the plan, and when."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    before = session.exec(
        visible(caller, Wave).where(Wave.pilot_id == pilot.id, Wave.iteration == pilot.iteration, Wave.key == key)
    ).one_or_none()
    check_match(if_match, before.version if before is not None else None, "the wave")
    wave = put_wave(session, pilot, key, body, now())
    response.headers["ETag"] = etag(wave.version)
    return next(shown for shown in waves_out(session, pilot, pilot.iteration) if shown.key == key)


@router.get("/waves")
def list_waves(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    iteration: OfIteration = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WaveOut]:
    """The waves of an iteration in the order of its plan, recorded or only planned, with response and attrition."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    shown = waves_out(session, pilot, iteration_of(session, pilot, iteration).number)
    return page_of_waves(shown, limit, cursor)


@router.post("/measurements", status_code=201, dependencies=[idempotent])
def add_measurements(
    pilot_id: str,
    body: MeasurementsIn,
    session: SessionDep,
    caller: CallerDep,
    *,
    partial: Partial = False,
    restore: Restore = False,
    again: Again = False,
) -> RowReport:
    """Enter single values of one measure and wave. All or nothing; the same again changes nothing.

    What was withdrawn, and who was deleted on request, stays out unless `restore` asks for it.
    """
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    return enter_rows(
        session, pilot, body, partial=partial, person=caller.person, at=now(), restore=restore, again=again
    )


@router.post("/summaries", status_code=201, dependencies=[idempotent])
def add_summaries(
    pilot_id: str, body: SummariesIn, session: SessionDep, caller: CallerDep, *, partial: Partial = False
) -> EntryReport:
    """Enter summaries of one measure: counts, means with SDs, changes … as computed or published elsewhere."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    return enter_summaries(session, pilot, body, partial=partial, person=caller.person, at=now())


@router.get("/measurements")
def list_measurements(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    iteration: OfIteration = None,
    measure: OfMeasure = None,
    wave: OfWave = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> MeasurementPage:
    """The single values that were entered, oldest first; those of a group of too few people are not shown."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    number = iteration_of(session, pilot, iteration).number
    suppressed = suppressed_of(session, pilot, number)
    statement = visible(caller, Measurement).where(col(Measurement.pilot_id) == pilot.id)
    statement = statement.where(Measurement.iteration == number)
    statement = where_given(statement, (Measurement.measure, measure), (Measurement.wave, wave))
    shown = statement.where(is_shown(suppressed)) if suppressed else statement
    rows, following = page_of(session, shown, Measurement.id, limit, cursor)
    items = [row_out(r, suppressed) for r in rows]
    if following is None:
        items += marks(session, statement, number, suppressed)
    return MeasurementPage(items=items, next_cursor=following, warnings=warning_of(suppressed))


@router.get("/summaries")
def list_summaries(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    iteration: OfIteration = None,
    measure: OfMeasure = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> SummaryPage:
    """The summaries that were entered, oldest first; the numbers of a group of too few people are not shown."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    number = iteration_of(session, pilot, iteration).number
    suppressed = suppressed_of(session, pilot, number)
    statement = visible(caller, Summary).where(col(Summary.pilot_id) == pilot.id, col(Summary.iteration) == number)
    statement = where_given(statement, (Summary.measure, measure))
    rows, following = page_of(session, statement, Summary.id, limit, cursor)
    version = current_version(session, pilot, number)
    followup = plan_of(version).followup if version is not None else ""
    items = [summary_out(r, suppressed, followup) for r in rows]
    return SummaryPage(items=items, next_cursor=following, warnings=warning_of(suppressed))


@router.get("/cells")
def read_cells(
    pilot_id: str,
    session: MomentDep,
    caller: CallerDep,
    iteration: OfIteration = None,
    revision: Annotated[
        int | None, Query(ge=0, le=2**31 - 1, description="As the data stood at this revision; default: now")
    ] = None,
) -> SufficientStatistics:
    """The sufficient statistics an analysis would take, reduced by the database; of too few people not shown."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    number = iteration_of(session, pilot, iteration).number
    plan = plan_of(require_version(session, pilot, number))
    newest = latest(session, pilot.id, number)
    if revision is not None and revision > newest:
        msg = f"the data of iteration {number} are at revision {newest}; there is no revision {revision} yet"
        raise Invalid(msg, [fault(["revision"], msg, "unknown_revision")])
    taken = snapshot(session, pilot.id, number, plan, plan.followup, revision)
    suppressed = suppressed_of(session, pilot, number, revision).as_analysed
    return SufficientStatistics(
        iteration=number,
        revision=newest if revision is None else revision,
        data=data_out(taken.data, suppressed, plan.followup),
        warnings=[*taken.warnings, *warning_of(suppressed)],
    )
