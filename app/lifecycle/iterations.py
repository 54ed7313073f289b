"""The iterations of a pilot side by side: what each was judged by, what it found, what happened around it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from analysis.documents import Plan
from app.analyses.context import places_of
from app.analyses.models import Analysis, Kind
from app.context.rules import Interval
from app.context.service import Found, events_touching
from app.decisions.models import Decision
from app.jobs.models import JobStatus
from app.lifecycle.effects_svg import EffectRow
from app.lifecycle.schemas import EffectOut, IterationOut
from app.measures.interval import intervals
from app.pilots.models import Iteration, Pilot, Stage
from app.plans.models import PlanVersion
from app.plans.service import plan_of

MOST_EVENTS = 50
"""Shown of an iteration; the others are counted."""
type Results = Mapping[str, dict[str, Any]]


def judged_by(analyses: Iterable[Analysis], decision: Decision | None) -> str | None:
    """The analysis an iteration is judged by: what its decision rests on, else its newest confirmatory one.

    What was refused has no effect to show; what looks at retention judges the time after the iteration.
    """
    if decision is not None:
        return decision.analysis_id
    return next(
        (
            a.id
            for a in sorted(analyses, key=lambda a: a.id, reverse=True)
            if a.kind is Kind.CONFIRMATORY and a.status is JobStatus.SUCCEEDED and a.counts_as_look
            if a.retention_wave is None
        ),
        None,
    )


def effects_of(analysis_id: str, result: Mapping[str, Any], plan: Plan) -> list[EffectOut]:
    """What an analysis found, a measure a row; none of a refusal."""
    mmd = {measure.measure: measure.mmd for measure in plan.measures}
    return [
        EffectOut.model_validate(
            {
                **effect,
                "mmd": mmd.get(effect["measure"]),
                "grade": result["grade"],
                "recommendation": result["recommendation"]["outcome"],
                "gates_passed": all(gate["passed"] is not False for gate in result["gates"]),
                "analysis_id": analysis_id,
            }
        )
        for effect in result.get("effects", [])
    ]


@dataclass(frozen=True)
class Rounds:
    """The iterations of a pilot, oldest first, and by their number: plan, analyses, decision, what judged, interval."""

    rows: Sequence[Iteration]
    plans: Mapping[int, PlanVersion]
    analyses: Mapping[int, Sequence[Analysis]]
    decisions: Mapping[int, Decision]
    judged: Mapping[int, str | None]
    intervals: Mapping[int, Interval | None]


def rounds_of(session: Session, pilot: Pilot, today: date) -> Rounds:
    """Everything but results, in one query a table."""
    rows = session.exec(select(Iteration).where(Iteration.pilot_id == pilot.id).order_by(col(Iteration.number))).all()
    plans = _plans(session, pilot)
    analyses = _analyses(session, pilot)
    decisions = _decisions(session, pilot)
    judged = {row.number: judged_by(analyses.get(row.number, []), decisions.get(row.number)) for row in rows}
    # The day on which the data that judge an iteration were taken.
    seen = {
        a.iteration: a.created_at.date() for held in analyses.values() for a in held if a.id == judged.get(a.iteration)
    }
    spans = intervals(session, rows, {number: plan_of(version) for number, version in plans.items()}, seen, today)
    return Rounds(rows, plans, analyses, decisions, judged, spans)


def iteration_details(session: Session, pilot: Pilot, today: date) -> list[dict[str, Any]]:
    """Every iteration with its plan, interval, context, analyses, decision and effects, oldest first."""
    rounds = rounds_of(session, pilot, today)
    results = _results(session, [found for found in rounds.judged.values() if found is not None])
    return [
        {
            **row.model_dump(),
            **_told(pilot, row),
            **_planned(rounds.plans.get(row.number)),
            **_around(session, pilot, rounds.plans.get(row.number), rounds.intervals[row.number]),
            "analyses": rounds.analyses.get(row.number, []),
            "decision": rounds.decisions.get(row.number),
            "effects": _effects(rounds.judged[row.number], results, rounds.plans.get(row.number)),
        }
        for row in rounds.rows
    ]


def _effects(analysis_id: str | None, results: Results, plan: PlanVersion | None) -> list[EffectOut]:
    if analysis_id is None or plan is None or analysis_id not in results:
        return []
    return effects_of(analysis_id, results[analysis_id], plan_of(plan))


def effect_rows(iterations: Sequence[IterationOut]) -> list[EffectRow]:
    """The iterations as rows of the picture."""
    return [_row(iteration) for iteration in iterations]


def _row(iteration: IterationOut) -> EffectRow:
    effect = next((e for e in iteration.effects if e.role == "primary"), None)
    if effect is None:
        said = "open" if iteration.closed_at is None else "closed without an effect"
        return EffectRow(iteration.number, said)
    decided = iteration.decision
    said = f"signed {decided.outcome.value}" if decided is not None else f"recommended {effect.recommendation}"
    adjusted = effect.adjusted
    ends = adjusted.interval if adjusted is not None else None
    return EffectRow(
        iteration.number,
        f"grade {effect.grade}, {said}",
        measure=effect.measure,
        mean=adjusted.mean if adjusted is not None else None,
        low=ends.low if ends is not None else None,
        high=ends.high if ends is not None else None,
        mmd=effect.mmd,
        trusted=effect.gates_passed,
    )


def _plans(session: Session, pilot: Pilot) -> dict[int, PlanVersion]:
    """The newest version of every iteration's plan."""
    rows = session.exec(
        select(PlanVersion).where(PlanVersion.pilot_id == pilot.id).order_by(col(PlanVersion.number))
    ).all()
    return {row.iteration: row for row in rows}


def _analyses(session: Session, pilot: Pilot) -> dict[int, list[Analysis]]:
    found: dict[int, list[Analysis]] = {}
    lines = select(Analysis).options(defer(col(Analysis.request)), defer(col(Analysis.result)))  # type: ignore[arg-type]
    for row in session.exec(lines.where(Analysis.pilot_id == pilot.id).order_by(col(Analysis.id))):
        found.setdefault(row.iteration, []).append(row)
    return found


def _decisions(session: Session, pilot: Pilot) -> dict[int, Decision]:
    rows = session.exec(select(Decision).where(Decision.pilot_id == pilot.id).order_by(col(Decision.id)))
    return {row.iteration: row for row in rows}


def _results(session: Session, ids: Sequence[str]) -> Results:
    rows = session.exec(select(Analysis.id, Analysis.result).where(col(Analysis.id).in_(ids))).all()
    return {found: dict(result) for found, result in rows if result is not None and "refused" not in result}


def _told(pilot: Pilot, row: Iteration) -> dict[str, Any]:
    current = row.number == pilot.iteration
    return {
        "lessons": row.lessons or (pilot.lessons if current and pilot.stage is not Stage.REFINE else None),
        "intervention_id": row.intervention_id or (pilot.intervention_id if current else None),
    }


def _planned(plan: PlanVersion | None) -> dict[str, Any]:
    return {"plan_hash": plan.hash if plan else None, "plan_locked_at": plan.locked_at if plan else None}


def _around(session: Session, pilot: Pilot, plan: PlanVersion | None, interval: Interval | None) -> dict[str, Any]:
    found = Found([], {}, 0)
    if plan is not None and interval is not None:
        units = places_of(session, pilot.id, plan_of(plan))
        found = events_touching(session, pilot.organization_id, units, interval, MOST_EVENTS)
    return {"interval": interval, "context_events": found.events, "more_context_events": found.left_out}
