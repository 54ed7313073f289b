"""Files over HTTP: what is entered, what is refused and where; the same file again changes nothing."""

import hashlib
import io
import json
from typing import Any

import openpyxl
import pytest

from tests.app.steps import CHANGES, codes, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

ARMS = ("intervention", "control")
LONG = {"layout": "long", "participant": "code", "arm": "group", "measure": "mbi_ee", "wave_column": "time"}
LONG |= {"value_column": "score", "waves": {"T0": "pre", "T1": "post"}}
LONG_PRE = {"measure": "mbi_ee", "wave": "pre"}
Answer = Any


def wide(people: int = 12, *, shift: float = 0.0, first: int = 1) -> str:
    lines = ["participant;arm;mbi_ee_pre;mbi_ee_post"]
    lines += [f"p-{i:03};{ARMS[i % 2]};{20 + i + shift:g};{17 + i:g}" for i in range(first, first + people)]
    return "\r\n".join(lines)


def sent(text: str | bytes, name: str = "answers.csv", **fields: Any) -> dict[str, Any]:
    content = text.encode() if isinstance(text, str) else text
    data = {key: json.dumps(value) for key, value in fields.items()}
    return {"files": {"file": (name, content, "text/csv")}, "data": data}


async def load(house: House, path: str, text: str | bytes, status: int = 201, query: str = "", **fields: Any) -> Answer:
    return await ok(house.lead.post(f"{path}/measurements/import{query}", **sent(text, **fields)), status)


async def refuse(house: House, path: str, text: str | bytes, code: str, query: str = "", **fields: Any) -> Answer:
    return await refused(house.lead.post(f"{path}/measurements/import{query}", **sent(text, **fields)), 422, code)


async def values(house: House, path: str) -> dict[tuple[str, str], float]:
    rows = (await ok(house.lead.get(f"{path}/measurements?limit=200")))["items"]
    return {(row["participant"], row["wave"]): row["value"] for row in rows}


async def test_a_wide_file_is_entered_as_one_revision(house: House) -> None:
    path = await planned(house)
    report = await load(house, path, wide())
    assert (report["accepted"], report["unchanged"], report["rejected"], report["errors"]) == (24, 0, 0, [])
    assert report["entered"]
    assert report["revision"] == 1
    assert "semicolon" in report["found"]
    held = await values(house, path)
    assert (len(held), held["p-003", "pre"], held["p-003", "post"]) == (24, 23, 20)
    [revision] = (await ok(house.analyst.get(f"{path}/revisions")))["items"]
    assert (revision["kind"], revision["source"], revision["entries"]) == ("import", "answers.csv", 24)
    [row] = (await ok(house.analyst.get(f"{path}/imports")))["items"]
    shown = await ok(house.analyst.get(f"/v1/imports/{row['id']}"))
    assert shown["status"] == "succeeded"
    assert shown["result"] == report
    # Whoever cannot enter measures gets no hash: with all but a few values known, it would tell the others.
    assert row["sha256"] is shown["sha256"] is revision["sha256"] is None
    [of_lead] = (await ok(house.lead.get(f"{path}/revisions")))["items"]
    told = await ok(house.lead.get(f"/v1/imports/{row['id']}"))
    [line] = (await ok(house.lead.get(f"{path}/imports")))["items"]
    digest = hashlib.sha256(wide().encode()).hexdigest()
    assert of_lead["sha256"] == told["sha256"] == line["sha256"] == digest


async def test_the_same_file_twice_changes_nothing(house: House) -> None:
    path = await planned(house)
    await load(house, path, wide())
    held = await ok(house.lead.get(f"{path}/cells"))
    report = await load(house, path, wide())
    assert (report["accepted"], report["unchanged"], report["revision"]) == (0, 24, None)
    assert await ok(house.lead.get(f"{path}/cells")) == held
    more = await load(house, path, wide(14))
    assert (more["accepted"], more["unchanged"], more["revision"]) == (4, 24, 2)


async def test_the_same_file_of_anonymous_answers_twice_changes_nothing(house: House) -> None:
    path = await planned(house)
    text = "arm,mbi_ee_pre\n" + "\n".join(f"{arm},{20 + i}" for i in range(8) for arm in ARMS)
    await load(house, path, text)
    again = await load(house, path, text)
    assert (again["accepted"], again["unchanged"]) == (0, 16)
    other = await load(house, path, text.replace(",20", ",21"))
    assert other["accepted"] == 16  # another file of anonymous answers is of others


async def test_a_dry_run_tells_everything_and_enters_nothing(house: House) -> None:
    path = await planned(house)
    text = wide(10) + "\r\np-097;control;99;20\r\np-098;elsewhere;20;20\r\nAnna Schmidt;control;20;20"
    report = await load(house, path, text, 200, "?dry_run=true")
    assert (report["accepted"], report["rejected"], report["entered"], report["revision"]) == (21, 5, False, None)
    told = {(e["row"], e["column"], e["code"]) for e in report["errors"]}
    assert told == {
        (12, "mbi_ee_pre", "off_scale"),
        (13, "arm", "unknown_arm"),
        (14, "participant", "looks_identifying"),
    }
    assert "Schmidt" not in str(report)
    assert await values(house, path) == {}
    assert (await ok(house.lead.get(f"{path}/imports")))["items"] == []
    problem = await refuse(house, path, text, "rows_rejected")
    assert problem["accepted"] == 0
    assert {(e["row"], e["column"], e["code"]) for e in problem["errors"]} == told
    assert await values(house, path) == {}
    part = await load(house, path, text, query="?partial=true")
    assert (part["accepted"], part["rejected"]) == (21, 5)
    assert len(await values(house, path)) == 21


async def test_what_stands_otherwise_is_a_duplicate(house: House) -> None:
    path = await planned(house)
    await load(house, path, wide())
    problem = await refuse(house, path, wide(2, shift=1), "rows_rejected")
    assert [(e["row"], e["column"], e["code"]) for e in problem["errors"]] == [
        (2, "mbi_ee_pre", "duplicate"),
        (3, "mbi_ee_pre", "duplicate"),
    ]
    assert "corrections" in problem["errors"][0]["msg"]
    assert len(await values(house, path)) == 24


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        ("p-001;intervention;30;20", "mbi_ee_pre", "duplicate"),
        ("p-099;control;30;20\np-099;control;31;20", "mbi_ee_pre", "duplicate"),
        (";control;30;", "participant", "mixed_linkage"),
        ("p-099;control;30;\np-099;intervention;;20", "arm", "arm_changed"),
    ],
)
async def test_rows_are_judged_against_each_other(house: House, line: str, column: str, code: str) -> None:
    path = await planned(house)
    text = wide(6) + "\r\n" + line
    problem = await refuse(house, path, text, "rows_rejected")
    assert (column, code) in {(e["column"], e["code"]) for e in problem["errors"]}
    assert await values(house, path) == {}


async def test_arms_that_stand_are_kept(house: House) -> None:
    path = await planned(house)
    await load(house, path, "participant,arm,mbi_ee_pre\np-1,control,20\np-2,intervention,21")
    problem = await refuse(house, path, "participant,arm,mbi_ee_post\np-1,intervention,20", "rows_rejected")
    assert [(e["column"], e["code"]) for e in problem["errors"]] == [("arm", "arm_changed")]


async def test_baseline_rows_get_their_arm_from_a_later_file(house: House) -> None:
    path = await planned(house)
    await load(house, path, "participant,mbi_ee_pre\n" + "\n".join(f"p-{i},{20 + i}" for i in range(12)))
    assert "not_allocated" in [w["code"] for w in (await ok(house.lead.get(f"{path}/cells")))["warnings"]]
    text = "participant,arm,mbi_ee_post\n" + "\n".join(f"p-{i},{ARMS[i % 2]},{18 + i}" for i in range(12))
    await load(house, path, text)
    cells = await ok(house.lead.get(f"{path}/cells"))
    assert {pair["arm"]: pair["n"] for pair in cells["data"]["mbi_ee"]["pairs"]} == dict.fromkeys(ARMS, 6)
    assert (await ok(house.lead.get(f"{path}/cells?revision=1")))["data"].get("mbi_ee") is None


async def test_a_mapping_is_given_once_and_remembered(house: House) -> None:
    path = await planned(house)
    text = "code,group,time,score\np-1,control,T0,20\np-2,intervention,T0,22"
    problem = await refuse(house, path, text, "mapping_needed")
    assert problem["columns"] == ["code", "group", "time", "score"]
    await load(house, path, text, mapping=LONG)
    assert (await ok(house.lead.get(f"{path}/import-mapping")))["mapping"]["value_column"] == "score"
    later = await load(house, path, text.replace("T0", "T1"))
    assert later["accepted"] == 2
    response = await house.lead.put(f"{path}/import-mapping", json={**LONG, "waves": {}}, headers={"If-Match": '"9"'})
    assert response.status_code == 412
    await ok(house.lead.put(f"{path}/import-mapping", json={**LONG, "waves": {"T0": "nowhere"}}))
    assert (await refuse(house, path, text, "rows_rejected"))["errors"][0]["code"] == "unknown_wave"


@on_sqlite
async def test_a_mapping_that_is_none_changes_nothing(house: House) -> None:
    path = await planned(house)
    await refused(house.lead.get(f"{path}/import-mapping"), 404, "no_mapping")
    problem = await refuse(house, path, wide(), "invalid", mapping={**LONG, "colour": "red"})
    assert codes(problem) == [(("mapping", "colour"), "extra_forbidden")]
    await refused(house.lead.get(f"{path}/import-mapping"), 404, "no_mapping")


async def test_a_workbook_is_read_as_text_is(house: House) -> None:
    path = await planned(house)
    book = openpyxl.Workbook()
    sheet = book.active
    for line in wide().splitlines():
        sheet.append([float(cell) if cell.replace(".", "").isdigit() else cell for cell in line.split(";")])
    stream = io.BytesIO()
    book.save(stream)
    report = await load(house, path, stream.getvalue())
    assert (report["accepted"], report["rejected"]) == (24, 0)
    again = await load(house, path, wide())
    assert (again["accepted"], again["unchanged"]) == (0, 24)


async def test_summaries_and_files_of_a_measure_do_not_mix(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/summaries", json=CHANGES), 201)
    problem = await refuse(house, path, wide(), "rows_rejected")
    assert {e["code"] for e in problem["errors"]} == {"mixed_shapes"}
    assert problem["rejected"] == 24


async def test_more_answers_than_invitations_enter_nothing(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": dict.fromkeys(ARMS, 5)}))
    request = house.lead.post(f"{path}/measurements/import", **sent(wide()))
    problem = await refused(request, 409, "more_than_invited")
    assert (problem["accepted"], problem["entered"], problem["errors"][0]["code"]) == (0, False, "more_than_invited")
    assert await values(house, path) == {}
    assert (await ok(house.lead.get(f"{path}/imports")))["items"] == []


@on_sqlite
@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"content": b"", "headers": {"Content-Type": "text/csv"}}, "empty"),
        ({"files": {"file": ("a.csv", b"")}}, "empty"),
        ({"files": {"other": ("a.csv", b"a,b\n1,2")}}, "invalid"),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "invalid"),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data"}}, "invalid"),
        ({"files": {"file": ("a.csv", b"a,b\n1,2"), "mapping": ("m.json", b"{}")}}, "invalid"),
        ({"files": {"file": ("a.xlsx", b"PK\x03\x04 broken")}}, None),
    ],
)
async def test_what_is_no_file_is_refused(house: House, request_: dict[str, Any], code: str | None) -> None:
    path = await planned(house)
    response = await house.lead.post(f"{path}/measurements/import", **request_)
    assert response.status_code == 422, response.text
    assert code is None or response.json()["code"] == code
    assert response.json()["detail"]


@on_sqlite
async def test_fields_that_a_person_left_empty_count_as_left_out(house: House) -> None:
    path = await planned(house)
    form = {"files": {"file": ("answers.csv", wide().encode(), "text/csv")}, "data": {"mapping": "", "dictionary": ""}}
    report = await ok(house.lead.post(f"{path}/measurements/import", **form), 201)
    assert report["accepted"] == 24
    form["data"]["dictionary"] = "field,type"
    told = await refused(house.lead.post(f"{path}/measurements/import", **form), 422, "invalid")
    assert codes(told) == [(("dictionary",), "file_type")]


@on_sqlite
async def test_a_file_may_be_the_body_and_a_request_may_be_repeated(house: House) -> None:
    path = await planned(house)
    request = {"content": wide().encode(), "headers": {"Content-Type": "text/csv", "Idempotency-Key": "k"}}
    first = await ok(house.lead.post(f"{path}/measurements/import?filename=march.csv", **request), 201)
    again = await house.lead.post(f"{path}/measurements/import?filename=march.csv", **request)
    assert again.json() == first
    assert again.headers["idempotent-replayed"] == "true"
    request["content"] += b"\np-99;control;3;4"
    await refused(
        house.lead.post(f"{path}/measurements/import?filename=march.csv", **request), 409, "idempotency_key_reused"
    )
    [row] = (await ok(house.lead.get(f"{path}/imports")))["items"]
    assert row["name"] == "march.csv"


@on_sqlite
async def test_a_file_without_a_key_is_not_received(house: House) -> None:
    path = await planned(house)
    headers = {"Authorization": "Bearer pl_nobody"}
    response = await house.lead.post(f"{path}/measurements/import", **sent(wide()), headers=headers)
    assert response.status_code == 401
    response = await house.analyst.post(f"{path}/measurements/import", **sent(wide()))
    assert response.status_code == 403


async def test_an_arm_that_a_file_names_later_holds_for_its_people_earlier_too(house: House) -> None:
    """As exports have it where people are assigned after the baseline: one file is as good as two, or as twice."""
    path, other = await planned(house), await planned(house)
    first = [f"p-{i:03},,pre,{20 + i}" for i in range(1, 17)]
    then = [f"p-{i:03},{ARMS[i % 2]},post,{18 + i}" for i in range(1, 17)]
    mapping = {**LONG, "waves": {}}
    head = "code,group,time,score"
    assert (await load(house, path, "\n".join([head, *first, *then]), mapping=mapping))["accepted"] == 32
    held = await ok(house.lead.get(f"{path}/cells"))
    assert held["warnings"] == []
    assert [pair["n"] for pair in held["data"]["mbi_ee"]["pairs"]] == [8, 8]
    again = await load(house, path, "\n".join([head, *first, *then]), mapping=mapping)
    assert (again["accepted"], again["unchanged"], again["revision"]) == (0, 32, None)
    for lines in (first, then):
        await load(house, other, "\n".join([head, *lines]), mapping=mapping)
    assert (await ok(house.lead.get(f"{other}/cells")))["data"] == held["data"]
    assert (await ok(house.lead.get(f"{other}/cells?revision=1")))["data"] == {}
    before = await load(house, other, "\n".join([head, *first]), mapping=mapping)
    assert (before["accepted"], before["unchanged"], before["revision"]) == (0, 16, None)
    rows = [{"value": 20 + i, "participant": f"p-{i:03}"} for i in range(1, 17)]
    sent_again = await ok(house.lead.post(f"{other}/measurements", json={**LONG_PRE, "rows": rows}), 201)
    assert (sent_again["accepted"], sent_again["unchanged"]) == (0, 16)


async def test_of_anonymous_answers_only_those_that_came_stand_already(house: House) -> None:
    """A file entered in part, whose fault was in the service: the rest comes when it is there."""
    path = await planned(house)
    body = {"name": "Ward 2"}
    second = await ok(house.administrator.post(f"/v1/organizations/{house.id}/units", json=body), 201)
    units = [house.unit["id"], second["id"]]
    lines = [f"{unit},{arm},{20 + i}" for unit in units for i in range(8) for arm in ARMS]
    text = "\n".join(["unit_id,arm,mbi_ee_pre", *lines])
    report = await load(house, path, text, query="?partial=true")
    assert (report["accepted"], report["rejected"]) == (16, 16)
    await ok(house.lead.patch(path, json={"unit_ids": units}))
    for entered, unchanged in ((16, 16), (0, 32)):
        report = await load(house, path, text)
        assert (report["accepted"], report["unchanged"], report["rejected"]) == (entered, unchanged, 0)


async def test_anonymous_answers_that_were_all_corrected_are_not_entered_again(house: House) -> None:
    path = await planned(house)
    text = "arm,mbi_ee_pre\n" + "\n".join(f"{arm},{20 + i}" for i in range(6) for arm in ARMS)
    await load(house, path, text)
    for value in (7, 8):
        rows = (await ok(house.lead.get(f"{path}/measurements?limit=200")))["items"]
        changes = [{"measurement_id": row["id"], "value": value} for row in rows]
        await ok(house.lead.post(f"{path}/corrections", json={"reason": "shifted", "corrections": changes}), 201)
        again = await load(house, path, text)
        assert (again["accepted"], again["unchanged"]) == (0, 12)
    changes = [{"measurement_id": row["id"], "withdraw": True} for row in rows]
    await ok(house.lead.post(f"{path}/corrections", json={"reason": "other form", "corrections": changes}), 201)
    kept_out = await load(house, path, text)
    assert (kept_out["accepted"], kept_out["unchanged"], kept_out["withdrawn"]) == (0, 0, 12)
    assert (await load(house, path, text, query="?restore=true"))["accepted"] == 12


async def test_an_anonymous_file_is_the_same_by_the_mapping_that_was_found(house: House) -> None:
    path = await planned(house)
    text = "arm,mbi_ee_pre\n" + "\n".join(f"{arm},{20 + i}" for i in range(6) for arm in ARMS)
    report = await load(house, path, text)
    for mapping in (
        report["mapping"],
        {"layout": "wide", "arm": "arm", "values": [{**LONG_PRE, "column": "mbi_ee_pre"}]},
    ):
        again = await load(house, path, text, mapping=mapping)
        assert (again["accepted"], again["unchanged"], again["revision"]) == (0, 12, None)
        assert again["mapping"] == report["mapping"]
