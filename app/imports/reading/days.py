"""Dates as files hold them: ISO always, local ones as stated, those of workbooks by their serial number."""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

from app.imports.reading.facts import Cell, Wrong
from app.imports.reading.lookup import fold, shown, text_of

ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})([T ]\d{2}:\d{2}.*)?", re.ASCII)
LOCAL = re.compile(r"(\d{1,2})([./ -])\s?(\d{1,2})\2\s?(\d{4})([ T,]+\d{1,2}:\d{2}.*)?", re.ASCII)
SHORT_YEAR = re.compile(r"\d{1,2}[./ -]\s?\d{1,2}[./ -]\s?\d{2}", re.ASCII)
SERIALS = range(20_000, 80_000)
"""Days since the epoch of a workbook: the years 1954 to 2119."""
STATE = 'state date_format: "dmy", "mdy" or a pattern such as "%d %b %Y"'


def day_reader(
    stated: str | None, epoch: datetime | None, missing: Iterable[str]
) -> Callable[[Cell], date | Wrong | None]:
    """Turns a cell into a day; `epoch` is where a workbook counts its days from, None in text files."""
    none = {fold(text) for text in missing} | {""}

    def find(cell: Cell) -> date | Wrong | None:
        if isinstance(cell, datetime):
            return cell.date()
        if isinstance(cell, date):
            return cell
        text = text_of(cell)
        if len(text) <= 100 and fold(text) in none:  # noqa: PLR2004 - no text that means no answer is longer
            return None
        if isinstance(cell, float) and epoch is not None and int(cell) in SERIALS:
            return (epoch + timedelta(days=int(cell))).date()
        return _day(text, stated)

    return find


def _day(text: str, stated: str | None) -> date | Wrong:
    said = shown(text)
    if SHORT_YEAR.fullmatch(text):
        return Wrong("two_digit_year", f"{said} has a year of two digits; write four")
    try:
        day = _written(text, stated)
    except ValueError:
        return Wrong("no_such_date", f"{said} is no date{_as(stated)}; correct it")
    if day is not None:
        return day
    if LOCAL.fullmatch(text):
        return Wrong("date_not_stated", f"{said} may be read in two ways; {STATE}, or write dates as 2026-03-01")
    if text.isdecimal():
        return Wrong("date_serial", f"{said} may be a spreadsheet's number of a day; write dates as 2026-03-01")
    return Wrong("no_such_date", f"{said} is no date{_as(stated)}; write dates as 2026-03-01, or {STATE}")


def _written(text: str, stated: str | None) -> date | None:
    """The day that a text writes as stated, or in ISO; ValueError when there is no such day."""
    if iso := ISO.fullmatch(text):
        return date(int(iso[1]), int(iso[2]), int(iso[3]))
    local = LOCAL.fullmatch(text)
    if local and stated in {"dmy", "mdy"}:
        first, second = int(local[1]), int(local[3])
        day, month = (first, second) if stated == "dmy" else (second, first)
        return date(int(local[4]), month, day)
    if stated and "%" in stated:
        return datetime.strptime(text, stated).date()  # noqa: DTZ007 - a day has no zone
    return None


def _as(stated: str | None) -> str:
    return f" in the stated form {stated}" if stated and stated != "iso" else ""
