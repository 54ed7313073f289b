"""What a file is by its first bytes, whatever its name says; tables and workbooks go on, the rest is refused."""

import re
import zipfile
from typing import BinaryIO, Literal

from app.imports.reading.facts import Unreadable

SAVE = "open it in the program it comes from and save it as CSV or XLSX"
SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (rb"%PDF", "a PDF", "the table it was made from is needed, as CSV or XLSX"),
    (rb"\x1f\x8b", "compressed (gzip)", "unpack it first"),
    (rb"(BZh|\xfd7zXZ|7z\xbc\xaf|Rar!)", "a compressed archive", "unpack it first"),
    (rb"\$FL[23]", "an SPSS file", SAVE),
    (rb"(<stata_dta>|HEADER RECORD\*{7}LIBRARY)", "a file of Stata or SAS", SAVE),
    (rb"PAR1", "a Parquet file", "save the table as CSV or XLSX"),
    (rb"\{\\rtf", "a text document", SAVE),
    (rb"\s*<(!doctype html|html|table|head|meta)", "a web page, though its name may end in .xls", SAVE),
    (rb"\s*<\?xml", "XML", SAVE),
    (rb"(\x89PNG|\xff\xd8\xff|GIF8)", "a picture", "the table itself is needed, as CSV or XLSX"),
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OLE_LOOKED_AT = 4 * 2**20
ARCHIVES: tuple[tuple[str, str, str], ...] = (
    ("xl/workbook.bin", "a binary workbook (XLSB)", "save it as XLSX"),
    ("content.xml", "an OpenDocument file", "save it as XLSX or CSV"),
    ("Index/", "a file of Apple Numbers", "export it as CSV or XLSX"),
    ("word/", "a Word document", "the table itself is needed, as CSV or XLSX"),
)


def kind_of(file: BinaryIO) -> Literal["text", "workbook"]:
    """Separated text or a workbook (XLSX); Unreadable for what is neither."""
    file.seek(0)
    head = file.read(4096)
    if not head:
        raise Unreadable("empty_file", "the file is empty; export it again")
    if head.startswith(OLE):
        raise _compound(head + file.read(OLE_LOOKED_AT))
    if head.startswith(b"PK"):
        return _archive(file)
    for signature, what, helps in SIGNATURES:
        if re.match(signature, head, re.IGNORECASE):
            raise Unreadable("not_a_table", f"the file is {what}; {helps}")
    return "text"


def _compound(head: bytes) -> Unreadable:
    if "EncryptedPackage".encode("utf-16-le") in head:
        return Unreadable(
            "password_protected", "the workbook is protected by a password; save it without one, or as CSV"
        )
    return Unreadable("old_workbook", "the file is of an old kind (XLS, before Excel 2007); save it as XLSX or CSV")


def _archive(file: BinaryIO) -> Literal["workbook"]:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise Unreadable(
            "damaged_workbook", "the workbook is damaged or not complete; save it again and upload it whole"
        ) from None
    if "xl/workbook.xml" in names:
        return "workbook"
    for part, what, helps in ARCHIVES:
        if any(name.startswith(part) for name in names):
            raise Unreadable("not_a_table", f"the file is {what}; {helps}")
    raise Unreadable("not_a_table", "the file is a ZIP archive; unpack it and send one CSV or XLSX at a time")
