"""Files that are no workbooks, are damaged, or would take all memory: each is refused with a sentence."""

import io
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.imports.reading import Fault, Unreadable, Value
from app.imports.reading.workbook import OTHER
from tests.app.imports.reading.books import GOOD, SHEET, STYLES, reading, refusal, with_part

CELLS = zipfile.ZipFile(io.BytesIO(GOOD)).read(SHEET)
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
