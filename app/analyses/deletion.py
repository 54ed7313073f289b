"""Deleting a person's rows on request; what analyses were computed from stays in them as sums, and they say so."""

import json
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.analyses.models import Analysis
from app.audit.models import note
from app.auth.keys import ApiKey
from app.errors import Conflict, NotFound
from app.imports.models import Import
from app.jobs.models import JobStatus
from app.measures.deleted import KEPT, mark
from app.measures.models import FormerMeasurement, Measurement
from app.pilots.models import Pilot
from app.plans.models import Allocation, AllocationEntry, AllocationLevel
from app.requests import IdempotentAnswer

DELETED = "participant_deleted"
NOBODY = "(deleted)"


def delete_participant(session: Session, pilot: Pilot, participant: str) -> int:
    """Delete the rows of a person in every iteration of the pilot and their place in its allocation.

    How many rows went; NotFound where there were none. What analyses hold of them as single rows goes as well.
    A mark stays that does not tell who it was, so that the same file does not bring them back (measures/deleted.py).
    Raises Conflict `import_under_way`: what a file brings afterwards would bring them back.
    """
    _refuse_while_importing(session, pilot)
    mine: list[Any] = [Measurement.pilot_id == pilot.id, Measurement.participant == participant]
    used: dict[int, set[str]] = defaultdict(set)
    for iteration, measure in session.exec(select(Measurement.iteration, Measurement.measure).where(*mine).distinct()):
        used[iteration].add(measure)
    people = select(Allocation.id).where(
        Allocation.pilot_id == pilot.id, Allocation.level == AllocationLevel.PARTICIPANT
    )
    former: list[Any] = [FormerMeasurement.pilot_id == pilot.id, FormerMeasurement.participant == participant]
    for iteration, measure in session.exec(
        select(FormerMeasurement.iteration, FormerMeasurement.measure).where(*former)
    ):
        used[iteration].add(measure)
    rows = _gone(session, sa.delete(Measurement).where(*mine))
    rows += _gone(session, sa.delete(FormerMeasurement).where(*former))
    rows += _gone(
        session,
        sa.delete(AllocationEntry).where(
            col(AllocationEntry.pilot_id) == pilot.id,
            col(AllocationEntry.subject) == participant,
            col(AllocationEntry.allocation_id).in_(people),
        ),
    )
    if rows == 0:
        # Without the pseudonym: what is asked for may be a name.
        msg = "this pilot has no rows of such a participant"
        raise NotFound(msg)
    for analysis in session.exec(select(Analysis).where(Analysis.pilot_id == pilot.id)):
        if used[analysis.iteration] & analysis.request["data"].keys():
            _mark(analysis, participant)
            session.add(analysis)
    _blank_answers(session, pilot, participant)
    mark(session, pilot, participant)
    changes = {"rows": rows, "kept": KEPT}
    note(session, "deleted", "participants", pilot.id, organization_id=pilot.organization_id, changes=changes)
    session.flush()
    return rows


def _refuse_while_importing(session: Session, pilot: Pilot) -> None:
    ended = [status for status in JobStatus if status.final]
    under_way = select(Import).where(
        Import.pilot_id == pilot.id, col(Import.dry_run).is_(False), col(Import.status).not_in(ended)
    )
    if found := session.exec(under_way.limit(1)).first():
        msg = (
            f"a file is being imported into this pilot ({found.name}) and may bring the person back; nothing was "
            f"deleted. Wait until it has ended, or POST /v1/imports/{found.id}/cancel, then delete again"
        )
        raise Conflict(msg, "import_under_way")


def _gone(session: Session, statement: Any) -> int:
    return session.connection().execute(statement).rowcount


def _mark(analysis: Analysis, participant: str) -> None:
    data = {
        measure: shapes | {"rows": [row for row in shapes["rows"] if row.get("participant") != participant]}
        if "rows" in shapes
        else shapes
        for measure, shapes in analysis.request["data"].items()
    }
    analysis.request = {**analysis.request, "data": data}
    before = next((w for w in analysis.warnings if w["code"] == DELETED), {"people": "0"})
    people = int(before["people"]) + 1
    who = "one person" if people == 1 else f"{people} people"
    message = f"the rows of {who} in these data were deleted on request since; the result stands as it was computed"
    others = [w for w in analysis.warnings if w["code"] != DELETED]
    analysis.warnings = [*others, {"code": DELETED, "message": message, "people": str(people)}]


def _blank_answers(session: Session, pilot: Pilot, participant: str) -> None:
    """Answers kept for a repeated `Idempotency-Key` stay, or what is repeated would be done again; without the name."""
    quoted = json.dumps(participant, ensure_ascii=False).encode()
    body = col(IdempotentAnswer.body)
    sqlite = session.get_bind().dialect.name == "sqlite"
    found: Any = sa.func.instr(body, quoted) if sqlite else sa.func.position(sa.literal(quoted).op("IN")(body))
    keys = select(ApiKey.id).where(
        sa.or_(col(ApiKey.organization_id) == pilot.organization_id, col(ApiKey.organization_id).is_(None))
    )
    kept = select(IdempotentAnswer).where(col(IdempotentAnswer.key_id).in_(keys), found > 0)
    for answer in session.exec(kept):
        answer.body = (answer.body or b"").replace(quoted, json.dumps(NOBODY).encode())
        session.add(answer)
