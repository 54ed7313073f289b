"""What holds for every request: problems, unknown fields, ETag and If-Match, Idempotency-Key, lists, instants, ids."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlmodel import Session

from app.db import new_id
from app.errors import MOST_FAULTS
from app.pilots.models import Pilot
from tests.app.steps import NOTES, PLAN, codes, ok, planned, refused, start
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio
PILOT = {"title": "Coaching", "driver": "self_valuation", "unit_ids": []}
ENDED = {"reason": "R", "lessons": "L", "retirement": "stopped"}
JSON = {"content-type": "application/json"}


# --- problems ---------------------------------------------------------------------------------------------------


@on_sqlite
async def test_every_refusal_is_a_problem_of_the_same_form(house: House, anonymous: Client) -> None:
    path = await planned(house)
    stale = {"If-Match": '"0"'}
    refusals = [
        await refused(anonymous.get("/v1/pilots"), 401, "unauthenticated"),
        await refused(house.analyst.post("/v1/pilots", json=PILOT), 403, "forbidden"),
        await refused(house.lead.get("/v1/pilots/none"), 404, "not_found"),
        await refused(house.lead.get("/v2/pilots"), 404, "no_such_path"),
        await refused(house.lead.delete("/v1/pilots"), 405, "method_not_allowed"),
        await refused(house.lead.post(f"{path}/moves", json={"to": "scale"}), 409, "move_refused"),
        await refused(house.lead.patch(path, json={"title": "T"}, headers=stale), 412, "stale"),
        await refused(house.lead.post("/v1/pilots", content=b"x" * (17 * 2**20), headers=JSON), 413, "too_large"),
        await refused(house.lead.post("/v1/pilots", json={**PILOT, "colour": "red"}), 422, "invalid"),
        await refused(house.lead.post("/v1/pilots", content=b"{", headers=JSON), 422, "invalid"),
    ]
    for problem in refusals:
        assert problem.keys() >= {"type", "title", "status", "detail", "code"}
        assert problem["type"] == f"urn:pilotlight:problem:{problem['code']}"
        assert problem["detail"]


@on_sqlite
@pytest.mark.parametrize("given", ["2025-01", "2025-02-30", "14.03.2025", "2025-03-14T08:00:00", "", [2025]])
async def test_a_day_is_refused_with_the_form_that_is_wanted(house: House, given: Any) -> None:
    day = "has to be a day of the calendar as YYYY-MM-DD, such as 2025-03-14"
    path = await planned(house)
    body = {"invited": {}, "starts_on": given}
    problem = await refused(house.lead.put(f"{path}/waves/pre", json=body), 422, "invalid")
    assert [(error["loc"], error["msg"]) for error in problem["errors"]] == [(["starts_on"], day)]
    if isinstance(given, str):
        problem = await refused(house.lead.get("/v1/context-events", params={"from": given}), 422, "invalid")
        assert day in problem["detail"]


@on_sqlite
@pytest.mark.parametrize("given", ["2024-01-01", "2025-13", "March 2025", "", 202503, None])
async def test_a_month_is_refused_with_the_form_that_is_wanted(house: House, given: Any) -> None:
    body = {"version": "v1", "definition": "D", "valid_from": given, "source": "S", "unit": "minutes"}
    problem = await refused(house.administrator.post("/v1/measures/mbi_ee/definitions", json=body), 422, "invalid")
    month = "has to be a month as YYYY-MM, such as 2025-03"
    assert [(error["loc"], error["msg"]) for error in problem["errors"]] == [(["valid_from"], month)]


@on_sqlite
async def test_405_says_what_is_offered(house: House) -> None:
    response = await house.lead.delete("/v1/pilots")
    assert set(response.headers["allow"].split(", ")) >= {"GET"}


@on_sqlite
async def test_too_large_without_a_declared_length(house: House) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 2**20

    await refused(house.lead.post("/v1/pilots", content=endless(), headers=JSON), 413, "too_large")


@on_sqlite
@pytest.mark.parametrize(
    ("content", "headers", "says"),
    [
        (b"{", JSON, "not JSON"),
        (b"\xff\xfe\xfa", JSON, "not JSON"),
        (b"[" * 100_000, JSON, "not JSON"),
        (b'{"title": ' + b"1" * 5000 + b"}", JSON, "not JSON"),
        (b"", JSON, "Field required"),
        (b"", {}, "application/json"),
        (b"title=Coaching", {"content-type": "application/x-www-form-urlencoded"}, "application/json"),
        (json.dumps(PILOT).encode(), {"content-type": "text/plain"}, "application/json"),
        (json.dumps(PILOT).encode(), {}, "application/json"),
        (b"[]", JSON, "dictionary"),
        (b"null", JSON, ""),
        (b'"text"', JSON, "dictionary"),
    ],
)
async def test_a_body_that_is_no_json_object(house: House, content: bytes, headers: dict[str, str], says: str) -> None:
    problem = await refused(house.lead.post("/v1/pilots", content=content, headers=headers), 422, "invalid")
    assert says in problem["detail"]
    assert problem["errors"]


@on_sqlite
async def test_unknown_fields_are_refused_wherever_they_stand(house: House) -> None:
    path = await start(house)
    plan = {**PLAN, "measures": [{"measure": "mbi_ee", "weight": 2}], "rule": {"p": 1}}
    note = {"discovery_note": {**NOTES["discovery_note"], "author": "ana"}}
    for request, places in (
        (house.lead.post("/v1/pilots", json={**PILOT, "stage": "scale"}), [("stage",)]),
        (house.lead.patch(path, json={"stage": "scale", "iteration": 7}), [("iteration",), ("stage",)]),
        (house.lead.patch(path, json=note), [("discovery_note", "author")]),
        (house.lead.put(f"{path}/plan", json=plan), [("measures", 0, "weight"), ("rule", "p")]),
        (house.lead.post(f"{path}/moves", json={"to": "develop", "force": True}), [("force",)]),
        (house.lead.post(f"{path}/analyses", json={"engine": "exact"}), [("engine",)]),
        (
            house.administrator.post("/v1/drivers", json={"key": "k", "name": "N", "organization_id": "x"}),
            [("organization_id",)],
        ),
    ):
        problem = await refused(request, 422, "invalid")
        assert sorted(codes(problem)) == [(place, "extra_forbidden") for place in places]


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "\udfff tail", "ok \ud83d"])
async def test_text_that_cannot_be_stored_is_refused_everywhere(house: House, text: str) -> None:
    path = await planned(house)
    escaped = json.dumps(text)
    for method, where, body, loc in (
        ("POST", "/v1/pilots", f'{{"title": {escaped}, "driver": "workload"}}', ("title",)),
        ("POST", "/v1/pilots", f'{{{escaped}: 1, "title": "T", "driver": "workload"}}', None),
        ("PATCH", path, f'{{"discovery_note": {{"kind": "survey", "text": {escaped}}}}}', ("discovery_note", "text")),
        ("PUT", f"{path}/plan", json.dumps({**PLAN, "baseline_missing_reason": text}), ("baseline_missing_reason",)),
        ("PUT", f"{path}/plan", json.dumps({**PLAN, "treated": text}), ("treated",)),
        ("PUT", f"{path}/waves/pre", f'{{"invited": {{{escaped}: 3}}}}', None),
        (
            "POST",
            f"{path}/measurements",
            json.dumps({"measure": "mbi_ee", "wave": "pre", "rows": [{"value": 1, "participant": text}]}),
            ("rows", 0, "participant"),
        ),
    ):
        problem = await refused(house.lead.request(method, where, content=body, headers=JSON), 422, "invalid")
        assert {error["code"] for error in problem["errors"]} == {"unstorable_text"}
        assert loc is None or codes(problem)[0][0] == loc


async def test_raw_half_surrogates_are_refused(house: House) -> None:
    body = b'{"title": "\xed\xa0\x80", "driver": "workload"}'
    problem = await refused(house.lead.post("/v1/pilots", content=body, headers=JSON), 422, "invalid")
    assert codes(problem) == [(("title",), "unstorable_text")]


async def test_nul_in_paths_and_filters(house: House) -> None:
    path = await planned(house)
    for where in (
        "/v1/pilots/%00",
        "/v1/pilots?q=%00",
        "/v1/pilots?driver=a%00",
        "/v1/pilots?cursor=%00",
        "/v1/audit?person=%00",
        "/v1/drivers?key=%00",
    ):
        problem = await refused(house.administrator.get(where), 422, "invalid")
        assert problem["errors"][0]["code"] == "unstorable_text"
    await refused(house.lead.put(f"{path}/waves/%00", json={"invited": {}}), 422, "invalid")


async def test_text_of_every_script_comes_back_as_it_was(house: House) -> None:
    for title in ("Überlastung – Δ≥0.2 SD", "心理的安全性", "𝔸 coaching", "back\\u0000slash \\ud800", "\u202ertl"):
        path = await start(house, title=title)
        assert (await ok(house.lead.get(path)))["title"] == title.strip()
        word = title.split()[0]
        assert [p["title"] for p in (await ok(house.lead.get("/v1/pilots", params={"q": word})))["items"]] == [title]


# --- ETag and If-Match ------------------------------------------------------------------------------------------


async def test_a_stale_version_is_refused_and_changes_nothing(house: House) -> None:
    path = await planned(house)
    organization = f"/v1/organizations/{house.id}"
    unit = f"/v1/units/{house.unit['id']}"
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {"control": 1}}))
    for client, method, read, write, body in (
        (house.lead, "PATCH", path, path, {"title": "Changed"}),
        (house.administrator, "PATCH", organization, organization, {"name": "Changed"}),
        (house.administrator, "PATCH", unit, unit, {"name": "Changed"}),
        (house.lead, "PUT", f"{path}/plan", f"{path}/plan", {**PLAN, "followup_months": 7}),
        (house.lead, "POST", f"{path}/plan", f"{path}/plan/lock", None),
        (house.lead, "POST", path, f"{path}/moves", {"to": "retired", **ENDED}),
    ):
        first = await client.get(read)
        tag = first.headers["etag"]
        assert re.fullmatch(r'"\d+"', tag)
        for wrong in ('"0"', "3", 'W/"99"', '"x"'):
            problem = await refused(client.request(method, write, json=body, headers={"If-Match": wrong}), 412, "stale")
            assert f'"{problem["version"]}"' == tag
        assert (await client.get(read)).content == first.content
        response = await client.request(method, write, json=body, headers={"If-Match": f'"0", {tag}'})
        assert response.is_success, response.text
        assert response.headers["etag"] != tag


async def test_if_match_of_what_does_not_exist_yet(house: House) -> None:
    path = await start(house)
    for condition in ("*", '"1"'):
        await refused(house.lead.put(f"{path}/plan", json=PLAN, headers={"If-Match": condition}), 412, "stale")
    await ok(house.lead.put(f"{path}/plan", json=PLAN))
    await refused(house.lead.put(f"{path}/waves/pre", json={"invited": {}}, headers={"If-Match": "*"}), 412, "stale")
    await ok(house.lead.put(f"{path}/plan", json=PLAN, headers={"If-Match": "*"}))


async def test_writing_what_is_there_already_is_no_change(house: House) -> None:
    path = await start(house)
    before = (await house.lead.get(path)).headers["etag"]
    same = await ok(house.lead.patch(path, json={"title": "Coaching", "unit_ids": [house.unit["id"]]}))
    assert f'"{same["version"]}"' == before


# --- Idempotency-Key --------------------------------------------------------------------------------------------


async def test_a_repeated_post_gets_the_first_answer_and_makes_nothing(house: House) -> None:
    headers = {"Idempotency-Key": "coaching-1"}
    first = await house.lead.post("/v1/pilots", json=PILOT, headers=headers)
    again = await house.lead.post("/v1/pilots", json=PILOT, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert len((await ok(house.lead.get("/v1/pilots")))["items"]) == 1
    other = {**PILOT, "title": "Another"}
    await refused(house.lead.post("/v1/pilots", json=other, headers=headers), 409, "idempotency_key_reused")
    # Another person's same text is another token.
    await ok(house.administrator.post("/v1/pilots", json=PILOT, headers=headers), 201)


async def test_a_refused_post_may_be_repeated_when_what_was_missing_is_there(house: House) -> None:
    path = await start(house)
    headers = {"Idempotency-Key": "to develop"}
    body = {"to": "develop"}
    await refused(house.lead.post(f"{path}/moves", json=body, headers=headers), 409, "move_refused")
    await ok(house.lead.patch(path, json={"discovery_note": NOTES["discovery_note"]}))
    made = await ok(house.lead.post(f"{path}/moves", json=body, headers=headers), 201)
    assert await ok(house.lead.post(f"{path}/moves", json=body, headers=headers), 201) == made
    assert len((await ok(house.lead.get(f"{path}/moves")))["items"]) == 1


async def test_the_same_post_sent_many_times_at_once_makes_one(house: House) -> None:
    for round_ in range(5):
        headers = {"Idempotency-Key": f"at once {round_}"}
        body = {**PILOT, "title": f"Round {round_}"}
        answers = await asyncio.gather(*(house.lead.post("/v1/pilots", json=body, headers=headers) for _ in range(6)))
        assert {a.status_code for a in answers} == {201}
        assert len({a.content for a in answers}) == 1
    assert len((await ok(house.lead.get("/v1/pilots")))["items"]) == 5


async def test_every_post_takes_an_idempotency_key(app: FastAPI) -> None:
    posts = {
        path: {p["name"] for p in methods["post"].get("parameters", [])}
        for path, methods in app.openapi()["paths"].items()
        if "post" in methods
    }
    # To cancel twice is to cancel.
    missing = {p for p, names in posts.items() if "Idempotency-Key" not in names and not p.endswith("/cancel")}
    assert missing == set()


# --- lists, instants, ids ---------------------------------------------------------------------------------------


async def test_a_list_of_more_than_one_page_holds_each_once_in_order(app: FastAPI, house: House) -> None:
    with Session(app.state.engine) as session:
        session.add_all(
            Pilot(organization_id=house.id, title=f"P{i:03}", driver="workload", lead="ana", created_by="ana")
            for i in range(430)
        )
        session.commit()
    for limit in (200, 150):
        seen: list[str] = []
        cursor: str | None = ""
        pages = 0
        while cursor is not None:
            page = await ok(house.lead.get(f"/v1/pilots?limit={limit}" + (f"&cursor={cursor}" if cursor else "")))
            assert len(page["items"]) <= limit
            seen += [item["title"] for item in page["items"]]
            cursor, pages = page["next_cursor"], pages + 1
        assert seen == [f"P{i:03}" for i in range(430)]
        assert pages == 3
    exactly = await ok(house.lead.get("/v1/pilots?limit=1&q=P429"))
    assert (len(exactly["items"]), exactly["next_cursor"]) == (1, None)
    for wrong in ("limit=0", "limit=201", "limit=x", f"cursor={'x' * 101}"):
        await refused(house.lead.get(f"/v1/pilots?{wrong}"), 422, "invalid")


async def test_filters(house: House) -> None:
    for title, driver, lead in (("100 % coaching", "workload", "ana"), ("Groups_2", "isolation", "ben")):
        await start(house, title=title, driver=driver, lead=lead)
    for query, expected in (
        ("driver=isolation", ["Groups_2"]),
        ("lead=ana", ["100 % coaching"]),
        ("stage=discover", ["100 % coaching", "Groups_2"]),
        ("stage=scale", []),
        ("q=GROUPS", ["Groups_2"]),
        ("q=coaching 100", ["100 % coaching"]),
        ("q=%25", ["100 % coaching"]),
        ("q=_", ["Groups_2"]),
        ("driver=isolation&lead=ana", []),
        (f"organization_id={house.id}&q=", ["100 % coaching", "Groups_2"]),
    ):
        found = (await ok(house.lead.get(f"/v1/pilots?{query}")))["items"]
        assert [p["title"] for p in found] == expected, query
    await refused(house.lead.get("/v1/pilots?stage=retiring"), 422, "invalid")


def _leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, held in value.items() for leaf in _leaves(held, key)]
    if isinstance(value, list):
        return [leaf for held in value for leaf in _leaves(held, name)]
    return [(name, value)]


async def test_instants_end_in_z_and_ids_are_uuid7(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/plan/lock"))
    answers = [
        await ok(house.administrator.get(where))
        for where in (
            path,
            f"{path}/plan",
            f"{path}/moves",
            f"{path}/iterations",
            f"{path}/timeline",
            "/v1/keys",
            "/v1/audit",
            "/v1/organizations",
            "/v1/interventions",
        )
    ]
    leaves = [leaf for answer in answers for leaf in _leaves(answer)]
    instants = [value for name, value in leaves if name == "at" or name.endswith("_at")]
    assert len(instants) > 20
    for value in instants:
        assert value is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value), value
    ids = [value for name, value in leaves if name == "id"]
    assert ids
    assert {UUID(value).version for value in ids} == {7}


async def test_odd_numbers_in_queries(house: House) -> None:
    path = await planned(house)
    for where in (f"{path}/plan", f"{path}/waves", f"{path}/cells", f"{path}/analyses"):
        for wrong in ("0", "-1", str(2**63), "x", "1e3"):
            await refused(house.lead.get(f"{where}?iteration={wrong}"), 422, "invalid")
    await refused(house.lead.get(f"{path}/plan?iteration=9"), 404, "no_plan")
    await refused(house.lead.get(f"{path}/cells?iteration=9"), 404, "not_found")
    assert (await ok(house.lead.get(f"{path}/analyses?iteration=9")))["items"] == []


def test_many_ids_sort_as_they_were_made_and_do_not_run_ahead_of_the_clock() -> None:
    made = [new_id() for _ in range(50_000)]
    assert made == sorted(set(made))
    assert int(made[-1].replace("-", "")[:12], 16) <= time.time() * 1000 + 1


@on_sqlite
async def test_a_body_of_thousands_of_faults_is_told_the_first_hundred(house: House, anonymous: Client) -> None:
    deep, many = 200, 20_000
    body = b"[" * deep + b",".join([b'"\\u0000"'] * many) + b"]" * deep
    answer = await anonymous.post("/v1/pilots", content=body, headers=JSON)
    problem = await refused(house.lead.post("/v1/pilots", content=body, headers=JSON), 422, "invalid")
    assert len(problem["errors"]) == MOST_FAULTS
    assert len(answer.content) < 1_000_000
    assert problem["errors"][99]["loc"] == [0] * (deep - 1) + [99]
    unknown = {"title": "T", "driver": "workload", **{f"f{i}": 1 for i in range(many)}}
    began = time.process_time()
    problem = await refused(house.analyst.post("/v1/pilots", json=unknown), 422, "invalid")
    assert time.process_time() - began < 10  # each against each other: minutes
    assert len(problem["errors"]) == MOST_FAULTS
    assert problem["errors_left_out"] == many - MOST_FAULTS
