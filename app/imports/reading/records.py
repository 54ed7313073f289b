"""Rows of one REDCap record: arm and unit are often told in one of its events only, and hold in all of them."""

from collections.abc import Iterator, Sequence
from itertools import batched, groupby

from app.imports.reading.facts import Cell, Fault, Wrong
from app.imports.reading.lookup import text_of
from app.imports.reading.rows import Column
from app.imports.reading.separated import Record

MOST = 1000
"""Rows of a record that are looked at together."""


def completed(records: Iterator[Record], who: int, places: Sequence[Column[str]]) -> Iterator[Record]:
    """The rows, each empty cell of `places` with what the other rows of its record say there, if they say one thing.

    `who` is the position of the record; its rows stand together, as REDCap exports them.
    """
    for person, rows in groupby(records, key=lambda row: "" if isinstance(row, Fault) else text_of(row[1][who])):
        if not person:
            yield from rows
            continue
        for part in batched(rows, MOST, strict=False):
            yield from _complete([row for row in part if not isinstance(row, Fault)], places)


def _complete(rows: Sequence[tuple[int, Sequence[Cell]]], places: Sequence[Column[str]]) -> Iterator[Record]:
    told: dict[int, Cell] = {}
    for place in places:
        said = {place.cells[cells[place.position]]: cells[place.position] for _, cells in rows}
        said.pop(None, None)
        if len(said) == 1 and not isinstance(next(iter(said)), Wrong):
            told[place.position] = next(iter(said.values()))
    empty = {place.position: place.cells for place in places if place.position in told}
    for row, cells in rows:
        filled = [told[i] if i in empty and empty[i][cell] is None else cell for i, cell in enumerate(cells)]
        yield row, filled if told else cells
