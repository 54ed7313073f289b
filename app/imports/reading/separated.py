"""Rows of separated text (CSV) as a spreadsheet would show them, and what separates them."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, cast, get_args

from app.imports.reading.facts import Cell, Fault, Unreadable
from app.imports.reading.mapping import Delimiter

type Record = tuple[int, Sequence[Cell]] | Fault
"""A row by its number, or what is wrong with it as a whole."""

LOOKED_AT = 200
# Where two would do: a comma is more often part of a number or a sentence than the others are.
IN_DOUBT: tuple[Delimiter, ...] = ("\t", ";", "|", ",")
TOLD: dict[Delimiter, str] = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma"}


@dataclass(frozen=True)
class Separated:
    """A text file whose encoding and delimiter are known; `headed`: its first line is Excel's `sep=`, shown nowhere."""

    file: BinaryIO
    codec: str
    delimiter: Delimiter
    headed: bool

    def records(self) -> Iterator[Record]:
        """Each row with its number, counted as spreadsheets do: lines inside a quoted cell are one row.

        After a row that cannot be split the next line is read as a row, and counted as a line.
        """
        with _text(self.file, self.codec) as lines:
            if self.headed:
                next(lines)
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            row = line = 0
            while True:
                try:
                    for fields in reader:
                        row += 1
                        line = reader.line_num
                        yield row, fields
                except csv.Error as error:
                    yield _unsplit(row + 1, reader.line_num - line, str(error))
                    row += reader.line_num - line
                    line = reader.line_num
                else:
                    return


def separated(file: BinaryIO, codec: str, stated: Delimiter | None) -> Separated:
    """The file with its delimiter: as stated, else as its first line declares, else what splits most rows alike."""
    with _text(file, codec) as text:
        lines = list(islice(text, LOOKED_AT))
    first = lines[0].strip().strip('"') if lines else ""
    headed = first[:4].casefold() == "sep=" and len(first) <= len("sep=;")
    if not any(line.strip() for line in lines[headed:]):
        raise Unreadable("empty_file", "the file has no rows; export it again")
    return Separated(file, codec, stated or (_declared(first) if headed else _splitting(lines)), headed)


def _declared(first: str) -> Delimiter:
    # A tab at the end of the line was stripped as white space.
    mark = first[4:] or "\t"
    if mark not in get_args(Delimiter):
        raise Unreadable("unknown_delimiter", f"the first line says {first!r}; cells are separated by , ; | or tabs")
    return cast(Delimiter, mark)


def _splitting(lines: list[str]) -> Delimiter:
    def fit(delimiter: Delimiter) -> tuple[int, int]:
        widths: Counter[int] = Counter()
        # A cell that never ends stops the count, and is told of when the rows are read.
        with suppress(csv.Error):
            for fields in csv.reader(lines, delimiter=delimiter):
                widths[len(fields)] += any(fields)
        return max(((rows, width) for width, rows in widths.items() if width > 1), default=(0, 0))

    best = max(IN_DOUBT, key=fit)
    return best if fit(best) > (0, 0) else ","


def _unsplit(row: int, lines: int, why: str) -> Fault:
    if "field larger" in why or "end of data" in why or lines > 1:
        return Fault(
            row,
            None,
            "open_quote",
            f"a quotation mark opens a cell in row {row} that never ends, which swallows the rows after it; "
            "close it, or write a mark that is part of the text twice",
        )
    return Fault(
        row,
        None,
        "stray_quote",
        f"row {row} has text after a closing quotation mark; write a mark that is part of the text twice",
    )


@contextmanager
def _text(file: BinaryIO, codec: str) -> Iterator[io.TextIOWrapper]:
    """The file as lines, from its start; it stays open."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=codec, newline="")
    try:
        yield text
    finally:
        text.detach()
