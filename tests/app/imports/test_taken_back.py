"""What was taken back stays out of a file that has it again, unless asked for; anonymous answers do not come twice."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from app.db import reading
from app.jobs.models import JobStatus
from app.measures.models import DeletedParticipant
from tests.app.imports.test_background import BEHIND, Work, asked, work
from tests.app.imports.test_import import ARMS, load, refuse, values, wide
from tests.app.steps import ok, planned, refused
from tests.conftest import House

pytestmark = pytest.mark.anyio

__all__ = ["work"]
CONSENT = "consent withdrawn"
RESTORE, AGAIN, DRY = "?restore=true", "?again=true", "?dry_run=true"
OF_003 = {"participant": "p-003", "measure": "mbi_ee", "wave": "pre"}


async def correct(house: House, path: str, *corrections: dict[str, Any]) -> int:
    body = {"reason": CONSENT, "corrections": list(corrections)}
    return int((await ok(house.lead.post(f"{path}/corrections", json=body), 201))["number"])


async def withdraw(house: House, path: str, rows: list[dict[str, Any]]) -> int:
    return await correct(house, path, *({"measurement_id": row["id"], "withdraw": True} for row in rows))


def anonymous(answers: list[int]) -> str:
    return "\n".join(["arm,mbi_ee_pre", *(f"{arm},{value}" for value in answers for arm in ARMS)])


async def anonymous_rows(house: House, path: str) -> list[dict[str, Any]]:
    rows = (await ok(house.lead.get(f"{path}/measurements?limit=200")))["items"]
    return sorted(rows, key=lambda row: (row["value"], row["arm"]))


def marks(app: FastAPI) -> list[str]:
    with reading(app.state.engine) as session:
        return list(session.exec(select(DeletedParticipant.mark)))


async def test_a_withdrawn_value_comes_back_only_where_it_is_asked_for(house: House) -> None:
    path = await planned(house)
    await load(house, path, wide())
    await correct(house, path, {**OF_003, "value": 40})
    await correct(house, path, {**OF_003, "withdraw": True})
    for text in (wide(), wide(13)):  # the file has what stood before it was corrected
        report = await load(house, path, text, 200, DRY)
        assert (report["withdrawn"], report["unchanged"], report["rejected"]) == (1, 23, 0)
    report = await load(house, path, wide())
    assert (report["accepted"], report["unchanged"], report["withdrawn"], report["revision"]) == (0, 23, 1, None)
    assert report["withdrawn_in"] == [{"revision": 3, "reason": CONSENT, "values": 1}]
    assert "1 value was withdrawn in revision 3 (consent withdrawn)" in report["says"]
    assert "?restore=true" in report["says"]
    assert ("p-003", "pre") not in await values(house, path)
    assert (await load(house, path, wide(), query=RESTORE))["accepted"] == 1
    assert (await values(house, path))["p-003", "pre"] == 23
    again = await load(house, path, wide())
    assert (again["unchanged"], again["withdrawn"], again["warnings"]) == (24, 0, [])


async def test_another_value_or_another_place_is_a_new_entry(house: House) -> None:
    path = await planned(house)
    await load(house, path, "participant,arm,mbi_ee_pre\np-1,control,20\np-2,control,21\np-3,control,22")
    people = [{**OF_003, "participant": f"p-{i}", "withdraw": True} for i in (1, 2, 3)]
    await correct(house, path, *people)
    report = await load(house, path, "participant,arm,mbi_ee_pre\np-1,control,30\np-2,intervention,21\np-3,control,22")
    assert (report["accepted"], report["withdrawn"]) == (2, 1)


async def test_a_deleted_person_comes_back_only_where_it_is_asked_for(app: FastAPI, house: House) -> None:
    path, other = await planned(house), await planned(house)
    for each in (path, other):
        await load(house, each, wide())
    await ok(house.lead.delete(f"{path}/participants/p-003"))
    [mark] = marks(app)
    assert len(mark) == 64
    report = await load(house, path, wide())
    assert (report["accepted"], report["unchanged"], report["deleted"]) == (0, 22, 2)
    assert "2 values left out of people who were deleted on request" in report["says"]
    assert "p-003" not in str(report)
    assert (await load(house, other, wide()))["unchanged"] == 24  # in another pilot nobody was deleted
    back = await load(house, path, wide(), query=RESTORE)
    assert (back["accepted"], back["deleted"]) == (2, 0)
    assert marks(app) == []
    assert (await load(house, path, wide()))["unchanged"] == 24
    told = (await ok(house.administrator.get("/v1/audit?resource=participants")))["items"]
    assert [entry["action"] for entry in told] == ["deleted", "restored"]
    assert "keyed hash" in told[0]["changes"]["kept"]


async def test_a_worker_leaves_out_the_same(app: FastAPI, house: House, work: Work) -> None:
    path = await planned(house)
    await load(house, path, wide())
    await correct(house, path, {**OF_003, "withdraw": True})
    await ok(house.lead.delete(f"{path}/participants/p-005"))
    there = await load(house, path, wide(), 200, DRY)
    for query, left_out in ((BEHIND, (1, 2)), (f"{BEHIND}&restore=true", (0, 0))):
        import_id = await asked(house, path, wide(), query)
        assert work(import_id) is JobStatus.SUCCEEDED
        report = (await ok(house.lead.get(f"/v1/imports/{import_id}")))["result"]
        assert (report["withdrawn"], report["deleted"]) == left_out
        if left_out == (1, 2):
            assert report["warnings"] == there["warnings"]
    assert (await values(house, path)).keys() >= {("p-003", "pre"), ("p-005", "pre"), ("p-005", "post")}
    assert marks(app) == []


async def test_what_is_withdrawn_while_a_worker_reads_stays_out(house: House, work: Work) -> None:
    path = await planned(house)
    await load(house, path, wide())
    await correct(house, path, {**OF_003, "withdraw": True})
    text = wide(13)
    import_id = await asked(house, path, text)
    await correct(house, path, {**OF_003, "participant": "p-004", "withdraw": True})
    assert work(import_id) is JobStatus.SUCCEEDED
    report = (await ok(house.lead.get(f"/v1/imports/{import_id}")))["result"]
    assert (report["accepted"], report["unchanged"], report["withdrawn"]) == (2, 22, 2)
    assert [each["revision"] for each in report["withdrawn_in"]] == [2, 3]


async def test_anonymous_answers_that_were_withdrawn_stay_out_of_their_file(house: House) -> None:
    """Two of three answers that say the same were withdrawn: as many stay out, and as many come back."""
    path = await planned(house)
    text = anonymous([20, 20, 20, 30, 31, 32])
    await load(house, path, text)
    held = await anonymous_rows(house, path)
    first = await withdraw(house, path, held[:2])
    await correct(house, path, {"measurement_id": held[2]["id"], "value": 19})
    second = await withdraw(house, path, held[2:3])
    report = await load(house, path, text)
    assert (report["accepted"], report["unchanged"], report["withdrawn"]) == (0, 9, 3)
    assert {each["revision"]: each["values"] for each in report["withdrawn_in"]} == {first: 2, second: 1}
    assert (await load(house, path, text, query=RESTORE))["accepted"] == 3
    again = await load(house, path, text)
    assert (again["accepted"], again["unchanged"], again["withdrawn"]) == (0, 12, 0)
    assert [row["value"] for row in await anonymous_rows(house, path)] == [20] * 6 + [30] * 2 + [31] * 2 + [32] * 2


async def test_the_same_anonymous_answers_in_another_file_are_refused(house: House) -> None:
    path = await planned(house)
    answers = list(range(20, 28))
    await load(house, path, anonymous(answers))
    more = anonymous([*answers, 28])
    for text in (anonymous(answers).replace("\n", "\r\n"), more, anonymous(answers[:3])):
        for query in ("", DRY):
            if query:
                report = await load(house, path, text, 200, DRY)
            else:
                report = await refuse(house, path, text, "rows_rejected")
            [error] = report["errors"]
            assert (error["code"], error["row"], report["errors_left_out"]) == ("same_answers", 2, 0)
            assert report["rejected"] == len(text.splitlines()) - 1
            assert "16 anonymous answers of mbi_ee at pre stand already" in error["msg"]
            assert "?again=true" in error["msg"]
    assert len(await anonymous_rows(house, path)) == 16
    report = await load(house, path, anonymous(answers[:3]), query=AGAIN)
    assert report["accepted"] == 6
    assert "On top of 16 anonymous answers that stand" in report["says"]


async def test_of_a_file_in_part_only_the_same_answers_are_left_out(house: House) -> None:
    path = await planned(house)
    await load(house, path, anonymous(list(range(20, 28))))
    both = anonymous(list(range(20, 28))).splitlines()
    text = "\n".join([f"{both[0]},mbi_ee_post", *(f"{line},10" for line in both[1:])])
    await refuse(house, path, text, "rows_rejected")
    report = await load(house, path, text, query="?partial=true")
    assert (report["accepted"], report["rejected"]) == (16, 16)
    assert {(row["wave"], row["value"] == 10) for row in await anonymous_rows(house, path)} == {
        ("pre", False),
        ("post", True),
    }


async def test_other_anonymous_answers_come_on_top(house: House) -> None:
    path = await planned(house)
    await load(house, path, anonymous([20, 21, 22]))
    report = await load(house, path, anonymous([20, 30, 31]), 200, DRY)
    assert (report["accepted"], report["warnings"][0]["code"]) == (6, "on_top")
    # A few may well be the same by chance.
    assert (await load(house, path, anonymous([20])))["accepted"] == 2


async def test_rows_are_left_out_and_refused_likewise(app: FastAPI, house: House) -> None:
    path, other = await planned(house), await planned(house)
    address = f"{path}/measurements"
    rows = [{"value": 20 + i, "participant": f"p-00{i}", "arm": ARMS[i % 2]} for i in range(1, 9)]
    body = {"measure": "mbi_ee", "wave": "pre", "rows": rows}
    await ok(house.lead.post(address, json=body), 201)
    await correct(house, path, {**OF_003, "withdraw": True})
    await ok(house.lead.delete(f"{path}/participants/p-005"))
    report = await ok(house.lead.post(address, json=body), 201)
    assert (report["accepted"], report["unchanged"], report["withdrawn"], report["deleted"]) == (0, 6, 1, 1)
    assert [warning["code"] for warning in report["warnings"]] == ["withdrawn", "deleted"]
    assert CONSENT in report["warnings"][0]["message"]
    assert (await ok(house.lead.post(f"{address}{RESTORE}", json=body), 201))["accepted"] == 2
    assert marks(app) == []
    address = f"{other}/measurements"
    body["rows"] = [{"value": 20 + i, "arm": arm} for i in range(8) for arm in ARMS]
    await ok(house.lead.post(address, json=body), 201)
    problem = await refused(house.lead.post(address, json=body), 409, "same_answers")
    assert "16 anonymous answers of mbi_ee at pre stand already" in problem["detail"]
    report = await ok(house.lead.post(f"{address}{AGAIN}", json=body), 201)
    assert (report["accepted"], report["warnings"][0]["code"]) == (16, "on_top")


async def test_a_correction_of_what_was_withdrawn_says_what_brings_it_back(house: House) -> None:
    path = await planned(house)
    await load(house, path, wide())
    rows = (await ok(house.lead.get(f"{path}/measurements?limit=200")))["items"]
    [row] = [r for r in rows if (r["participant"], r["wave"]) == ("p-003", "pre")]
    await correct(house, path, {**OF_003, "withdraw": True})
    for named in (OF_003, {"measurement_id": row["id"]}):
        body = {"reason": "R", "corrections": [{**named, "value": 9}]}
        problem = await refused(house.lead.post(f"{path}/corrections", json=body), 422, "invalid")
        [error] = problem["errors"]
        assert error["code"] == "withdrawn"
        assert "in revision 2 (consent withdrawn)" in error["msg"]
        assert "restore=true" in error["msg"]
