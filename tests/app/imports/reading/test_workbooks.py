"""Workbooks: what spreadsheets make of cells, which sheet and row is meant."""

import io
import zipfile
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from app.imports.reading import Fault, Value
from tests.app.imports.reading.books import GOOD, HEAD, SHEET, reading, refusal, saved, with_part, workbook
from tests.app.imports.reading.cases import DATED, WIDE


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


def test_a_workbook_is_known_by_its_content() -> None:
    assert len(list(reading(GOOD, name="export.csv"))) == 2
    text = b"Code;Date;EE pre;EE post\np-1;;27;30\n"
    assert reading(text, name="export.xlsx").found.startswith("separated text in spite of its name, semicolon")
