"""Mappings that are remembered: by what they come to be, when they give way, how they are forgotten."""

from typing import Any

import pytest
from fastapi import FastAPI

from app.imports.service import WORK
from app.jobs.runner import Runner
from tests.app.imports.test_background import ended
from tests.app.imports.test_import import load, refuse, wide
from tests.app.steps import ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

OWN = {"layout": "wide", "participant": "Code", "arm": "Group", "values": []}
OWN |= {"values": [{"column": "EE", "measure": "mbi_ee", "wave": "pre"}]}
MISTYPED = {**OWN, "participant": "Kode", "values": [{"column": "EE 1", "measure": "mbi_ee", "wave": "pre"}]}
ROWS = "Code;Group;EE\np-1;control;20\np-2;intervention;22"
UNNAMED = "who;g;q1\np-1;control;20"


async def none_is_held(house: House, path: str) -> None:
    await refused(house.lead.get(f"{path}/import-mapping"), 404, "no_mapping")


async def test_only_a_mapping_that_a_file_was_entered_by_is_remembered(house: House) -> None:
    path = await planned(house)
    told = await load(house, path, ROWS, 200, "?dry_run=true", mapping=OWN)
    assert (told["accepted"], told["errors"]) == (2, [])
    await none_is_held(house, path)
    await refuse(house, path, ROWS.replace("20", "99"), "rows_rejected", mapping=OWN)
    await none_is_held(house, path)
    for query in ("", "?partial=true"):
        problem = await refuse(house, path, ROWS, "rows_rejected", query, mapping=MISTYPED)
        assert (problem["rejected"], problem["accepted"]) == (0, 0)
        assert "the mapping does not fit the file (2 faults)" in problem["detail"]
        found = [(e["row"], e["column"], e["loc"], e["code"]) for e in problem["errors"]]
        assert found == [(None, c, ["file", c], "no_such_column") for c in ("EE 1", "Kode")]
        await none_is_held(house, path)
    dry = await load(house, path, ROWS, 200, "?dry_run=true", mapping=MISTYPED)
    assert (dry["rejected"], dry["says"]) == (0, problem["detail"])
    report = await load(house, path, wide(4))
    assert report["accepted"] == 8
    await none_is_held(house, path)  # it was found in the names
    await load(house, path, ROWS.replace("p-", "q-"), mapping=OWN)
    assert (await ok(house.lead.get(f"{path}/import-mapping")))["mapping"]["participant"] == "Code"


async def test_the_remembered_mapping_says_so_and_gives_way_to_names_that_tell(house: House) -> None:
    path = await planned(house)
    held = await ok(house.lead.put(f"{path}/import-mapping", json=OWN))
    named = f"the mapping remembered on {held['created_at'][:10]}"
    report = await load(house, path, ROWS)
    assert report["found"].endswith(f", by {named}")
    report = await load(house, path, wide(4))
    assert report["accepted"] == 8
    assert "wide by the names in row 1" in report["found"]
    assert f"not by {named}, which names columns that the file has not: 'Code', 'Group', 'EE'" in report["found"]
    assert (await ok(house.lead.get(f"{path}/import-mapping")))["version"] == held["version"]


async def test_where_neither_fits_the_refusal_names_both_and_the_way_out(house: House) -> None:
    path = await planned(house)
    held = await ok(house.lead.put(f"{path}/import-mapping", json=OWN))
    problem = await refuse(house, path, UNNAMED, "mapping_needed", "?dry_run=true")
    for words in (
        f"the mapping remembered on {held['created_at'][:10]} names columns that the file has not: 'Code', 'Group'",
        "the names of the columns do not tell",
        "DELETE …/import-mapping forgets it",
    ):
        assert words in problem["detail"]
    assert problem["columns"] == ["who", "g", "q1"]
    assert [e["code"] for e in problem["errors"]] == ["mapping_needed", *["no_such_column"] * 3]
    # A file that is none is that, whatever is remembered.
    problem = await refuse(house, path, b"%PDF-1.4", "not_a_table")
    assert "remembered" not in problem["detail"]


@on_sqlite
async def test_a_part_that_the_file_has_not_gives_way_too(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.put(f"{path}/import-mapping", json={**OWN, "encoding": "utf-8"}))
    text = "\r\n".join(f"{line};für alle" for line in wide(4).splitlines())
    report = await load(house, path, text.encode("windows-1252"), 200, "?dry_run=true")
    assert report["accepted"] == 8
    assert "which does not fit the file: line 1 has characters that are not UTF-8" in report["found"]


async def test_a_mapping_can_be_forgotten(house: House) -> None:
    path = await planned(house)
    await refused(house.lead.delete(f"{path}/import-mapping"), 404, "no_mapping")
    held = await ok(house.lead.put(f"{path}/import-mapping", json=OWN))
    await refused(house.lead.delete(f"{path}/import-mapping", headers={"If-Match": '"9"'}), 412, "stale")
    assert await ok(house.lead.delete(f"{path}/import-mapping")) == held
    await none_is_held(house, path)
    problem = await refuse(house, path, ROWS, "mapping_needed")
    assert "remembered" not in problem["detail"]
    entries = (await ok(house.administrator.get("/v1/audit?limit=100")))["items"]
    made = [entry["action"] for entry in entries if entry["resource"] == "import_mappings"]
    assert sorted(made) == ["created", "deleted"]
    await ok(house.lead.put(f"{path}/import-mapping", json=OWN))


async def test_a_worker_remembers_as_a_request_does(app: FastAPI, house: House) -> None:
    path = await planned(house)
    runner = Runner(app.state.engine, app.state.settings, [WORK])
    runner.start()
    try:
        for text, query, mapping in (
            (ROWS, "&dry_run=true", OWN),
            (ROWS.replace("20", "99"), "", OWN),
            (ROWS, "&partial=true", MISTYPED),
        ):
            report = await behind(house, path, text, query, mapping=mapping)
            assert not report["entered"], query
            await none_is_held(house, path)
        assert "the mapping does not fit" in report["says"]
        assert (await behind(house, path, ROWS, mapping=OWN))["entered"]
        held = await ok(house.lead.get(f"{path}/import-mapping"))
        assert (held["mapping"]["arm"], held["created_by"]) == ("Group", "Northfield lead")
        report = await behind(house, path, ROWS.replace("p-", "q-"))
        assert (report["accepted"], report["entered"]) == (2, True)
        assert "by the mapping remembered on" in report["found"]
    finally:
        runner.stop()


async def test_what_was_said_while_a_file_waited_stands(app: FastAPI, house: House) -> None:
    path = await planned(house)
    first = await load(house, path, ROWS, 202, "?background=true", mapping=OWN)
    later = {**OWN, "values": [{"column": "EE later", "measure": "mbi_ee", "wave": "post"}]}
    await ok(house.lead.put(f"{path}/import-mapping", json=later))
    runner = Runner(app.state.engine, app.state.settings, [WORK])
    runner.start()
    try:
        assert (await ended(house, first["id"]))["result"]["entered"]
    finally:
        runner.stop()
    held = await ok(house.lead.get(f"{path}/import-mapping"))
    assert held["mapping"]["values"][0]["column"] == "EE later"


async def behind(house: House, path: str, text: str, query: str = "", **fields: Any) -> dict[str, Any]:
    asked = await load(house, path, text, 202, f"?background=true{query}", **fields)
    result: dict[str, Any] = (await ended(house, asked["id"]))["result"]
    return result
