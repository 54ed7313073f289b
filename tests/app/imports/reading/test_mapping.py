"""Mappings: what the form refuses, what is guessed from the names of columns, what a plan does not have."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.imports.reading import Fault, Known, Mapping, Unreadable, Value, read, suggest
from tests.app.imports.reading.cases import KNOWN, REDCAP, WIDE

LONG = {"layout": "long", "value_column": "score", "measure": "mbi_ee", "wave": "pre"}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"layout": "wide"}, "a wide file needs values"),
        ({**WIDE, "wide": True}, "Extra inputs"),
        ({**LONG, "value_column": None}, "needs value_column"),
        ({**LONG, "measure": None}, "either measure_column"),
        ({**LONG, "wave_column": "time"}, "either wave_column"),
        ({**REDCAP, "events": {}}, "needs events"),
        ({**REDCAP, "participant": "record_id"}, "named by record"),
        ({**WIDE, "arm": "code"}, "names people"),
        ({**WIDE, "date_format": "%d.%m.%y"}, "four digits"),
        ({**WIDE, "date_format": "%H:%M"}, "is iso, dmy, mdy"),
        ({**WIDE, "date_format": "german"}, "is iso, dmy, mdy"),
        ({**WIDE, "header_row": 0}, "greater than or equal to 1"),
        ({**WIDE, "delimiter": "/"}, "Input should be"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(form: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Mapping(**form)


def test_the_examples_are_mappings_and_one_that_was_kept_is_taken_again() -> None:
    for example in Mapping.model_json_schema()["examples"]:
        mapping = Mapping(**example)
        assert Mapping(**mapping.model_dump()) == mapping
        assert Mapping.model_validate_json(mapping.model_dump_json(exclude_defaults=True)) == mapping


def test_keys_that_the_plan_does_not_have_are_told_before_any_row() -> None:
    mapping = {
        **WIDE,
        "values": [{"column": "EE pre", "measure": "mbi", "wave": "t0"}],
        "arms": {"A": "treated"},
        "units": {"W": "u-9"},
    }
    content = io.BytesIO(b"Code;Group;EE pre\np-1;A;27\n")
    faults = list(read(content, "a.csv", Mapping(**mapping), KNOWN))
    assert [tuple(fault) for fault in faults] == [
        (None, None, "unknown_measure", "the mapping names the measure 'mbi'; there is mbi_ee, pfi_burnout"),
        (None, None, "unknown_wave", "the mapping names the wave 't0'; there is pre, post"),
        (None, None, "unknown_arm", "the mapping names the arm 'treated'; there is intervention, control"),
        (None, None, "unknown_unit", "the mapping names the unit 'u-9'; there is u-1, u-2, u-3, u-4"),
    ]


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (["id", "mbi_ee_pre", "mbi_ee_post"], {"mbi_ee_pre": ("mbi_ee", "pre"), "mbi_ee_post": ("mbi_ee", "post")}),
        (["Code", "MBI EE pre"], {"MBI EE pre": ("mbi_ee", "pre")}),
        (
            ["pre_mbi_ee", "Post: PFI-burnout"],
            {"pre_mbi_ee": ("mbi_ee", "pre"), "Post: PFI-burnout": ("pfi_burnout", "post")},
        ),
        (["id", "mbi_ee", "EE"], None),
        (["wave", "mbi_ee"], None),
    ],
)
def test_wide_columns_are_known_by_measure_and_wave(columns: list[str], values: dict[str, Any] | None) -> None:
    found = suggest(columns, [], KNOWN)
    assert (found and {v.column: (v.measure, v.wave) for v in found.values}) == values


def test_our_own_names_need_no_mapping() -> None:
    columns = ["value", "wave", "measure", "collected_on", "arm", "unit_id", "participant"]
    found = suggest(columns, [], KNOWN)
    assert found is not None
    assert found.model_dump(exclude_defaults=True) == {
        "layout": "long",
        "participant": "participant",
        "unit": "unit_id",
        "arm": "arm",
        "date": "collected_on",
        "value_column": "value",
        "measure_column": "measure",
        "wave_column": "wave",
    }


def test_redcap_is_known_by_its_events() -> None:
    columns = ["record_id", "redcap_event_name", "mbi_ee", "remark"]
    told = suggest(columns, [["1", "pre_arm_1", "", ""], ["1", "post_arm_1", "", ""]], KNOWN)
    assert told is not None
    assert told.fields == {"mbi_ee": "mbi_ee"}
    assert {event: place.wave for event, place in told.events.items()} == {"post_arm_1": "post", "pre_arm_1": "pre"}
    assert suggest(columns, [["1", "screening_arm_1", "", ""]], KNOWN) is None


NAMES = ["id", "code", "mbi_ee", "MBI EE pre", "wave", "measure", "value", "arm", "date", "record_id"]
NAMES += ["redcap_event_name", "redcap_repeat_instance", "x" * 1200, "(column A)", ""]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=6),
    st.sampled_from(["pre_arm_1", "pre", "b_arm_1", "", "y" * 1200]),
)
def test_any_names_give_values_or_a_mapping_to_start_from(names: list[str], cell: str) -> None:
    content = f"{';'.join(names)}\n{';'.join([cell] * len(names))}\n".encode()
    start: dict[str, Any] | None = None
    try:
        assert all(isinstance(item, Fault | Value) for item in read(io.BytesIO(content), "a.csv", None, KNOWN))
    except Unreadable as told:
        start = told.start
    if start and (start.get("values") or (start.get("fields", {}) and start.get("events", {}))):
        read(io.BytesIO(content), "a.csv", Mapping(**start), KNOWN)


def test_a_file_without_names_is_not_repeated() -> None:
    with pytest.raises(Unreadable) as refused:
        read(io.BytesIO(b"Miriam Goldschmidt;27;30\n"), "a.csv", None, KNOWN)
    assert refused.value.code == "no_header"
    assert "Miriam" not in refused.value.msg


def test_arms_of_events_go_before_the_column_and_codes_need_no_dictionary() -> None:
    mapping = {
        **REDCAP,
        "arm": "group",
        "events": {"b_arm_1": {"wave": "pre", "arm": "control"}, "b": {"wave": "pre"}},
        "codes": {"EE_total": {"Never": 0}},
    }
    content = b"record_id,redcap_event_name,group,ee_total\n1,b_arm_1,,never\n2,b,Intervention,2\n"
    got = list(read(io.BytesIO(content), "a.csv", Mapping(**mapping), KNOWN))
    assert [(v.participant, v.arm, v.value) for v in got if isinstance(v, Value)] == [
        ("1", "control", 0),
        ("2", "intervention", 2),
    ]


def test_something_else_is_no_dictionary() -> None:
    with pytest.raises(Unreadable) as refused:
        read(io.BytesIO(b"a,b\n1,2\n"), "a.csv", Mapping(**REDCAP), KNOWN, io.BytesIO(b"a,b\n1,2\n"))
    assert refused.value.code == "not_a_dictionary"


def test_units_need_no_mapping_when_named_as_they_are() -> None:
    known = Known({"mbi_ee"}, ("pre",), ("all",), {"u-1": "Ward North"})
    content = b"unit,mbi_ee_pre\nu-1,1\nward north ,2\n U-1,3\n,4\n"
    got = list(read(io.BytesIO(content), "a.csv", None, known))
    assert [v.unit_id for v in got if isinstance(v, Value)] == ["u-1", "u-1", "u-1", None]
