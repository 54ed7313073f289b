"""Rows of a sheet of a workbook (XLSX), read one by one; formulas are never evaluated, links never followed."""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import batched
from typing import Any, BinaryIO
from xml.parsers import expat

from app.imports.reading.facts import Cell, Fault, Unreadable
from app.imports.reading.header import letter
from app.imports.reading.separated import Record

MIB = 2**20
WHOLE = 512 * MIB
"""Unpacked, a sheet of a million rows and six columns has about 250 MiB."""
SHARED = 64 * MIB
"""Texts are held in memory while the sheet is read, and so is every other part, as a tree."""
OTHER = 16 * MIB
PARTS = 5_000
LAST_ROW = 1_048_576
LAST_COLUMN = 16_384
LONGEST_TEXT = 32_767
"""The last row and column and the longest text that Excel has."""
LONGEST_NUMBER = len(str(LAST_ROW))
ROW = 8 * MIB
"""A row is held whole, as a tree: half a kilobyte of each cell, were there one in every column."""
ELEMENTS = 8 * LAST_COLUMN
"""A cell with its value or text is two elements or more, each of which takes many times the four bytes of `<c/>`."""
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
TEXTS = "xl/sharedStrings.xml"
FORMULA = re.compile(rb"<(\w+:)?f[ >/]")
SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
ROW_TAG = "http://schemas.openxmlformats.org/spreadsheetml/2006/main}row"
"""Of a `row` of another name space the library would free nothing."""


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
                yield _record(row, cells)
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
            formulas |= _walk(archive, part)
    return formulas


def _heavy(sizes: dict[str, int]) -> bool:
    return any(size > (SHARED if name == TEXTS else OTHER) for name, size in sizes.items() if _as_tree(name))


def _as_tree(name: str) -> bool:
    """Whether a part may be held whole, so that its size is bounded."""
    return name.endswith((".xml", ".rels")) and not SHEET.fullmatch(name)


def _walk(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Unpack a part to its end, so that its checksum is compared; whether it is a sheet that holds formulas."""
    found, tail = False, b""
    follow = _follower(as_tree=_as_tree(part.filename))
    with archive.open(part) as unpacked:
        while chunk := unpacked.read(MIB):
            try:
                follow(chunk)
            except expat.ExpatError:
                # A picture; or where the library will stop as well, and tell the row.
                follow = _ignored
            found = found or FORMULA.search(tail + chunk) is not None
            tail = chunk[-100:]
    return found and SHEET.fullmatch(part.filename) is not None


def _ignored(_chunk: bytes) -> None:
    pass


def _follower(*, as_tree: bool) -> Callable[[bytes], None]:
    """What is told each chunk of a part, and refuses it where the library would hold too much of it at once.

    That is a row, and `as_tree` or not all that stands beside rows. It is asked of the library's own parser: comments,
    encodings and name spaces would mislead a search for `</row>`.
    """
    parser = expat.ParserCreate(namespace_separator="}")
    held = before = rows = unpacked = ended = 0
    within = False

    def start(tag: str, attributes: list[str]) -> None:
        nonlocal held, before, within
        if tag == ROW_TAG:
            _require_near(dict(batched(attributes, 2, strict=True)).get("r", ""))
            if within:
                raise Unreadable("damaged_workbook", "the workbook has a row in a row, which no workbook has")
            within, before = True, held
        held += 1
        if held > ELEMENTS and (within or not as_tree):
            raise _large_row()

    def end(tag: str) -> None:
        nonlocal held, rows, ended, within
        if tag == ROW_TAG:
            within, held, ended = False, before, parser.CurrentByteIndex
            rows += 1
            if rows > LAST_ROW:
                raise _many_rows()

    def follow(chunk: bytes) -> None:
        nonlocal unpacked
        parser.Parse(chunk)
        unpacked += len(chunk)
        if unpacked - ended > ROW and not as_tree:
            raise _large_row()

    parser.ordered_attributes = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = _no_doctype
    return follow


def _require_near(number: str) -> None:
    """Refuse a row below the last there can be: the library would make up all that were left out before it."""
    if len(number) > LONGEST_NUMBER or (number.isdecimal() and int(number) > LAST_ROW):
        raise _many_rows()


def _many_rows() -> Unreadable:
    return Unreadable("unpacks_too_large", f"a sheet has more than {LAST_ROW:,} rows; save it as CSV")


def _large_row() -> Unreadable:
    return Unreadable(
        "unpacks_too_large",
        f"a sheet has a row, or something beside its rows, that is larger than is read ({LAST_COLUMN:,} columns; "
        f"{ROW // MIB} MiB); save the sheet that is meant as CSV",
    )


def _no_doctype(*_declared: object) -> None:
    raise Unreadable("damaged_workbook", "the workbook declares a document type, which no workbook does")


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


def _record(row: int, cells: tuple[Any, ...]) -> Record:
    try:
        return row, [KINDS.get(cell.__class__, str)(cell) for cell in cells]
    except _LongText:
        at = next(at for at, cell in enumerate(cells) if isinstance(cell, str) and len(cell) > LONGEST_TEXT)
        msg = f"cell {letter(at)}{row} has more than {LONGEST_TEXT:,} characters, the most in Excel; shorten it"
        return Fault(row, None, "long_text", msg)


def _computed(shown: tuple[Any, ...], formulas: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        UNCOMPUTED if cell is None and formula is not None else cell
        for cell, formula in zip(shown, formulas, strict=True)
    )


class _LongText(Exception):
    pass


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise _LongText
    return text


def _moment(at: datetime) -> Cell:
    return at.date() if at.time() == time() else at


KINDS: dict[type, Callable[[Any], Cell]] = {
    str: _text,
    float: float,
    int: float,
    type(None): lambda _: "",
    bool: lambda truth: "TRUE" if truth else "FALSE",
    datetime: _moment,
    date: lambda day: day,
}
