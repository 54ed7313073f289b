"""Workbooks made for tests, and parts of them exchanged."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import pytest
from openpyxl import Workbook

from app.imports.reading import Mapping, Reading, Unreadable, read
from tests.app.imports.reading.cases import DATED, KNOWN

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


GOOD = workbook([HEAD, ["p-1", None, 27, 30]])
