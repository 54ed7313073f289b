"""In which encoding a text file is, found out over the whole of it, and that its lines can be held in memory."""

import codecs
from dataclasses import dataclass
from typing import BinaryIO

from app.imports.reading.facts import Unreadable
from app.imports.reading.mapping import Encoding

CHUNK = 2**18
LONGEST_LINE = 2**20
MARKS: tuple[tuple[bytes, Encoding, str], ...] = (
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
CODECS: dict[Encoding, str] = {"utf-8": "utf-8-sig", "macintosh": "mac-roman"}
TOLD: dict[Encoding, str] = {"utf-8": "UTF-8", "utf-16": "UTF-16", "windows-1252": "Windows-1252"}


@dataclass(frozen=True)
class Scan:
    """What one pass over the bytes tells: the encoding as people name it and as Python does, and how many lines."""

    encoding: Encoding
    codec: str
    lines: int


def scan(file: BinaryIO, stated: Encoding | None) -> Scan:
    """The encoding by its mark, else as stated, else UTF-8 if every byte fits it, else Windows-1252.

    Unreadable when no encoding fits, at NUL characters, and when a line is longer than 1 MiB: it would be held whole.
    """
    file.seek(0)
    head = file.read(4096)
    tried: list[tuple[Encoding, str]] = [(name, codec) for mark, name, codec in MARKS if head.startswith(mark)]
    if not tried and (unmarked := _utf16(head)):
        tried = [("utf-16", unmarked)]
    if not tried:
        names: list[Encoding] = [stated] if stated else ["utf-8", "windows-1252"]
        tried = [(name, CODECS.get(name, name)) for name in names]
    at = 0
    for name, codec in tried:
        try:
            return Scan(name, codec, _walk(file, codec))
        except _Undecodable as error:
            at = error.line
    what = TOLD.get(tried[-1][0], tried[-1][0])
    raise Unreadable(
        "wrong_encoding",
        f"line {at} has characters that are not {what}; save the file as UTF-8 (in Excel: “CSV UTF-8”), "
        "or state its encoding",
    )


def told(encoding: Encoding) -> str:
    """The encoding as people write it."""
    return TOLD.get(encoding, encoding)


class _Undecodable(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def _utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of Latin text is 0."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd < len(head) * 0.3:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _walk(file: BinaryIO, codec: str) -> int:
    """Decode the whole file and count its lines."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(codec)("strict")
    lines, length, ended = 0, 0, True
    while True:
        chunk = file.read(CHUNK)
        try:
            text = decoder.decode(chunk, not chunk)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(codec, "replace")
            raise _Undecodable(lines + _ends(before) + 1) from None
        if "\0" in text:
            at = lines + _ends(text[: text.index("\0")]) + 1
            msg = f"line {at} holds a NUL character: the file is damaged, or is no text; export it again"
            raise Unreadable("nul_character", msg)
        first, last = _first(text), max(text.rfind("\n"), text.rfind("\r"))
        length = length + len(text) if first < 0 else max(length + first, len(text) - last - 1)
        if length > LONGEST_LINE:
            raise Unreadable(
                "line_too_long",
                f"line {lines + 1} or one soon after it is longer than 1 MiB: this is no table, or its lines were lost",
            )
        length = length if first < 0 else len(text) - last - 1
        lines += _ends(text)
        if text:
            ended = text[-1] in "\r\n"
        if not chunk:
            return lines + (not ended)


def _first(text: str) -> int:
    found = [at for at in (text.find("\n"), text.find("\r")) if at >= 0]
    return min(found, default=-1)


def _ends(text: str) -> int:
    return max(text.count("\n"), text.count("\r"))
