"""The files made by hand in ../files, with the mapping each is read by."""

import io
from pathlib import Path
from typing import Any

from app.imports.reading import Known, Mapping, Reading, read

FILES = Path(__file__).parent.parent / "files"
KNOWN = Known(
    measures=frozenset({"mbi_ee", "pfi_burnout"}),
    waves=("pre", "post"),
    arms=("intervention", "control"),
    units={"u-1": "Ward North", "u-2": "Ward South", "u-3": "Clinic", "u-4": "Clinic"},
)


def columns(pre: str, post: str) -> list[dict[str, str]]:
    return [{"column": pre, "measure": "mbi_ee", "wave": "pre"}, {"column": post, "measure": "mbi_ee", "wave": "post"}]


WIDE: dict[str, Any] = {"layout": "wide", "participant": "Code", "arm": "Group", "values": columns("EE pre", "EE post")}
OF_WARDS = {key: told for key, told in WIDE.items() if key != "arm"}
DATED = {**OF_WARDS, "date": "Date"}
REDCAP: dict[str, Any] = {
    "layout": "redcap",
    "events": {"baseline_arm_1": {"wave": "pre"}},
    "fields": {"ee_total": "mbi_ee"},
}
ONCE = {
    **REDCAP,
    "events": {"baseline_arm_1": {"wave": "pre"}, "followup_arm_1": {"wave": "post"}},
    "arm": "group",
    "arms": {"1": "control", "2": "intervention"},
    "unit": "ward",
}
ARMS = {
    f"{event}_arm_{number}": {"wave": wave, "arm": arm}
    for event, wave in (("baseline", "pre"), ("followup", "post"))
    for number, arm in ((1, "intervention"), (2, "control"))
}
ITEMS = {"ee_total": "mbi_ee", "ee_item": "pfi_burnout", "leave": "pfi_burnout", "tired___1": "pfi_burnout"}
MAPPINGS: dict[str, dict[str, Any] | None] = {
    "codes_for_missing.csv": {**WIDE, "missing": ["NA", "N/A", ".", "-99"]},
    "decomposed.csv": {**WIDE, "arm": "gruppe für alle"},
    "excel_german.csv": {
        **WIDE,
        "arm": "Gruppe",
        "arms": {"Warteliste": "control"},
        "values": columns("EE vorher", "EE nachher"),
    },
    "latin_as_utf8.csv": {**WIDE, "encoding": "utf-8"},
    "local_dates.csv": {**DATED, "date_format": "dmy"},
    "long.csv": None,
    "long_words.csv": {
        "layout": "long",
        "participant": "Who",
        "measure_column": "Scale",
        "measures": {"burnout": "mbi_ee"},
        "wave_column": "Time",
        "waves": {"T0": "pre", "t1": "post"},
        "value_column": "Answer",
        "codes": {"mbi_ee": {"never": 0, "Often": 4}},
    },
    "month_names.csv": {**DATED, "date_format": "%d %b %Y"},
    "no_measure.csv": None,
    "no_such_day.csv": {**DATED, "date_format": "dmy"},
    "other_decimal.csv": {**WIDE, "decimal": ","},
    "per_wave.csv": None,
    "quoted.csv": {**WIDE, "arm": "Group, as told", "values": columns('EE "pre"', "EE post")},
    "redcap_arm_once.csv": ONCE,
    "redcap_by_event.csv": ONCE,
    "redcap_checkbox.csv": {**REDCAP, "fields": {"tired": "mbi_ee", "tired___2": "mbi_ee"}},
    "redcap_labels.csv": REDCAP,
    "redcap_no_event.csv": REDCAP,
    "redcap_no_numbers.csv": {**REDCAP, "fields": dict.fromkeys(("remark", "letters", "other"), "mbi_ee")},
    "redcap_off_dictionary.csv": {**REDCAP, "fields": {"ee_total": "mbi_ee", "ee_item": "mbi_ee"}},
    "redcap_raw.csv": {**REDCAP, "events": ARMS, "fields": ITEMS},
    "redcap_repeats.csv": REDCAP,
    "redcap_two_arms.csv": ONCE,
    "redcap_unmapped_event.csv": REDCAP,
    "titles_told.csv": None,
    "two_digit_year.csv": {**DATED, "date_format": "dmy"},
    "umlauts_1252.csv": {**OF_WARDS, "unit": "Station", "units": {"übergang": "u-1"}},
    "units_of_one_name.csv": {**OF_WARDS, "unit": "Ward"},
    "unnamed.csv": None,
    "unstated_date.csv": DATED,
}
DICTIONARY = "redcap_dictionary.csv"
DESCRIBED = {"redcap_checkbox.csv", "redcap_no_numbers.csv", "redcap_off_dictionary.csv", "redcap_raw.csv"}


def reading(name: str) -> Reading:
    """A file by its mapping; those not listed are wide, with Code, Group, EE pre and EE post."""
    mapping = MAPPINGS.get(name, WIDE)
    dictionary = io.BytesIO((FILES / DICTIONARY).read_bytes()) if name in DESCRIBED else None
    return read(
        io.BytesIO((FILES / name).read_bytes()), name, Mapping(**mapping) if mapping else None, KNOWN, dictionary
    )
