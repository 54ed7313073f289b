"""Days on which answers were collected: none to come, none before the baseline unseen, none outside its wave untold."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from app.measures.collected import AHEAD, Collected, backwards, day_faults, outside
from tests.app.steps import PLAN, codes, move, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
days = st.none() | st.dates(date(2026, 1, 1), date(2026, 12, 31))
spans = st.tuples(days, days)
DATED = {
    **PLAN,
    "waves": [
        {"key": "pre", "kind": "baseline", "starts_on": "2026-04-01", "ends_on": "2026-04-30"},
        {"key": "post", "kind": "followup", "starts_on": "2026-10-01", "ends_on": "2026-10-31"},
    ],
}


@given(day=days, today=st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_only_a_day_to_come_is_a_fault(day: date | None, today: date) -> None:
    assert bool(list(day_faults(day, today))) is (day is not None and day > today + AHEAD)


@given(wave=spans, answers=spans)
def test_a_wave_is_told_of_when_an_answer_lies_outside_it(
    wave: tuple[date | None, date | None], answers: tuple[date | None, date | None]
) -> None:
    told = dict(outside({"post": Collected(wave, answers)}))
    early = wave[0] is not None and answers[0] is not None and answers[0] < wave[0]
    late = wave[1] is not None and answers[1] is not None and answers[1] > wave[1]
    assert bool(told) is (early or late)
    if told:
        message = told["dates_outside_wave"]
        assert ("before it began" in message) is early
        assert ("after it ended" in message) is late


@given(before=days, after=days)
def test_nothing_follows_what_came_later(before: date | None, after: date | None) -> None:
    for found in (
        {"pre": Collected((before, None), (None, None)), "post": Collected((after, None), (None, None))},
        {"pre": Collected((None, None), (before, None)), "post": Collected((None, None), (after, None))},
    ):
        why = backwards(found, "pre", "post")
        assert (why is not None) is (before is not None and after is not None and after < before)
    assert backwards({}, None, "post") is None


def body(wave: str, day: str | None, **fields: Any) -> dict[str, Any]:
    rows = [
        {"participant": f"{arm[0]}-{i}", "arm": arm, "value": 20 + i % 7, "collected_on": day}
        for arm in ("intervention", "control")
        for i in range(20)
    ]
    return {"measure": "mbi_ee", "wave": wave, "rows": rows, **fields}


async def test_a_day_to_come_is_refused_on_every_road(house: House) -> None:
    path = await planned(house, DATED)
    tomorrow = (datetime.now(UTC).date() + timedelta(days=3)).isoformat()
    problem = await refused(house.lead.post(f"{path}/measurements", json=body("pre", tomorrow)), 422, "invalid")
    assert {code for _, code in codes(problem)} == {"to_come"}
    text = f"participant,arm,collected_on,mbi_ee_pre\nc-1,control,{tomorrow},20\n"
    mapping = (
        '{"layout": "wide", "participant": "participant", "arm": "arm", "date": "collected_on", '
        '"values": [{"column": "mbi_ee_pre", "measure": "mbi_ee", "wave": "pre"}]}'
    )
    form = {"files": {"file": ("a.csv", text.encode())}, "data": {"mapping": mapping}}
    problem = await refused(house.lead.post(f"{path}/measurements/import", **form), 422, "rows_rejected")
    assert [(e["row"], e["column"], e["code"]) for e in problem["errors"]] == [(2, "collected_on", "to_come")]
    await ok(house.lead.post(f"{path}/measurements", json=body("pre", "2026-01-03")), 201)
    given = {"participant": "c-1", "measure": "mbi_ee", "wave": "pre", "collected_on": tomorrow}
    corrections = {"reason": "typed wrong", "corrections": [given]}
    problem = await refused(house.lead.post(f"{path}/corrections", json=corrections), 422, "invalid")
    assert codes(problem) == [(("corrections", 0, "collected_on"), "to_come")]


@on_sqlite
async def test_a_wave_does_not_follow_a_baseline_that_begins_later(house: House) -> None:
    path = await planned(house, DATED)
    for key, day in (("post", "2026-03-31"), ("pre", "2026-10-02")):
        problem = await refused(
            house.lead.put(f"{path}/waves/{key}", json={"invited": {}, "starts_on": day}), 422, "invalid"
        )
        assert codes(problem) == [(("starts_on",), "before_baseline")]
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": {}, "starts_on": "2026-04-01"}))


async def test_answers_from_before_the_baseline_are_no_follow_up(house: House) -> None:
    """All of it fits but the days of the answers: it is told, and not decided on."""
    with time_machine.travel(datetime(2026, 11, 2, 12, tzinfo=UTC), tick=True):
        path = await planned(house, DATED)
        await ok(house.lead.post(f"{path}/measurements", json=body("pre", "2026-04-03")), 201)
        await ok(house.lead.post(f"{path}/plan/lock"))
        await move(house, path, "test")
        await ok(house.lead.post(f"{path}/measurements", json=body("post", "2025-02-01")), 201)
        cells = await ok(house.analyst.get(f"{path}/cells"))
        told = [w["message"] for w in cells["warnings"] if w["code"] == "dates_outside_wave"]
        assert len(told) == 1
        assert "some answers at post are dated before it began (2026-10-01)" in told[0]
        asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
        assert asked["kind"] == "exploratory"
        assert any("days of post lie before those of pre" in w["message"] for w in asked["warnings"])
        given = [{"participant": f"{arm}-{i}", "measure": "mbi_ee", "wave": "post"} for arm in "ic" for i in range(20)]
        right = [{**one, "collected_on": "2026-10-05"} for one in given]
        done = {"reason": "the year was that of the form", "corrections": right}
        await ok(house.lead.post(f"{path}/corrections", json=done), 201)
        asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
        assert asked["kind"] == "confirmatory"
        assert "dates_outside_wave" not in [w["code"] for w in asked["warnings"]]
