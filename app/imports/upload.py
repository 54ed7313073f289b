"""Receiving a file over HTTP: onto disk, before a place, a connection or a transaction is taken for it."""

import hashlib
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from pathlib import PurePath
from typing import Annotated, Any, BinaryIO

from fastapi import Depends, Request, Response
from fastapi.security.utils import get_authorization_scheme_param
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.status import HTTP_400_BAD_REQUEST

from app.auth.deps import CallerDep
from app.auth.keys import find_key
from app.auth.permissions import MAY, Permission
from app.db import now, reading
from app.errors import Invalid, fault
from app.imports.files import Upload, digest, spool
from app.requests import (
    IdempotencyKey,
    SessionDep,
    TransactionalRoute,
    begin_idempotent,
    refuse_unstorable,
    unstorable_names,
)

LONGEST_NAME = 300
FIELDS = ("file", "dictionary", "mapping")
FORM = "multipart/form-data"
HELP = "send it as the field `file` of multipart/form-data, or as the body with its type, such as text/csv"
BODY = {
    "required": True,
    "content": {
        FORM: {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "CSV or XLSX"},
                    "mapping": {
                        "type": "string",
                        "description": "How the file is read, as JSON (see PUT …/import-mapping); remembered "
                        "once the file is entered. Empty: as the remembered one says, or by the names of the columns",
                        "example": "",  # else Swagger UI sends the word `string`
                    },
                    "dictionary": {
                        "type": "string",
                        "format": "binary",
                        "description": "Of a REDCap export: its data dictionary (CSV)",
                    },
                },
            }
        },
        "text/csv": {"schema": {"type": "string"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


class UploadRoute(TransactionalRoute):
    """A route that takes a file, of a caller who may enter measures, and not too many at once."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler: what was received is closed however it ends."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.state.received = []
            request.state.enterer = key_id = await run_in_threadpool(_enterer, request)
            with request.app.state.uploads.one(key_id) if key_id is not None else nullcontext():
                try:
                    return await inner(request)
                finally:
                    for file in request.state.received:
                        file.close()

        return handle

    async def receive(self, request: Request) -> None:
        """Receive the file. Of who may not enter measures nothing is stored: the endpoint then refuses."""
        refuse_unstorable(unstorable_names(request))
        request.state.upload = Invalid("nothing was received")
        if request.state.enterer is not None:
            try:
                request.state.upload = await _received(request)
            except Invalid as refusal:
                request.state.upload = refusal


def _enterer(request: Request) -> str | None:
    """The id of the key, where it may enter measures."""
    scheme, secret = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer":
        return None
    with reading(request.app.state.engine) as session:
        key = find_key(session, secret, now())
        return key.id if key is not None and Permission.MEASURES_WRITE in MAY[key.role] else None


async def _received(request: Request) -> Upload:
    if request.headers.get("content-type", "").startswith(FORM):
        return await _of_form(request)
    file = spool()
    request.state.received.append(file)
    async for part in request.stream():
        await run_in_threadpool(file.write, part)
    return await _upload(request.query_params.get("filename") or "upload", file)


async def _of_form(request: Request) -> Upload:
    try:
        # Browsers send fields of files that were left empty as text.
        form = await request.form(max_files=2, max_fields=len(FIELDS))
    except HTTPException as error:
        if error.status_code != HTTP_400_BAD_REQUEST:
            raise
        msg = f"the form cannot be read; {HELP}"
        raise Invalid(msg, [fault(["file"], msg, "form_invalid")]) from error
    request.state.received += [given.file for given in form.values() if isinstance(given, UploadFile)]
    file, dictionary = (_file(form, name) for name in ("file", "dictionary"))
    faults = [
        fault([name], f"unknown field; a form has {', '.join(FIELDS)}", "extra_forbidden")
        for name in form
        if name not in FIELDS
    ]
    mapping = form.get("mapping")
    if mapping is not None and not isinstance(mapping, str):
        faults.append(fault(["mapping"], "the mapping is JSON text, not a file", "string_type"))
    if dictionary is None and form.get("dictionary"):
        faults.append(fault(["dictionary"], "the dictionary is a file, not text", "file_type"))
    if file is None:
        faults.append(fault(["file"], f"the file is missing; {HELP}", "missing"))
    if faults or file is None or isinstance(mapping, UploadFile):
        raise Invalid(faults[0]["msg"], faults)
    extra = dictionary.file if dictionary is not None else None
    return await _upload(file.filename or "upload", file.file, mapping or None, extra)


def _file(form: FormData, name: str) -> UploadFile | None:
    """A file of the form; a field of this name that is none, or an empty one, counts as missing."""
    given = form.get(name)
    if not isinstance(given, UploadFile):
        return None
    return given if given.filename or given.size else None


async def _upload(name: str, file: BinaryIO, mapping: str | None = None, dictionary: BinaryIO | None = None) -> Upload:
    size, sha256 = await run_in_threadpool(digest, file)
    if size == 0:
        msg = f"the file is empty; {HELP}"
        raise Invalid(msg, [fault(["file"], msg, "empty")], "empty")
    plain = "".join(c for c in PurePath(name.replace("\\", "/")).name if c.isprintable())
    return Upload(plain[-LONGEST_NAME:] or "upload", file, size, sha256, mapping, dictionary)


def _given(request: Request, _caller: CallerDep) -> Upload | Invalid:
    upload: Upload | Invalid = request.state.upload
    return upload


# A refusal is raised by the endpoint, after it has asked whether the caller may do this at all.
UploadDep = Annotated[Upload | Invalid, Depends(_given)]


def _idempotent(
    request: Request, session: SessionDep, caller: CallerDep, upload: UploadDep, token: IdempotencyKey = None
) -> None:
    if token is None or isinstance(upload, Invalid):
        return
    described = digest(upload.dictionary)[1] if upload.dictionary is not None else ""
    what = f"{request.method} {request.url.path}?{request.url.query}\n{upload.sha256}{described}{upload.mapping}"
    begin_idempotent(request, session, caller.key_id, token, hashlib.sha256(what.encode()).hexdigest())


# Of a POST that takes a file: the same file, not the same bytes of a form, is the same request.
idempotent_upload = Depends(_idempotent)
