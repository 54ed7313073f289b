"""Mappings to start from: what is likely is in them, what cannot be told is left out and said to be missing."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imports.reading import Fault, Known, Mapping, Unreadable, Value, read
from app.imports.reading.times import time_of, waves_of
from app.imports.reading.vocabulary import words

ARMS, UNITS = ("intervention", "control"), {"u-1": "Ward North", "u-2": "Ward South"}
SCALES = {"mbi_ee": (0.0, 54.0), "pfi_burnout": (0.0, 4.0)}
KNOWN = Known({"mbi_ee"}, ("pre", "post"), ARMS, UNITS, SCALES, {"pre": 0, "post": 6})
LONGER = Known({"mbi_ee", "pfi_burnout"}, ("pre", "post", "y1"), ARMS, UNITS, SCALES, {"pre": 0, "post": 6})
EE, BO = "mbi_ee", "pfi_burnout"


def told(text: str, known: Known) -> tuple[dict[str, Any], str]:
    with pytest.raises(Unreadable) as refused:
        read(io.BytesIO(text.encode()), "a.csv", None, known)
    assert refused.value.code == "mapping_needed"
    assert refused.value.start is not None
    return refused.value.start, refused.value.msg.partition("It lacks ")[2]


def wide(start: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {value["column"]: (value["measure"], value["wave"]) for value in start.get("values", [])}


GERMAN = """Kürzel;Gruppe;Station;EE vorher;EE nachher;Bemerkung
p-1;Interventionsgruppe;Ward North;27,5;30;keine
p-2;Kontrollgruppe;Ward South;20;;-
"""
REDCAP = """record_id,redcap_event_name,group,team,ee_total,remark
1,enrolment_arm_1,1,,,
1,baseline_arm_1,,3,27,
1,followup_arm_1,,4,25,tired
2,enrolment_arm_1,2,,,
2,baseline_arm_1,,2,31,
"""


def test_a_german_table_is_told_whole() -> None:
    start, lacks = told(GERMAN, KNOWN)
    assert start == {
        "layout": "wide",
        "participant": "Kürzel",
        "unit": "Station",
        "arm": "Gruppe",
        "arms": {"Interventionsgruppe": "intervention", "Kontrollgruppe": "control"},
        "values": [
            {"column": "EE vorher", "measure": "mbi_ee", "wave": "pre"},
            {"column": "EE nachher", "measure": "mbi_ee", "wave": "post"},
        ],
    }
    assert lacks == ""
    values = list(read(io.BytesIO(GERMAN.encode()), "a.csv", Mapping(**start), KNOWN))
    assert [(v.participant, v.arm, v.unit_id, v.value) for v in values if isinstance(v, Value)] == [
        ("p-1", "intervention", "u-1", 27.5),
        ("p-1", "intervention", "u-1", 30),
        ("p-2", "control", "u-2", 20),
    ]


def test_of_a_redcap_export_numbers_are_no_unit_and_codes_no_arms() -> None:
    start, lacks = told(REDCAP, KNOWN)
    assert start == {
        "layout": "redcap",
        "arm": "group",
        "record": "record_id",
        "event": "redcap_event_name",
        "events": {"baseline_arm_1": {"wave": "pre"}, "followup_arm_1": {"wave": "post"}},
        "fields": {"ee_total": "mbi_ee"},
    }
    assert lacks == "arms: what '1', '2' of 'group' stand for"
    whole = Mapping(**{**start, "arms": {"1": "intervention", "2": "control"}})
    got = list(read(io.BytesIO(REDCAP.encode()), "a.csv", whole, KNOWN))
    assert [(v.wave, v.arm) for v in got if isinstance(v, Value)] == [
        ("pre", "intervention"),
        ("post", "intervention"),
        ("pre", "control"),
    ]
    assert not [item for item in got if isinstance(item, Fault)]


@pytest.mark.parametrize(
    ("text", "known", "found", "lacks"),
    [
        (
            "id,ee_t1,ee_t2,ee_t3\n1,2,3,4",
            LONGER,
            {"ee_t1": (EE, "pre"), "ee_t2": (EE, "post"), "ee_t3": (EE, "y1")},
            BO,
        ),
        ("id,arm,EE T0,EE T1\n1,control,2,3", KNOWN, {"EE T0": (EE, "pre"), "EE T1": (EE, "post")}, ""),
        # Of two times counted from 1 it cannot be told which of three waves they are.
        ("id,ee_t1,ee_t2\n1,2,3", LONGER, {}, "mbi_ee at pre"),
        (
            "id,burnout baseline,burnout month 6,burnout 1 year\n1,2,3,4",
            LONGER,
            {"burnout baseline": (BO, "pre"), "burnout month 6": (BO, "post"), "burnout 1 year": (BO, "y1")},
            "mbi_ee at pre",
        ),
        # Another month than the planned one.
        ("id,ee baseline,ee month 3\n1,2,3", KNOWN, {"ee baseline": (EE, "pre")}, "mbi_ee at post"),
        # Words, numbers off the scale, two columns for one.
        ("id,EE pre,EE post\n1,never,often", KNOWN, {}, "mbi_ee at pre, mbi_ee at post"),
        ("id,EE pre,EE post\n1,270,20", KNOWN, {"EE post": (EE, "post")}, "mbi_ee at pre"),
        ("id,EE pre,EE total pre\n1,27,20", KNOWN, {}, "mbi_ee at pre"),
        ("who,group,before\np-1,control,20", KNOWN, {"before": (EE, "pre")}, "mbi_ee at post"),
        ("who,before,after 6 months\np-1,20,21", LONGER, {}, "mbi_ee at pre"),
        ("q1,q2,q3\n1,2,3", KNOWN, {}, "mbi_ee at pre"),
        ("id,ee_item_1_pre,dp post\n1,2,3", KNOWN, {}, "mbi_ee at pre"),
    ],
)
def test_columns_of_answers(text: str, known: Known, found: dict[str, tuple[str, str]], lacks: str) -> None:
    start, missing = told(text, known)
    assert wide(start) == found
    assert lacks in missing
    if found:
        Mapping(**start)


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("Code,Arm,x\n1,control,2", {"participant": "Code", "arm": "Arm"}),
        ("record_id,Studienarm,Abteilung,x\n1,A,Ward North,2", {"participant": "record_id", "arm": "Studienarm"}),
        ("Teilnehmer,Cohort,x\n1,control,2\n2,Intervention,3", {"participant": "Teilnehmer", "arm": "Cohort"}),
        ("id,Gruppe,team,x\n1,control,4,2\n2,control,3.5,2", {"participant": "id", "arm": "Gruppe"}),
        # As many groups as people: no arms.
        ("id,group,x\n" + "\n".join(f"{at},g{at},2" for at in range(20)), {"participant": "id"}),
    ],
)
def test_columns_of_people(text: str, people: dict[str, str]) -> None:
    start, _ = told(text, KNOWN)
    named = {key: start[key] for key in ("participant", "arm", "unit") if key in start}
    assert named == people | ({"unit": "Abteilung"} if "Abteilung" in text else {})


@pytest.mark.parametrize(
    ("events", "known", "found"),
    [
        (("baseline_arm_1", "followup_1_arm_1", "followup_2_arm_1"), LONGER, ("pre", "post", "y1")),
        (("baseline_arm_1", "followup_1_arm_1", "followup_2_arm_1"), KNOWN, ("pre", "post", None)),
        (("vorher", "nachher", "training"), KNOWN, ("pre", "post", None)),
        (("month_0", "month_6", "month_12", "month_24"), LONGER, ("pre", "post", "y1", None)),
        (("pre", "month_6", "12 Monate"), Known({EE}, ("pre", "m6", "y1"), ARMS, {}), ("pre", "m6", "y1")),
        (("baseline_arm_1", "after_training_arm_1"), KNOWN, ("pre", None)),
        (("follow_up", "month_6"), KNOWN, (None, None)),
    ],
)
def test_events_are_told_by_their_words_and_order(
    events: tuple[str, ...], known: Known, found: tuple[str | None, ...]
) -> None:
    text = "record_id,redcap_event_name,ee\n" + "\n".join(f"1,{event},20" for event in events)
    start, lacks = told(text, known)
    places = start.get("events", {})
    assert tuple(places.get(event, {}).get("wave") for event in events) == found
    assert all(repr(event) in lacks for event, wave in zip(events, found, strict=True) if wave is None)


def test_an_export_by_labels_has_its_arms_in_its_events() -> None:
    text = "Record ID,Event Name,EE total\n1,Baseline (Arm 1: Coaching),27\n2,Baseline (Arm 2: Waitlist),20\n"
    start, _ = told(text, KNOWN)
    assert start["events"] == {
        "Baseline (Arm 1: Coaching)": {"wave": "pre"},
        "Baseline (Arm 2: Waitlist)": {"wave": "pre", "arm": "control"},
    }


def test_a_long_table_is_told_by_the_words_for_its_waves() -> None:
    start, lacks = told("code,group,time,score\np-1,control,T0,20\np-2,intervention,T1,22", KNOWN)
    assert (start["layout"], start["measure"], start["waves"]) == ("long", "mbi_ee", {"T0": "pre", "T1": "post"})
    assert lacks == ""


def test_a_score_that_is_called_team_is_no_unit_of_a_file_that_tells_itself() -> None:
    content = b"id,Gruppe,team,mbi_ee_pre\n1,control,3,20\n2,intervention,4,21\n"
    used = read(io.BytesIO(content), "a.csv", None, KNOWN).mapping
    assert (used.participant, used.arm, used.unit) == ("id", "Gruppe", None)


@given(
    st.lists(st.sampled_from(["pre", "nachher", "T0", "t1", "T2", "month 6", "follow-up 1", "baseline"]), max_size=5)
)
def test_no_two_times_are_one_wave(names: list[str]) -> None:
    times = {time for name in names if (time := time_of(words(name))[0]) is not None}
    for known in (KNOWN, LONGER):
        found = waves_of(times, known)
        assert len(set(found.values())) == len(found)
        assert set(found.values()) <= set(known.waves)
