"""Answers about imports, and the form of a remembered mapping."""

from typing import Any

from pydantic import Field

from app.forms import Answer, AtInstant
from app.imports.reading import Mapping
from app.measures.schemas import EntryFault, RowReport
from app.operations import OperationLine, OperationOut


class ImportFault(EntryFault):
    """One fault; `row` and `column` are those of the spreadsheet (the first row is 1)."""

    row: int | None
    column: str | None


class Counted(Answer):
    """Faults of one kind in one column: how many, and where the first is."""

    code: str
    column: str | None
    rows: int
    first_row: int | None
    msg: str


class ImportReport(RowReport):
    """What became of a file, or would (a dry run). `errors` are the first faults, `faults` count them all."""

    errors: list[ImportFault]  # type: ignore[assignment]
    errors_left_out: int = 0
    faults: list[Counted] = Field(default=[], description="Faults by kind and column, all of them")
    entered: bool = Field(description="Whether the accepted values are in the pilot now")
    empty: int = Field(default=0, description="Cells that say that there is no answer")
    found: str = Field(default="", description="How the file was read: separator, encoding, decimal mark …")
    columns: list[str] = Field(default=[], description="The names in the header")
    mapping: dict[str, Any] = Field(default={}, description="The mapping that was used, with what was found out")
    revision: int | None = Field(default=None, description="The revision of the data that the values became")
    says: str = ""


class ImportLine(OperationLine):
    """An import in a list."""

    pilot_id: str
    iteration: int
    name: str
    sha256: str | None = Field(description="Of the file; null for who may not enter measures")
    size: int
    dry_run: bool
    partial: bool
    revision: int | None
    created_by: str


class ImportOut(OperationOut, ImportLine):
    """An import: ask again until `status` is final; `result` then is the report."""

    result: ImportReport | None


class MappingOut(Answer):
    """How the files of a pilot are read."""

    mapping: Mapping
    created_by: str
    created_at: AtInstant
    version: int
