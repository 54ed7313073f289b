"""Workbooks: what spreadsheets make of cells, and files that would harm or are something else."""

import io
import struct
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from app.imports.reading import Fault, Mapping, Reading, Unreadable, Value, read
from app.imports.reading.workbook import OTHER
from tests.app.imports.reading.cases import DATED, KNOWN, WIDE

HEAD = ["Code", "Date", "EE pre", "EE post"]
SHEET, STYLES = "xl/worksheets/sheet1.xml", "xl/styles.xml"


def workbook(rows: Sequence[Sequence[Any]], **more: Sequence[Sequence[Any]]) -> bytes:
    book = Workbook()
    for name, lines in {"Data": rows, **more}.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    del book["Sheet"]
    return saved(book)


def saved(book: Workbook) -> bytes:
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


def reading(content: bytes, mapping: dict[str, Any] | None = DATED, name: str = "a.xlsx") -> Reading:
    return read(io.BytesIO(content), name, Mapping(**mapping) if mapping else None, KNOWN)


def refusal(content: bytes, mapping: dict[str, Any] | None = DATED) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        reading(content, mapping)
    return refused.value


def with_part(content: bytes, name: str, part: bytes) -> bytes:
    into = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            new.writestr(info.filename, part if info.filename == name else old.read(info.filename))
    return into.getvalue()


def test_numbers_dates_and_pseudonyms_as_spreadsheets_store_them() -> None:
    rows = [
        HEAD,
        [14.0, datetime.fromisoformat("2026-03-01 09:30"), 27.5, 30],
        ["p-2", 46082, "27,5", None],
        [],
        ["p-3", "2026-03-02"],
    ]
    read = reading(workbook([*rows[:3], [15, date(2026, 3, 2), -99, 28], *rows[3:]]), {**DATED, "missing": ["-99"]})
    assert [(v.row, v.participant, v.value, v.collected_on) for v in read if isinstance(v, Value)] == [
        (2, "14", 27.5, date(2026, 3, 1)),
        (2, "14", 30, date(2026, 3, 1)),
        (3, "p-2", 27.5, date(2026, 3, 1)),
        (4, "15", 28, date(2026, 3, 2)),
    ]
    assert (read.rows, read.empty, read.found) == (4, 4, "XLSX, sheet 'Data', decimal comma")


def test_days_count_from_the_epoch_of_the_workbook() -> None:
    book = Workbook()
    book.epoch = datetime.fromisoformat("1904-01-01")
    book.active.append(HEAD)
    book.active.append(["p-1", 44620, 27, None])
    (value,) = reading(saved(book))
    assert isinstance(value, Value)
    assert value.collected_on == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (["p-1", None, "#N/A", None], "EE pre", "spreadsheet_error"),
        (["p-1", None, "=B2+1", None], "EE pre", "formula"),
        (["p-1", None, datetime.fromisoformat("2026-02-01"), None], "EE pre", "date_for_number"),
        (["p-1", None, True, None], "EE pre", "not_a_number"),
        ([datetime.fromisoformat("2014-03-01"), None, 27, None], "Code", "date_for_pseudonym"),
        ([4.71e17, None, 27, None], "Code", "rounded_pseudonym"),
        (["p-1", 3.5, 27, None], "Date", "no_such_date"),
        (["p-1", None, 27, None, None, "late"], None, "too_many_cells"),
    ],
)
def test_what_a_cell_of_a_workbook_may_hide(row: list[Any], column: str | None, code: str) -> None:
    (fault,) = reading(workbook([HEAD, row]))
    assert isinstance(fault, Fault)
    assert (fault.row, fault.column, fault.code) == (2, column, code)


def test_a_stored_result_is_read_and_its_formula_never_evaluated() -> None:
    content = workbook([HEAD, ["p-1", None, "=20+7", 30]])
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        sheet = parts.read(SHEET).replace(b"<f>20+7</f><v></v>", b"<f>20+7</f><v>99</v>")
        sheet = sheet.replace(b"<f>20+7</f><v />", b"<f>20+7</f><v>99</v>")
    values = [item.value for item in reading(with_part(content, SHEET, sheet)) if isinstance(item, Value)]
    assert values == [99, 30]


def test_merged_titles_above_the_header() -> None:
    book = Workbook()
    for line in (["Who", None, "Exhaustion", None], HEAD, ["p-1", None, 27, 30]):
        book.active.append(line)
    book.active.merge_cells("C1:D1")
    (fault,) = reading(saved(book))
    assert isinstance(fault, Fault)
    assert fault.msg == "row 1 does not name the mapped columns, but row 2 does: state header_row: 2"
    assert len(list(reading(saved(book), {**DATED, "header_row": 2}))) == 2
    # A name merged over two columns: the second has its letter.
    over = {**WIDE, "participant": "Who", "header_row": 1, "values": [{**WIDE["values"][0], "column": "(column B)"}]}
    content = workbook([["Who", None, "Group"], ["p-1", 27, "control"]])
    assert [item.column for item in reading(content, over)] == ["(column B)"]


def test_which_sheet() -> None:
    content = workbook([HEAD, ["p-1", None, 27, 30]], Notes=[["made by hand"]], Empty=[])
    told = refusal(content)
    assert (told.code, "'Data', 'Notes'" in told.msg) == ("sheet_needed", True)
    assert len(list(reading(content, {**DATED, "sheet": "Data"}))) == 2
    assert refusal(content, {**DATED, "sheet": "Dta"}).code == "no_such_sheet"
    assert reading(workbook([HEAD], Empty=[])).mapping.sheet == "Data"
    assert refusal(workbook([])).code == "empty_file"


GOOD = workbook([HEAD, ["p-1", None, 27, 30]])
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def archive(*names: str) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as parts:
        for name in names:
            parts.writestr(name, "x")
    return into.getvalue()


def lying() -> bytes:
    """A part that unpacks to more than its entry declares."""
    content = bytearray(with_part(GOOD, STYLES, b" " * (OTHER + 1)))
    return bytes(content).replace(struct.pack("<L", OTHER + 1), struct.pack("<L", 100))


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (OLE + "Workbook".encode("utf-16-le"), "old_workbook", "save it as XLSX or CSV"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "password_protected", "save it without one"),
        (archive("content.xml", "mimetype"), "not_a_table", "OpenDocument"),
        (archive("xl/workbook.bin"), "not_a_table", "XLSB"),
        (archive("data.csv"), "not_a_table", "unpack it"),
        (b"%PDF-1.7", "not_a_table", "a PDF"),
        (b"\x1f\x8b\x08", "not_a_table", "unpack it"),
        (GOOD[:-200], "damaged_workbook", "upload it whole"),
        (with_part(GOOD, SHEET, b"<worksheet>"), "damaged_workbook", "save it again"),
        (with_part(GOOD, STYLES, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"), "damaged_workbook", "document type"),
        (with_part(GOOD, STYLES, b" " * (OTHER + 1)), "unpacks_too_large", "save the sheet as CSV"),
        (lying(), "damaged_workbook", "save it again"),
    ],
)
def test_what_is_no_workbook_or_would_harm(content: bytes, code: str, words: str) -> None:
    told = refusal(content)
    assert (told.code, words in told.msg) == (code, True)


def test_a_workbook_is_known_by_its_content() -> None:
    assert len(list(reading(GOOD, name="export.csv"))) == 2
    text = b"Code;Date;EE pre;EE post\np-1;;27;30\n"
    assert reading(text, name="export.xlsx").found.startswith("separated text in spite of its name, semicolon")
