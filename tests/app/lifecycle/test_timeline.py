"""The timeline tells the story of a pilot, in a stable order, page by page, without what was measured."""

import pytest
from fastapi import FastAPI

from app.audit.models import note
from app.db import now, transaction
from app.measures.models import RevisionKind
from app.measures.revisions import revise
from app.pilots.models import Pilot
from tests.app.steps import PLAN, Finish, an_answer, analysed, codes, move, ok, planned, refused, signed
from tests.conftest import House

pytestmark = pytest.mark.anyio

ARMS = ("intervention", "control")
CAUTIOUS = "more cautious than the recommendation `scale`, because: One ward is too few."


def rows(wave: str, people: int, *, after: int = 0) -> dict[str, object]:
    numbers = range(after, after + people)
    held = [{"arm": ARMS[i % 2], "participant": f"p-{i:03}", "value": 37.5} for i in numbers]
    return {"measure": "mbi_ee", "wave": wave, "rows": held}


async def test_the_story_of_an_iteration(house: House, neighbour: House, finish: Finish) -> None:
    path = await planned(
        house, {**PLAN, "waves": [{"key": "pre", "kind": "baseline"}, {"key": "post", "kind": "followup"}]}
    )
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {}, "starts_on": "2026-01-05"}))
    for body in (rows("pre", 6), rows("pre", 5, after=6)):
        await ok(house.lead.post(f"{path}/measurements", json=body), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await ok(house.lead.post(f"{path}/measurements", json=rows("post", 10)), 201)
    await ok(house.administrator.post(f"{path}/measurements", json=rows("post", 3, after=10)), 201)
    analysis = await analysed(house, path, finish, an_answer("scale"))
    await signed(house, path, analysis, "refine", override_reason="One ward is too few")
    await move(house, path, "refine", lessons="Begin before the busy season.")

    response = await house.analyst.get(f"{path}/timeline")
    items = response.json()["items"]
    assert [i["says"] for i in items] == [
        "The baseline wave pre began.",
        "Northfield lead began the pilot “Coaching” about self_valuation.",
        "Northfield lead moved the pilot from discover to develop.",
        "Northfield lead began the plan of iteration 1: parallel, judged by mbi_ee.",
        "Northfield lead entered 11 answers of mbi_ee at pre.",
        "Northfield lead locked the plan of iteration 1, version 1.",
        "Northfield lead moved the pilot from develop to test.",
        "Northfield lead entered 10 answers of mbi_ee at post.",
        "Northfield administrator entered a few answers of mbi_ee at post.",
        "Northfield analyst asked for the confirmatory analysis of look 1.",
        "The confirmatory analysis of look 1 recommends `scale` (grade A): The program helps.",
        f"Northfield approver signed `refine` (grade A), {CAUTIOUS}",
        "Northfield lead recorded what iteration 1 taught: Begin before the busy season.",
        "Iteration 1 closed with `refine`: Northfield lead moved the pilot from test to refine.",
    ]
    assert {i["iteration"] for i in items} == {1}
    assert [i["at"] for i in items] == sorted(i["at"] for i in items)
    entered = [i["details"]["rows"] for i in items if i["what"] == "data.entered"]
    assert entered == [11, 10, None]
    assert "37.5" not in response.text
    assert "p-00" not in response.text

    seen, cursor = [], ""
    while cursor is not None:
        page = await ok(
            house.lead.get(f"{path}/timeline", params={"limit": 4, **({"cursor": cursor} if cursor else {})})
        )
        assert len(page["items"]) <= 4
        seen += page["items"]
        cursor = page["next_cursor"]
    assert seen == items
    for wrong in ("x", "x~1~y", "2026-01-05T00:00:00Z~one~y", "~~", "0001-01-01T00:00:00+23:00~1~y"):
        problem = await refused(house.lead.get(f"{path}/timeline", params={"cursor": wrong}), 422, "invalid")
        assert codes(problem) == [(("cursor",), "unknown_cursor")]
    assert response.headers["etag"] == (await house.lead.get(f"{path}/timeline")).headers["etag"]
    await refused(neighbour.lead.get(f"{path}/timeline"), 404, "not_found")


async def test_corrections_and_files_are_told_without_what_was_measured(app: FastAPI, house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/measurements", json=rows("pre", 12)), 201)
    for people, reason in ((range(1), "Typed 37.5 for 27.5"), (range(1, 7), "The scale was\nreversed.")):
        named = [{"participant": f"p-{i:03}", "measure": "mbi_ee", "wave": "pre", "value": 20 + i} for i in people]
        await ok(house.lead.post(f"{path}/corrections", json={"reason": reason, "corrections": named}), 201)
    with transaction(app.state.engine) as session:
        pilot = session.get_one(Pilot, path.rpartition("/")[2])
        for entries in (24, 3, 0):  # the last one only gave people their arms
            source = f"survey-{entries}.csv"
            revise(session, pilot, RevisionKind.IMPORT, entries=entries, source=source, person="Ana", at=now())
            said = {"measure": "mbi_ee", "wave": "pre", "rows": entries, "file": source}
            note(session, "entered", "measurements", pilot.id, organization_id=house.id, changes=said)
    response = await house.analyst.get(f"{path}/timeline")
    told = [i for i in response.json()["items"] if i["what"].startswith("data.")]
    assert [i["says"] for i in told] == [
        "Northfield lead entered 12 answers of mbi_ee at pre.",
        "Northfield lead corrected a few entries of the data, because: Typed 37.5 for 27.5.",
        "Northfield lead corrected 6 entries of the data, because: The scale was reversed.",
        "Ana imported 24 answers from survey-24.csv.",
        "Ana imported a few answers from survey-3.csv.",
    ]
    assert [(i["what"], i["details"].get("entries"), i["details"].get("revision")) for i in told[1:]] == [
        ("data.corrected", None, 2),
        ("data.corrected", 6, 3),
        ("data.imported", 24, 4),
        ("data.imported", None, 5),
    ]
    assert "p-00" not in response.text
