"""What those who run the service see: request ids that follow into jobs and deliveries, metrics, headers."""

import json
import logging
import re
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from sqlmodel import select
from structlog.testing import capture_logs

from app.analyses.models import Analysis
from app.db import reading
from app.outbox.models import OutboxEvent
from tests.app.steps import ok, planned, refused
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio
SCENARIO: dict[str, Any] = {"people": {"intervention": 60, "control": 60}, "effects": [0.3], "pilots": 50}


def metric(text: str, name: str, **labels: str) -> float | None:
    told = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    found = re.search(rf"^{name}{re.escape('{' + told + '}') if told else ''} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


@on_sqlite
async def test_an_id_of_the_caller_comes_back_and_one_that_is_none_is_replaced(anonymous: Client) -> None:
    mine = await anonymous.get("/health/live", headers={"X-Request-Id": "trace-7.a"})
    assert mine.headers["x-request-id"] == "trace-7.a"
    for forged in ("x" * 101, "a b", "a\tb", "é".encode("latin-1").decode("latin-1")):
        other = await anonymous.get("/health/live", headers={"X-Request-Id": forged.encode("latin-1")})
        assert re.fullmatch(r"[0-9a-f-]{36}", other.headers["x-request-id"])


async def test_the_id_follows_into_events_and_work(app: FastAPI, house: House) -> None:
    path = await planned(house)
    simulated = await house.analyst.post(
        f"{path}/plan/simulate", json=SCENARIO, headers={"X-Request-Id": "asked-by-me"}
    )
    assert simulated.status_code == 202
    await ok(house.lead.post(f"{path}/plan/lock", headers={"X-Request-Id": "locked-by-me"}))
    with reading(app.state.engine) as session:
        from app.simulations.models import Simulation  # noqa: PLC0415

        assert session.exec(select(Simulation.request_id)).all() == ["asked-by-me"]
        kinds = session.exec(select(OutboxEvent.type).where(OutboxEvent.request_id == "locked-by-me")).all()
    assert kinds == ["plan.locked"]
    assert Analysis.unaudited >= {"request_id"}


@on_sqlite
async def test_a_line_a_request_without_what_was_asked(app: FastAPI, house: House) -> None:
    secret = house.lead.headers["authorization"].removeprefix("Bearer ")
    kept = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    try:
        with capture_logs() as lines:
            await house.lead.get("/v1/pilots/0193-some-id?limit=3", headers={"X-Request-Id": "r1"})
    finally:
        structlog.configure(wrapper_class=kept)
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["method"], line["route"], line["status"], line["request_id"]) == (
        "GET",
        "/v1/pilots/{pilot_id}",
        422,
        "r1",
    )
    told = json.dumps(lines)
    assert secret not in told
    assert "0193-some-id" not in told


async def test_what_waits_is_counted_whichever_process_is_asked(house: House, anonymous: Client) -> None:
    path = await planned(house)
    for _ in range(2):
        await ok(house.analyst.post(f"{path}/plan/simulate", json=SCENARIO), 202)
    text = (await anonymous.get("/metrics")).text
    assert metric(text, "pilotlight_jobs", work="simulation", status="queued") == 2
    assert metric(text, "pilotlight_jobs", work="analysis", status="queued") == 0
    age = metric(text, "pilotlight_job_oldest_seconds", work="simulation", status="queued")
    assert age is not None
    assert 0 <= age < 60
    assert metric(text, "pilotlight_database_up") == 1


async def test_an_organization_with_too_much_waiting_is_told_so_and_others_are_served(
    app: FastAPI, house: House, neighbour: House, anonymous: Client
) -> None:
    app.state.settings = app.state.settings.model_copy(update={"queue_per_organization": 2})
    path, theirs = await planned(house), await planned(neighbour)
    first = await ok(house.analyst.post(f"{path}/plan/simulate", json=SCENARIO), 202)
    await ok(house.analyst.post(f"{path}/plan/simulate", json=SCENARIO), 202)
    answer = await house.analyst.post(f"{path}/plan/simulate", json=SCENARIO)
    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) > 0
    await ok(neighbour.analyst.post(f"{theirs}/plan/simulate", json=SCENARIO), 202)
    await ok(house.analyst.post(f"/v1/simulations/{first['id']}/cancel"))
    await ok(house.analyst.post(f"{path}/plan/simulate", json=SCENARIO), 202)
    assert metric((await anonymous.get("/metrics")).text, "pilotlight_requests_refused_total", why="queue_full")
    await refused(house.analyst.post(f"{path}/plan/simulate", json=SCENARIO), 429, "queue_full")


@on_sqlite
async def test_answers_tell_browsers_to_keep_to_themselves(anonymous: Client) -> None:
    for path in ("/health/live", "/v1/pilots", "/docs"):
        headers = (await anonymous.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in headers
    over_tls = await anonymous.get("https://service/health/live")
    assert "max-age" in over_tls.headers["strict-transport-security"]
