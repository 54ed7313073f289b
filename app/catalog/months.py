"""Months as text, "2026-03", and how they are counted; pure."""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

FORM = r"^[0-9]{4}-(0[1-9]|1[0-2])$"
YEAR = 12


def _month(given: object) -> str:
    if isinstance(given, str) and re.fullmatch(FORM.strip("^$"), given):
        return given
    raise PydanticCustomError("month_form", "has to be a month as YYYY-MM, such as 2025-03")


Month = Annotated[str, BeforeValidator(_month), WithJsonSchema({"type": "string", "pattern": FORM})]


def month_of(day: date) -> str:
    """The month of a day."""
    return f"{day:%Y-%m}"


def between(first: str, second: str) -> int:
    """How many months the second comes after the first; negative before it."""
    return _number(second) - _number(first)


def later(month: str, by: int) -> str | None:
    """The month so many after this one; None beyond the years 0000 to 9999."""
    year, index = divmod(_number(month) + by, YEAR)
    return f"{year:04d}-{index + 1:02d}" if 0 <= year <= 9999 else None  # noqa: PLR2004 - four digits


def _number(month: str) -> int:
    year, number = month.split("-")
    return int(year) * YEAR + int(number) - 1
