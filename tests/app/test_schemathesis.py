"""Requests made up from the OpenAPI document: the service never breaks, and answers as the document says."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
import schemathesis.checks
from anyio.to_thread import run_sync
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.auth.keys import make_key
from app.auth.permissions import Role
from app.db import transaction
from tests.app.benchmarks.test_benchmarks import BENCHMARK
from tests.app.steps import NOTES, PLAN, ok

pytestmark = pytest.mark.anyio
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def bearer(app: FastAPI) -> dict[str, str]:
    """The header of a key that sees all."""
    with transaction(app.state.engine) as session:
        _, secret = make_key(session, role=Role.ADMINISTRATOR, label="root")
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
async def known(app: FastAPI, bearer: dict[str, str]) -> dict[str, str]:
    """Ids of rows that exist, so that made-up requests arrive somewhere."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=bearer) as root:

        async def post(path: str, body: dict[str, Any]) -> str:
            return str((await ok(root.post(path, json=body), 201))["id"])

        organization = await post("/v1/organizations", {"name": "Northfield"})
        intervention = {"title": "T", "description": "D", "driver": "workload", "ownership_role": "own"}
        unit = await post(f"/v1/organizations/{organization}/units", {"name": "Ward"})
        body = {"title": "T", "driver": "workload", "organization_id": organization, "unit_ids": [unit]}
        event = {"title": "Merger", "starts_on": "2026-03-01", "organization_id": organization, "unit_id": unit}
        pilot = await post("/v1/pilots", body)
        await ok(root.patch(f"/v1/pilots/{pilot}", json=NOTES))
        await ok(root.put(f"/v1/pilots/{pilot}/plan", json=PLAN))
        webhook = await post("/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]})
        ping = await ok(root.post(f"/v1/webhooks/{webhook}/ping"), 202)
        return {
            "organization_id": organization,
            "unit_id": unit,
            "intervention_id": await post("/v1/interventions", intervention),
            "pilot_id": pilot,
            "key": "pre",
            "number": "1",
            "participant": "p-014",
            "driver": "workload",
            "context_event_id": await post("/v1/context-events", event),
            "key_id": await post("/v1/keys", {"role": "lead", "label": "spare", "organization_id": organization}),
            "analysis_id": "none",
            "decision_id": "none",
            "name": "posterior",
            "simulation_id": "none",
            "synthesis_id": "none",
            "evidence_id": "none",
            "review_id": "none",
            "program_id": "none",
            "import_id": "none",
            "webhook_id": webhook,
            "delivery_id": ping["id"],
            "measure": "ehr_wow8",
            "benchmark_id": await post("/v1/benchmarks", BENCHMARK),
        }


def attack(app: FastAPI, bearer: dict[str, str], known: dict[str, str], examples: int) -> int:
    """Try every operation with requests that fit the document and such that do not; how many there were."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    tried = 0
    how = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        derandomize=True,
    )
    for found in schema.get_all_operations():
        operation = found.ok()

        def check(case: Any) -> None:
            nonlocal tried
            tried += 1
            if case.path_parameters and tried % 4:
                case.path_parameters = {name: known[name] for name in case.path_parameters}
            case.headers = {k: v for k, v in (case.headers or {}).items() if k != "Authorization"}
            case.call_and_validate(headers=bearer, checks=CHECKS)

        made_up = operation.as_strategy(generation_mode=GenerationMode.POSITIVE) | operation.as_strategy(
            generation_mode=GenerationMode.NEGATIVE
        )
        how(given(case=made_up)(check))()
    return tried


# The stricter of the two databases: it takes no NUL in a text and no number beyond its column.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_made_up_requests(app: FastAPI, bearer: dict[str, str], known: dict[str, str]) -> None:
    assert await run_sync(attack, app, bearer, known, 8) > 300


@pytest.mark.slow
async def test_many_made_up_requests(
    app: FastAPI, bearer: dict[str, str], known: dict[str, str], record_property: Callable[[str, str], None]
) -> None:
    tried = await run_sync(attack, app, bearer, known, 300)
    record_property("figures", f"{app.state.engine.dialect.name}: {tried} made-up requests, no failure")
    assert tried > 10_000
