"""REDCap's data dictionary: which fields there are, what their codes and labels stand for, their bounds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from app.imports.reading.encodings import scan
from app.imports.reading.facts import Cell, Fault, Unreadable, Wrong
from app.imports.reading.header import header_of
from app.imports.reading.lookup import fold, listed, shown, text_of
from app.imports.reading.numerals import PLAIN
from app.imports.reading.separated import separated

NAME, TYPE = "Variable / Field Name", "Field Type"
CHOICES = "Choices, Calculations, OR Slider Labels"
LOW, HIGH = "Text Validation Min", "Text Validation Max"
CHOSEN = frozenset({"radio", "dropdown", "checkbox"})
NUMBERLESS = frozenset({"notes", "file", "descriptive", "sql"})
FIXED: Mapping[str, Mapping[str, float]] = {
    "yesno": {"1": 1, "0": 0, "yes": 1, "no": 0},
    "truefalse": {"1": 1, "0": 0, "true": 1, "false": 0},
}
TICKED: Mapping[str, float] = {"1": 1, "0": 0, "checked": 1, "unchecked": 0}


@dataclass(frozen=True)
class Described:
    """A field of the dictionary; `codes` holds codes and labels, each with its number."""

    kind: str
    codes: Mapping[str, float] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None


def dictionary_of(file: BinaryIO) -> dict[str, Described]:
    """The fields of a data dictionary (CSV, as REDCap exports it) by their names."""
    found = separated(file, scan(file, None).codec, None)
    rows = [record for record in found.records() if not isinstance(record, Fault)]
    header = header_of(rows[0][1], rows[0][0]) if rows else None
    if header is None or fold(NAME) not in header.positions or fold(TYPE) not in header.positions:
        raise Unreadable(
            "not_a_dictionary",
            f"the data dictionary has no columns {NAME!r} and {TYPE!r}; download it from REDCap's Data Dictionary page",
        )
    at = header.positions

    def cell(cells: list[str], name: str) -> str:
        position = at.get(fold(name))
        return cells[position].strip() if position is not None and position < len(cells) else ""

    fields: dict[str, Described] = {}
    for _, record in rows[1:]:
        cells = [text_of(text) for text in record]
        if name := fold(cell(cells, NAME)):
            kind = cell(cells, TYPE).casefold()
            fields[name] = Described(
                kind, _codes(kind, cell(cells, CHOICES)), _bound(cell(cells, LOW)), _bound(cell(cells, HIGH))
            )
    return fields


def described(fields: Mapping[str, Described], column: str) -> Described | Wrong:
    """What the dictionary says of an exported column, also of `field___1`, one box of a checkbox field."""
    base, ticked, _ = fold(column).partition("___")
    found = fields.get(base)
    if found is None:
        return Wrong("not_in_dictionary", f"the data dictionary has no field {base!r}; is it of the same project?")
    if found.kind in NUMBERLESS:
        return Wrong("no_number_field", f"{base!r} is a field of type {found.kind}, which holds no numbers")
    if found.kind == "checkbox":
        if not ticked:
            return Wrong("checkbox_field", f"{base!r} is a checkbox: map one of its columns, such as {base}___1")
        return Described("checkbox", TICKED)
    if found.kind in CHOSEN and not found.codes:
        return Wrong("codes_without_numbers", f"the choices of {base!r} have no numbers; give them in codes")
    return found


def coded_reader(
    codes: Mapping[str, float], read: Callable[[Cell], float | Wrong | None], *, only: bool = False
) -> Callable[[Cell], float | Wrong | None]:
    """Turns codes and labels into their numbers, what else there is into plain ones unless `only` these may be."""

    def find(cell: Cell) -> float | Wrong | None:
        text = text_of(cell)
        if len(text) <= 1000 and (number := codes.get(fold(text))) is not None:  # noqa: PLR2004 - as long as codes are
            return float(number)
        found = read(cell)
        if not only or found is None:
            return found
        return Wrong("not_a_choice", f"{shown(text)} is none of the choices {listed(codes, 12)}")

    return find


def bounded_reader(
    field: Described, read: Callable[[Cell], float | Wrong | None]
) -> Callable[[Cell], float | Wrong | None]:
    """Refuses numbers beyond the bounds that the dictionary gives the field."""

    def find(cell: Cell) -> float | Wrong | None:
        found = read(cell)
        if isinstance(found, float) and not _within(found, field.low, field.high):
            low, high = ("…" if bound is None else f"{bound:g}" for bound in (field.low, field.high))
            return Wrong(
                "outside_dictionary",
                f"{found:g} is outside {low} to {high} of the data dictionary; if it stands for no answer, "
                "name it in missing",
            )
        return found

    return find


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _codes(kind: str, choices: str) -> dict[str, float]:
    if kind in FIXED:
        return dict(FIXED[kind])
    if kind not in CHOSEN:
        return {}
    codes: dict[str, float] = {}
    labels: dict[str, float] = {}
    for choice in choices.split("|"):
        code, comma, label = (part.strip() for part in choice.partition(","))
        if comma and PLAIN.fullmatch(code):
            codes[fold(code)] = float(code)
            labels[fold(label)] = float(code)
    # A label that looks like another choice's code is that code.
    return labels | codes


def _bound(text: str) -> float | None:
    return float(text) if PLAIN.fullmatch(text) else None


def without(names: Iterable[str], fields: Mapping[str, Described]) -> list[Fault]:
    """Faults of the mapped columns against the dictionary."""
    found = [(name, described(fields, name)) for name in names]
    return [Fault(None, name, wrong.code, wrong.msg) for name, wrong in found if isinstance(wrong, Wrong)]
