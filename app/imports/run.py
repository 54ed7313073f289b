"""The child process that reads files: into the staging table, judged; its parent enters what is right."""

from contextlib import ExitStack, closing
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlmodel import Session, select

from app.db import make_engine
from app.errors import Conflict
from app.imports import files
from app.imports.files import Upload
from app.imports.judged import MOVED_ON, fingerprint, judged
from app.imports.models import Import
from app.imports.remembering import Way, open_file, words_of
from app.imports.service import reported
from app.imports.staging import clear_ended, clear_others
from app.jobs.child import Progress, serve
from app.measures.entry import context_of
from app.measures.revisions import latest
from app.pilots.models import Pilot

engines: dict[str, sa.Engine] = {}


def _import(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    engine = engines.get(request["url"]) or engines.setdefault(request["url"], make_engine(request["url"]))
    with Session(engine, expire_on_commit=False) as session:
        row = session.get_one(Import, request["import_id"])
        data = files.take(session, row.id, files.DATA)
        if data is None:
            msg = "the file is no longer there; send it again"
            raise Conflict(msg, "file_gone")
        with ExitStack() as stack:
            stack.enter_context(closing(data))
            dictionary = files.take(session, row.id, files.DICTIONARY)
            if dictionary is not None:
                stack.enter_context(closing(dictionary))
            return _read(session, row, request, (data, dictionary), progress)


def _read(
    session: Session, row: Import, request: dict[str, Any], held: tuple[BinaryIO, BinaryIO | None], progress: Progress
) -> dict[str, Any]:
    pilot = session.exec(select(Pilot).where(Pilot.id == row.pilot_id)).one()
    if pilot.iteration != row.iteration:
        raise Conflict(MOVED_ON, "changed_meanwhile")
    context = context_of(session, pilot)
    known = words_of(session, context)
    clear_others(session.connection(), row.id)
    clear_ended(session.connection())
    session.commit()
    upload = Upload(row.name, held[0], row.size, row.sha256, dictionary=held[1])
    reading = open_file(upload, Way.of(row.request), known)
    revision = latest(session, pilot.id, pilot.iteration)
    session.commit()
    found = judged(
        session,
        pilot,
        context,
        row,
        reading,
        key=request["key"],
        attempt=request["attempt"],
        commit=True,
        progress=progress,
    )
    session.commit()
    return {
        "attempt": request["attempt"],
        "fits": not reading.faults,
        "report": reported(session, pilot, found, reading).model_dump(mode="json"),
        "revision": revision,
        "context": fingerprint(context),
    }


if __name__ == "__main__":
    serve(_import)
