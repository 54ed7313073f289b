"""The names of the columns: how they are told apart, found, and where they may stand instead."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from app.imports.reading.facts import Cell, Fault, Unreadable
from app.imports.reading.lookup import PLAIN, fold, listed, text_of

MOST_COLUMNS = 1000
COMPARED = 10
"""Faults that tell a near name: looking for one takes a second where names are many and alike."""
LONGEST_COMPARED = 60
"""Characters of such a name: comparing takes more than the square of them."""
LISTED = 100
"""Characters of each name in a list of them."""
NO_NAMES = "row {row} holds values, and no names of columns: write the names above, or state their row as header_row"


@dataclass(frozen=True)
class Header:
    """The columns of a file up to the last that has a name; `doubled` are names that stand there more than once."""

    row: int
    names: tuple[str, ...]
    positions: Mapping[str, int]
    doubled: Mapping[str, Sequence[str]]

    @property
    def holds_numbers(self) -> bool:
        """Whether it is rather a row of values, which messages do not repeat: one may be a person's name."""
        return any(PLAIN.fullmatch(name) for name in self.names)

    def fault_of(self, wanted: str, *, near: bool = True) -> Fault | None:
        """Why the header has no such column, and which is meant where `near` is asked; None when it has."""
        folded = fold(wanted)
        if folded in self.positions:
            return None
        if folded in self.doubled:
            names = " and ".join(repr(name) for name in self.doubled[folded])
            return Fault(None, wanted, "doubled_column", f"{wanted!r} stands more than once in the header: map {names}")
        meant = f"; is {close!r} meant?" if near and (close := self._near(folded)) else ""
        return Fault(
            None,
            wanted,
            "no_such_column",
            f"row {self.row} names no column {wanted!r}{meant} (it names {self._listed})",
        )

    @cached_property
    def _listed(self) -> str:
        return listed([name if len(name) <= LISTED else name[: LISTED - 1] + "…" for name in self.names])

    def _near(self, folded: str) -> str | None:
        if len(folded) > LONGEST_COMPARED:
            return None
        names = [name for name in self.positions if len(name) <= LONGEST_COMPARED]
        close = get_close_matches(folded, names, n=1)
        return self.names[self.positions[close[0]]] if close else None


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
    folded = [fold(text) for text in texts]
    times = Counter(folded)
    names = tuple(
        text if text and times[folded[at]] == 1 else f"{text} (column {letter(at)})".strip()
        for at, text in enumerate(texts)
    )
    doubled: dict[str, list[str]] = {}
    for name, plain in zip(names, folded, strict=True):
        if plain and times[plain] > 1:
            doubled.setdefault(plain, []).append(name)
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
    faults: list[Fault] = []
    for name in names:
        if (fault := header.fault_of(name, near=len(faults) < COMPARED)) is not None:
            faults.append(fault)
    if not faults:
        return []
    folded = {fold(name) for name in names}
    for row, cells in top:
        if row != header.row and folded <= {fold(text_of(cell)) for cell in cells}:
            msg = f"row {header.row} does not name the mapped columns, but row {row} does: state header_row: {row}"
            return [Fault(None, None, "other_header_row", msg)]
    if header.holds_numbers:
        return [Fault(None, None, "no_header", NO_NAMES.format(row=header.row))]
    return faults
