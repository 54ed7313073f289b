"""Files of measurements: sent as they are, waited for, and reported about."""

import json
import mimetypes
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from app.client.answers import Report
from app.client.connection import Connection
from app.client.errors import Invalid
from app.client.progress import Progress
from app.client.waiting import ended_well, wait_for

LABEL = "import"
UNPROCESSABLE = 422


class NotEntered(Invalid):
    """The file has faults and nothing of it was entered; `report` has each with its row and column."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(UNPROCESSABLE, problem)
        self.report = Report.read(problem)


def upload(
    connection: Connection,
    pilot: str,
    file: Path,
    *,
    mapping: Mapping[str, Any] | None,
    dictionary: Path | None,
    dry_run: bool,
    partial: bool,
    restore: bool,
    again: bool,
    progress: Progress | bool,
    seconds: float,
) -> Report:
    """The report about a file of measurements, once it is entered (or, of a dry run, read).

    `pilot` is the pilot's path. Raises NotEntered where rows are wrong, unless asked for what is right (`partial`),
    and where the mapping does not fit.
    """
    query = {"dry_run": dry_run, "partial": partial}
    query |= {name: True for name, asked in (("restore", restore), ("again", again)) if asked}
    data = {} if mapping is None else {"mapping": json.dumps(mapping)}
    with ExitStack() as opened:
        files = {"file": (file.name, opened.enter_context(file.open("rb")), _kind(file))}
        if dictionary is not None:
            files["dictionary"] = (dictionary.name, opened.enter_context(dictionary.open("rb")), _kind(dictionary))
        try:
            answer = connection.json("POST", f"{pilot}/measurements/import", query=query, data=data, files=files)
        except Invalid as error:
            if "accepted" in error.problem:
                raise NotEntered(error.problem) from None
            raise
    if "accepted" in answer:
        return Report.read(answer)
    return _waited(connection, answer, dry_run=dry_run, progress=progress, seconds=seconds)


def _waited(
    connection: Connection,
    begun: dict[str, Any],
    *,
    dry_run: bool,
    progress: Progress | bool,
    seconds: float,
) -> Report:
    """The report of an import in the background."""
    path = f"/v1/imports/{begun['id']}"
    done = wait_for(connection, path, begun, label=LABEL, progress=progress, seconds=seconds)
    found = done.get("result") or {}
    if found and not (dry_run or found.get("entered")):
        raise NotEntered({"detail": str(Report.read(found)), "code": "rows_rejected", **found})
    ended_well(LABEL, done)
    return Report.read(found)


def _kind(file: Path) -> str:
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"
