"""Numbers as people write them: which mark is the decimal one, and what no number is. A thousand is never guessed."""

import math
import re
from collections.abc import Callable, Iterable
from datetime import date

from app.imports.reading.facts import Cell, Wrong
from app.imports.reading.lookup import fold, shown, text_of
from app.imports.reading.mapping import Decimal, Delimiter
from app.imports.reading.workbook import UNCOMPUTED

LONGEST = 40
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
MARKED = re.compile(r"[+-]?\d*([.,])\d+([eE][+-]?\d+)?", re.ASCII)
# One to three digits, a mark, three digits: a thousand to some, a decimal to others.
EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
GROUPED = re.compile(r"[+-]?\d{1,3}([.,' \u00a0\u202f’]\d{3})+([.,]\d+)?", re.ASCII)
WORDS: dict[Decimal, str] = {".": "point", ",": "comma"}
ERRORS = re.compile(r"#([A-ZÀ-Ü][\wÀ-Ü/]*[!?]?|DIV/0!)")
NUMBER = r"[+-]?[\d.,]+"
HINTS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (ERRORS, "spreadsheet_error", "is an error of the spreadsheet; mend the formula, or empty the cell"),
    (
        re.compile(r"#{2,}"),
        "spreadsheet_error",
        "is what a column that is too narrow shows; widen it and save the file again",
    ),
    (
        re.compile(rf"{NUMBER}\s*%"),
        "percent_sign",
        "has a percent sign; write the number alone, on the scale of its measure (a share of 27 % is 0.27)",
    ),
    (
        re.compile(rf"{NUMBER}\s*[^\W\d_][\w./]*"),
        "unit_in_number",
        "has a unit; write the number alone, all in the unit of the measure",
    ),
    (
        re.compile(rf"([<>≤≥~≈]=?|ca\.?|about)\s*{NUMBER}"),
        "not_exact",
        "is no single number; write the value itself, or leave the cell empty",
    ),
    (
        re.compile(rf"{NUMBER}\s*(-|–|to|bis|/)\s*{NUMBER}"),
        "not_exact",
        "is no single number; write the value itself, or leave the cell empty",
    ),
    (re.compile(r"=.*", re.DOTALL), "formula", "is a formula, and formulas are not evaluated; paste its value"),
)
NO_RESULT = Wrong(
    "formula", "a formula without a stored result; open the file in a spreadsheet program and save it, or paste values"
)


def decimal_of(texts: Iterable[str], delimiter: Delimiter | None) -> tuple[Decimal | None, bool]:
    """The decimal mark that the texts of answers leave no doubt about, and whether both were found.

    A comma between cells makes the point the mark where nothing speaks against it. 1,234 and 1.234 speak for nothing.
    """
    sure: set[str] = set()
    unsure: set[str] = set()
    for text in texts:
        if found := MARKED.fullmatch(text):
            (unsure if EITHER.fullmatch(text) else sure).add(found[1])
    if len(sure) == 1:
        return ("," if "," in sure else "."), False
    if not sure and delimiter == "," and "," not in unsure:
        return ".", False
    return None, len(sure) > 1


def number_reader(decimal: Decimal | None, missing: Iterable[str]) -> Callable[[Cell], float | Wrong | None]:
    """Turns a cell into a number; None where a text says that there is no answer."""
    none = {fold(text) for text in missing} | {""}

    def find(cell: Cell) -> float | Wrong | None:
        text = text_of(cell)
        if len(text) <= LONGEST and fold(text) in none:
            return None
        if isinstance(cell, str):
            return _number(text.replace("−", "-"), decimal)
        if isinstance(cell, date):
            return Wrong(
                "date_for_number",
                f"the spreadsheet made a date ({cell:%Y-%m-%d}) of this cell; format it as a number, write it again",
            )
        return cell if math.isfinite(cell) else Wrong("not_a_number", f"{cell} is no number")

    return find


def _number(text: str, decimal: Decimal | None) -> float | Wrong:
    if len(text) > LONGEST:
        return Wrong("not_a_number", f"{shown(text)} is no number; it has {len(text):,} characters")
    plain = text.replace(",", ".") if decimal == "," and "." not in text else text
    if PLAIN.fullmatch(plain) and (decimal is not None or "." not in plain) and not (decimal == "," and "." in text):
        value = float(plain)
        larger = Wrong("not_a_number", f"{text} is larger than any number that is computed with")
        return value if math.isfinite(value) else larger
    return _why_not(text, decimal)


def _why_not(text: str, decimal: Decimal | None) -> Wrong:
    if text == UNCOMPUTED:
        return NO_RESULT
    if decimal is None and MARKED.fullmatch(text):
        return Wrong("decimal_not_stated", _in_doubt(text))
    if decimal is not None and MARKED.fullmatch(text) and not EITHER.fullmatch(text):
        other: Decimal = "." if decimal == "," else ","
        if other in text:
            return Wrong(
                "other_decimal",
                f"{text} has a decimal {WORDS[other]}, and the decimal mark of this file is a {WORDS[decimal]}; "
                "write all numbers alike",
            )
    if GROUPED.fullmatch(text):
        return Wrong(
            "thousands", f"{shown(text)} may have a mark of thousands; write the number without any, such as 1234"
        )
    for pattern, code, msg in HINTS:
        if pattern.fullmatch(text):
            return Wrong(code, f"{shown(text)} {msg}")
    return Wrong(
        "not_a_number",
        f"{shown(text)} is no number; write one or leave the cell empty, or name the text in missing or codes",
    )


def _in_doubt(text: str) -> str:
    if EITHER.fullmatch(text):
        apart = re.sub(r"[.,]", "", text)
        return f"{text} may be {text.replace(',', '.')} or {apart}: state the decimal mark as decimal, “.” or “,”"
    mark: Decimal = "," if "," in text else "."
    return (
        f"{text} has a decimal {WORDS[mark]}, and the first rows leave in doubt which mark is used: write all numbers "
        f"with one, and state it as decimal, “{mark}”"
    )
