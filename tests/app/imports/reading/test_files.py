"""Files made by hand, as people have them: ugly ones with the message each gets, and odd ones that are read."""

import csv
from pathlib import Path

import pytest

from app.imports.reading import Fault, Unreadable, Value
from tests.app.imports.reading.cases import DICTIONARY, FILES, reading

HERE = Path(__file__).parent


def table(name: str) -> dict[str, list[list[str]]]:
    """The rows of a table beside this file, by the file they are about."""
    by_file: dict[str, list[list[str]]] = {}
    with (HERE / name).open(encoding="utf-8", newline="") as lines:
        for file, *rest in list(csv.reader(lines))[1:]:
            by_file.setdefault(file, []).append(rest)
    return by_file


UGLY = table("ugly.csv")
PLAIN = table("plain.csv")


def as_told(item: Fault | Value) -> list[str]:
    return ["" if part is None else str(part) for part in item]


@pytest.mark.parametrize("name", UGLY)
def test_each_ugly_file_gets_its_messages(name: str) -> None:
    try:
        got = [as_told(item) for item in reading(name) if isinstance(item, Fault)]
    except Unreadable as refusal:
        got = [["", "", refusal.code, refusal.msg]]
    assert got == UGLY[name]


@pytest.mark.parametrize("name", PLAIN)
def test_each_odd_file_gives_its_values(name: str) -> None:
    read = reading(name)
    assert [[read.found, *as_told(item)] for item in read] == PLAIN[name]


def test_every_file_is_told_of() -> None:
    assert {path.name for path in FILES.iterdir()} == {*UGLY, *PLAIN, DICTIONARY}
    assert len(UGLY) >= 20


def test_a_fault_holds_up_no_other_cell() -> None:
    values = [item for item in reading("spreadsheet_errors.csv") if isinstance(item, Value)]
    assert [(value.row, value.column, value.value) for value in values] == [
        (2, "EE post", 30),
        (3, "EE pre", 27),
        (4, "EE post", 28),
    ]


def test_no_message_repeats_who_answered() -> None:
    for name in UGLY:
        for told in UGLY[name]:
            assert "p-1" not in told[-1]
            assert "Miriam" not in told[-1]
            assert "4,71" not in told[-1]


def test_rows_and_empty_cells_are_counted_each_time_anew() -> None:
    read = reading("excel_german.csv")
    for _ in range(2):
        assert len(list(read)) == 3
        assert (read.rows, read.empty) == (2, 1)


def test_what_was_found_out_is_in_the_mapping() -> None:
    used = reading("umlauts_1252.csv").mapping
    assert (used.encoding, used.delimiter, used.decimal) == ("windows-1252", ";", None)
    assert reading("tabs.tsv").mapping.decimal == ","
    assert reading("titles_told.csv").mapping.header_row == 4
