"""Evidence of an intervention: what is reported, what decisions add by themselves, and what does not count."""

from typing import Any

import pytest
from alembic import command
from fastapi import FastAPI

from app.migrate import migrate
from tests.app.steps import (
    Finish,
    an_answer,
    analysed,
    codes,
    in_test,
    intervention,
    move,
    ok,
    refused,
    signed,
)
from tests.app.test_schema import alembic
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

REPORT: dict[str, Any] = {
    "organization": "Lakeside Clinic",
    "measure": "mbi_ee",
    "effect_sd": 0.41,
    "se_sd": 0.17,
    "design": "parallel",
    "randomised": True,
    "attrition": {"intervention": 0.05, "control": 0.05},
    "role": "adopter",
    "source": "Lakeside report (synthetic)",
}


async def decided(house: House, of: str, finish: Finish, answer: dict[str, Any] | None = None, **fields: Any) -> str:
    """A pilot of this intervention with a signed decision; its path."""
    path = await in_test(house, of=of)
    analysis = await analysed(house, path, finish, answer)
    await signed(house, path, analysis, fields.pop("outcome", "scale"), **fields)
    return path


async def entries(house: House, of: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ok(house.lead.get(f"/v1/interventions/{of}/evidence{query}")))["items"]
    return found


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "grade"),
    [
        ({}, "A"),
        ({"attrition": {"intervention": 0.3, "control": 0.3}}, "B"),
        ({"attrition": {"intervention": 0.05, "control": 0.16}}, "B"),
        ({"attrition": {"intervention": 0.07, "control": 0.07}}, "A"),
        ({"randomised": False}, "C"),
        ({"design": "cluster", "units_per_arm": 4}, "A"),
        ({"design": "cluster", "units_per_arm": 3}, "B"),
        ({"design": "paired", "randomised": True}, "D"),
    ],
)
async def test_the_grade_of_a_report_follows_from_its_design(house: House, fields: dict[str, Any], grade: str) -> None:
    of = await intervention(house)
    made = await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json={**REPORT, **fields}), 201)
    assert (made["kind"], made["grade"], made["left_out"]) == ("reported", grade, None)
    assert {name: made[name] for name in REPORT} == {**REPORT, **{k: v for k, v in fields.items() if k in REPORT}}
    assert await entries(house, of) == [made]


@on_sqlite
async def test_what_cannot_be_reported(house: House, neighbour: House) -> None:
    path = f"/v1/interventions/{await intervention(house)}/evidence"

    async def malformed(**fields: Any) -> list[tuple[tuple[Any, ...], str]]:
        return codes(await refused(house.approver.post(path, json={**REPORT, **fields}), 422, "invalid"))

    assert await malformed(measure="no_such") == [(("measure",), "unknown_measure")]
    assert (await malformed(se_sd=0))[0][0] == ("se_sd",)
    assert (await malformed(effect_sd=1e6))[0][0] == ("effect_sd",)
    assert (await malformed(attrition={"control": 7}))[0][0] == ("attrition", "control")
    assert (await malformed(source=" "))[0][0] == ("source",)
    assert (await malformed(grade="A"))[0][0] == ("grade",)  # it is computed, not claimed
    await refused(house.analyst.post(path, json=REPORT), 403, "forbidden")
    body = {**REPORT, "organization_id": neighbour.id}
    await refused(house.approver.post(path, json=body), 404, "not_found")
    assert (await ok(house.lead.get(path)))["items"] == []


async def test_others_report_what_they_found_themselves_and_not_as_the_origin(house: House, neighbour: House) -> None:
    of = await intervention(house)
    path = f"/v1/interventions/{of}/evidence"
    await refused(neighbour.approver.post(path, json=REPORT), 403, "forbidden")
    own = {**REPORT, "organization_id": neighbour.id}
    await refused(neighbour.approver.post(path, json={**own, "role": "origin"}), 409, "not_the_origin")
    made = await ok(neighbour.approver.post(path, json=own), 201)
    # The registered name counts: whatever it is called in the report, it is the same organization.
    assert (made["organization"], made["organization_id"]) == ("Southfield", neighbour.id)
    assert await entries(house, of) == [made]


async def test_a_repeated_report_with_its_key_is_one(house: House) -> None:
    of = await intervention(house)
    for _ in range(2):
        headers = {"Idempotency-Key": "once"}
        await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=REPORT, headers=headers), 201)
    assert len(await entries(house, of)) == 1


async def test_signed_decisions_add_theirs(house: House, neighbour: House, finish: Finish) -> None:
    of = await intervention(house)
    own = await decided(house, of, finish)
    theirs = await decided(neighbour, of, finish, an_answer("refine", grade="B", provisional=True), outcome="refine")
    await in_test(house)  # of another intervention, and not decided
    found = await entries(house, of)
    assert found == await entries(neighbour, of)
    names = ("kind", "organization", "role", "grade", "measure", "effect_sd", "se_sd", "design", "randomised")
    assert [tuple(e[n] for n in names) for e in found] == [
        ("decision", "Northfield", "origin", "A", "mbi_ee", 0.65, 0.18, "parallel", True),
        ("decision", "Southfield", "adopter", "B", "mbi_ee", 0.65, 0.18, "parallel", True),
    ]
    assert [e["source"] for e in found] == [f"pilot {path.rpartition('/')[2]}" for path in (own, theirs)]
    assert [e["provisional"] for e in found] == [False, True]
    assert found[0]["id"] == (await ok(house.lead.get(f"{own}/decisions")))["items"][0]["id"]
    # The rest of a pilot stays with its organization, and nobody is named.
    await refused(neighbour.lead.get(own), 404, "not_found")
    assert "Northfield approver" not in str(found)


@on_sqlite
async def test_what_tells_no_effect_is_left_out_and_says_why(house: House, finish: Finish) -> None:
    of = await intervention(house)
    unbounded = an_answer("refine")
    unbounded["effects"][0]["evidence"] = {"effect_sd": None, "se_sd": None}
    await decided(house, of, finish, unbounded, outcome="refine")
    failed = an_answer("indeterminate", gates_passed=False)
    await decided(house, of, finish, failed, outcome="refine", override_reason="We change the plan.")
    assert [e["left_out"]["code"] for e in await entries(house, of)] == ["unbounded", "gates_failed"]
    problem = await refused(house.analyst.post(f"/v1/interventions/{of}/syntheses"), 409, "no_evidence")
    assert "all 2 entries" in problem["detail"]


async def test_evidence_stays_with_the_intervention_it_was_signed_for(house: House, finish: Finish) -> None:
    of = await intervention(house)
    path = await decided(house, of, finish, an_answer("refine"), outcome="refine")
    decision = (await ok(house.lead.get(f"{path}/decisions")))["items"][0]["id"]
    await move(house, path, "refine", reason="As decided.", decision_id=decision)
    other = await intervention(house)
    await ok(house.lead.patch(path, json={"intervention_id": other}))
    assert [e["id"] for e in await entries(house, of)] == [decision]
    assert await entries(house, other) == []


async def test_pages_hold_both_kinds_in_order(house: House, finish: Finish) -> None:
    of = await intervention(house)
    for n in range(3):
        body = {**REPORT, "source": f"Report {n}"}
        await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=body), 201)
        if n < 2:
            await decided(house, of, finish)
    whole = await entries(house, of)
    assert [e["kind"] for e in whole] == ["reported", "decision", "reported", "decision", "reported"]
    for limit in (1, 2, 3, 5):
        walked, cursor = [], ""
        for _ in range(6):
            page = await ok(house.lead.get(f"/v1/interventions/{of}/evidence?limit={limit}{cursor}"))
            assert len(page["items"]) <= limit
            walked += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert walked == whole, limit


async def test_decisions_signed_before_the_migration_keep_their_intervention(
    app: FastAPI, house: House, finish: Finish
) -> None:
    of = await intervention(house)
    await decided(house, of, finish)
    before = await entries(house, of)
    with app.state.engine.connect() as connection:
        command.downgrade(alembic(connection), "0003")
        connection.commit()
    migrate(app.state.engine)
    assert await entries(house, of) == before
    assert len(before) == 1
