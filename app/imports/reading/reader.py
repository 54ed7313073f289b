"""Reading a file: what it is, how it is to be understood, and its values one by one, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from app.imports.reading import encodings, separated
from app.imports.reading.columns import Resolver, answer_columns, key_faults, texts_of, wanted_columns
from app.imports.reading.dictionary import Described, dictionary_of, without
from app.imports.reading.facts import Cell, Fault, Known, Unreadable, Value
from app.imports.reading.header import NO_NAMES, Header, column_faults, header_of
from app.imports.reading.kinds import kind_of
from app.imports.reading.lookup import fold, listed
from app.imports.reading.mapping import Mapping
from app.imports.reading.numerals import WORDS, decimal_of
from app.imports.reading.rows import Counts, blank, fitted
from app.imports.reading.separated import Record, Separated
from app.imports.reading.start import start
from app.imports.reading.suggest import suggest
from app.imports.reading.workbook import Sheet, sheet

SAMPLE = 1000
TOP = 25
"""Rows among which the header is looked for when it is not where it should be."""


@dataclass
class Reading:
    """A file that can be read, or whose mapping does not fit it: then its faults are all that it yields.

    `lacking` are those of the faults that tell which mapped columns the header has not. `mapping` is the one used, with
    what was found out filled in, and `found` says that in words. `lines` of a text file tell how far one is. `rows`
    (not blank) and `empty` (cells without an answer) count what was gone through. It can be gone through again, and
    closes nothing.
    """

    mapping: Mapping
    columns: tuple[str, ...]
    found: str
    lines: int | None
    table: Separated | Sheet
    header: Header
    known: Known
    dictionary: dict[str, Described]
    faults: list[Fault]
    lacking: list[Fault]
    counts: Counts = field(default_factory=Counts)

    @property
    def rows(self) -> int:
        """Rows gone through that are not blank."""
        return self.counts.rows

    @property
    def empty(self) -> int:
        """Cells of answers gone through that say that there is none."""
        return self.counts.empty

    def __iter__(self) -> Iterator[Value | Fault]:
        self.counts = counts = Counts()
        if self.faults:
            yield from self.faults
            return
        epoch = self.table.epoch if isinstance(self.table, Sheet) else None
        width = len(self.header.names)

        def records() -> Iterator[Record]:
            return fitted(self.table.records(), self.header.row, width, padded=epoch is not None)

        resolver = Resolver(self.mapping, self.header, self.known, epoch, self.dictionary)
        yield from resolver.values(records, counts)
        if not counts.rows:
            yield Fault(None, None, "no_rows", f"there is no row under the header in row {self.header.row}")


def read(
    file: BinaryIO, name: str, mapping: Mapping | None, known: Known, dictionary: BinaryIO | None = None
) -> Reading:
    """A file (seekable) by its mapping, or by one its column names tell; its values come by iterating.

    Raises Unreadable when there is no table in it, or no mapping.
    """
    table, told, words, lines = _table(file, name, mapping)
    rows = list(islice((record for record in table.records() if not isinstance(record, Fault)), SAMPLE))
    if not rows and (broken := next((record for record in table.records() if isinstance(record, Fault)), None)):
        raise Unreadable(broken.code, broken.msg)
    top = rows[:TOP]
    if mapping is None:
        mapping = _suggested(top, [cells for _, cells in rows], known)
        words.append(f"{mapping.layout} by the names in row {mapping.header_row}")
    used = mapping.model_copy(update=told)
    header = header_of(next((cells for row, cells in rows if row == used.header_row), ()), used.header_row)
    fields = dictionary_of(dictionary) if dictionary else {}
    lacking = column_faults(header, wanted_columns(used), top)
    faults = [*key_faults(used, known), *lacking]
    if fields and used.layout == "redcap":
        faults += without(answer_columns(used), fields)
    if not faults and used.decimal is None:
        positions = [header.positions[fold(column)] for column in answer_columns(used)]
        below = [cells for row, cells in rows if row > used.header_row]
        decimal, both = decimal_of(texts_of(below, positions), used.delimiter)
        used = used.model_copy(update={"decimal": decimal})
        words += [f"decimal {WORDS[decimal]}"] if decimal else ["decimal marks of both kinds"] if both else []
    if lines is not None:
        words.append(f"{lines:,} line{'s' * (lines != 1)}")
    return Reading(used, header.names, ", ".join(words), lines, table, header, known, fields, faults, lacking)


def _table(
    file: BinaryIO, name: str, mapping: Mapping | None
) -> tuple[Separated | Sheet, dict[str, str], list[str], int | None]:
    """The table in a file, what was found out of it as the mapping calls it and in words, and its lines."""
    called = name.lower()
    if kind_of(file) == "workbook":
        found = sheet(file, mapping.sheet if mapping else None)
        words = [f"XLSX, sheet {found.name!r}"]
        return found, {"sheet": found.name}, words, None
    scan = encodings.scan(file, mapping.encoding if mapping else None)
    text = separated.separated(file, scan.codec, mapping.delimiter if mapping else None)
    words = [separated.TOLD[text.delimiter], encodings.told(scan.encoding)]
    if called.endswith((".xlsx", ".xls", ".xlsm")):
        words.insert(0, "separated text in spite of its name")
    return text, {"encoding": scan.encoding, "delimiter": text.delimiter}, words, scan.lines


def _suggested(top: Sequence[tuple[int, Sequence[Cell]]], rows: Sequence[Sequence[Cell]], known: Known) -> Mapping:
    """The mapping that the names in the first row that tells one tell."""
    for row, cells in top:
        if not blank(cells):
            names = header_of(cells, row).names
            if found := suggest(names, rows[row:], known):
                return found.model_copy(update={"header_row": row})
    row, cells = max(top, key=lambda record: len([cell for cell in record[1] if cell != ""]))
    header = header_of(cells, row)
    if header.holds_numbers:
        raise Unreadable("no_header", NO_NAMES.format(row=row))
    names = header.names
    guess = start(names, rows[row:], known)
    lacks = f". It lacks {'; '.join(guess.lacks)}" if guess.lacks else ""
    raise Unreadable(
        "mapping_needed",
        f"the names of the columns do not tell which measure and wave they hold: {listed(names)}. "
        f"Send a mapping; `mapping` is one to correct and complete{lacks}",
        columns=names,
        start=guess.mapping | ({"header_row": row} if row > 1 else {}),
    )
