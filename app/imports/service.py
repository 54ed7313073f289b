"""Importing a file: at once within its request, or by a worker (`run.py`); the report is the same."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from app.config import Settings
from app.db import lock, new_id
from app.errors import Conflict, Invalid
from app.imports import files
from app.imports.files import Upload
from app.imports.judged import CHANGED, MOVED_ON, Judged, fingerprint, judged, report_of, taken_over
from app.imports.models import Import
from app.imports.reading import Reading
from app.imports.rehearsal import refused, rehearsed
from app.imports.remembering import Way, opened, remember_entered, words_of
from app.imports.schemas import ImportReport
from app.imports.staging import clear, require_kept
from app.jobs.models import JobStatus
from app.jobs.poke import enqueue
from app.measures.deleted import key_of
from app.measures.entry import context_of
from app.measures.revisions import latest
from app.operations import work_of
from app.pilots.models import Pilot

AT_ONCE = 8 * 2**20
"""Bytes of a file that is imported within its request; a larger one takes a worker."""


@dataclass(frozen=True)
class Asked:
    """What is to be done with a file."""

    dry_run: bool
    partial: bool
    person: str
    at: datetime
    restore: bool = False
    again: bool = False


def reported(session: Session, pilot: Pilot, found: Judged, reading: Reading) -> ImportReport:
    """The report of a dry run; of a file that the mapping does not fit, that nothing of it was read."""
    report = report_of(session, pilot, found, reading)
    if reading.faults:
        times = len(reading.faults)
        report.says = (
            f"the mapping does not fit the file ({times} fault{'s' * (times != 1)}), and nothing of it was read. "
            "Correct the mapping, or the names in the file"
        )
    return report


def import_now(session: Session, pilot: Pilot, upload: Upload, asked: Asked) -> ImportReport:
    """Import within this transaction. Raises Invalid with the report when rows are wrong, unless partly or dry.

    Where a rule refuses all that is right together, such as `more_than_invited`, its Conflict has the report as well.
    """
    context = context_of(session, pilot)
    way, reading = opened(session, pilot, upload, words_of(session, context))
    row = _row(pilot, upload, asked, way)
    found = judged(session, pilot, context, row, reading, key=key_of(session, pilot.id))
    report = reported(session, pilot, found, reading)
    if not reading.faults:
        try:
            report = (rehearsed if asked.dry_run else taken_over)(session, pilot, context, row, found, report)
        except Conflict as refusal:
            told = refused(report, refusal).model_dump(mode="json") | {"accepted": 0, "says": refusal.detail}
            raise Conflict(refusal.detail, refusal.code, **told) from refusal
    if not asked.dry_run:
        if not report.entered:
            told = report.model_dump(mode="json")
            raise Invalid(report.says, told.pop("errors"), "rows_rejected", **told)
        row.status, row.progress, row.finished_at = JobStatus.SUCCEEDED, 1.0, asked.at
        row.result = report.model_dump(mode="json")
        session.add(row)
        remember_entered(session, pilot, row, report, way)
    clear(session.connection(), row.id)
    session.flush()
    return report


def ask(session: Session, pilot: Pilot, upload: Upload, asked: Asked) -> Import:
    """Leave a file to a worker."""
    context = context_of(session, pilot)
    # What cannot be read at all is told now.
    way, _ = opened(session, pilot, upload, words_of(session, context))
    row = _row(pilot, upload, asked, way)
    session.add(row)
    session.flush()
    files.keep(session, row.id, files.DATA, upload.file)
    if upload.dictionary is not None:
        files.keep(session, row.id, files.DICTIONARY, upload.dictionary)
    return enqueue(session, WORK, row)


def _row(pilot: Pilot, upload: Upload, asked: Asked, way: Way) -> Import:
    return Import(
        id=new_id(),
        organization_id=pilot.organization_id,
        pilot_id=pilot.id,
        iteration=pilot.iteration,
        name=upload.name,
        sha256=upload.sha256,
        size=upload.size,
        dry_run=asked.dry_run,
        partial=asked.partial,
        request={**way.kept(), "restore": asked.restore, "again": asked.again},
        provenance={"sha256": upload.sha256},
        created_by=asked.person,
        created_at=asked.at,
    )


def _request(session: Session, row: Import) -> dict[str, Any]:
    """What `run.py` reads. Address and key go through a pipe to a child of this process, and into no log."""
    settings: Settings = session.info["settings"]
    key = key_of(session, row.pilot_id)
    return {"import_id": row.id, "attempt": row.claim, "url": settings.url, "key": key}


def _kept(session: Session, row: Import, answer: dict[str, Any]) -> None:
    """Take over what the child staged, in the transaction that ends the import."""
    report = ImportReport.model_validate(answer["report"])
    if answer["fits"]:
        pilot = session.exec(lock(session, select(Pilot).where(Pilot.id == row.pilot_id))).one()
        if pilot.iteration != row.iteration:
            raise Conflict(MOVED_ON, "changed_meanwhile")
        context = context_of(session, pilot)
        if fingerprint(context) != answer["context"]:
            raise Conflict(CHANGED, "changed_meanwhile")
        found = Judged.of(row, answer["attempt"], report, key_of(session, pilot.id))
        require_kept(session.connection(), found.place, found.fresh + found.unchanged)
        if latest(session, pilot.id, pilot.iteration) != answer["revision"]:
            found.judge(session, pilot, context, row, report.mapping)
            report = found.told(session, pilot, report)
        report = (rehearsed if row.dry_run else taken_over)(session, pilot, context, row, found, report)
        remember_entered(session, pilot, row, report, Way.of(row.request))
    row.result = report.model_dump(mode="json")
    row.provenance = {**row.provenance, "mapping": report.mapping, "revision": report.revision}


def _ended(session: Session, row: Import) -> None:
    clear(session.connection(), row.id)
    files.drop(session, row.id)


WORK = work_of(Import, name="import", child="app.imports.run", request=_request, kept=_kept, ended=_ended)
