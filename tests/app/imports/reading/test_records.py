"""Arms and units of REDCap records: told in one event, wherever its row stands, they hold in all of them."""

import io
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from app.imports.reading import Fault, Known, Mapping, Value, read
from app.imports.reading.facts import Wrong
from app.imports.reading.records import Told

KNOWN = Known({"mbi_ee"}, ("pre", "post"), ("intervention", "control"), {"u-1": "Ward North", "u-2": "Ward South"})
EVENTS = {"baseline_arm_1": {"wave": "pre"}, "followup_arm_1": {"wave": "post"}}
OWN = {"layout": "redcap", "arm": "group", "unit": "ward", "events": EVENTS, "fields": {"ee": "mbi_ee"}}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3", ""]),
        st.sampled_from(["enrolment_arm_1", *EVENTS]),
        st.sampled_from(["", "", "intervention", "control"]),
        st.sampled_from(["", "", "u-1", "u-2"]),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_a_record_is_in_one_place_in_whatever_order_its_rows_stand(
    rows: list[tuple[str, str, str, str]],
) -> None:
    lines = [",".join([*row, "" if row[1] == "enrolment_arm_1" else str(at)]) for at, row in enumerate(rows)]
    held = []
    for order in (lines, lines[::-1], sorted(lines, key=lambda line: line.split(",")[1])):
        text = "\n".join(["record_id,redcap_event_name,group,ward,ee", *order])
        got = list(read(io.BytesIO(text.encode()), "a.csv", Mapping.model_validate(OWN), KNOWN))
        values = [item for item in got if isinstance(item, Value)]
        held.append(sorted((v.value, v.participant or "", v.arm or "", v.unit_id or "") for v in values))
        wrong = {fault.row for fault in got if isinstance(fault, Fault)}
        answered = {at for at, line in enumerate(order, 2) if not line.endswith(",")}
        assert {value.row for value in values} == answered - wrong
    assert held[0] == held[1] == held[2]
    for value, who, arm, unit in held[0]:
        of_record = [row for row in rows if row[0] == who] if who else [rows[int(value)]]
        assert {row[2] for row in of_record} - {""} == {arm} - {""}
        assert {row[3] for row in of_record} - {""} == {unit} - {""}


def test_a_record_takes_a_few_tens_of_bytes() -> None:
    tracemalloc.start()
    try:
        told = Told("arm", {})
        for at in range(30_000):
            told.tell(f"p-{at}", at + 2, ("intervention", "control")[at % 2])
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 70 * 30_000
    assert [told.of(f"p-{at}") for at in (0, 1, 29_999)] == ["intervention", "control", "control"]
    assert told.of("p-30000") is None
    told.tell("p-7", 200_000, "intervention")
    found = told.of("p-7")
    assert isinstance(found, Wrong)
    assert "control (row 9) and intervention (row 200000)" in found.msg
