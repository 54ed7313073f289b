"""Which analysis of a look is the confirmatory one, and what its reader has to know of what was seen before it.

Looks are taken in their order, once each (docs/decisions/0003-confirmatory-analyses.md). What cannot be forbidden is
told: exploratory results that were there before, outcomes entered before the plan was locked, data that an earlier
iteration was judged by. What the plan itself has to tell is in `plans/remarks.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.analyses.models import Analysis, Kind
from app.jobs.models import JobStatus
from app.measures.models import Measurement, Summary
from app.pilots.models import Pilot, Stage
from app.plans.models import PlanVersion

Warned = dict[str, str]


@dataclass(frozen=True)
class LookFacts:
    """What decides whether an analysis is confirmatory; `taken` holds the looks that have theirs."""

    look: int
    taken: frozenset[int]
    own_seed: bool
    locked: bool
    stage: Stage
    too_early: str | None = None
    backwards: str | None = None


def why_exploratory(facts: LookFacts) -> str | None:
    """Why the analysis cannot be decided on, or None when it is the planned one of its look. Pure."""
    later = max(facts.taken, default=0)
    reasons = (
        (facts.own_seed, "it has a seed of its own"),
        (not facts.locked, "the plan is not locked"),
        (facts.stage is not Stage.TEST, f"the pilot is in {facts.stage.value}, not in test"),
        (facts.look in facts.taken, f"look {facts.look} has its confirmatory analysis already"),
        (facts.backwards is not None, facts.backwards or ""),
        (facts.too_early is not None, facts.too_early or ""),
        (later > facts.look, f"look {later} was analysed already; looks are taken in their order"),
    )
    return next((text for holds, text in reasons if holds), None)


def taken_looks(session: Session, pilot: Pilot) -> frozenset[int]:
    """The looks of the current iteration that have their confirmatory analysis."""
    found = session.exec(
        select(Analysis.look).where(
            Analysis.pilot_id == pilot.id, Analysis.iteration == pilot.iteration, Analysis.counts_as_look
        )
    )
    return frozenset(found)


def history_warnings(
    session: Session, pilot: Pilot, version: PlanVersion, wave: str, same_data: frozenset[str]
) -> list[Warned]:
    """What was seen, entered or loosened before a confirmatory analysis; `same_data` are the forms of its hash."""
    return [{"code": code, "message": message} for code, message in _history(session, pilot, version, wave, same_data)]


def _history(
    session: Session, pilot: Pilot, version: PlanVersion, wave: str, same_data: frozenset[str]
) -> Iterator[tuple[str, str]]:
    seen = session.exec(
        select(sa.func.count()).where(
            Analysis.pilot_id == pilot.id,
            Analysis.iteration == pilot.iteration,
            Analysis.kind == Kind.EXPLORATORY,
            Analysis.status == JobStatus.SUCCEEDED,
        )
    ).one()
    if seen:
        message = (
            f"{seen} exploratory analyses of this iteration had ended before: data or plan may have been chosen with "
            "their results in view"
        )
        yield "looked_before", message
    if version.locked_at is not None and _outcome_known_at_lock(session, pilot, version, wave):
        message = (
            f"outcome data were entered before version {version.number} of the plan was locked: it may have been "
            "written with them in view"
        )
        yield "data_before_lock", message
    reused = session.exec(
        select(Analysis.iteration)
        .where(
            Analysis.pilot_id == pilot.id, Analysis.iteration < pilot.iteration, col(Analysis.data_hash).in_(same_data)
        )
        .limit(1)
    ).first()
    if reused is not None:
        yield "data_reused", f"iteration {reused} was analysed with the very same data; this is no new evidence"


def _outcome_known_at_lock(session: Session, pilot: Pilot, version: PlanVersion, wave: str) -> bool:
    row = session.exec(
        select(Measurement.id)
        .where(
            Measurement.pilot_id == pilot.id,
            Measurement.iteration == pilot.iteration,
            Measurement.wave == wave,
            col(Measurement.created_at) < version.locked_at,
        )
        .limit(1)
    ).first()
    if row is not None:
        return True
    summaries = session.exec(
        select(Summary).where(
            Summary.pilot_id == pilot.id,
            Summary.iteration == pilot.iteration,
            col(Summary.created_at) < version.locked_at,
        )
    )
    # Pairs and changes have no wave: they hold the outcome.
    return any((s.content.get("wave") or s.wave or wave) == wave for s in summaries)


def forget_look(session: Session, analysis: Analysis) -> None:
    """Nothing was learned of the effect: the look may be taken again, and the plan amended if nothing else was seen.

    Versions of one iteration share their looks: an amendment takes over that its plan was looked at.
    """
    analysis.counts_as_look = False
    session.add(analysis)
    session.flush()
    others = session.exec(
        select(Analysis).where(
            Analysis.pilot_id == analysis.pilot_id,
            Analysis.iteration == analysis.iteration,
            Analysis.id != analysis.id,
        )
    )
    if any(not other.status.final or has_estimate(other) for other in others):
        return
    versions = session.exec(
        select(PlanVersion).where(
            PlanVersion.pilot_id == analysis.pilot_id, PlanVersion.iteration == analysis.iteration
        )
    )
    for version in versions:
        version.looked_at = None
        session.add(version)


def has_estimate(analysis: Analysis) -> bool:
    """Whether something was learned of the effect: there is a result, and it is no refusal."""
    return analysis.result is not None and "refused" not in analysis.result
