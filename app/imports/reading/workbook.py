"""Rows of a sheet of a workbook (XLSX), read one by one; formulas are never evaluated, links never followed."""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, BinaryIO

from app.imports.reading.facts import Cell, Fault, Unreadable
from app.imports.reading.separated import Record

MIB = 2**20
WHOLE = 512 * MIB
"""Unpacked, a sheet of a million rows and six columns has about 250 MiB."""
SHARED = 64 * MIB
"""Texts are held in memory while the sheet is read, and so is every other part, as a tree."""
OTHER = 16 * MIB
PARTS = 5_000
LAST_ROW = 1_048_576
UNCOMPUTED = "\x00formula"
"""Stands for a formula without a result; no text of a workbook can hold a NUL."""
DAMAGED = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    OSError,
    EOFError,
    SyntaxError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the libraries raise on broken parts; XML that is not well formed is a SyntaxError."""
BROKEN = "the workbook is damaged or not complete; save it again as XLSX, or as CSV"
FORMULA = re.compile(rb"<(\w+:)?f[ >/]")
SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")


@dataclass(frozen=True)
class Sheet:
    """A sheet of a checked workbook; `epoch` is the day its serial numbers of dates count from.

    `formulas` is the same sheet showing its formulas, where it has any.
    """

    name: str
    epoch: datetime
    results: Any
    formulas: Any

    def records(self) -> Iterator[Record]:
        """Each row with its number; dates and numbers stay what they are."""
        row = 0
        try:
            shown = _rows(self.results)
            if self.formulas is not None:
                # A formula without a stored result looks empty; only beside its formula it can be told from no answer.
                shown = map(_computed, shown, _rows(self.formulas))
            for row, cells in enumerate(shown, 1):
                if row > LAST_ROW:
                    break
                yield row, [KINDS.get(cell.__class__, str)(cell) for cell in cells]
        except DAMAGED:
            yield Fault(row + 1, None, "damaged_workbook", f"row {row + 1} cannot be read: {BROKEN}")


def sheet(file: BinaryIO, stated: str | None) -> Sheet:
    """The sheet as stated, else the only one that people see anything on.

    Unreadable for damage, and for sizes that would not fit into memory.
    """
    try:
        formulas = _checked(file)
        book = _book(file, data_only=True)
        names = [found.title for found in book.worksheets]
        filled = [found.title for found in book.worksheets if (found.title == stated if stated else _holds(found))]
        beside = _book(file, data_only=False) if formulas else None
    except DAMAGED:
        raise Unreadable("damaged_workbook", BROKEN) from None
    if len(filled) == 1:
        name = filled[0]
        return Sheet(name, book.epoch, book[name], beside[name] if beside else None)
    listed = ", ".join(repr(name) for name in names)
    if stated:
        raise Unreadable("no_such_sheet", f"the workbook has no sheet {stated!r}; it has {listed}")
    if not filled:
        raise Unreadable("empty_file", "no sheet of the workbook has rows")
    raise Unreadable("sheet_needed", f"the workbook has several sheets; state which as sheet: {listed}")


def _checked(file: BinaryIO) -> bool:
    """Whether any sheet has formulas; refuses what would not fit into memory, before anything is parsed.

    `zipfile` never unpacks more of a part than its declared size, so that a part that lies about it ends as damaged.
    """
    file.seek(0)
    formulas = False
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        sizes = {part.filename: part.file_size for part in parts}
        if len(parts) > PARTS or len(sizes) < len(parts) or sum(sizes.values()) > WHOLE or _heavy(sizes):
            raise Unreadable(
                "unpacks_too_large",
                "unpacked, the workbook is larger than is read (512 MiB; texts 64 MiB); save the sheet as CSV",
            )
        for part in parts:
            if part.flag_bits & 1:
                raise Unreadable("password_protected", "the workbook is protected by a password; save it without one")
            if part.filename.endswith((".xml", ".rels")):
                formulas |= _walk(archive, part)
    return formulas


def _heavy(sizes: dict[str, int]) -> bool:
    for name, size in sizes.items():
        if name == "xl/sharedStrings.xml":
            if size > SHARED:
                return True
        elif name.endswith((".xml", ".rels")) and not SHEET.fullmatch(name) and size > OTHER:
            return True
    return False


def _walk(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Unpack a part to its end, so that its checksum is compared; whether it holds formulas."""
    found, tail = False, b""
    with archive.open(part) as unpacked:
        while chunk := unpacked.read(MIB):
            if not tail and b"<!doctype" in chunk[:4096].replace(b"\0", b"").lower():
                raise Unreadable("damaged_workbook", "the workbook declares a document type, which no workbook does")
            found = found or FORMULA.search(tail + chunk) is not None
            tail = chunk[-100:]
    return found and SHEET.fullmatch(part.filename) is not None


def _book(file: BinaryIO, *, data_only: bool) -> Any:
    file.seek(0)
    from openpyxl import load_workbook  # noqa: PLC0415 - it loads NumPy, for which only who sends a workbook waits

    return load_workbook(file, read_only=True, data_only=data_only, keep_links=False)


def _rows(found: Any) -> Iterator[tuple[Any, ...]]:
    # Programs write wrong dimensions: read what is there.
    found.reset_dimensions()
    rows: Iterator[tuple[Any, ...]] = found.iter_rows(values_only=True)
    return rows


def _holds(found: Any) -> bool:
    """Whether people see anything on the sheet; it is read to its first cell."""
    return found.sheet_state == "visible" and any(any(cell is not None for cell in cells) for cells in _rows(found))


def _computed(shown: tuple[Any, ...], formulas: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        UNCOMPUTED if cell is None and formula is not None else cell
        for cell, formula in zip(shown, formulas, strict=True)
    )


def _moment(at: datetime) -> Cell:
    return at.date() if at.time() == time() else at


KINDS: dict[type, Callable[[Any], Cell]] = {
    str: str,
    float: float,
    int: float,
    type(None): lambda _: "",
    bool: lambda truth: "TRUE" if truth else "FALSE",
    datetime: _moment,
    date: lambda day: day,
}
