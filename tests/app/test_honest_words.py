"""What people say about their pilots is held against what they entered: dates, reference SDs, sources, allocations."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analysis.documents import FitRequest, Plan, PlannedLook
from analysis.fit import fit
from app.analyses.timing import too_early
from tests.app.programs.world import Pool, adopted, pool
from tests.app.steps import (
    CHANGES,
    LASTING,
    PLAN,
    Finish,
    an_answer,
    analysed,
    codes,
    in_test,
    intervention,
    move,
    ok,
    planned,
    refused,
    scaled,
    signed,
)
from tests.conftest import House

__all__ = ["pool"]
pytestmark = pytest.mark.anyio
MEASURE = {
    "measure": "mbi_ee",
    "role": "primary",
    "family": "normal",
    "direction": "lower_is_better",
    "reference_sd": 10.3,
}


async def dated(house: House, pre: tuple[str, str], post: tuple[str, str]) -> str:
    path = await in_test(house)
    for key, (starts, ends) in (("pre", pre), ("post", post)):
        body = {"invited": {}, "starts_on": starts, "ends_on": ends}
        await ok(house.lead.put(f"{path}/waves/{key}", json=body))
    return path


async def test_a_follow_up_that_came_early_is_not_the_planned_look(house: House) -> None:
    path = await dated(house, ("2026-01-01", "2026-01-10"), ("2026-02-01", "2026-02-10"))
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert asked["kind"] == "exploratory"
    [why] = [w["message"] for w in asked["warnings"] if w["code"] == "exploratory"]
    assert "1.3 months after the start, the plan says 6" in why
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": {}, "starts_on": "2026-06-20"}))
    again = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert again["kind"] == "confirmatory"
    assert "dates_unknown" not in {w["code"] for w in again["warnings"]}


async def test_without_dates_the_plan_is_all_there_is(house: House, finish: Finish) -> None:
    path = await in_test(house)
    made = await signed(house, path, await analysed(house, path, finish), "scale")
    assert "dates_unknown" in {w["code"] for w in made["warnings"]}


@pytest.mark.parametrize(
    ("apart", "early"), [(None, False), (6.0, False), (5.0, False), (4.9, True), (-0.4, True), (14.0, False)]
)
def test_how_early_is_too_early(apart: float | None, early: bool) -> None:  # noqa: FBT001
    plan = Plan.model_validate({**PLAN, "measures": [MEASURE]})
    assert (too_early(plan, PlannedLook(look=1, wave="post", months=6), apart) is not None) is early
    assert (too_early(plan, PlannedLook(look=1, wave="post"), apart) is not None) is early


@pytest.mark.parametrize(("reference_sd", "told"), [(5.0, True), (10.3, False)])
def test_a_reference_sd_far_below_what_is_seen_is_told(reference_sd: float, told: bool) -> None:  # noqa: FBT001
    pairs = [
        {"arm": "intervention", "n": 200, "mean": [30, 27.8], "sd": [15, 15], "r": 0.7},
        {"arm": "control", "n": 200, "mean": [30, 30], "sd": [15, 15], "r": 0.7},
    ]
    plan = {**PLAN, "measures": [{**MEASURE, "reference_sd": reference_sd}]}
    request = {"plan": plan, "data": {"mbi_ee": {"pairs": pairs}}, "engine": "exact"}
    answer = fit(FitRequest.model_validate(request))
    assert ("reference_sd_small" in {w["code"] for w in answer["warnings"]}) is told


async def test_such_evidence_is_not_pooled(house: House, finish: Finish) -> None:
    of = await intervention(house)
    answer = an_answer()
    answer["warnings"] = [{"code": "reference_sd_small", "message": "M", "measure": "mbi_ee"}]
    path = await in_test(house, of=of)
    await signed(house, path, await analysed(house, path, finish, answer), "scale")
    [entry] = (await ok(house.lead.get(f"/v1/interventions/{of}/evidence")))["items"]
    assert entry["left_out"]["code"] == "reference_sd_small"


async def test_what_was_tested_does_not_become_another_program(house: House) -> None:
    of = await intervention(house)
    path = await planned(house, {**PLAN, "baseline_missing_reason": "published"}, of=of)
    place = f"/v1/interventions/{of}"
    await ok(house.lead.patch(place, json={"title": "Coaching by peers"}))
    await ok(house.lead.post(f"{path}/plan/lock"))
    for change in ({"title": "Wonder drug"}, {"description": "Another thing."}, {"driver": "isolation"}):
        problem = await refused(house.lead.patch(place, json=change), 409, "in_use")
        assert "derived_from" in problem["detail"]
    await ok(house.lead.patch(place, json={"title": "Coaching by peers", "ownership_role": "design"}))


async def test_a_slip_is_withdrawn_and_counts_no_more(house: House, neighbour: House, pool: Pool) -> None:
    of = await intervention(house)
    await adopted(house, of, "Lakeside (synthetic)")
    await adopted(house, of, "Hillside (synthetic)", effect_sd=4.1)
    entries = (await ok(house.lead.get(f"/v1/interventions/{of}/evidence")))["items"]
    place = f"/v1/evidence/{entries[1]['id']}/withdrawal"
    await refused(neighbour.approver.post(place, json={"reason": "R"}), 404, "not_found")
    await refused(house.lead.post(place, json={"reason": "R"}), 403, "forbidden")
    gone = await ok(house.approver.post(place, json={"reason": "A comma too far."}), 201)
    assert (gone["left_out"]["code"], gone["effect_sd"]) == ("withdrawn", 4.1)
    assert "A comma too far." in gone["left_out"]["message"]
    await refused(house.approver.post(place, json={"reason": "R"}), 409, "withdrawn")
    judged = await pool(house, of)
    assert [s["organization"] for s in judged["result"]["studies"]] == ["Lakeside (synthetic)"]


async def test_adopters_that_are_only_reported_are_told(
    house: House, neighbour: House, finish: Finish, pool: Pool
) -> None:
    of = await intervention(house)
    await scaled(house, finish, of=of)
    await adopted(house, of, "Lakeside (synthetic)")
    await adopted(house, of, "Hillside (synthetic)", attrition=None)
    told = {w["code"]: w["message"] for w in (await pool(house, of))["warnings"]}
    assert "all 2 adopters are reported" in told["adopters_reported"]
    assert "Hillside" in told["attrition_unknown"]
    await scaled(neighbour, finish, of=of)
    assert "adopters_reported" not in {w["code"] for w in (await pool(house, of))["warnings"]}


async def test_a_pilots_own_result_is_not_reported_beside_it(house: House, finish: Finish, pool: Pool) -> None:
    of = await intervention(house)
    path = await scaled(house, finish, of=of)
    source = f"Pilot {path.rpartition('/')[2].upper()}."
    await adopted(house, of, "Somewhere else (synthetic)", source=source)
    judged = await pool(house, of)
    criteria = {c["name"]: c["value"] for c in judged["result"]["recommendation"]["criteria"]}
    assert (criteria["origins"], criteria["adopters"]) == (1, 0)


async def test_an_allocation_after_the_follow_up_is_none(house: House) -> None:
    path = await dated(house, ("2025-01-06", "2025-01-20"), ("2025-07-07", "2025-07-21"))
    declared = {"method": "Sealed envelopes", "allocated_on": "2025-07-07", "source": "Protocol"}
    await refused(
        house.lead.post(f"{path}/plan/allocate", json={"elsewhere": declared}), 409, "allocated_after_followup"
    )
    declared["allocated_on"] = "2025-01-22"
    await ok(house.lead.post(f"{path}/plan/allocate", json={"elsewhere": declared}), 201)


async def test_a_seed_that_was_chosen_is_told(house: House) -> None:
    path = await planned(house)
    people = [{"participant": f"p-{i}"} for i in range(12)]
    await ok(house.lead.post(f"{path}/plan/allocate", json={"participants": people, "seed": 7}), 201)
    plan = await ok(house.lead.get(f"{path}/plan"))
    assert "allocation_seed_given" in {w["code"] for w in plan["warnings"]}


async def test_summaries_are_of_the_people_who_were_assigned(house: House) -> None:
    path = await planned(house)
    people = [{"participant": f"p-{i}"} for i in range(40)]
    await ok(house.lead.post(f"{path}/plan/allocate", json={"participants": people}), 201)
    await refused(house.lead.post(f"{path}/summaries", json=CHANGES), 409, "more_than_allocated")
    assert (await ok(house.lead.get(f"{path}/summaries")))["items"] == []
    fewer = {**CHANGES, "changes": [{**entry, "n": 18} for entry in CHANGES["changes"]]}
    await ok(house.lead.post(f"{path}/summaries", json=fewer), 201)


async def test_a_review_cannot_be_put_off_for_ever(house: House, finish: Finish) -> None:
    await scaled(house, finish)
    [review] = (await ok(house.lead.get("/v1/reviews")))["items"]
    today = datetime.now(UTC).date()
    place = f"/v1/reviews/{review['id']}"
    await ok(house.lead.patch(place, json={"due_on": review["due_on"], "reason": "A year from today is the most."}))
    for day in (today, today - timedelta(days=3), today + timedelta(days=367)):
        body = {"due_on": day.isoformat(), "reason": "Later."}
        await refused(house.lead.patch(place, json=body), 409, "not_a_postponement")


async def test_a_wave_without_answers_is_not_analysed(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    problem = await refused(house.analyst.post(f"{path}/analyses", json={"wave": "y1"}), 409, "no_data")
    assert "no answers at y1" in problem["detail"]


async def test_a_successor_is_for_the_same_driver(house: House) -> None:
    path = await in_test(house, LASTING)
    other = await intervention(house, driver="isolation")
    retire: dict[str, Any] = {"to": "retired", "retirement": "replaced", "reason": "R", "lessons": "L"}
    body = {**retire, "successor": {"title": "Next", "intervention_id": other}}
    problem = await refused(house.lead.post(f"{path}/moves", json=body), 422, "invalid")
    assert codes(problem) == [(("successor", "intervention_id"), "other_driver")]
    await move(house, path, "retired", **{k: v for k, v in retire.items() if k != "to"}, successor={"title": "Next"})


async def test_shared_lessons_tell_nobodys_address(house: House, neighbour: House) -> None:
    path = await in_test(house)
    for lessons in ("Ask anna@x.org first.", "Call +49 221 123456-78.", "Begin 2026-03-01, with 12 people."):
        request = house.lead.patch(path, json={"lessons": lessons, "share_lessons": True})
        if "2026" in lessons:
            await ok(request)
        else:
            problem = await refused(request, 422, "invalid")
            assert codes(problem) == [(("lessons",), "looks_identifying")]
    [lesson] = (await ok(neighbour.lead.get("/v1/lessons")))["items"]
    hidden = ("organization_id", "pilot_id", "intervention_id", "iteration", "by")
    assert [lesson[name] for name in hidden] == [None] * 5
    of = (await ok(house.lead.get(path)))["intervention_id"]
    assert (await ok(neighbour.lead.get(f"/v1/lessons?intervention_id={of}")))["items"] == []
