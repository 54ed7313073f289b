"""Who may let a plan depart from the default rule, and where that is told; what may change after a look."""

from typing import Any

import pytest
from fastapi import FastAPI

from analysis.documents import Plan
from app.db import transaction
from app.jobs.models import JobStatus
from app.plans.departures import STRICTER, departures
from app.simulations.models import Simulation
from tests.app.steps import (
    CHANGES,
    PLAN,
    Finish,
    an_answer,
    analysed,
    codes,
    in_test,
    move,
    ok,
    planned,
    refused,
    signed,
    start,
    unmet,
)
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

REASON = {"reason": "The program is cheap and harmless."}
PUBLISHED = {"baseline_missing_reason": "published before and after"}
LOOSER = {**PLAN, **PUBLISHED, "rule": {"p_benefit": 0.8}}
TWO_ROLES: dict[str, Any] = {
    "design": "parallel",
    "control": "control",
    "measures": [
        {"measure": "a", "family": "normal", "direction": "higher_is_better", "reference_sd": 1},
        {"measure": "b", "role": "balancing", "family": "normal", "direction": "higher_is_better"},
        {"measure": "c", "role": "secondary", "family": "normal", "direction": "higher_is_better", "mmd": 0.1},
    ],
}


def departing(**changes: Any) -> list[str]:
    return [remark.code for remark in departures(Plan.model_validate({**TWO_ROLES, **changes}))]


def with_measure(index: int, **changes: Any) -> list[dict[str, Any]]:
    measures: list[dict[str, Any]] = TWO_ROLES["measures"]
    return [{**m, **changes} if i == index else m for i, m in enumerate(measures)]


def test_what_departs() -> None:
    default = Plan.model_validate(TWO_ROLES).rule
    assert departing() == []
    for name, sign in STRICTER.items():
        value = getattr(default, name)
        assert departing(rule={name: value - 0.01 * sign}) == ["rule_looser"], name
        assert departing(rule={name: min(1.0, value + 0.005 * sign)}) == [], name
    assert departing(measures=with_measure(0, mmd=0.19)) == ["rule_looser"]
    assert departing(measures=with_measure(0, mmd=0.3)) == []
    assert departing(measures=with_measure(1, margin=0.3)) == ["rule_looser"]
    assert departing(measures=with_measure(1, margin=0.1)) == []
    assert departing(min_followup_months=3) == departing(min_followup_months=None) == ["short_followup"]
    assert departing(min_followup_months=9) == []
    assert departing(priors={"effect": {"mean": 0, "sd": 0.4}}) == ["own_priors"]
    assert departing(priors={"effect": "flat"}) == ["own_priors"]
    assert departing(priors={"borrow": {"mean": 0.3, "sd": 0.1}}) == ["own_priors"]


def test_every_threshold_has_its_strict_side() -> None:
    assert set(STRICTER) == set(type(Plan.model_validate(TWO_ROLES).rule).model_fields)


@on_sqlite
async def test_what_departs_takes_an_approver_before_the_lock(house: House) -> None:
    path = await planned(house, LOOSER)
    draft = await ok(house.lead.get(f"{path}/plan"))
    assert [u["code"] for u in draft["missing_for_lock"]] == ["approval"]
    problem = await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_incomplete")
    assert unmet(problem) == ["approval"]
    assert "p_benefit 0.8 instead of 0.95" in problem["unmet"][0]["message"]
    assert f"POST {path}/plan/approvals" in problem["unmet"][0]["message"]
    await refused(house.lead.post(f"{path}/plan/approvals", json=REASON), 403, "forbidden")
    await refused(house.approver.post(f"{path}/plan/approvals", json={}), 422, "invalid")
    approved = await ok(house.approver.post(f"{path}/plan/approvals", json=REASON), 201)
    assert (approved["approved_by"], approved["approval_reason"]) == ("Northfield approver", REASON["reason"])
    assert (approved["missing_for_lock"], approved["locked"]) == ([], False)
    same = await ok(house.lead.put(f"{path}/plan", json=LOOSER))
    assert same["approved_by"] == "Northfield approver"
    other = await ok(house.lead.put(f"{path}/plan", json={**LOOSER, "rule": {"p_benefit": 0.7}}))
    assert (other["approved_by"], other["approved_at"], other["approval_reason"]) == (None, None, None)
    await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_incomplete")
    await ok(house.lead.put(f"{path}/plan", json=LOOSER))
    await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_incomplete")
    await ok(house.approver.post(f"{path}/plan/approvals", json=REASON), 201)
    assert (await ok(house.lead.post(f"{path}/plan/lock")))["approved_by"] == "Northfield approver"
    what = [i["what"] for i in (await ok(house.lead.get(f"{path}/timeline")))["items"]]
    assert what[-2:] == ["plan.approved", "plan.locked"]
    await refused(house.approver.post(f"{path}/plan/approvals", json=REASON), 409, "plan_locked")


@on_sqlite
async def test_nobody_of_the_pilot_approves_its_plan(house: House) -> None:
    bare = await start(house)
    await refused(house.approver.post(f"{bare}/plan/approvals", json=REASON), 409, "no_plan")
    path = await planned(house, LOOSER, lead="Northfield approver")
    await refused(house.approver.post(f"{path}/plan/approvals", json=REASON), 409, "same_person")
    other = await planned(house, LOOSER)
    await ok(house.approver.post(f"{other}/plan/approvals", json=REASON), 201)
    # Who leads the pilot by now is no second pair of eyes, whenever she approved.
    await ok(house.lead.patch(other, json={"lead": "northfield APPROVER"}))
    await refused(house.lead.post(f"{other}/plan/lock"), 409, "plan_incomplete")


@on_sqlite
async def test_a_rule_of_ones_own_is_told_everywhere_and_counts_nowhere(house: House, finish: Finish) -> None:
    path = await in_test(house, LOOSER, approved=REASON["reason"])
    analysis = await analysed(house, path, finish)
    decision = await signed(house, path, analysis, "scale")  # by her who approved the plan
    for warned in ((await ok(house.lead.get(f"/v1/analyses/{analysis}")))["warnings"], decision["warnings"]):
        assert {"rule_looser", "no_operating_characteristics", "allocation_undeclared"} <= {w["code"] for w in warned}
    pilot = await ok(house.lead.get(path))
    of = f"/v1/interventions/{pilot['intervention_id']}"
    (entry,) = (await ok(house.lead.get(f"{of}/evidence")))["items"]
    assert entry["left_out"]["code"] == "own_rule"
    assert "p_benefit" in entry["left_out"]["message"]
    assert [w["code"] for w in entry["warnings"]] == ["allocation_undeclared"]
    await refused(house.analyst.post(f"{of}/syntheses", json={}), 409, "no_evidence")


@on_sqlite
async def test_a_short_follow_up_needs_a_reason_and_an_approver(house: House) -> None:
    for months in (3, None):
        plan = {**PLAN, "min_followup_months": months}
        path = await planned(house, plan)
        problem = await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_incomplete")
        assert unmet(problem) == ["min_followup_reason", "approval"]
        await ok(house.lead.put(f"{path}/plan", json={**plan, "interval_reason": "The season ends."}))
        assert unmet(await refused(house.lead.post(f"{path}/plan/lock"), 409, "plan_incomplete")) == ["approval"]


@on_sqlite
async def test_an_amendment_shows_who_approved_it(house: House) -> None:
    path = await planned(house)
    locked = await ok(house.lead.post(f"{path}/plan/lock"))
    assert locked["approved_by"] is None
    body = {"reason": "The board asked for less.", "plan": LOOSER}
    amended = await ok(house.approver.post(f"{path}/plan/amendments", json=body), 201)
    assert (amended["approved_by"], amended["approval_reason"]) == ("Northfield approver", body["reason"])
    assert "rule_looser" in {w["code"] for w in amended["warnings"]}


@on_sqlite
async def test_after_a_look_only_what_the_rule_does_not_use_may_be_amended(house: House, finish: Finish) -> None:
    path = await in_test(house)
    await analysed(house, path, finish)
    plan = (await ok(house.lead.get(f"{path}/plan")))["plan"]

    async def amend(status: int, **changes: Any) -> Any:
        body = {"reason": "Later than planned.", "plan": {**plan, **changes}}
        asked = house.approver.post(f"{path}/plan/amendments", json=body)
        return await (ok(asked, 201) if status == 201 else refused(asked, status, "after_first_look"))

    problem = await amend(409, followup_months=12, rule={**plan["rule"], "p_benefit": 0.9})
    assert codes(problem) == [(("followup_months",), "after_first_look"), (("rule", "p_benefit"), "after_first_look")]
    assert "rule.p_benefit" in problem["detail"]
    pre, post = plan["waves"]
    later = {"key": "year", "kind": "retention", "starts_on": None, "ends_on": None}
    amended = await amend(201, waves=[pre, {**post, "ends_on": "2026-12-01"}, later], interval_reason="As agreed.")
    assert [w["key"] for w in amended["plan"]["waves"]] == ["pre", "post", "year"]
    # The new version remembers the look: it is no way around it.
    await amend(409, interval=0.9)
    await ok(house.lead.put(f"{path}/waves/year", json={"invited": {"intervention": 41, "control": 41}}))
    assert (await ok(house.analyst.post(f"{path}/analyses", json={}), 202))["kind"] == "exploratory"


@on_sqlite
async def test_a_failed_look_opens_the_plan_again_through_amendments(house: House, break_off: Any) -> None:
    path = await in_test(house)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    plan = (await ok(house.lead.get(f"{path}/plan")))["plan"]
    dated = {"reason": "R", "plan": {**plan, "interval_reason": "As agreed."}}
    await ok(house.approver.post(f"{path}/plan/amendments", json=dated), 201)
    longer = {"reason": "R", "plan": {**PLAN, **PUBLISHED, "followup_months": 9}}
    await refused(house.approver.post(f"{path}/plan/amendments", json=longer), 409, "after_first_look")
    break_off(asked["id"])
    await ok(house.approver.post(f"{path}/plan/amendments", json=longer), 201)


@on_sqlite
async def test_only_planned_looks_are_confirmatory(house: House) -> None:
    path = await start(house)
    twice = {**PLAN, "looks": [{"look": 1, "wave": "post", "months": 6}, {"look": 1, "wave": "pre"}]}
    await refused(house.lead.put(f"{path}/plan", json=twice), 422, "invalid")
    waves = [("pre", "baseline"), ("mid", "interim"), ("post", "followup")]
    plan = {**PLAN, "waves": [{"key": key, "kind": kind} for key, kind in waves]}
    tested = await in_test(house, plan)
    # The wave in between is no planned look: no number asks for it, and the one look there is stays at its own wave.
    problem = await refused(house.analyst.post(f"{tested}/analyses", json={"look": 2}), 422, "invalid")
    assert codes(problem) == [(("look",), "unknown_look")]
    first = await ok(house.analyst.post(f"{tested}/analyses", json={"look": 1}), 202)
    second = await ok(house.analyst.post(f"{tested}/analyses", json={"look": 1}), 202)
    assert (first["kind"], second["kind"]) == ("confirmatory", "exploratory")


def simulated(app: FastAPI, house: House, path: str, plan: dict[str, Any], result: dict[str, Any]) -> str:
    """A simulation of this version of the plan that has ended."""
    with transaction(app.state.engine) as session:
        row = Simulation(
            organization_id=house.id,
            pilot_id=path.rpartition("/")[2],
            iteration=1,
            plan_version_id=plan["id"],
            plan_hash=plan["hash"],
            seed=1,
            request={},
            result=result,
            provenance={},
            status=JobStatus.SUCCEEDED,
            created_by="Northfield analyst",
        )
        session.add(row)
        session.flush()
        return row.id


def characteristics(scale: float) -> dict[str, Any]:
    row = {"effect": 0.2} | {name: {"share": p, "mcse": 0.01} for name, p in
                             (("scale", scale), ("refine", 0.6), ("replace", 0.1))}  # fmt: skip
    return {"operating_characteristics": [row]}


@on_sqlite
async def test_operating_characteristics_are_attached_at_the_lock(app: FastAPI, house: House) -> None:
    path = await planned(house)
    draft = await ok(house.lead.get(f"{path}/plan"))
    assert draft["operating_characteristics"] is None
    assert "no_operating_characteristics" in {w["code"] for w in draft["warnings"]}
    simulated(app, house, path, {**draft, "hash": "0" * 64}, characteristics(0.9))
    newest = simulated(app, house, path, draft, characteristics(0.3))
    simulated(app, house, path, draft, {"refused": {"code": "no_primary", "message": "", "what_would_help": ""}})
    locked = await ok(house.lead.post(f"{path}/plan/lock"))
    by_effect = [{"effect": 0.2, "scale": 0.3, "refine": 0.6, "replace": 0.1}]
    assert locked["operating_characteristics"] == {"simulation_id": newest, "by_effect": by_effect}
    assert "no_operating_characteristics" not in {w["code"] for w in locked["warnings"]}
    # What comes after the lock is not attached any more.
    simulated(app, house, path, draft, characteristics(0.4))
    assert (await ok(house.lead.get(f"{path}/plan")))["operating_characteristics"]["simulation_id"] == newest
    dates = {"reason": "R", "plan": {**locked["plan"], "interval_reason": "As agreed."}}
    amended = await ok(house.approver.post(f"{path}/plan/amendments", json=dates), 201)
    assert amended["operating_characteristics"]["simulation_id"] == newest
    other = {"reason": "R", "plan": {**PLAN, "followup_months": 9}}
    amended = await ok(house.approver.post(f"{path}/plan/amendments", json=other), 201)
    assert amended["operating_characteristics"] is None


@on_sqlite
async def test_the_lock_freezes_the_intervention_of_the_iteration(app: FastAPI, house: House) -> None:
    path = await planned(house, {**PLAN, **PUBLISHED})
    await ok(house.lead.post(f"{path}/plan/lock"))
    noted = (await ok(house.administrator.get("/v1/audit?resource=iterations&limit=200")))["items"]
    pilot = await ok(house.lead.get(path))
    assert noted[-1]["changes"]["intervention_id"] == [None, pilot["intervention_id"]]


@on_sqlite
async def test_evidence_without_an_exception_counts(house: House, finish: Finish) -> None:
    path = await planned(house, {**PLAN, **PUBLISHED})
    declared = {"elsewhere": {"method": "Sealed envelopes", "allocated_on": "2026-01-12", "source": "Protocol"}}
    await ok(house.lead.post(f"{path}/plan/allocate", json=declared), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await ok(house.lead.post(f"{path}/summaries", json=CHANGES), 201)
    analysis = await analysed(house, path, finish, an_answer())
    await signed(house, path, analysis, "scale")
    pilot = await ok(house.lead.get(path))
    (entry,) = (await ok(house.lead.get(f"/v1/interventions/{pilot['intervention_id']}/evidence")))["items"]
    assert (entry["left_out"], entry["warnings"]) == (None, [])
    provenance = (await ok(house.lead.get(f"/v1/analyses/{analysis}")))["provenance"]
    (named,) = provenance["allocations"]
    assert (named["kind"], named["method"], named["allocated_on"]) == ("elsewhere", "Sealed envelopes", "2026-01-12")
