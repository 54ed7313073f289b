"""Any values, written in any of the ways people's programs write them, are read again as they were."""

import csv
import io
from contextlib import suppress
from datetime import date
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.imports.reading import Fault, Known, Mapping, Unreadable, Value, read

WAVES, ARMS = ("pre", "post"), ("intervention", "control")
UNITS = {"u-1": "Ward; North", "u-2": "Überwachung, 2", "u-3": 'The "old" wing\nof 1990'}
KNOWN = Known({"mbi_ee", "pfi_burnout"}, WAVES, ARMS, UNITS)
PEOPLE = st.from_regex(r"[a-z]-[0-9]{1,5}", fullmatch=True)
NUMBERS = st.one_of(
    st.integers(-1000, 10**6).map(float),
    st.integers(-(10**6), 10**6).map(lambda n: n / 100),
    st.floats(-1e9, 1e9, allow_subnormal=False),
)
DAYS = st.one_of(st.none(), st.dates(date(1990, 1, 1), date(2100, 1, 1)))
Person = tuple[str, str | None, str | None, date | None, float | None, float | None]
ROWS = st.lists(
    st.tuples(
        PEOPLE,
        st.sampled_from([None, *UNITS]),
        st.sampled_from([None, *ARMS]),
        DAYS,
        st.none() | NUMBERS,
        st.none() | NUMBERS,
    ),
    min_size=1,
    max_size=12,
)
FORMS = {"iso": "%Y-%m-%d", "dmy": "%d.%m.%Y", "mdy": "%m/%d/%Y", "%d %b %Y": "%d %b %Y"}
WIDE: dict[str, Any] = {
    "layout": "wide",
    "participant": "Who",
    "unit": "Unit",
    "arm": "Arm",
    "date": "Day",
    "values": [{"column": f"EE {wave}", "measure": "mbi_ee", "wave": wave} for wave in WAVES],
}
LONG: dict[str, Any] = {
    "layout": "long",
    "participant": "Who",
    "unit": "Unit",
    "arm": "Arm",
    "date": "Day",
    "measure": "mbi_ee",
    "wave_column": "Wave",
    "value_column": "EE",
}


def written(lines: list[list[str]], delimiter: str, encoding: str, ends: str, quoting: Any) -> bytes:
    into = io.StringIO()
    csv.writer(into, delimiter=delimiter, lineterminator=ends, quoting=quoting).writerows(lines)
    return into.getvalue().encode(encoding)


def number(value: float | None, decimal: str) -> str:
    return "" if value is None else repr(value).replace(".", decimal)


def wide(rows: list[Person], decimal: str, form: str) -> list[list[str]]:
    lines = [["Who", "Unit", "Arm", "Day", "EE pre", "EE post"]]
    for who, unit, arm, day, pre, post in rows:
        on = day.strftime(form) if day else ""
        lines.append([who, UNITS.get(unit or "", ""), arm or "", on, number(pre, decimal), number(post, decimal)])
    return lines


def long(rows: list[Person], decimal: str) -> list[list[str]]:
    lines = [["Wave", "Who", "Unit", "Arm", "Day", "EE"]]
    for who, unit, arm, day, *answers in rows:
        for wave, value in zip(WAVES, answers, strict=True):
            lines.append([wave, who, unit or "", arm or "", str(day or ""), number(value, decimal)])
    return lines


def values(content: bytes, mapping: dict[str, Any]) -> list[tuple[Any, ...]]:
    got = []
    for item in read(io.BytesIO(content), "a.csv", Mapping(**mapping), KNOWN):
        assert isinstance(item, Value), item
        got.append((item.participant, item.unit_id, item.arm, item.collected_on, item.wave, item.value))
    return got


def expected(rows: list[Person]) -> list[tuple[Any, ...]]:
    return [
        (who, unit, arm, day, wave, value)
        for who, unit, arm, day, *answers in rows
        for wave, value in zip(WAVES, answers, strict=True)
        if value is not None
    ]


@settings(max_examples=100, deadline=None)
@given(
    ROWS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "windows-1252", "utf-16", "utf-16-le"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(list(FORMS)),
)
def test_a_table_in_any_writing_gives_its_values(
    rows: list[Person], delimiter: str, encoding: str, decimal: str, ends: str, quoting: Any, form: str
) -> None:
    content = written(wide(rows, decimal, FORMS[form]), delimiter, encoding, ends, quoting)
    stated = {"delimiter": delimiter, "decimal": decimal, "date_format": form}
    assert values(content, WIDE | stated) == expected(rows)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.sampled_from([(",", "."), (";", ","), ("\t", ",")]))
def test_wide_and_long_of_the_same_data_agree(rows: list[Person], marks: tuple[str, str]) -> None:
    delimiter, decimal = marks
    stated = {"delimiter": delimiter, "decimal": decimal}
    one = values(written(wide(rows, decimal, "%Y-%m-%d"), delimiter, "utf-8", "\n", csv.QUOTE_MINIMAL), WIDE | stated)
    other = values(written(long(rows, decimal), delimiter, "utf-8", "\n", csv.QUOTE_MINIMAL), LONG | stated)
    assert one == other


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=8), st.sampled_from([",", ";", "\t"]), st.sampled_from([".", ","]))
@example([1.234], ";", ".")
@example([1.234], ";", ",")
def test_what_is_found_out_is_never_another_number(numbers: list[float], delimiter: str, decimal: str) -> None:
    """Without anything stated a value is read as it was written, or it is a fault: no thousand for a decimal."""
    lines = [["id", "EE pre", "EE post"]] + [[f"p-{at}", number(n, decimal), "1"] for at, n in enumerate(numbers)]
    mapping = {"layout": "wide", "participant": "id", "values": WIDE["values"]}
    content = written(lines, delimiter, "utf-8", "\n", csv.QUOTE_MINIMAL)
    got = list(read(io.BytesIO(content), "a.csv", Mapping(**mapping), KNOWN))
    for item in got:
        if isinstance(item, Fault):
            assert item.code == "decimal_not_stated"
        elif item.column == "EE pre":
            assert item.value == numbers[item.row - 2]
    assert len(got) == 2 * len(numbers)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([None, WIDE, LONG]))
def test_no_file_breaks_the_reader(content: bytes, mapping: dict[str, Any] | None) -> None:
    with suppress(Unreadable):
        for item in read(io.BytesIO(content), "a", Mapping(**mapping) if mapping else None, KNOWN):
            assert isinstance(item, Value | Fault)
