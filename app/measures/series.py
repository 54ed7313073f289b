"""Monthly series: entered by month or by t, kept as summaries, read with their segments and gaps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from analysis.documents import Plan
from app.catalog.definitions import definitions_seen
from app.catalog.months import between, month_of
from app.errors import Conflict
from app.measures.entry import context_of, known_measure, refuse_unless_partial, report
from app.measures.interruptions import (
    cell_of,
    definition_warnings,
    forget_stated,
    observed,
    start_of,
    stated_of,
    versions_of,
)
from app.measures.models import Shape
from app.measures.rules import Context, Fault
from app.measures.schemas import EntryFault, SummariesIn
from app.measures.segments import Gap, Observed, Version, gaps, in_force, interruptions, month_at, segments
from app.measures.series_models import PointDefinition, SeriesStart
from app.measures.series_schemas import (
    GapOut,
    InterruptionOut,
    ObservedOut,
    OneSeries,
    SegmentOut,
    SeriesIn,
    SeriesOut,
    SeriesPointIn,
    SeriesReport,
)
from app.measures.snapshot import as_entered, snapshot
from app.measures.summaries import enter_summaries
from app.pilots.models import Pilot
from app.plans.service import plan_of, require_version

SERIES = Shape.SERIES.value
NAMED = 5
"""Series with missing months that a report names; the others are counted."""


@dataclass(frozen=True)
class Terms:
    """What a point is held against: the month of t = 0, the running month, known definitions, what is there."""

    start: str | None
    running: str
    labels: frozenset[str]
    versions: list[Version]
    stated: Mapping[str, str]
    there: frozenset[str]


def enter_series(
    session: Session, pilot: Pilot, body: SeriesIn, *, partial: bool, person: str, at: datetime
) -> SeriesReport:
    """Enter months of one measure; checked and refused like summaries.

    Conflict `series_start_unknown`, `series_start_differs` where a month cannot be translated to t.
    """
    context = context_of(session, pilot)
    known_measure(context, body.measure)
    held = _entries(session, pilot, pilot.iteration, context.plan, body.measure)
    start = _start(session, pilot, body, context.plan)
    seen = definitions_seen(session, body.measure, pilot.organization_id)
    terms = Terms(
        start,
        month_of(at.date()),
        frozenset(row.label for row in seen),
        versions_of(session, pilot.id, body.measure),
        stated_of(session, pilot.id, pilot.iteration, body.measure),
        frozenset(cell_of(entry) for entry in held),
    )
    good, errors = _sorted_out(body, context, terms)
    accepted = unchanged = 0
    if good:
        form = SummariesIn.model_validate({"measure": body.measure, SERIES: list(good.values())})
        done = enter_summaries(session, pilot, form, partial=True, person=person, at=at)
        places = list(good)
        errors += [_as_of_series(fault, places) for fault in done.errors]
        accepted, unchanged = done.accepted, done.unchanged
    refuse_unless_partial(errors, len(body.series), partial=partial)
    wrong = {error.loc[1] for error in errors}
    if accepted:
        _keep(session, pilot, body, {i: point for i, point in good.items() if i not in wrong}, terms, person, at)
    answer = report(accepted, unchanged, errors)
    session.flush()
    shown = read_series(session, pilot, pilot.iteration, body.measure)
    return SeriesReport(**answer.model_dump(), starts=shown.starts, warnings=shown.warnings)


def _start(session: Session, pilot: Pilot, body: SeriesIn, plan: Plan) -> str | None:
    """The month in which t is 0: as kept, as said, else the first month of the first entry."""
    kept = start_of(session, pilot.id, pilot.iteration)
    if kept is not None:
        if body.starts not in {None, kept}:
            msg = f"t is 0 in {kept} in this iteration, not in {body.starts}; leave starts out"
            raise Conflict(msg, "series_start_differs", starts=kept)
        return kept
    months = [point.month for point in body.series if point.month is not None]
    if body.starts is not None or not months:
        return body.starts
    taken = as_entered(session, pilot.id, pilot.iteration, plan, plan.followup)
    if len(months) < len(body.series) or any(SERIES in shapes for shapes in taken.data.values()):
        msg = 'some points have a t and others a month: say in `starts` in which month t is 0, as in "2026-01"'
        raise Conflict(msg, "series_start_unknown")
    return min(months)


def _sorted_out(body: SeriesIn, context: Context, terms: Terms) -> tuple[dict[int, dict[str, Any]], list[EntryFault]]:
    """The points that may be entered, by their place in the request, and the faults of the others."""
    good: dict[int, dict[str, Any]] = {}
    errors: list[EntryFault] = []
    for i, given in enumerate(body.series):
        content = given.model_dump(include={"unit", "arm", "value", "exposure"})
        content["t"] = given.t if given.month is None else float(between(terms.start or given.month, given.month))
        placed = {**content, "arm": content["arm"] or context.arm_of(content["unit"])}
        faults = list(_point_faults(given, placed, terms))
        errors += [EntryFault(loc=[SERIES, i, name], msg=message, code=code) for name, message, code in faults]
        if not faults:
            good[i] = content
    return good, errors


def _point_faults(given: SeriesPointIn, placed: Mapping[str, Any], terms: Terms) -> Iterator[Fault]:
    month = month_at(terms.start, placed["t"])
    field = "t" if given.month is None else "month"
    if month is not None and month >= terms.running:
        when = "is still running" if month == terms.running else "is to come"
        yield field, f"{month} {when}; a month is entered when it has ended", "month_running"
    if given.definition is not None and given.definition not in terms.labels:
        known = ", ".join(sorted(terms.labels)) or "none yet"
        yield (
            "definition",
            (
                f"there is no version {given.definition!r} of this measure's definition; there are: {known}. An "
                "administrator adds one (POST /v1/measures/{measure}/definitions)"
            ),
            "unknown_definition",
        )
    elif given.definition is not None and cell_of(placed) in terms.there:
        before = terms.stated.get(cell_of(placed)) or in_force(terms.versions, month)
        if before != given.definition:
            message = f"this month is there already, measured by {before or 'an unknown definition'}"
            yield "definition", message, "duplicate"


def _as_of_series(fault: EntryFault, places: list[int]) -> EntryFault:
    """A fault of a summary in the words and at the place of a series."""
    _, index, name = fault.loc
    if fault.code == "duplicate":
        name, message = "value", "other values of this unit and month are there; POST …/corrections replaces"
        return EntryFault(loc=[SERIES, places[int(index)], name], msg=message, code=fault.code)
    return EntryFault(loc=[SERIES, places[int(index)], name], msg=fault.msg, code=fault.code)


def _keep(
    session: Session,
    pilot: Pilot,
    body: SeriesIn,
    entered: Mapping[int, Mapping[str, Any]],
    terms: Terms,
    person: str,
    at: datetime,
) -> None:
    """Keep the month of t = 0 and the versions that points name."""
    mine: dict[str, Any] = {
        "organization_id": pilot.organization_id,
        "pilot_id": pilot.id,
        "iteration": pilot.iteration,
    }
    if terms.start is not None and start_of(session, pilot.id, pilot.iteration) is None:
        session.add(SeriesStart(**mine, month=terms.start, created_by=person, created_at=at))
    context = context_of(session, pilot)
    stated: dict[str, str] = {}
    withdrawn: set[str] = set()
    for i, content in entered.items():
        label = body.series[i].definition
        cell = cell_of({**content, "arm": content["arm"] or context.arm_of(content["unit"])})
        if cell in terms.there:
            continue
        withdrawn |= {cell} & terms.stated.keys()
        if label is not None:
            stated[cell] = label
    forget_stated(session, pilot, body.measure, withdrawn)
    session.add_all(
        PointDefinition(**mine, measure=body.measure, cell=cell, definition=label) for cell, label in stated.items()
    )


def _entries(session: Session, pilot: Pilot, iteration: int, plan: Plan, measure: str) -> list[dict[str, Any]]:
    """The points of a measure as an analysis takes them."""
    alone = plan.model_copy(update={"measures": [m for m in plan.measures if m.measure == measure]})
    return as_entered(session, pilot.id, iteration, alone, plan.followup).data.get(measure, {}).get(SERIES, [])


def begins_before(session: Session, pilot: Pilot, plan: Plan, measure: str) -> bool:
    """Whether a series has months from before the intervention."""
    alone = plan.model_copy(update={"measures": [m for m in plan.measures if m.measure == measure]})
    shapes = snapshot(session, pilot.id, pilot.iteration, alone, plan.followup).data.get(measure, {})
    return any(point["t"] < 0 for point in shapes.get(SERIES, []))


def read_series(session: Session, pilot: Pilot, iteration: int, measure: str) -> SeriesOut:
    """The series of a measure with their segments, interruptions and gaps; empty where there are none."""
    plan = plan_of(require_version(session, pilot, iteration))
    start = start_of(session, pilot.id, iteration)
    entries = _entries(session, pilot, iteration, plan, measure)
    places = observed(session, pilot.id, iteration, measure, entries)
    series = [_one(unit, arm or "", points, start) for (unit, arm), points in places.items()]
    data = {measure: {SERIES: entries}}
    found = definition_warnings(session, pilot.id, iteration, plan, [], data) + list(_missing(measure, series))
    warnings = [{"code": code, "message": message} for code, message in found]
    return SeriesOut(iteration=iteration, measure=measure, starts=start, series=series, warnings=warnings)


def _one(unit: str | None, arm: str, points: list[Observed], start: str | None) -> OneSeries:
    pieces = segments(points)
    return OneSeries(
        unit=unit,
        arm=arm,
        points=[ObservedOut.model_validate(point) for point in points],
        segments=[
            SegmentOut(
                definition=piece.definition,
                from_t=piece.points[0].t,
                to_t=piece.points[-1].t,
                from_month=piece.points[0].month,
                to_month=piece.points[-1].month,
                points=len(piece.points),
            )
            for piece in pieces
        ],
        interruptions=[InterruptionOut.model_validate(change) for change in interruptions(pieces)],
        gaps=[_gap_out(gap, start) for gap in gaps(points)],
    )


def _gap_out(gap: Gap, start: str | None) -> GapOut:
    return GapOut(
        from_t=gap.first,
        to_t=gap.last,
        from_month=month_at(start, gap.first),
        to_month=month_at(start, gap.last),
    )


def _missing(measure: str, series: list[OneSeries]) -> Iterator[tuple[str, str]]:
    """A warning for each series that lacks months in between."""
    lacking = [one for one in series if one.gaps]
    for one in lacking[:NAMED]:
        place = f"unit {one.unit}, {one.arm}" if one.unit is not None else one.arm
        said = ", ".join(_span(gap) for gap in one.gaps)
        yield "months_missing", f"{measure} ({place}): no values of {said}"
    if len(lacking) > NAMED:
        yield "months_missing", f"{measure}: {len(lacking) - NAMED} more series lack months; see GET …/series"


def _span(gap: GapOut) -> str:
    first, last = (
        (gap.from_month, gap.to_month) if gap.from_month is not None else (f"t = {gap.from_t:g}", f"{gap.to_t:g}")
    )
    return first if gap.from_t == gap.to_t else f"{first} to {last}"
