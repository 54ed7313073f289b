"""Corrections leave a trace, and what stood at any revision can be read again."""

import random
from typing import Any

import pytest

from tests.app.steps import CHANGES, Finish, analysed, codes, in_test, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

OF_014 = {"participant": "p-014", "measure": "mbi_ee", "wave": "pre"}
REASON = "typed 72 for 27; checked against the paper form"


def people(wave: str, values: list[float], first: int = 1) -> dict[str, Any]:
    rows = [
        {"value": value, "participant": f"p-{i:03}", "arm": ("intervention", "control")[i % 2]}
        for i, value in enumerate(values, first)
    ]
    return {"measure": "mbi_ee", "wave": wave, "rows": rows}


async def entered(house: House) -> str:
    path = await planned(house)
    before = [20 + i for i in range(16)]
    await ok(house.lead.post(f"{path}/measurements", json=people("pre", [*before])), 201)
    await ok(house.lead.post(f"{path}/measurements", json=people("post", [v - 3 for v in before])), 201)
    return path


def lead_of(house: House) -> str:
    return f"{house.organization['name']} lead"


async def correct(house: House, path: str, *corrections: dict[str, Any], status: int = 201, **fields: Any) -> Any:
    body = {"reason": REASON, "corrections": list(corrections), **fields}
    return await ok(house.lead.post(f"{path}/corrections", json=body), status)


async def cells(house: House, path: str, revision: int | None = None) -> Any:
    query = "" if revision is None else f"?revision={revision}"
    return (await ok(house.lead.get(f"{path}/cells{query}")))["data"]


async def test_what_stood_is_kept_with_who_and_why(house: House) -> None:
    path = await entered(house)
    before = await cells(house, path)
    report = await correct(house, path, {**OF_014, "value": 27.5})
    assert (report["number"], report["corrected"], report["withdrawn"], report["unchanged"]) == (3, 1, 0, 0)
    [item] = (await ok(house.analyst.get(f"{path}/corrections")))["items"]
    assert (item["before"], item["after"], item["participant"]) == (33, 27.5, "p-014")
    assert (item["reason"], item["created_by"], item["revision"]) == (REASON, lead_of(house), 3)
    rows = (await ok(house.analyst.get(f"{path}/measurements?wave=pre")))["items"]
    assert {row["participant"]: row["value"] for row in rows}["p-014"] == 27.5
    assert await cells(house, path) != before
    assert await cells(house, path, 2) == before
    assert [r["kind"] for r in (await ok(house.analyst.get(f"{path}/revisions")))["items"]] == [
        "rows",
        "rows",
        "correction",
    ]


async def test_the_same_correction_again_changes_nothing(house: House) -> None:
    path = await entered(house)
    await correct(house, path, {**OF_014, "value": 27})
    body = {"reason": REASON, "corrections": [{**OF_014, "value": 27}]}
    await refused(house.lead.post(f"{path}/corrections", json=body), 409, "nothing_to_correct")
    assert len((await ok(house.lead.get(f"{path}/corrections")))["items"]) == 1
    report = await correct(house, path, {**OF_014, "value": 27}, {**OF_014, "participant": "p-001", "value": 1})
    assert (report["corrected"], report["unchanged"], report["entries"]) == (1, 1, 1)


async def test_withdrawn_rows_are_in_no_analysis_and_may_be_entered_anew(house: House) -> None:
    path = await entered(house)
    [row] = [
        r for r in (await ok(house.lead.get(f"{path}/measurements?wave=post")))["items"] if r["participant"] == "p-014"
    ]
    report = await correct(house, path, {"measurement_id": row["id"], "withdraw": True})
    assert report["withdrawn"] == 1
    arms = {pair["arm"]: pair["n"] for pair in (await cells(house, path))["mbi_ee"]["pairs"]}
    assert arms == {"intervention": 7, "control": 8}
    again = {"measure": "mbi_ee", "wave": "post", "rows": [{"value": 9, "participant": "p-014", "arm": "intervention"}]}
    assert (await ok(house.lead.post(f"{path}/measurements", json=again), 201))["accepted"] == 1
    [item] = (await ok(house.lead.get(f"{path}/corrections")))["items"]
    assert (item["before"], item["after"]) == (30, None)


async def test_summaries_are_corrected_in_their_place(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/summaries", json=CHANGES), 201)
    first, second = (await ok(house.lead.get(f"{path}/summaries")))["items"]
    before = await cells(house, path)
    await correct(house, path, {"summary_id": first["id"], "content": {"n": 40, "mean": -5.0, "sd": 8.7}})
    now = (await ok(house.lead.get(f"{path}/summaries")))["items"][0]
    assert (now["content"]["n"], now["content"]["arm"]) == (40, first["content"]["arm"])
    assert await cells(house, path, 1) == before != await cells(house, path)
    [item] = (await ok(house.analyst.get(f"{path}/summary-corrections")))["items"]
    assert (item["before"]["n"], item["after"]["n"], item["reason"]) == (41, 40, REASON)
    moved = {"summary_id": second["id"], "content": {**second["content"], "arm": first["content"]["arm"]}}
    problem = await refused(
        house.lead.post(f"{path}/corrections", json={"reason": "R", "corrections": [moved]}), 422, "invalid"
    )
    assert codes(problem) == [(("corrections", 0, "content"), "moved")]


WRONG: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
    ({**OF_014, "value": 99}, ("corrections", 0, "value"), "off_scale"),
    ({**OF_014, "participant": "p-099", "value": 9}, ("corrections", 0, "participant"), "unknown"),
    ({"measurement_id": "0190", "value": 9}, ("corrections", 0, "measurement_id"), "unknown"),
    ({"summary_id": "0190", "content": {}}, ("corrections", 0, "summary_id"), "unknown"),
    ({**OF_014}, ("corrections", 0), "value_error"),
    ({**OF_014, "value": 9, "withdraw": True}, ("corrections", 0), "value_error"),
    ({"participant": "p-014", "value": 9}, ("corrections", 0), "value_error"),
    ({**OF_014, "content": {}}, ("corrections", 0), "value_error"),
    ({"summary_id": "0190", "content": {}, "collected_on": "2026-03-01"}, ("corrections", 0), "value_error"),
]


@on_sqlite
@pytest.mark.parametrize(("correction", "loc", "code"), WRONG, ids=range(len(WRONG)))
async def test_one_wrong_correction_stops_them_all(
    house: House, correction: dict[str, Any], loc: tuple[Any, ...], code: str
) -> None:
    path = await entered(house)
    right = {**OF_014, "participant": "p-002", "value": 1}
    body = {"reason": "R", "corrections": [correction, right]}
    problem = await refused(house.lead.post(f"{path}/corrections", json=body), 422, "invalid")
    assert (loc, code) in codes(problem)
    assert (await ok(house.lead.get(f"{path}/corrections")))["items"] == []


@on_sqlite
async def test_a_value_is_corrected_once_a_time_and_with_a_reason(house: House) -> None:
    path = await entered(house)
    twice = {"reason": "R", "corrections": [{**OF_014, "value": 1}, {**OF_014, "value": 2}]}
    problem = await refused(house.lead.post(f"{path}/corrections", json=twice), 422, "invalid")
    assert codes(problem) == [(("corrections", 1), "duplicate")]
    silent = {"reason": " ", "corrections": [{**OF_014, "value": 1}]}
    await refused(house.lead.post(f"{path}/corrections", json=silent), 422, "invalid")


async def test_an_analysis_says_that_its_data_were_corrected_and_why(house: House, finish: Finish) -> None:
    path = await in_test(house)
    analysis = await analysed(house, path, finish)
    address = f"/v1/analyses/{analysis}"
    assert (await ok(house.analyst.get(f"{address}/snapshot")))["changed_since"] is False
    [first, _] = (await ok(house.lead.get(f"{path}/summaries")))["items"]
    await correct(house, path, {"summary_id": first["id"], "content": {"n": 41, "mean": -4.9, "sd": 8.7}})
    shown = await ok(house.analyst.get(address))
    [warning] = [w for w in shown["warnings"] if w["code"] == "data_changed"]
    assert REASON in warning["message"]
    assert lead_of(house) in warning["message"]
    rebuilt = await ok(house.analyst.get(f"{address}/snapshot"))
    assert (rebuilt["revision"], rebuilt["newest"], rebuilt["rebuilt"], rebuilt["changed_since"]) == (1, 2, True, True)
    # Undone, the data are those it was computed from.
    await correct(house, path, {"summary_id": first["id"], "content": first["content"]})
    assert "data_changed" not in [w["code"] for w in (await ok(house.analyst.get(address)))["warnings"]]


async def test_what_chance_placed_later_has_no_arm_before(house: House) -> None:
    path = await planned(house)
    rows = [{"value": 20 + i, "participant": f"p-{i:03}"} for i in range(12)]
    await ok(house.lead.post(f"{path}/measurements", json={"measure": "mbi_ee", "wave": "pre", "rows": rows}), 201)
    waiting = await cells(house, path)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await ok(house.lead.post(f"{path}/plan/allocate", json={"seed": 5}), 201)
    assert await cells(house, path, 1) == waiting != await cells(house, path)
    problem = await refused(house.lead.get(f"{path}/cells?revision=9"), 422, "invalid")
    assert codes(problem) == [(("revision",), "unknown_revision")]


async def test_a_correction_shows_nobody_of_too_few(house: House) -> None:
    """Three people of a wave: their values are hidden, and a correction, or a withdrawal of all, tells none."""
    path = await planned(house)
    await ok(house.lead.post(f"{path}/measurements", json=people("pre", [30, 31, 32, 33, 34, 35])), 201)
    await correct(house, path, {**OF_014, "participant": "p-001", "value": 12})
    await correct(house, path, *({**OF_014, "participant": f"p-{i:03}", "withdraw": True} for i in range(1, 7)))
    items = (await ok(house.analyst.get(f"{path}/corrections")))["items"]
    assert len(items) == 7
    for item in items:
        assert item["suppressed"]
        assert item["reason"] == REASON
        assert {item[name] for name in ("before", "after", "participant", "unit_id", "arm")} == {None}
    for revision in (1, 2):
        assert "mean" not in str(await cells(house, path, revision))


async def test_a_deleted_person_is_gone_from_what_was_corrected_too(house: House) -> None:
    path = await entered(house)
    await correct(house, path, {**OF_014, "value": 27})
    await house.lead.delete(f"{path}/participants/p-014")
    assert (await ok(house.analyst.get(f"{path}/corrections")))["items"] == []
    assert "p-014" not in str(await cells(house, path, 1))


@pytest.mark.parametrize("seed", range(2))
async def test_every_revision_reads_as_it_stood(house: House, seed: int) -> None:
    chance = random.Random(seed)
    path = await entered(house)
    stood = {2: await cells(house, path)}
    for _ in range(8):
        deed, who, value = chance.choice(["correct", "withdraw", "enter"]), chance.randint(1, 8), chance.randint(0, 54)
        person = {**OF_014, "participant": f"p-{who:03}"}
        if deed == "enter":
            body = {"measure": "mbi_ee", "wave": "pre", "rows": people("pre", [value], who)["rows"]}
            await house.lead.post(f"{path}/measurements", json=body)
        else:
            change = {"withdraw": True} if deed == "withdraw" else {"value": value}
            await house.lead.post(f"{path}/corrections", json={"reason": "R", "corrections": [{**person, **change}]})
        newest = (await ok(house.lead.get(f"{path}/cells")))["revision"]
        stood.setdefault(newest, await cells(house, path))
    for revision, data in stood.items():
        assert await cells(house, path, revision) == data
    assert len(stood) > 4


async def test_a_whole_entry_is_taken_back(house: House) -> None:
    """With what was corrected of it since, and only what it entered; once, and with a trace."""
    path = await entered(house)
    before = await cells(house, path)
    await correct(house, path, {**OF_014, "value": 27})
    await correct(house, path, {**OF_014, "participant": "p-001", "withdraw": True})
    report = await ok(house.lead.post(f"{path}/revisions/1/withdraw", json={"reason": REASON}), 201)
    assert (report["number"], report["kind"], report["withdrawn"]) == (5, "correction", 15)
    rows = (await ok(house.lead.get(f"{path}/measurements")))["items"]
    assert {row["wave"] for row in rows} == {"post"}
    assert await cells(house, path, 2) == before
    items = (await ok(house.analyst.get(f"{path}/corrections?limit=100")))["items"]
    assert len({item["id"] for item in items}) == len(items) == 17
    assert {(i["reason"], i["after"], i["revision"]) for i in items[2:]} == {(REASON, None, 5)}
    assert [len(item["id"]) for item in items] == [36] * 17
    problem = await refused(
        house.lead.post(f"{path}/revisions/1/withdraw", json={"reason": "R"}), 409, "nothing_stands"
    )
    assert "revision 1" in problem["detail"]
    await refused(house.lead.post(f"{path}/revisions/3/withdraw", json={"reason": "R"}), 409, "entered_nothing")
    await refused(house.lead.post(f"{path}/revisions/9/withdraw", json={"reason": "R"}), 404, "not_found")
    again = await ok(house.lead.post(f"{path}/measurements", json=people("pre", [20 + i for i in range(16)])), 201)
    assert (again["accepted"], again["withdrawn"]) == (0, 16)
    assert {each["revision"]: each["values"] for each in again["withdrawn_in"]} == {4: 1, 5: 15}
    audit = (await ok(house.administrator.get("/v1/audit?resource=measurements")))["items"]
    assert [e["changes"]["rows"] for e in audit if "withdrawn_revision" in (e["changes"] or {})] == [15]


async def test_summaries_are_taken_back_together(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/summaries", json=CHANGES), 201)
    [first, _] = (await ok(house.lead.get(f"{path}/summaries")))["items"]
    await correct(house, path, {"summary_id": first["id"], "content": {"n": 40, "mean": -5.0, "sd": 8.7}})
    address = f"{path}/revisions/1/withdraw"
    keyed = {"json": {"reason": REASON}, "headers": {"Idempotency-Key": "k"}}
    report = await ok(house.lead.post(address, **keyed), 201)
    assert report["withdrawn"] == 2
    assert await ok(house.lead.post(address, **keyed), 201) == report
    assert (await ok(house.lead.get(f"{path}/summaries")))["items"] == []
    assert len((await ok(house.analyst.get(f"{path}/summary-corrections")))["items"]) == 3
    gone = {"reason": "R", "corrections": [{"summary_id": first["id"], "content": {"n": 41}}]}
    problem = await refused(house.lead.post(f"{path}/corrections", json=gone), 422, "invalid")
    assert codes(problem) == [(("corrections", 0, "summary_id"), "withdrawn")]
