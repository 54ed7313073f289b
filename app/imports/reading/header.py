"""The names of the columns: how they are told apart, found, and where they may stand instead."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from app.imports.reading.facts import Cell, Fault, Unreadable
from app.imports.reading.lookup import PLAIN, fold, listed, text_of

MOST_COLUMNS = 1000
NO_NAMES = "row {row} holds values, and no names of columns: write the names above, or state their row as header_row"


@dataclass(frozen=True)
class Header:
    """The columns of a file up to the last that has a name; `doubled` are names that stand there more than once."""

    row: int
    names: tuple[str, ...]
    positions: Mapping[str, int]
    doubled: Mapping[str, tuple[str, ...]]

    @property
    def holds_numbers(self) -> bool:
        """Whether it is rather a row of values, which messages do not repeat: one may be a person's name."""
        return any(PLAIN.fullmatch(name) for name in self.names)

    def fault_of(self, wanted: str) -> Fault | None:
        """Why the header has no such column, or None when it has."""
        folded = fold(wanted)
        if folded in self.positions:
            return None
        if folded in self.doubled:
            names = " and ".join(repr(name) for name in self.doubled[folded])
            return Fault(None, wanted, "doubled_column", f"{wanted!r} stands more than once in the header: map {names}")
        close = get_close_matches(folded, list(self.positions), n=1)
        meant = f"; is {self.names[self.positions[close[0]]]!r} meant?" if close else ""
        return Fault(
            None,
            wanted,
            "no_such_column",
            f"row {self.row} names no column {wanted!r}{meant} (it names {listed(self.names)})",
        )


def header_of(cells: Sequence[Cell], row: int) -> Header:
    """The header in a row; Unreadable when it names nothing, or more than 1,000 columns."""
    texts = [" ".join(text_of(cell).replace("\ufeff", "").split()) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    if not texts:
        raise Unreadable("no_header", f"row {row} is empty: state the row with the names of the columns as header_row")
    if len(texts) > MOST_COLUMNS:
        raise Unreadable(
            "too_many_columns", f"row {row} has {len(texts):,} columns, more than {MOST_COLUMNS:,}: is it a header?"
        )
    times = Counter(fold(text) for text in texts)
    names = tuple(
        text if text and times[fold(text)] == 1 else f"{text} (column {letter(at)})".strip()
        for at, text in enumerate(texts)
    )
    doubled = {
        folded: tuple(name for name, text in zip(names, texts, strict=True) if fold(text) == folded)
        for folded, n in times.items()
        if folded and n > 1
    }
    return Header(row, names, {fold(name): at for at, name in enumerate(names)}, doubled)


def letter(position: int) -> str:
    """The name that spreadsheets give to a column: A for 0, AA for 26."""
    name = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def column_faults(header: Header, wanted: Iterable[str], top: Iterable[tuple[int, Sequence[Cell]]]) -> list[Fault]:
    """The mapped columns that are not there; one fault instead when another of the first rows names them all."""
    names = list(dict.fromkeys(wanted))
    faults = [fault for name in names if (fault := header.fault_of(name)) is not None]
    if not faults:
        return []
    for row, cells in top:
        if row != header.row and {fold(name) for name in names} <= {fold(text_of(cell)) for cell in cells}:
            msg = f"row {header.row} does not name the mapped columns, but row {row} does: state header_row: {row}"
            return [Fault(None, None, "other_header_row", msg)]
    if header.holds_numbers:
        return [Fault(None, None, "no_header", NO_NAMES.format(row=header.row))]
    return faults
