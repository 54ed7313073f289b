"""Files that would take memory or time, encodings, and what is read of each before it is refused."""

import io
import time
import tracemalloc
from typing import Any

import pytest

from app.imports.reading import Fault, Known, Mapping, Unreadable, Value, header, read

KNOWN = Known({"mbi_ee"}, ("pre", "post"), ("intervention", "control"), {})
HEADER = "participant,arm,measure,wave,value\n"


def refusal(content: bytes, mapping: Mapping | None = None) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        read(io.BytesIO(content), "a.csv", mapping, KNOWN)
    return refused.value


def row(at: int) -> str:
    return f"p-{at},control,mbi_ee,pre,{at % 54}\n"


def test_a_line_longer_than_a_mebibyte_is_refused_wherever_it_stands() -> None:
    for before in (0, 300_000):
        lines = HEADER + "x" * (2**20 - before) + "\n" * before + "y" * (2**20 + 1)
        assert refusal(lines.encode()).code == "line_too_long"
    assert refusal((HEADER + "x" * (2**20 + 1)).encode("utf-16")).code == "line_too_long"


def test_more_columns_than_a_table_has() -> None:
    told = refusal((",".join(f"c{at}" for at in range(1001)) + "\n").encode())
    assert (told.code, "1,001 columns" in told.msg) == ("too_many_columns", True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_with_and_without_its_mark(encoding: str) -> None:
    reading = read(io.BytesIO((HEADER + row(1)).encode(encoding)), "a.csv", None, KNOWN)
    assert [item.value for item in reading if isinstance(item, Value)] == [1]
    assert reading.mapping.encoding == "utf-16"


def test_a_character_of_another_encoding_far_down_is_found_before_anything_is_read() -> None:
    content = (HEADER + "".join(row(at) for at in range(40_000))).encode() + "p-ü,control,mbi_ee,pre,3\n".encode(
        "cp1252"
    )
    reading = read(io.BytesIO(content), "a.csv", None, KNOWN)
    assert (reading.mapping.encoding, reading.lines) == ("windows-1252", 40_002)
    assert reading.found == "comma, Windows-1252, long by the names in row 1, decimal point, 40,002 lines"
    stated = reading.mapping.model_copy(update={"encoding": "utf-8"})
    assert refusal(content, stated).msg.startswith("line 40002 has characters that are not UTF-8")


def test_rows_are_read_one_by_one_and_memory_stays_bounded() -> None:
    content = io.BytesIO((HEADER + "".join(row(at) for at in range(30_000))).encode())
    reading = read(content, "a.csv", None, KNOWN)
    tracemalloc.start()
    try:
        count = sum(isinstance(item, Value) for item in reading)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 30_000
    assert peak < 2 * 2**20


def test_of_as_many_faults_as_rows_none_is_kept() -> None:
    content = io.BytesIO((HEADER + "".join(f"p-{at},arm-{at},mbi_ee,pre,{at}x\n" for at in range(6_000))).encode())
    reading = read(content, "a.csv", None, KNOWN)
    tracemalloc.start()
    try:
        count = sum(isinstance(item, Fault) for item in reading)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 12_000
    assert peak < 4 * 2**20


def test_a_file_stays_open_and_can_be_gone_through_in_part() -> None:
    file = io.BytesIO((HEADER + "".join(row(at) for at in range(5000))).encode())
    reading = read(file, "a.csv", None, KNOWN)
    for _ in reading:
        break
    del reading
    assert not file.closed


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("1e999", "not_a_number"),
        ("9" * 500, "not_a_number"),
        ("inf", "not_a_number"),
        ("1_000", "not_a_number"),
        ("١٢", "not_a_number"),
        ("0x1F", "unit_in_number"),
        ("nan ", None),
        ("1e3", None),
    ],
)
def test_what_only_programs_take_for_numbers(cell: str, code: str | None) -> None:
    got: list[Any] = list(read(io.BytesIO(f"{HEADER}p-1,control,mbi_ee,pre,{cell}\n".encode()), "a", None, KNOWN))
    assert [item.code for item in got if isinstance(item, Fault)] == ([code] if code else [])
    assert all(len(item.msg) < 300 for item in got if isinstance(item, Fault))


@pytest.mark.parametrize("content", [b'"', b'"a,b\n1,2', b'a,b,"' + b"x" * 200_000])
def test_a_file_of_which_no_row_can_be_read_says_why(content: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read(io.BytesIO(content), "a.csv", None, KNOWN)
    assert caught.value.code == "open_quote"


@pytest.mark.parametrize("pair", ["aa", "11", "1 ", "@@", "--", "a-", "==", "\u0301\u0323"])
def test_a_cell_as_long_as_any_is_refused_at_once(pair: str) -> None:
    cell = "x" + pair * 65_000
    rows = "".join(f"{cell if at == 2 else 'p-1'},{cell},mbi_ee,pre,{cell if at else 1}\n" for at in range(3))
    began = time.process_time()
    faults = [item for item in read(io.BytesIO((HEADER + rows).encode()), "a.csv", None, KNOWN) if item]
    # Searched as a whole, each of the cells took minutes.
    assert time.process_time() - began < 10
    assert all(isinstance(fault, Fault) and len(fault.msg) < 300 for fault in faults)
    assert [fault.column for fault in faults] == [*["arm"], *["arm", "value"], *["participant", "arm", "value"]]


def test_near_names_are_looked_for_a_few_times_among_short_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(_word: str, names: list[str], n: int) -> list[str]:
        asked.append(max(map(len, names)))
        return names[:n]

    monkeypatch.setattr(header, "get_close_matches", counted)
    values = [{"column": f"score {at}", "measure": "mbi_ee", "wave": "pre"} for at in range(40)]
    mapping = Mapping(layout="wide", participant="x" * 1000, arm="arm", values=values)
    content = f"participant,arm,value,{'y' * 100_000}\np-1,control,1,2\n"
    faults = read(io.BytesIO(content.encode()), "a.csv", mapping, KNOWN).faults
    assert [fault.code for fault in faults] == ["no_such_column"] * 41
    assert (len(asked), max(asked)) == (9, len("participant"))
    assert ["is 'participant' meant?" in fault.msg for fault in faults] == [False, *[True] * 9, *[False] * 31]
    assert all(len(fault.msg) < 1500 for fault in faults)


def test_columns_of_the_same_names_are_told_apart_looking_at_each_name_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[str] = []
    monkeypatch.setattr(header, "fold", lambda text: folded.append(text) or text.casefold())
    names = [f"n{at:03d}" for at in range(250)] * 2
    told = header.header_of(names, 1)
    assert told.doubled["n000"] == ["n000 (column A)", "n000 (column IQ)"]
    assert (len(told.doubled), len(folded)) == (250, 2 * len(names))
