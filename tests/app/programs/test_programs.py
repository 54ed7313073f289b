"""From scale to foundational and back: the guard, the signature, the catalogue, who takes it, the yearly review."""

import json
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from app.db import reading
from app.outbox.models import OutboxEvent
from tests.app.programs.world import Pool, adopted, ready
from tests.app.steps import Finish, an_answer, intervention, ok, refused, retained, scaled, start, unmet
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
TO = {"to": "foundational", "dimension": "safety_net", "reason": "Proven here and elsewhere."}


async def established(house: House, finish: Finish, pool: Pool) -> tuple[str, str, dict[str, Any]]:
    path, of = await ready(house, finish)
    assert (await pool(house, of))["result"]["recommendation"]["outcome"] == "foundational"
    await ok(house.approver.post(f"{path}/moves", json=TO), 201)
    [program] = (await ok(house.lead.get("/v1/programs")))["items"]
    return path, of, program


async def test_a_pilot_becomes_a_program(
    app: FastAPI, house: House, neighbour: House, finish: Finish, pool: Pool
) -> None:
    path, of = await ready(house, finish)
    synthesis = await pool(house, of)
    moved = await ok(house.approver.post(f"{path}/moves", json={**TO, "synthesis_id": synthesis["id"]}), 201)
    assert (moved["from"], moved["to"], moved["synthesis_id"]) == ("scale", "foundational", synthesis["id"])
    pilot = await ok(house.lead.get(path))
    assert (pilot["stage"], pilot["scaled"]) == ("foundational", True)
    for reader in (house, neighbour):
        [line] = (await ok(reader.lead.get("/v1/programs")))["items"]
        assert (line["dimension"], line["status"], line["organization"]) == ("safety_net", "active", "Northfield")
        program = await ok(reader.lead.get(f"/v1/programs/{line['id']}"))
        assert program["recommendation"] == synthesis["result"]["recommendation"]
        criteria = {c["name"]: c["met"] for c in program["recommendation"]["criteria"]}
        assert criteria["retained"] is True
        assert criteria["p_benefit_new"] is True
        assert [e["organization"] for e in program["evidence"] if e["left_out"] is None] == [
            "Northfield",
            "Lakeside (synthetic)",
            "Hillside (synthetic)",
        ]
    assert program["established_by"] is None  # who, is the origin's own business
    with reading(app.state.engine) as session:
        [event] = session.exec(select(OutboxEvent).where(OutboxEvent.type == "program.established")).all()
    assert json.loads(event.payload)["data"]["program"]["status"] == "active"


@on_sqlite
async def test_the_checklist_names_all_that_is_missing(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    checklist = (await ok(house.lead.get(f"{path}/next")))["items"]
    codes = [u["code"] for item in checklist if item["to"] == "foundational" for u in item["unmet"]]
    assert codes == ["retention", "synthesis", "dimension"]
    problem = await refused(house.approver.post(f"{path}/moves", json=TO), 409, "move_refused")
    assert unmet(problem) == ["retention", "synthesis"]


@on_sqlite
@pytest.mark.parametrize("role", ["lead", "analyst", "administrator"])
async def test_only_an_approver_establishes(house: House, finish: Finish, role: str) -> None:
    path = await scaled(house, finish)
    await refused(house.of(role).post(f"{path}/moves", json=TO), 403, "forbidden")


@on_sqlite
async def test_who_led_the_pilot_does_not_sign(house: House, finish: Finish, pool: Pool) -> None:
    path, of = await ready(house, finish)
    await pool(house, of)
    await ok(house.lead.patch(path, json={"lead": "Northfield approver"}))
    await refused(house.approver.post(f"{path}/moves", json=TO), 409, "same_person")
    assert (await ok(house.lead.get("/v1/programs")))["items"] == []


@on_sqlite
async def test_what_the_synthesis_has_to_be(house: House, finish: Finish, pool: Pool) -> None:
    path, of = await ready(house, finish)

    async def said(**fields: Any) -> str:
        problem = await refused(house.approver.post(f"{path}/moves", json={**TO, **fields}), 409, "move_refused")
        assert unmet(problem) == ["synthesis"]
        message: str = problem["unmet"][0]["message"]
        return message

    assert "missing" in await said()
    exploratory = await pool(house, of, mmd=0.0)
    assert "names no confirmatory synthesis" in await said(synthesis_id=exploratory["id"])
    queued = await ok(house.analyst.post(f"/v1/interventions/{of}/syntheses"), 202)
    assert "no result yet" in await said(synthesis_id=queued["id"])
    await pool(house, of)
    await adopted(house, of, "Seaside (synthetic)", effect_sd=-0.4)
    assert "changed since" in await said()
    judged = await pool(house, of)
    outcome = judged["result"]["recommendation"]["outcome"]
    assert outcome == "no"  # an adopter was harmed
    assert "the rule says `no`" in await said()
    dimension = await refused(
        house.approver.post(f"{path}/moves", json={**TO, "dimension": "nowhere"}), 409, "move_refused"
    )
    assert unmet(dimension) == ["synthesis", "dimension"]


@on_sqlite
async def test_refused_on_theta_new_though_the_mean_passes(house: House, finish: Finish, pool: Pool) -> None:
    """Adopters that disagree: on average it helps, of the next organization one cannot be sure enough."""
    of = await intervention(house)
    path = await scaled(house, finish, of=of)
    await retained(house, path, finish)
    for organization, effect in (("Lakeside", 1.1), ("Hillside", 0.05), ("Seaside", 0.9), ("Woodside", 0.1)):
        await adopted(house, of, f"{organization} (synthetic)", effect_sd=effect, se_sd=0.1)
    judged = await pool(house, of)
    criteria = {c["name"]: c for c in judged["result"]["recommendation"]["criteria"]}
    assert criteria["p_meaningful"]["met"] is True
    assert criteria["p_benefit_adopters"]["met"] is True
    assert criteria["p_benefit_new"]["met"] is False
    problem = await refused(house.approver.post(f"{path}/moves", json=TO), 409, "move_refused")
    assert "next organization" in problem["unmet"][0]["message"]


@on_sqlite
async def test_the_origin_alone_proves_nothing(house: House, finish: Finish, pool: Pool) -> None:
    of = await intervention(house)
    path = await scaled(house, finish, of=of)
    await retained(house, path, finish)
    judged = await pool(house, of)
    assert judged["result"]["recommendation"]["outcome"] == "not_yet"
    await refused(house.approver.post(f"{path}/moves", json=TO), 409, "move_refused")


@on_sqlite
async def test_an_effect_that_was_not_retained_is_no_program(house: House, finish: Finish, pool: Pool) -> None:
    of = await intervention(house)
    path = await scaled(house, finish, of=of)
    gone = an_answer()
    gone["effects"][0] |= {"p_benefit": 0.4, "evidence": {"effect_sd": -0.05, "se_sd": 0.2}}
    await retained(house, path, finish, gone)
    for organization in ("Lakeside (synthetic)", "Hillside (synthetic)"):
        await adopted(house, of, organization)
    judged = await pool(house, of)
    assert {c["name"]: c["met"] for c in judged["result"]["recommendation"]["criteria"]}["retained"] is False
    problem = await refused(house.approver.post(f"{path}/moves", json=TO), 409, "move_refused")
    assert unmet(problem) == ["retention", "synthesis"]


@on_sqlite
async def test_an_adopter_stays_in_scale(house: House, neighbour: House, finish: Finish, pool: Pool) -> None:
    path, of = await ready(house, finish)
    theirs = await scaled(neighbour, finish, of=of)
    await retained(neighbour, theirs, finish)
    await pool(house, of)
    problem = await refused(neighbour.approver.post(f"{theirs}/moves", json=TO), 409, "move_refused")
    assert unmet(problem) == ["origin"]
    await ok(house.approver.post(f"{path}/moves", json=TO), 201)


@on_sqlite
async def test_retention_that_came_later_makes_the_synthesis_stale(house: House, finish: Finish, pool: Pool) -> None:
    of = await intervention(house)
    path = await scaled(house, finish, of=of)
    for organization in ("Lakeside (synthetic)", "Hillside (synthetic)"):
        await adopted(house, of, organization)
    before = await pool(house, of)
    criteria = {c["name"]: c["met"] for c in before["result"]["recommendation"]["criteria"]}
    assert criteria["retained"] is None
    analysis = await retained(house, path, finish)
    again = await ok(house.lead.get(f"/v1/syntheses/{before['id']}"))
    assert "evidence_changed" in {w["code"] for w in again["warnings"]}
    after = await pool(house, of)
    assert after["provenance"]["retention_analysis_id"] == analysis
    assert {c["name"]: c["met"] for c in after["result"]["recommendation"]["criteria"]}["retained"] is True


async def test_each_organization_accepts_for_itself(house: House, neighbour: House, finish: Finish, pool: Pool) -> None:
    _, _, program = await established(house, finish, pool)
    place = f"/v1/programs/{program['id']}/acceptances"
    said = await ok(neighbour.approver.post(place, json={"note": "From January."}), 201)
    assert (said["accepted"], said["by"], said["organization_id"]) == (True, "Southfield approver", neighbour.id)
    theirs = await ok(neighbour.lead.get("/v1/programs/catalogue"))
    ours = await ok(house.lead.get("/v1/programs/catalogue"))
    assert (theirs["gaps"], ours["gaps"]) == (6, 7)
    [safety] = [d for d in theirs["items"] if d["dimension"] == "safety_net"]
    assert (safety["gap"], len(safety["accepted"]), safety["available"]) == (False, 1, [])
    [safety] = [d for d in ours["items"] if d["dimension"] == "safety_net"]
    assert (safety["gap"], safety["accepted"], len(safety["available"])) == (True, [], 1)
    line = (await ok(house.lead.get("/v1/programs")))["items"][0]
    assert (line["accepted_by"], line["accepted"]) == (1, None)
    assert (await ok(house.lead.get(place)))["items"] == []
    await ok(neighbour.approver.post(place, json={"accepted": False, "note": "No coaches."}), 201)
    assert (await ok(neighbour.lead.get("/v1/programs/catalogue")))["gaps"] == 7
    assert [a["accepted"] for a in (await ok(neighbour.lead.get(place)))["items"]] == [True, False]


async def test_a_new_pilot_is_told_that_its_driver_is_covered(
    house: House, neighbour: House, finish: Finish, pool: Pool
) -> None:
    _, of, program = await established(house, finish, pool)
    body = {"title": "Another way", "driver": "self_valuation", "unit_ids": []}
    pilot = await ok(neighbour.lead.post("/v1/pilots", json=body), 201)
    assert [(c["program_id"], c["title"]) for c in pilot["covered_by"]] == [(program["id"], "Professional coaching")]
    path = f"/v1/pilots/{pilot['id']}"
    await ok(neighbour.lead.patch(path, json={"discovery_note": {"kind": "survey", "text": "Low."}}))
    problem = await refused(neighbour.lead.post(f"{path}/moves", json={"to": "develop"}), 409, "move_refused")
    assert unmet(problem) == ["justification"]
    # Who adopts the very program does not experiment beside it; another driver is not covered.
    await ok(neighbour.lead.patch(path, json={"intervention_id": of}))
    await ok(neighbour.lead.post(f"{path}/moves", json={"to": "develop"}), 201)
    other = await ok(neighbour.lead.post("/v1/pilots", json={**body, "driver": "workload"}), 201)
    assert other["covered_by"] == []


async def test_a_driver_of_ones_own_is_not_covered_by_its_namesake(
    house: House, neighbour: House, finish: Finish, pool: Pool
) -> None:
    for each in (house, neighbour):
        await ok(each.administrator.post("/v1/drivers", json={"key": "night_work", "name": "Night work"}), 201)
    of = await intervention(house, driver="night_work")
    path = await scaled(house, finish, of=of)
    await retained(house, path, finish)
    for organization in ("Lakeside (synthetic)", "Hillside (synthetic)"):
        await adopted(house, of, organization)
    await pool(house, of)
    await ok(house.approver.post(f"{path}/moves", json=TO), 201)
    body = {"title": "T", "driver": "night_work", "unit_ids": []}
    assert (await ok(neighbour.lead.post("/v1/pilots", json=body), 201))["covered_by"] == []
    assert len((await ok(house.lead.post("/v1/pilots", json=body), 201))["covered_by"]) == 1


async def due(house: House, kind: str) -> dict[str, Any]:
    [review] = (await ok(house.lead.get(f"/v1/reviews?kind={kind}&open=true")))["items"]
    found: dict[str, Any] = review
    return found


@on_sqlite
async def test_a_yearly_review_that_holds(house: House, finish: Finish, pool: Pool) -> None:
    _, of, program = await established(house, finish, pool)
    review = await due(house, "program")
    place = f"/v1/reviews/{review['id']}/completion"
    body = {"finding": "One more adopter; it holds."}
    problem = await refused(house.approver.post(place, json=body), 409, "synthesis_missing")
    assert "anew" in problem["detail"]
    await adopted(house, of, "Seaside (synthetic)")
    await refused(house.approver.post(place, json=body), 409, "synthesis_missing")
    synthesis = await pool(house, of)
    done = await ok(house.approver.post(place, json=body), 201)
    assert (done["outcome"], done["synthesis_id"], done["overdue"]) == ("holds", synthesis["id"], False)
    after = await ok(house.lead.get(f"/v1/programs/{program['id']}"))
    assert (after["status"], after["synthesis_id"]) == ("active", synthesis["id"])
    following = await due(house, "program")
    assert following["due_on"] > review["due_on"]
    assert following["due_on"] == after["review_due_on"]
    await refused(house.approver.post(place, json=body), 409, "already_completed")


async def test_a_yearly_review_that_demotes(app: FastAPI, house: House, finish: Finish, pool: Pool) -> None:
    path, of, program = await established(house, finish, pool)
    place = f"/v1/programs/{program['id']}/acceptances"
    await ok(house.approver.post(place, json={}), 201)
    back = {"to": "refine", "reason": "R"}
    problem = await refused(house.approver.post(f"{path}/moves", json=back), 409, "move_refused")
    assert unmet(problem) == ["program"]
    await refused(house.lead.post(f"{path}/moves", json=back), 403, "forbidden")
    for organization in ("Seaside", "Woodside", "Riverside"):
        await adopted(house, of, f"{organization} (synthetic)", effect_sd=-0.1, se_sd=0.08)
    await pool(house, of)
    review = await due(house, "program")
    done = await ok(house.approver.post(f"/v1/reviews/{review['id']}/completion", json={"finding": "Gone."}), 201)
    assert done["outcome"] == "demoted"
    assert (await ok(house.lead.get(f"/v1/programs/{program['id']}")))["status"] == "demoted"
    pilot = await ok(house.lead.get(path))
    assert (pilot["stage"], pilot["iteration"]) == ("refine", 2)
    last = (await ok(house.lead.get(f"{path}/moves")))["items"][-1]
    assert "Demote" in last["reason"]
    assert (await ok(house.lead.get("/v1/reviews?open=true")))["items"] == []
    await refused(house.approver.post(place, json={}), 409, "demoted")
    catalogue = await ok(house.lead.get("/v1/programs/catalogue"))
    [safety] = [d for d in catalogue["items"] if d["dimension"] == "safety_net"]
    assert (safety["gap"], len(safety["demoted"])) == (True, 1)
    # What is no longer proven covers no driver.
    assert (await ok(house.lead.get(await start(house))))["covered_by"] == []
    with reading(app.state.engine) as session:
        assert len(session.exec(select(OutboxEvent).where(OutboxEvent.type == "program.demoted")).all()) == 1


@on_sqlite
async def test_only_one_class_of_measures_is_pooled(house: House, finish: Finish, pool: Pool) -> None:
    _, of = await ready(house, finish)
    await adopted(house, of, "Seaside (synthetic)", measure="social_isolation", effect_sd=2.0)
    await adopted(house, of, "Woodside (synthetic)", measure="pfi_burnout", effect_sd=0.4)
    judged = await pool(house, of)
    entries = {e["organization"]: e for e in judged["provenance"]["evidence"]}
    assert entries["Seaside (synthetic)"]["left_out"]["code"] == "other_class"
    assert "isolation" in entries["Seaside (synthetic)"]["left_out"]["message"]
    assert entries["Woodside (synthetic)"]["left_out"] is None
    assert "other_class" in {w["code"] for w in judged["warnings"]}
    assert [s["organization"] for s in judged["result"]["studies"]].count("Seaside (synthetic)") == 0
    alone = await pool(house, of, measure_class="isolation")
    assert [s["organization"] for s in alone["result"]["studies"]] == ["Seaside (synthetic)"]
    assert alone["kind"] == "exploratory"
