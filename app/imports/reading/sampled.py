"""What the first cells under a name are like: numbers of a scale, names of units, arms."""

from collections.abc import Sequence

from app.imports.reading.facts import Cell, Known, Wrong
from app.imports.reading.lookup import fold, text_of
from app.imports.reading.mapping import NO_ANSWER
from app.imports.reading.numerals import decimal_of, number_reader
from app.imports.reading.vocabulary import ARMS, words

MOST_ARMS = 12
ODD = 0.1
"""Share of cells that may be something else: a typing error is no reason to doubt a column."""
NONE = frozenset(fold(text) for text in NO_ANSWER)


class Sampled:
    """The first rows under a header, by the names of its columns."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        self._positions = {name: at for at, name in enumerate(columns)}
        self._rows = rows

    def cells(self, column: str) -> list[Cell]:
        """Its cells that say something."""
        at = self._positions[column]
        return [row[at] for row in self._rows if at < len(row) and fold(text_of(row[at])) not in NONE]

    def texts(self, column: str) -> list[str]:
        """The different texts of a column, in their order."""
        return list(dict.fromkeys(text_of(cell) for cell in self.cells(column)))

    def numbers(self, column: str) -> list[float] | None:
        """Its numbers; None where other cells than a few are none."""
        cells = self.cells(column)
        decimal, both = decimal_of([text_of(cell) for cell in cells if isinstance(cell, str)], None)
        read = number_reader(None if both else decimal or ".", NO_ANSWER)
        found = [number for cell in cells if isinstance(number := read(cell), float)]
        return found if len(cells) - len(found) <= ODD * len(cells) else None

    def could_be(self, column: str, measure: str, known: Known) -> bool:
        """Whether its cells are numbers on the scale of a measure; an empty column could be."""
        numbers = self.numbers(column)
        low, high = known.scales.get(measure, (None, None))
        if numbers is None:
            return False
        off = [n for n in numbers if (low is not None and n < low) or (high is not None and n > high)]
        return len(off) <= ODD * len(numbers)

    def could_be_units(self, column: str, known: Known) -> bool:
        """Whether its cells are names: numbers are scores or codes, unless the pilot's units are called so."""
        units = {fold(text) for pair in known.units.items() for text in pair}
        read = number_reader(".", ())
        others = [text for text in self.texts(column) if fold(text) not in units]
        return bool(self.cells(column)) and all(isinstance(read(text.replace(",", ".")), Wrong) for text in others)

    def could_be_arms(self, column: str) -> bool:
        """Whether its cells are of few kinds."""
        return len(self.texts(column)) <= MOST_ARMS

    def are_arms(self, column: str, known: Known) -> bool:
        """Whether its cells are the arms of the plan, word for word."""
        arms = {fold(arm) for arm in known.arms}
        texts = self.texts(column)
        return bool(texts) and all(fold(text) in arms for text in texts)

    def rows_with(self, columns: Sequence[str]) -> "Sampled":
        """Of these rows those that say something in one of the columns."""
        at = [self._positions[name] for name in columns]
        rows = [row for row in self._rows if any(i < len(row) and fold(text_of(row[i])) not in NONE for i in at)]
        return Sampled(list(self._positions), rows)


def arm_of(text: str, known: Known) -> str | None:
    """The arm that a text is another word for, where one arm of the plan only is called so."""
    alike = next((kind for kind in ARMS if words(text) in kind), set())
    found = [arm for arm in known.arms if words(arm) in alike]
    return found[0] if len(found) == 1 else None
