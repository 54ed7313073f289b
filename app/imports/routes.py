"""Imports over HTTP: a file comes in, its report goes out."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import col

from app.auth.access import fetch, visible
from app.auth.deps import Caller, CallerDep
from app.auth.permissions import Permission
from app.db import now
from app.errors import Invalid, NotFound
from app.forms import Page
from app.imports.models import Import, ImportMapping
from app.imports.reading import Mapping
from app.imports.remembering import remember, remembered
from app.imports.schemas import ImportLine, ImportOut, ImportReport, MappingOut
from app.imports.service import AT_ONCE, WORK, Asked, ask, import_now
from app.imports.upload import BODY, UploadDep, UploadRoute, idempotent_upload
from app.jobs.models import JobStatus
from app.measures.routes import Again, Restore
from app.operations import cancel
from app.pilots.models import Pilot
from app.requests import (
    Cursor,
    IfMatch,
    Limit,
    OnlyIteration,
    SessionDep,
    TransactionalRoute,
    check_match,
    etag,
    page_of,
    where_given,
)

TAGS = ["6 Measures"]
uploads = APIRouter(prefix="/v1/pilots/{pilot_id}", tags=[*TAGS], route_class=UploadRoute)
router = APIRouter(prefix="/v1", tags=[*TAGS], route_class=TransactionalRoute)
PATH = "/measurements/import"

DryRun = Annotated[bool, Query(description="Only tell what would be entered and what is wrong")]
Partial = Annotated[bool, Query(description="Enter what is right and report the rest, instead of all or nothing")]
Background = Annotated[
    bool | None,
    Query(description=f"Leave it to a worker (202); default: files above {AT_ONCE // 2**20} MiB"),
]
FileName = Annotated[
    str | None, Query(max_length=300, description="Only where the file itself is the body; a form has its name")
]


@uploads.post(
    PATH,
    status_code=201,
    dependencies=[idempotent_upload],
    openapi_extra={"requestBody": BODY},
    response_model=ImportReport | ImportOut,
    responses={
        200: {"model": ImportReport, "description": "A dry run: what would be entered"},
        202: {"model": ImportOut, "description": "Left to a worker: ask at `Location`"},
    },
)
def import_measurements(
    pilot_id: str,
    session: SessionDep,
    caller: CallerDep,
    upload: UploadDep,
    response: Response,
    *,
    dry_run: DryRun = False,
    partial: Partial = False,
    restore: Restore = False,
    again: Again = False,
    background: Background = None,
    filename: FileName = None,  # noqa: ARG001 - read while the file is received
) -> ImportReport | ImportOut:
    """Import values from a CSV or XLSX file. All or nothing; the same file again changes nothing.

    Try it with `dry_run` first. Columns are recognised by names such as `mbi_ee_pre`, or by a mapping, which is
    remembered for the pilot's next files once a file was entered by it. What was withdrawn, and who was deleted on
    request, stays out unless `restore` asks for it.
    """
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    if isinstance(upload, Invalid):
        raise upload
    asked = Asked(dry_run, partial, caller.person, now(), restore, again)
    if upload.size > AT_ONCE if background is None else background:
        row = ask(session, pilot, upload, asked)
        response.status_code = 202
        response.headers["Location"] = f"/v1/imports/{row.id}"
        return import_out(row, caller)
    report = import_now(session, pilot, upload, asked)
    response.status_code = 200 if dry_run else 201
    return report


def import_out(row: Import, caller: Caller) -> ImportOut:
    """The answer about an import."""
    return _without_hash(ImportOut.model_validate(row), caller)


def _without_hash[Line: ImportLine](line: Line, caller: Caller) -> Line:
    """Who enters measures may tell files apart; for others the hash would confirm a guess of a few hidden values."""
    if not caller.may(Permission.MEASURES_WRITE):
        line.sha256 = None
    return line


@router.get("/pilots/{pilot_id}/imports")
def list_imports(
    pilot_id: str,
    session: SessionDep,
    caller: CallerDep,
    iteration: OnlyIteration = None,
    status: JobStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ImportLine]:
    """The files that were imported into a pilot, or are being; dry runs only where a worker did them."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    statement = visible(caller, Import).where(col(Import.pilot_id) == pilot.id)
    statement = where_given(statement, (Import.iteration, iteration), (Import.status, status))
    rows, following = page_of(session, statement, Import.id, limit, cursor)
    return Page(items=[_without_hash(ImportLine.model_validate(r), caller) for r in rows], next_cursor=following)


@router.get("/imports/{import_id}")
def read_import(import_id: str, session: SessionDep, caller: CallerDep) -> ImportOut:
    """One import: its progress, then its report."""
    return import_out(fetch(session, caller, Import, import_id), caller)


@router.post("/imports/{import_id}/cancel")
def cancel_import(import_id: str, session: SessionDep, caller: CallerDep) -> ImportOut:
    """Cancel: at once what is queued, within seconds what is read. Nothing of the file is then entered."""
    row = fetch(session, caller, Import, import_id, Permission.MEASURES_WRITE)
    cancel(session, WORK, row, now())
    return import_out(row, caller)


@router.get("/pilots/{pilot_id}/import-mapping")
def read_import_mapping(pilot_id: str, session: SessionDep, caller: CallerDep, response: Response) -> MappingOut:
    """How the files of a pilot are read; 404 before a mapping was given."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    held = _held(session, pilot)
    response.headers["ETag"] = etag(held.version)
    return MappingOut.model_validate(held)


@router.put("/pilots/{pilot_id}/import-mapping")
def put_import_mapping(
    pilot_id: str,
    body: Mapping,
    session: SessionDep,
    caller: CallerDep,
    response: Response,
    if_match: IfMatch = None,
) -> MappingOut:
    """Say how the files of a pilot are read from now on."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    held = remembered(session, pilot)
    check_match(if_match, held.version if held is not None else None, "the mapping")
    row = remember(session, pilot, body, caller.person, now())
    response.headers["ETag"] = etag(row.version)
    return MappingOut.model_validate(row)


@router.delete("/pilots/{pilot_id}/import-mapping")
def forget_import_mapping(
    pilot_id: str, session: SessionDep, caller: CallerDep, if_match: IfMatch = None
) -> MappingOut:
    """Forget the mapping: the next files are read by the names of their columns. Answers what is forgotten."""
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    held = _held(session, pilot)
    check_match(if_match, held.version, "the mapping")
    session.delete(held)
    session.flush()
    return MappingOut.model_validate(held)


def _held(session: SessionDep, pilot: Pilot) -> ImportMapping:
    held = remembered(session, pilot)
    if held is None:
        msg = "no mapping is remembered for this pilot; files are read by the names of their columns"
        raise NotFound(msg, "no_mapping")
    return held
