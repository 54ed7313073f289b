"""Replace and derive: successors, the family of an intervention, all attempts at a driver."""

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from app.db import now, transaction
from app.pilots.models import Intervention, OwnershipRole, Program, ProgramStatus
from tests.app.steps import (
    REVIEW,
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
    start,
    unmet,
)
from tests.app.syntheses.test_evidence import REPORT
from tests.conftest import House

pytestmark = pytest.mark.anyio

ENDED: dict[str, Any] = {"to": "retired", "reason": "Nobody came.", "lessons": "Not after the shift."}


async def test_a_replaced_pilot_starts_its_successor(house: House, neighbour: House) -> None:
    path = await start(house, lead="ana.ruiz")
    body = {**ENDED, "retirement": "replaced", "successor": {"title": "Coaching by telephone"}}
    both = {**body, "successor_id": path.rpartition("/")[2]}
    assert codes(await refused(house.lead.post(f"{path}/moves", json=both), 422, "invalid")) == [((), "value_error")]
    early = {**body, "to": "develop"}
    assert codes(await refused(house.lead.post(f"{path}/moves", json=early), 422, "invalid")) == [((), "value_error")]
    unknown = {**body, "successor": {"title": "T", "intervention_id": "nothing"}}
    problem = await refused(house.lead.post(f"{path}/moves", json=unknown), 422, "invalid")
    assert codes(problem) == [(("intervention_id",), "unknown_intervention")]
    missing = {**body, "lessons": None}
    problem = await refused(house.lead.post(f"{path}/moves", json=missing), 409, "move_refused")
    assert unmet(problem) == ["lessons"]
    # Nothing was left behind by what was refused.
    assert len((await ok(house.lead.get("/v1/pilots")))["items"]) == 1

    made = await ok(house.administrator.post(f"{path}/moves", json=body), 201)
    successor = await ok(house.lead.get(f"/v1/pilots/{made['successor_id']}"))
    old = await ok(house.lead.get(path))
    assert (old["stage"], old["retirement"], old["successor_id"]) == ("retired", "replaced", successor["id"])
    assert (successor["title"], successor["stage"], successor["iteration"]) == ("Coaching by telephone", "discover", 1)
    assert (successor["lead"], successor["created_by"]) == ("ana.ruiz", "Northfield administrator")
    assert (successor["driver"], successor["unit_ids"]) == (old["driver"], old["unit_ids"])
    assert (successor["succeeds"], old["succeeds"]) == ([old["id"]], [])
    assert [m["successor_id"] for m in (await ok(house.lead.get(f"{path}/moves")))["items"]] == [successor["id"]]
    listed = (await ok(house.lead.get("/v1/pilots")))["items"]
    assert [p["succeeds"] for p in listed] == [[], [old["id"]]]
    says = [i["says"] for i in (await ok(house.lead.get(f"{path}/timeline")))["items"]]
    assert says[-1] == (
        "The pilot “Coaching by telephone” follows for the same driver, named by Northfield administrator."
    )
    assert (await ok(neighbour.lead.get("/v1/pilots")))["items"] == []


async def test_the_family_and_the_attempts_of_the_worked_history(
    house: House, neighbour: House, finish: Finish, app: FastAPI
) -> None:
    lead = house.lead
    mother = await intervention(house, title="Protected time")
    groups = await intervention(house, title="Facilitated groups", derived_from=mother, derivation_reason="adapted")
    path = await in_test(house, title="Facilitated groups")
    mine = (await ok(lead.get(path)))["intervention_id"]
    await signed(house, path, await analysed(house, path, finish, an_answer("scale")), "scale")
    await ok(lead.patch(path, json={"sustainability_review": {**REVIEW, "scalable": False}}))
    own = await intervention(house, title="Self-led", derived_from=mine, derivation_reason="more feasible, cheaper")
    successor = {"title": "Self-led groups", "intervention_id": own}
    await move(house, path, **{**ENDED, "retirement": "not_scalable", "successor": successor})
    further = await intervention(neighbour, title="Ours", derived_from=own, derivation_reason="adapted")
    theirs = await start(neighbour, intervention_id=own)
    await ok(house.approver.post(f"/v1/interventions/{own}/evidence", json=REPORT), 201)

    family = await ok(lead.get(f"/v1/interventions/{mine}/family"))
    assert (family["ancestors"], family["intervention"]["id"]) == ([], mine)
    assert [(d["id"], d["generation"], d["standing"]) for d in family["derivatives"]] == [
        (own, 1, "in_preparation"),
        (further, 2, "untried"),
    ]
    assert family["derivatives"][0]["derivation_reason"] == "more feasible, cheaper"
    assert family["derivatives"][0]["evidence_elsewhere"] == 1
    (pilot,) = family["intervention"]["pilots"]
    assert (pilot["standing"], pilot["retirement"]) == ("effective_not_scalable", "not_scalable")
    assert (pilot["decision"]["outcome"], pilot["decision"]["grade"]) == ("scale", "A")
    assert (pilot["effect"]["measure"], pilot["effect"]["adjusted"]["mean"]) == ("mbi_ee", 0.6)
    assert (pilot["retirement_reason"], pilot["lessons"]) == (ENDED["reason"], ENDED["lessons"])
    assert family["intervention"]["standing"] == "effective_not_scalable"
    upward = await ok(lead.get(f"/v1/interventions/{groups}/family"))
    assert [(a["id"], a["generation"], a["standing"]) for a in upward["ancestors"]] == [(mother, -1, "untried")]

    # The neighbour sees the interventions, its own pilot and that there is evidence; never another's pilots.
    seen = await neighbour.lead.get(f"/v1/interventions/{mine}/family")
    assert "Nobody came" not in seen.text
    assert pilot["id"] not in seen.text
    assert (seen.json()["intervention"]["standing"], seen.json()["intervention"]["pilots"]) == ("tried_elsewhere", [])
    assert seen.json()["intervention"]["evidence_elsewhere"] == 1
    assert [p["id"] for p in seen.json()["derivatives"][0]["pilots"]] == [theirs.rpartition("/")[2]]

    with transaction(app.state.engine) as session:
        session.add(
            Program(
                intervention_id=own,
                organization_id=house.id,
                pilot_id=pilot["id"],
                synthesis_id="none",
                dimension="community",
                status=ProgramStatus.ACTIVE,
                established_by="carla.weiss",
                review_due_on=date(2027, 1, 1),
            )
        )
    attempts = await ok(lead.get("/v1/drivers/self_valuation/attempts"))
    assert attempts["driver"]["key"] == "self_valuation"
    assert [(p["intervention_id"], p["dimension"], p["status"]) for p in attempts["programs"]] == [
        (own, "community", "active")
    ]
    standings = {i["id"]: i["standing"] for i in attempts["interventions"]}
    assert standings == {
        mother: "untried",
        groups: "untried",
        mine: "effective_not_scalable",
        own: "foundational",
        further: "untried",
    }
    assert [(a["title"], a["standing"]) for a in attempts["items"]] == [
        ("Facilitated groups", "effective_not_scalable"),
        ("Self-led groups", "in_preparation"),
    ]
    assert attempts["items"][0]["successor_id"] == attempts["items"][1]["id"]
    first = await ok(lead.get("/v1/drivers/self_valuation/attempts?limit=1"))
    rest = await ok(lead.get(f"/v1/drivers/self_valuation/attempts?cursor={first['next_cursor']}"))
    assert first["items"] + rest["items"] == attempts["items"]
    assert [a["id"] for a in (await ok(neighbour.lead.get("/v1/drivers/self_valuation/attempts")))["items"]] == [
        theirs.rpartition("/")[2]
    ]
    await refused(lead.get("/v1/drivers/nothing/attempts"), 404, "not_found")


async def test_a_pilot_that_went_on_with_another_intervention(house: House, finish: Finish) -> None:
    path = await in_test(house)
    first = (await ok(house.lead.get(path)))["intervention_id"]
    await signed(house, path, await analysed(house, path, finish, an_answer("refine")), "refine")
    await move(house, path, "refine")
    second = await intervention(house, derived_from=first, derivation_reason="cheaper")
    await ok(house.lead.patch(path, json={"intervention_id": second}))
    family = await ok(house.lead.get(f"/v1/interventions/{first}/family"))
    (before,), (after,) = family["intervention"]["pilots"], family["derivatives"][0]["pilots"]
    assert (before["standing"], before["decision"]["outcome"]) == ("moved_on", "refine")
    assert (after["standing"], after["decision"]) == ("in_refinement", None)


async def test_thousands_of_derivatives_and_a_circle_of_them(house: House, app: FastAPI) -> None:
    def made(title: str, parent: str | None) -> Intervention:
        return Intervention(
            title=title,
            description="D",
            driver="workload",
            derived_from=parent,
            organization_id=house.id,
            ownership_role=OwnershipRole.OWN,
            created_at=now(),
        )

    with transaction(app.state.engine) as session:
        root = made("Root", None)
        session.add(root)
        session.flush()
        rows = [made(f"Variant {i}", root.id).model_dump() for i in range(2000)]
        session.connection().execute(sa.insert(Intervention), rows)
    statements: list[str] = []
    sa.event.listen(app.state.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    page = await ok(house.lead.get(f"/v1/interventions/{root.id}/family?limit=200"))
    assert len(statements) < 25
    assert len(page["derivatives"]) == 200
    await ok(house.lead.get(f"/v1/interventions/{root.id}/family?limit=1&cursor={page['next_cursor']}"))
    attempts = await ok(house.lead.get("/v1/drivers/workload/attempts"))
    assert (len(attempts["interventions"]), attempts["more_interventions"]) == (50, 1951)
    # The interface makes no circles; should a table hold one, the answer still ends.
    with transaction(app.state.engine) as session:
        last = page["derivatives"][0]["id"]
        session.connection().execute(
            sa.update(Intervention).where(sa.column("id") == root.id).values(derived_from=last)
        )
        session.connection().execute(sa.delete(Intervention).where(sa.column("id") > last))
    circle = await ok(house.lead.get(f"/v1/interventions/{root.id}/family"))
    assert [i["id"] for i in circle["ancestors"] + circle["derivatives"]] == [last, last]
