"""How a file is read: by the mapping it came with, the one remembered for its pilot, or the names of its columns."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from pydantic import ValidationError
from sqlmodel import Session, select

from app.errors import Invalid, fault
from app.imports.files import Upload
from app.imports.judged import known_of
from app.imports.models import Import, ImportMapping
from app.imports.reading import Fault, Known, Mapping, Reading, Unreadable, read
from app.imports.schemas import ImportReport
from app.measures.rules import Context
from app.pilots.models import Pilot

HELP = (
    "A mapping sent with the file goes before it; PUT …/import-mapping replaces it, DELETE …/import-mapping forgets it"
)


@dataclass(frozen=True)
class Way:
    """How a file is read: by this mapping, or (None) the names of its columns; `said` of it in the report.

    `given`: the mapping came with the file, and is remembered once the file was entered by it.
    """

    mapping: Mapping | None
    said: str = ""
    given: bool = False

    @classmethod
    def of(cls, request: dict[str, Any]) -> Self:
        """As an import keeps it."""
        mapping = request["mapping"]
        read_by = None if mapping is None else Mapping.model_validate(mapping)
        return cls(read_by, request.get("said", ""), request.get("given", False))

    def kept(self) -> dict[str, Any]:
        """What an import keeps of it."""
        mapping = None if self.mapping is None else _stated(self.mapping)
        return {"mapping": mapping, "said": self.said, "given": self.given}


def words_of(session: Session, context: Context) -> Known:
    """What the words of a pilot's files may stand for, with what a mapping is suggested by."""
    plan = context.plan
    scales = {m.measure: (m.minimum, m.maximum) for m in plan.measures}
    months = {wave.key: 0.0 for wave in plan.waves if wave.kind == "baseline"}
    months |= {look.wave: look.months for look in plan.looks if look.months is not None}
    return replace(known_of(session, context), scales=scales, months=months)


def opened(session: Session, pilot: Pilot, upload: Upload, known: Known) -> tuple[Way, Reading]:
    """The file, ready to be read, and how. Invalid when it is no table, or nothing tells how to read it.

    The remembered mapping gives way to names that tell themselves, where the file has not all of its columns.
    """
    if upload.mapping is not None:
        return _open(upload, Way(_of_json(upload.mapping), given=True), known)
    held = remembered(session, pilot)
    if held is None:
        return _open(upload, Way(None), known)
    named = f"the mapping remembered on {held.created_at:%Y-%m-%d}"
    way = Way(Mapping.model_validate(held.mapping), f"by {named}")
    lacking: list[Fault] = []
    try:
        reading = _read(upload, way, known)
        if not reading.lacking:
            return way, reading
        lacking = reading.lacking
        columns = [repr(f.column) for f in lacking if f.column is not None]
        why = f"names columns that the file has not: {', '.join(columns)}" if columns else lacking[0].msg
    except Unreadable as error:
        first, why = error, f"does not fit the file: {error.msg}"
    try:
        way = Way(None, f"not by {named}, which {why}")
        return way, _read(upload, way, known)
    except Unreadable as error:
        if not lacking and error.code == first.code:
            raise _refusal(error) from error
        raise _refusal(error, f"{named} {why}. Without it, {error.msg}. {HELP}", lacking) from error


def open_file(upload: Upload, way: Way, known: Known) -> Reading:
    """The file, ready to be read in this way; Invalid when it is no table or nothing tells how to read it."""
    return _open(upload, way, known)[1]


def remembered(session: Session, pilot: Pilot) -> ImportMapping | None:
    """How the files of a pilot are read, if somebody said so."""
    return session.exec(select(ImportMapping).where(ImportMapping.pilot_id == pilot.id)).one_or_none()


def remember(session: Session, pilot: Pilot, mapping: Mapping, person: str, at: datetime) -> ImportMapping:
    """Read the files of a pilot in this way from now on."""
    stated = _stated(mapping)
    row = remembered(session, pilot) or ImportMapping(
        organization_id=pilot.organization_id, pilot_id=pilot.id, mapping={}, created_by=person, created_at=at
    )
    if row.mapping != stated:
        row.mapping, row.created_by, row.created_at = stated, person, at
    session.add(row)
    session.flush()
    return row


def remember_entered(session: Session, pilot: Pilot, row: Import, report: ImportReport, way: Way) -> None:
    """Remember the mapping that came with a file, if the file was entered by it and nobody said otherwise since."""
    if way.mapping is None or not way.given or not report.entered or not (report.accepted or report.unchanged):
        return
    held = remembered(session, pilot)
    if held is None or held.created_at <= row.created_at:
        remember(session, pilot, way.mapping, row.created_by, row.created_at)


def _of_json(text: str) -> Mapping:
    try:
        return Mapping.model_validate_json(text)
    except ValidationError as error:
        faults = [
            fault(["mapping", *e["loc"]], e["msg"].removeprefix("Value error, "), e["type"]) for e in error.errors()
        ]
        raise Invalid(f"the mapping is not of its form: {faults[0]['msg']}", faults) from error


def _stated(mapping: Mapping) -> dict[str, Any]:
    return mapping.model_dump(mode="json", exclude_unset=True)


def _open(upload: Upload, way: Way, known: Known) -> tuple[Way, Reading]:
    try:
        return way, _read(upload, way, known)
    except Unreadable as error:
        raise _refusal(error) from error


def _read(upload: Upload, way: Way, known: Known) -> Reading:
    reading = read(upload.file, upload.name, way.mapping, known, upload.dictionary)
    reading.found = ", ".join(part for part in (reading.found, way.said) if part)
    return reading


def _refusal(error: Unreadable, msg: str = "", lacking: list[Fault] | None = None) -> Invalid:
    extra = {"columns": list(error.columns), "mapping": error.start} if error.start is not None else {}
    faults = [fault(["file"], error.msg, error.code)]
    faults += [fault(["mapping", *([f.column] if f.column else [])], f.msg, f.code) for f in lacking or ()]
    return Invalid(msg or error.msg, faults, error.code, **extra)
