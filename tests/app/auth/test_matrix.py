"""Every endpoint of the OpenAPI document for every role, in its own organization and against the neighbour's rows.

One table says what is expected; an endpoint without a row in it fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.analyses.models import Analysis
from app.db import transaction
from app.decisions.models import Decision, Outcome
from app.jobs.models import JobStatus
from app.lifecycle.models import Review, ReviewKind
from app.pilots.models import Program, ProgramStatus
from app.syntheses.models import Synthesis
from tests.app.steps import CHANGES, PLAN, in_test, intervention, ok, planned, start
from tests.app.syntheses.test_evidence import REPORT
from tests.conftest import Client, House

pytestmark = pytest.mark.anyio

ROLES = ("lead", "analyst", "approver", "administrator")
EVERYBODY = frozenset(ROLES)
LEADS = frozenset({"lead", "administrator"})
ANALYSTS = frozenset({"lead", "analyst", "administrator"})
SYNTHESISTS = frozenset({"analyst", "administrator"})
APPROVERS = frozenset({"approver"})
ADMINISTRATORS = frozenset({"administrator"})
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Expected:
    """Who may, with which body, what a permitted call answers, and what the same on a neighbour's row answers.

    `accepted` may be a refusal by a rule (409): the caller was allowed to ask. `across` is None where the path names no
    row, so that there is nothing of a neighbour's to ask for.
    """

    may: frozenset[str]
    body: Any = None
    accepted: int = 200
    across: int | None = 404
    seen_by_all: bool = field(default=False)


DECISION = {"analysis_id": "{analysis}", "outcome": "refine", "rationale": "As the rule says."}
CORRECTION = {
    "reason": "R",
    "corrections": [{"participant": "p-014", "measure": "mbi_ee", "wave": "pre", "collected_on": "2026-03-02"}],
}
MAPPING = {"layout": "wide", "values": [{"column": "EE", "measure": "mbi_ee", "wave": "pre"}]}
DRIVER = {"key": "night_work", "name": "Night work"}
MEASURE = {
    "key": "room_turnover",
    "name": "Room turnover",
    "family": "normal",
    "scope": "proximal",
    "measure_class": "efficiency",
    "direction": "lower_is_better",
}
INTERVENTION = {"title": "T", "description": "D", "driver": "workload", "ownership_role": "own"}
CONTEXT_EVENT = {"title": "EHR go-live", "starts_on": "2026-03-01", "ends_on": "2026-03-14"}
BENCHMARK = {
    "measure": "mbi_ee",
    "period_start": "2025-01-01",
    "period_end": "2025-12-31",
    "mean": 23,
    "sd": 10,
    "n": 400,
    "source": "S",
}
DEFINITION = {"version": "v1", "definition": "D", "valid_from": "2025-01", "source": "S", "unit": "minutes"}
SCENARIO = {"people": {"intervention": 60, "control": 60}}
WEBHOOK = {"url": "http://127.0.0.1:9/", "events": ["*"]}
ROWS, OTHERS = (
    {"measure": "mbi_ee", "wave": "pre", "rows": [{"value": least + i, "arm": "control"} for i in range(5)]}
    for least in (20, 30)
)

TABLE: Mapping[str, Expected] = {
    "create_organization": Expected(NOBODY, {"name": "Another"}, across=None),
    "list_organizations": Expected(EVERYBODY, across=None),
    "read_organization": Expected(EVERYBODY),
    "change_organization": Expected(ADMINISTRATORS, {"name": "Renamed"}),
    "create_unit": Expected(ADMINISTRATORS, {"name": "Ward 2"}, 201),
    "list_units": Expected(EVERYBODY),
    "read_unit": Expected(EVERYBODY),
    "change_unit": Expected(ADMINISTRATORS, {"headcount": 41}),
    "add_context_event": Expected(LEADS, CONTEXT_EVENT, 201, across=None),
    "list_context_events": Expected(EVERYBODY, across=None),
    "read_context_event": Expected(EVERYBODY),
    "patch_context_event": Expected(LEADS, {"ends_on": "2026-03-21"}),
    "list_drivers": Expected(EVERYBODY, across=None),
    "add_driver": Expected(ADMINISTRATORS, DRIVER, 201, across=None),
    "list_measures": Expected(EVERYBODY, across=None),
    "add_measure": Expected(ADMINISTRATORS, MEASURE, 201, across=None),
    "add_measure_definition": Expected(ADMINISTRATORS, DEFINITION, 201, across=None),
    "list_measure_definitions": Expected(EVERYBODY, across=None),
    "add_benchmark": Expected(ADMINISTRATORS, {**BENCHMARK, "occupation": "nurse"}, 201, across=None),
    "list_benchmarks": Expected(EVERYBODY, across=None),
    "read_benchmark": Expected(EVERYBODY),
    "list_program_dimensions": Expected(EVERYBODY, across=None),
    "add_program_dimension": Expected(ADMINISTRATORS, {"key": "family", "name": "Families"}, 201, across=None),
    "add_intervention": Expected(LEADS, INTERVENTION, 201, across=None),
    "list_interventions": Expected(EVERYBODY, across=None),
    # Interventions are shared between organizations: read by all, changed by their own.
    "read_intervention": Expected(EVERYBODY, across=200, seen_by_all=True),
    "change_intervention": Expected(LEADS, {"ownership_role": "design"}, across=403, seen_by_all=True),
    # A family shows of each organization's pilots its own; so do the attempts at a driver.
    "read_family": Expected(EVERYBODY, across=200, seen_by_all=True),
    "read_attempts": Expected(EVERYBODY, across=None),
    # So is what was found of them; each organization reports its own and cancels what it asked for.
    "report_evidence": Expected(APPROVERS, REPORT, 201, across=403, seen_by_all=True),
    "withdraw_evidence": Expected(APPROVERS, {"reason": "A slip."}, 201),
    "list_evidence": Expected(EVERYBODY, across=200, seen_by_all=True),
    "request_synthesis": Expected(SYNTHESISTS, None, 202, across=202, seen_by_all=True),
    "list_syntheses": Expected(EVERYBODY, across=200, seen_by_all=True),
    "read_synthesis": Expected(EVERYBODY, across=200, seen_by_all=True),
    "cancel_synthesis": Expected(SYNTHESISTS, across=403, seen_by_all=True),
    "add_pilot": Expected(LEADS, {"title": "T", "driver": "workload", "unit_ids": []}, 201, across=None),
    "list_pilots": Expected(EVERYBODY, across=None),
    "read_pilot": Expected(EVERYBODY),
    "patch_pilot": Expected(LEADS, {"title": "Renamed"}),
    "put_plan": Expected(LEADS, PLAN),
    "read_plan": Expected(EVERYBODY),
    "list_versions": Expected(EVERYBODY),
    "lock": Expected(LEADS),
    "approve_plan": Expected(APPROVERS, {"reason": "R"}, 201),
    "allocate": Expected(LEADS, {"elsewhere": {"method": "M", "allocated_on": "2026-01-12", "source": "S"}}, 201),
    "list_allocations": Expected(EVERYBODY),
    "amend_plan": Expected(APPROVERS, {"reason": "R", "plan": PLAN}, 409),
    "simulate_plan": Expected(ANALYSTS, SCENARIO, 202),
    "list_simulations": Expected(EVERYBODY),
    "read_simulation": Expected(EVERYBODY),
    "cancel_simulation": Expected(ANALYSTS),
    "write_wave": Expected(LEADS, {"invited": {"control": 50}}),
    "list_waves": Expected(EVERYBODY),
    "list_due_waves": Expected(EVERYBODY, across=None),
    "add_measurements": Expected(LEADS, OTHERS, 201),
    "add_summaries": Expected(LEADS, CHANGES, 409),
    # A month of a measure that was entered as rows.
    "add_series": Expected(LEADS, {"measure": "mbi_ee", "series": [{"t": 0, "value": 1, "arm": "control"}]}, 422),
    "read_pilot_series": Expected(EVERYBODY),
    "read_unit_standings": Expected(EVERYBODY),
    "read_cells": Expected(EVERYBODY),
    "list_measurements": Expected(EVERYBODY),
    "list_summaries": Expected(EVERYBODY),
    "import_measurements": Expected(LEADS, None, 422),  # no file
    "list_imports": Expected(EVERYBODY),
    "read_import": Expected(EVERYBODY),
    "cancel_import": Expected(LEADS),
    "read_import_mapping": Expected(EVERYBODY, accepted=404),  # none was given
    "put_import_mapping": Expected(LEADS, MAPPING),
    "forget_import_mapping": Expected(LEADS),  # the one just given
    "correct_measures": Expected(LEADS, CORRECTION, 422),  # nobody of this pseudonym answered
    "withdraw_entries": Expected(LEADS, {"reason": "R"}, 201),
    "list_corrections": Expected(EVERYBODY),
    "list_summary_corrections": Expected(EVERYBODY),
    "list_revisions": Expected(EVERYBODY),
    "rebuild_snapshot": Expected(EVERYBODY),
    "forget_participant": Expected(LEADS, accepted=404),  # nobody of this pseudonym answered
    "request_analysis": Expected(ANALYSTS, {"seed": 1}, 202),
    "list_analyses": Expected(EVERYBODY),
    "read_analysis": Expected(EVERYBODY),
    "cancel_analysis": Expected(ANALYSTS),
    "read_plot": Expected(EVERYBODY, accepted=404),  # the analysis has not ended
    "read_picture": Expected(EVERYBODY, accepted=404),
    "read_draws": Expected(EVERYBODY, accepted=409),
    "read_summaries": Expected(EVERYBODY, accepted=409),
    "read_cells_used": Expected(EVERYBODY),
    "read_package": Expected(EVERYBODY, accepted=409),
    "sign_decision": Expected(APPROVERS, DECISION, 409),
    "list_decisions": Expected(EVERYBODY),
    "read_decision": Expected(EVERYBODY),
    "tell_share_back": Expected(LEADS | APPROVERS, {"share_back": "In June."}, 201),
    "read_next": Expected(EVERYBODY),
    "make_move": Expected(LEADS, {"to": "scale"}, 409),
    "list_moves": Expected(EVERYBODY),
    "list_iterations": Expected(EVERYBODY),
    "read_effects_plot": Expected(EVERYBODY),
    "list_lessons": Expected(EVERYBODY, across=None),
    "read_timeline": Expected(EVERYBODY),
    "list_reviews": Expected(EVERYBODY, across=None),
    "read_review": Expected(EVERYBODY),
    "postpone_review": Expected(LEADS | APPROVERS, {"due_on": "2029-12-31", "reason": "R"}),
    "complete_review": Expected(APPROVERS, {"finding": "F"}, 409),  # no wave was analysed
    # Programs are everybody's; each organization accepts for itself.
    "list_programs": Expected(EVERYBODY, across=None),
    "read_catalogue": Expected(EVERYBODY, across=None),
    "read_program": Expected(EVERYBODY, across=200, seen_by_all=True),
    "accept_program": Expected(APPROVERS, None, 201, across=201, seen_by_all=True),
    "list_acceptances": Expected(EVERYBODY, across=200, seen_by_all=True),
    "read_me": Expected(EVERYBODY, across=None),
    "create_key": Expected(ADMINISTRATORS, {"role": "lead", "label": "new"}, 201, across=None),
    "list_keys": Expected(ADMINISTRATORS, across=None),
    "read_key": Expected(ADMINISTRATORS),
    "revoke_key": Expected(ADMINISTRATORS),
    "list_event_types": Expected(EVERYBODY, across=None),
    "create_webhook": Expected(ADMINISTRATORS, WEBHOOK, 201, across=None),
    "list_webhooks": Expected(ADMINISTRATORS, across=None),
    "read_webhook": Expected(ADMINISTRATORS),
    "change_webhook": Expected(ADMINISTRATORS, {"description": "Renamed"}),
    "remove_webhook": Expected(ADMINISTRATORS),
    "ping_webhook": Expected(ADMINISTRATORS, None, 202),
    "send_example": Expected(ADMINISTRATORS, {"type": "plan.locked"}, 202),
    "rotate_secret": Expected(ADMINISTRATORS, {"overlap_hours": 1}),
    "recover_deliveries": Expected(ADMINISTRATORS, {"since": "2026-03-01T00:00:00Z"}, 202),
    "list_deliveries": Expected(ADMINISTRATORS),
    "read_delivery": Expected(ADMINISTRATORS),
    "redeliver": Expected(ADMINISTRATORS, None, 202),
    "list_audit": Expected(ADMINISTRATORS, across=None),
}
OPEN = {"live", "ready"}


def operations(app: FastAPI) -> dict[str, tuple[str, str]]:
    """Method and path of every operation in the document, by its name."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


@pytest.fixture
async def ids(house: House, app: FastAPI) -> dict[str, str]:
    """A row of each kind in the house's organization."""
    pilot = await planned(house)
    await ok(house.lead.post(f"{pilot}/measurements", json=ROWS), 201)
    analysed = await in_test(house)
    analysis = (await ok(house.analyst.post(f"{analysed}/analyses"), 202))["id"]
    simulation = (await ok(house.analyst.post(f"{pilot}/plan/simulate", json=SCENARIO), 202))["id"]
    waiting = await house.lead.post(
        f"{analysed}/measurements/import?background=true",
        content=b"participant,arm,mbi_ee_pre\np-1,control,20",
        headers={"Content-Type": "text/csv"},
    )
    key = await ok(house.administrator.post("/v1/keys", json={"role": "lead", "label": "spare"}), 201)
    shared = await intervention(house)
    reported = await ok(house.approver.post(f"/v1/interventions/{shared}/evidence", json=REPORT), 201)
    synthesis = (await ok(house.analyst.post(f"/v1/interventions/{shared}/syntheses"), 202))["id"]
    review, program = await after_scaling(house, app, pilot.rpartition("/")[2], shared)
    decision = decided(house, app, analysis)
    event = await ok(house.lead.post("/v1/context-events", json=CONTEXT_EVENT), 201)
    benchmark = (await ok(house.administrator.post("/v1/benchmarks", json=BENCHMARK), 201))["id"]
    webhook = (await ok(house.administrator.post("/v1/webhooks", json=WEBHOOK), 201))["id"]
    ping = await ok(house.administrator.post(f"/v1/webhooks/{webhook}/ping"), 202)
    return {
        "review_id": review,
        "evidence_id": reported["id"],
        "program_id": program,
        "organization_id": house.id,
        "context_event_id": event["id"],
        "benchmark_id": benchmark,
        "measure": "mbi_ee",
        "driver": "workload",
        "unit_id": house.unit["id"],
        "intervention_id": shared,
        "synthesis_id": synthesis,
        "pilot_id": pilot.rpartition("/")[2],
        "key": "pre",
        "participant": "p-014",
        "analysis_id": analysis,
        "name": "posterior",
        "simulation_id": simulation,
        "decision_id": decision,
        "key_id": key["id"],
        "import_id": waiting.json()["id"],
        "webhook_id": webhook,
        "delivery_id": ping["id"],
    }


def decided(house: House, app: FastAPI, analysis_id: str) -> str:
    """A decision as a row, of an analysis that still waits for a worker."""
    with transaction(app.state.engine) as session:
        analysis = session.get_one(Analysis, analysis_id)
        decision = Decision(
            organization_id=house.id,
            pilot_id=analysis.pilot_id,
            iteration=1,
            analysis_id=analysis_id,
            outcome=Outcome.REFINE,
            rationale="As the rule says.",
            recommendation={},
            grade="A",
            gates_passed=True,
            provisional=False,
            warnings=[],
            plan_hash=analysis.plan_hash,
            data_hash=analysis.data_hash,
            signed_by="Northfield approver",
        )
        session.add(decision)
        session.flush()
        return decision.id


async def after_scaling(house: House, app: FastAPI, pilot_id: str, of: str) -> tuple[str, str]:
    """A review and a program, as rows: what leads there is tested elsewhere."""
    synthesis = (await ok(house.analyst.post(f"/v1/interventions/{of}/syntheses"), 202))["id"]
    with transaction(app.state.engine) as session:
        pooled = session.get_one(Synthesis, synthesis)
        pooled.status, pooled.result = JobStatus.SUCCEEDED, {"recommendation": {"outcome": "foundational"}}
        review = Review(organization_id=house.id, pilot_id=pilot_id, kind=ReviewKind.RETENTION, due_on=date(2030, 1, 1))
        program = Program(
            intervention_id=of,
            organization_id=house.id,
            pilot_id=pilot_id,
            synthesis_id=synthesis,
            dimension="safety_net",
            status=ProgramStatus.ACTIVE,
            established_by="Northfield approver",
            review_due_on=date(2030, 1, 1),
        )
        session.add_all([pooled, review, program])
        session.flush()
        return review.id, program.id


def call(client: Client, operation: tuple[str, str], ids: Mapping[str, str], body: Any) -> Any:
    method, path = operation
    if body is DECISION:
        body = {**body, "analysis_id": ids["analysis_id"]}
    return client.request(method, path.format(**ids, number=1), json=body)


async def test_every_endpoint_has_a_row_in_the_table(app: FastAPI) -> None:
    assert set(operations(app)) == set(TABLE) | OPEN


async def test_without_a_valid_key_nothing_is_answered(anonymous: Client, app: FastAPI, ids: dict[str, str]) -> None:
    wrong = {"Authorization": "Bearer pl_" + "x" * 48}
    for name, operation in operations(app).items():
        if name in OPEN:
            assert (await call(anonymous, operation, ids, None)).status_code == 200
            continue
        for headers in ({}, wrong, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}):
            anonymous.headers = httpx.Headers(headers)
            response = await call(anonymous, operation, ids, TABLE[name].body)
            assert response.status_code == 401, (name, headers, response.text)
            assert response.json()["code"] == "unauthenticated"
            assert "Bearer" in response.headers["www-authenticate"]


@pytest.mark.parametrize("role", ROLES)
async def test_own_organization(house: House, app: FastAPI, ids: dict[str, str], role: str) -> None:
    mutual = {
        "revoke_key": 1,
        "cancel_analysis": 1,
        "cancel_simulation": 1,
        "cancel_synthesis": 1,
        "remove_webhook": 1,
    }  # what ends a row comes last
    for name, operation in sorted(operations(app).items(), key=lambda item: mutual.get(item[0], 0)):
        if name in OPEN:
            continue
        expected = TABLE[name]
        response = await call(house.of(role), operation, ids, expected.body)
        if role in expected.may:
            assert response.status_code == expected.accepted, (name, response.text)
        else:
            assert response.status_code == 403, (name, response.text)
            assert response.json()["code"] == "forbidden"


async def test_a_neighbours_rows(house: House, neighbour: House, app: FastAPI, ids: dict[str, str]) -> None:
    for name, operation in operations(app).items():
        if name in OPEN or TABLE[name].across is None:
            continue
        expected = TABLE[name]
        for role in ROLES:
            response = await call(neighbour.of(role), operation, ids, expected.body)
            forbidden = expected.seen_by_all and role not in expected.may
            assert response.status_code == (403 if forbidden else expected.across), (name, role, response.text)
            if not expected.seen_by_all:
                # As if there were nothing: word for word what an invented id gets, but for the id itself.
                invented = {**ids, **{k: "nothing" for k in ids if k != "key"}}
                nothing = await call(neighbour.of(role), operation, invented, expected.body)
                for kind, row_id in ids.items():
                    if kind != "key":
                        response._content = response.content.replace(row_id.encode(), b"nothing")
                assert response.json() == nothing.json(), (name, role)


async def test_lists_hold_nothing_of_the_neighbour(house: House, neighbour: House, app: FastAPI) -> None:
    await in_test(house)
    await start(neighbour)
    for name, operation in operations(app).items():
        if not name.startswith("list_") or "{" in operation[1] or name == "list_interventions":
            continue
        answer = (await call(neighbour.administrator, operation, {}, None)).text
        assert house.id not in answer, name
        assert "Northfield" not in answer, name
    for filtered in (f"organization_id={house.id}", "lead=Northfield lead"):
        assert (await ok(neighbour.lead.get(f"/v1/pilots?{filtered}")))["items"] == []


async def test_creating_in_a_neighbours_organization_finds_none(house: House, neighbour: House) -> None:
    pilot = {"title": "T", "driver": "workload", "unit_ids": []}
    requests = [
        neighbour.lead.post("/v1/pilots", json={**pilot, "organization_id": house.id}),
        neighbour.lead.post("/v1/interventions", json={**INTERVENTION, "organization_id": house.id}),
        neighbour.administrator.post("/v1/keys", json={"role": "lead", "label": "x", "organization_id": house.id}),
    ]
    for request in requests:
        response = await request
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    response = await neighbour.lead.post("/v1/pilots", json={**pilot, "unit_ids": [house.unit["id"]]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["code"] == "unknown_unit"


async def test_the_administrator_of_the_service_sees_all_and_signs_nothing(
    root: Client, house: House, neighbour: House, app: FastAPI, ids: dict[str, str]
) -> None:
    names = {o["name"] for o in (await ok(root.get("/v1/organizations")))["items"]}
    assert names == {"Northfield", "Southfield"}
    for name, operation in operations(app).items():
        if name in OPEN or operation[0] != "GET":
            continue
        response = await call(root, operation, ids, None)
        assert response.status_code == TABLE[name].accepted, (name, response.text)
    assert (await call(root, operations(app)["sign_decision"], ids, DECISION)).status_code == 403
    for name in ("amend_plan", "approve_plan"):
        assert (await call(root, operations(app)[name], ids, TABLE[name].body)).status_code == 403
    unnamed = await root.post("/v1/pilots", json={"title": "T", "driver": "workload", "unit_ids": []})
    assert unnamed.status_code == 422
    assert unnamed.json()["errors"][0]["loc"] == ["organization_id"]
    shared = await ok(root.post("/v1/drivers", json=DRIVER), 201)
    assert shared["organization_id"] is None
    assert (await ok(house.lead.get("/v1/drivers?key=night_work")))["items"] == [shared]
