"""Lessons: kept up with the pilot, searched by words, shared without their origin."""

import time
from typing import Any

import pytest

from app.pilots.lessons import ADDRESS
from tests.app.steps import in_test, move, ok, planned, start
from tests.conftest import Client, House

pytestmark = pytest.mark.anyio


async def lessons(client: Client, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await ok(client.get(f"/v1/lessons{query}")))["items"]
    return items


async def test_one_row_an_iteration_follows_what_is_written(house: House) -> None:
    path = await in_test(house)
    pilot = path.rpartition("/")[2]
    intervention = (await ok(house.lead.get(path)))["intervention_id"]
    await ok(house.lead.patch(path, json={"lessons": "Sessions clash with rounds."}))
    (told,) = await lessons(house.analyst)
    assert (told["text"], told["stage"], told["iteration"]) == ("Sessions clash with rounds.", "test", 1)
    assert (told["by"], told["driver"], told["intervention_id"]) == ("Northfield lead", "self_valuation", intervention)
    assert (told["organization_id"], told["pilot_id"], told["shared"]) == (house.id, pilot, False)
    await move(house, path, "refine", reason="Broken off.")
    assert await lessons(house.lead) == [told]
    # In `refine` they are still about the iteration that was closed; then a new one begins to learn.
    await ok(house.administrator.patch(path, json={"lessons": "Sessions clash with rounds; begin at seven."}))
    (told,) = await lessons(house.lead)
    assert (told["iteration"], told["stage"], told["by"]) == (1, "refine", "Northfield administrator")
    await move(house, path, "develop")
    await ok(house.lead.patch(path, json={"lessons": "Coaches are rare.", "driver": "workload"}))
    assert [(t["iteration"], t["driver"]) for t in await lessons(house.lead)] == [
        (1, "self_valuation"),
        (2, "workload"),
    ]
    await ok(house.lead.patch(path, json={"lessons": None}))
    assert [t["iteration"] for t in await lessons(house.lead)] == [1]
    await move(house, path, "retired", reason="R", retirement="stopped", lessons="Nobody had the time.")
    assert [(t["iteration"], t["stage"], t["text"]) for t in await lessons(house.lead)][1] == (
        2,
        "develop",
        "Nobody had the time.",
    )
    for query, found in (("driver=workload", 1), ("stage=refine", 1), (f"pilot_id={pilot}", 2), ("stage=test", 0)):
        assert len(await lessons(house.lead, f"?{query}")) == found, query
    assert len(await lessons(house.lead, f"?intervention_id={intervention}")) == 2


async def test_every_word_has_to_occur_whatever_its_case(house: House) -> None:
    texts = ["Übergaben kosten 100 % der Zeit_Reserve", "ÜBERGABEN vor Schichtende, Straße gesperrt", "100 Zeit"]
    for text in texts:
        await ok(house.lead.patch(await start(house), json={"lessons": text}))
    for q, found in (
        ("übergaben", [0, 1]),
        ("ÜBERGABEN zeit", [0]),
        ("STRASSE", [1]),
        ("U\u0308bergaben", [0, 1]),
        ("%", [0]),
        ("_", [0]),
        ("100 zeit", [0, 2]),
        ("nothing of it", []),
        ("  ", [0, 1, 2]),
    ):
        answer = await ok(house.lead.get("/v1/lessons", params={"q": q}))
        assert [t["text"] for t in answer["items"]] == [texts[i] for i in found], q
    first = await ok(house.lead.get("/v1/lessons?limit=2"))
    assert len(await lessons(house.lead, f"?cursor={first['next_cursor']}")) == 1


async def test_shared_without_pilot_person_or_organization(house: House, neighbour: House) -> None:
    path = await planned(house)
    pilot = path.rpartition("/")[2]
    await ok(house.lead.patch(path, json={"lessons": "Begin before the busy season."}))
    assert await lessons(neighbour.lead) == []
    assert (await ok(house.lead.get(path)))["share_lessons"] is False
    assert (await ok(house.lead.patch(path, json={"share_lessons": True})))["share_lessons"] is True
    (told,) = await lessons(neighbour.analyst, "?q=season&stage=develop")
    assert (told["text"], told["driver"], told["shared"]) == ("Begin before the busy season.", "self_valuation", True)
    assert [told[name] for name in ("organization_id", "pilot_id", "iteration", "by")] == [None] * 4
    page = (await neighbour.lead.get("/v1/lessons")).text
    assert house.id not in page
    assert pilot not in page
    # A pilot's id does not tell which of the shared lessons are its.
    assert await lessons(neighbour.lead, f"?pilot_id={pilot}") == []
    (own,) = await lessons(house.lead)
    assert (own["pilot_id"], own["by"]) == (pilot, "Northfield lead")
    await ok(house.lead.patch(path, json={"lessons": "Begin in spring."}))
    assert [t["text"] for t in await lessons(neighbour.lead)] == ["Begin in spring."]
    await ok(house.lead.patch(path, json={"share_lessons": False}))
    assert await lessons(neighbour.lead) == []
    assert (await house.lead.patch(path, json={"share_lessons": None})).status_code == 422


def test_an_address_is_found_beside_any_number_of_marks() -> None:
    marks = "@" * 200_000
    began = time.process_time()
    assert ADDRESS.search(marks) is None
    # Reading on to the end from each of them took minutes.
    assert time.process_time() - began < 10
    for text in ("anna@x.org", "anna@@x.org", f"{marks}anna@x.org", f"anna@x.org{marks}", "Ask a@b, anna@x.y.org."):
        assert ADDRESS.search(text), text
    for text in ("@home. At once", "5 @ 3.50", "at@once", "a @b.org"):
        assert ADDRESS.search(text) is None, text
