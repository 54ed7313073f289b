"""Files that are no workbooks, are damaged, or would take all memory: each is refused with a sentence."""

import io
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.imports.reading import Fault, Unreadable, Value
from app.imports.reading.workbook import ELEMENTS, LAST_COLUMN, LAST_ROW, LONGEST_TEXT, OTHER, ROW
from tests.app.imports.reading.books import GOOD, HEAD, SHEET, STYLES, reading, refusal, with_part, workbook
from tests.app.imports.reading.cases import DATED

CELLS = zipfile.ZipFile(io.BytesIO(GOOD)).read(SHEET)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
TYPES, TEXTS = "[Content_Types].xml", "xl/sharedStrings.xml"
TEXTS_TYPE = (
    b'<Override PartName="/xl/sharedStrings.xml" '
    b'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)
MANY = "<c/>" * ELEMENTS
HALF = "<c/>" * (ELEMENTS // 2)


def sheet_of(inside: str, around: str = MAIN, encoding: str = "utf-8") -> bytes:
    """The good workbook with another sheet."""
    begins = f'<?xml version="1.0" encoding="{encoding}"?><worksheet xmlns="{around}"><sheetData>'
    return with_part(GOOD, SHEET, f"{begins}{inside}</sheetData></worksheet>".encode(encoding))


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


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_damage_breaks_the_reader(changes: list[tuple[int, int]]) -> None:
    content = bytearray(GOOD)
    for at, byte in changes:
        content[at] = byte
    with suppress(Unreadable):
        for item in reading(bytes(content)):
            assert isinstance(item, Value | Fault)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(CELLS) - 1), st.sampled_from(b'<>"/=rst019AZ')), min_size=1, max_size=4))
def test_no_cell_breaks_the_reader(changes: list[tuple[int, int]]) -> None:
    cells = bytearray(CELLS)
    for at, byte in changes:
        cells[at] = byte
    with suppress(Unreadable):
        for item in reading(with_part(GOOD, SHEET, bytes(cells))):
            assert isinstance(item, Value | Fault)


@pytest.mark.parametrize(
    "content",
    [
        sheet_of(f"<row>{MANY}</row>"),
        sheet_of(f"<row>{HALF}<!-- </row><row> -->{HALF}</row>"),
        sheet_of(f"<row>{HALF}<c><v><![CDATA[</row><row>]]></v></c>{HALF}</row>"),
        sheet_of(f"<row>{MANY}</row>", encoding="utf-16"),
        sheet_of(f"<row>{HALF}</row><row>{HALF}</row><row>{HALF}</row>", around="http://elsewhere.example"),
        sheet_of(f"{HALF}<row/>{HALF}<row/>"),
        sheet_of(f"<row><c><v>{'1' * (ROW + 2**20)}</v></c></row>"),
        sheet_of("<row/>" * (LAST_ROW + 1)),
        sheet_of("<a>" * (ELEMENTS + 1)),
    ],
    ids=["cells", "comment", "cdata", "utf-16", "name space", "beside", "text", "rows", "depth"],
)
def test_what_would_be_held_in_memory_as_one_row_is_refused_before_it_is(content: bytes) -> None:
    told = refusal(content)
    assert (told.code, "as CSV" in told.msg) == ("unpacks_too_large", True)


def test_rows_in_rows_are_refused() -> None:
    assert refusal(sheet_of("<row><c/><row/><c/></row>")).code == "damaged_workbook"


@pytest.mark.parametrize("number", ["99999999999", "1048577", "9" * 5000])
def test_a_row_far_below_is_refused_before_those_above_are_made_up(number: str) -> None:
    assert refusal(sheet_of(f'<row r="{number}"><c><v>1</v></c></row>')).code == "unpacks_too_large"


def test_a_document_type_is_refused_wherever_it_stands() -> None:
    late = b"<!--" + b" " * 5000 + b"--><!DOCTYPE a [<!ENTITY b 'c'>]><a/>"
    assert "document type" in refusal(with_part(GOOD, STYLES, late)).msg


def test_a_sheet_of_every_column_and_many_empty_rows_are_read() -> None:
    wide = [f"note {i}" for i in range(LAST_COLUMN)]
    beside = workbook([HEAD, ["p-1", None, 27, 30]], Wide=[wide, wide])
    assert len([v for v in reading(beside, {**DATED, "sheet": "Data"}) if isinstance(v, Value)]) == 2
    (fault,) = reading(workbook([HEAD, ["p-1", None, 27, 30, *wide[4:]]]))
    assert isinstance(fault, Fault)
    assert (fault.code, "has 16384 cells" in fault.msg) == ("too_many_cells", True)
    empty = CELLS.replace(b"</sheetData>", b'<row ht="20"/>' * 100_000 + b"</sheetData>")
    assert len([v for v in reading(with_part(GOOD, SHEET, empty)) if isinstance(v, Value)]) == 2


def shared(content: bytes, text: str) -> bytes:
    """The workbook with a part of shared texts, of which this is the only one."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        types = parts.read(TYPES).replace(b"</Types>", TEXTS_TYPE + b"</Types>")
    into = io.BytesIO(with_part(content, TYPES, types))
    with zipfile.ZipFile(into, "a", zipfile.ZIP_DEFLATED) as added:
        added.writestr(TEXTS, f'<sst xmlns="{MAIN}"><si><t>{text}</t></si></sst>')
    return into.getvalue()


@pytest.mark.parametrize("kind", ["inline", "shared"])
def test_a_cell_has_at_most_as_many_characters_as_in_excel(kind: str) -> None:
    def ended(text: str) -> list[Value | Fault]:
        last = (
            f'<c r="D3" t="inlineStr"><is><t>{text}</t></is></c>'
            if kind == "inline"
            else '<c r="D3" t="s"><v>0</v></c>'
        )
        cells = CELLS.replace(b"</sheetData>", f'<row r="3">{last}</row></sheetData>'.encode())
        content = with_part(GOOD, SHEET, cells)
        return list(reading(shared(content, text) if kind == "shared" else content, {**DATED, "participant": None}))[2:]

    (longest,) = ended("x" * LONGEST_TEXT)
    (longer,) = ended("x" * (LONGEST_TEXT + 1))
    assert isinstance(longest, Fault)
    assert isinstance(longer, Fault)
    assert (longest.row, longest.column, longest.code) == (3, "EE post", "not_a_number")
    assert (longer.row, longer.column, longer.code) == (3, None, "long_text")
    assert "cell D3 has more than 32,767 characters" in longer.msg
