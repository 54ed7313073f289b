"""Syntheses over the API: what they pool and keep, who may ask, and the numbers by a plain grid."""

import threading
import time
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from anyio import sleep
from fastapi import FastAPI
from sqlmodel import select

from analysis.evidence import SynthesisRequest
from analysis.grade import BIAS
from analysis.synthesis import synthesise
from app.analyses.run import _answer
from app.db import now, reading, transaction
from app.jobs import claims
from app.jobs.failures import Failure
from app.jobs.ledger import Ledger
from app.jobs.runner import Runner
from app.syntheses.models import Synthesis
from app.syntheses.service import WORK
from tests.app.steps import Finish, intervention, ok, refused
from tests.app.syntheses.test_evidence import REPORT, decided
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
LAKESIDE = {**REPORT, "effect_sd": 0.3, "se_sd": 0.2, "design": "cluster", "units_per_arm": 2}  # grade B


async def asked(house: House, of: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = await ok(house.analyst.post(f"/v1/interventions/{of}/syntheses", json=body), 202)
    return found


async def with_evidence(house: House, neighbour: House, finish: Finish) -> str:
    """An intervention decided at its origin and at one adopter, and reported of by a third organization."""
    of = await intervention(house)
    await decided(house, of, finish)
    await decided(neighbour, of, finish)
    await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=LAKESIDE), 201)
    return of


def claimed(app: FastAPI, synthesis_id: str) -> tuple[Ledger[Synthesis], Synthesis]:
    ledger = Ledger(app.state.engine, app.state.settings, WORK, threading.Event())
    with transaction(app.state.engine) as session:
        row = claims.claim(session, Synthesis, synthesis_id, now(), timedelta(seconds=30), 3)
    assert row is not None
    return ledger, row


def by_grid(studies: list[tuple[float, float, str]]) -> tuple[float, float, float]:
    """Mean and SD of μ and mean of τ: μ ~ N(0, 0.5), τ ~ HN(0.25), every study about μ with its bias."""
    mu, tau = np.meshgrid(np.linspace(-2, 2, 1601), np.linspace(1e-4, 2, 1000), indexing="ij")
    log = -(mu**2) / (2 * 0.25) - tau**2 / (2 * 0.25**2)
    for effect, se, grade in studies:
        bias, bias_sd = BIAS[grade]
        variance = se**2 + bias_sd**2 + tau**2
        log -= 0.5 * np.log(variance) + (effect - bias - mu) ** 2 / (2 * variance)
    p = np.exp(log - log.max())
    p /= p.sum()
    mean = float((p * mu).sum())
    return mean, float(((p * mu**2).sum() - mean**2) ** 0.5), float((p * tau).sum())


async def test_it_pools_what_was_decided_and_reported(
    app: FastAPI, house: House, neighbour: House, finish: Finish
) -> None:
    of = await with_evidence(house, neighbour, finish)
    response = await house.analyst.post(f"/v1/interventions/{of}/syntheses", json={"engine": "exact"})
    queued = response.json()
    assert (response.status_code, queued["status"], queued["result"]) == (202, "queued", None)
    assert response.headers["location"] == f"/v1/syntheses/{queued['id']}"
    listed = await ok(house.lead.get(f"/v1/interventions/{of}/evidence"))
    assert queued["provenance"]["evidence"] == listed["items"]

    ledger, row = claimed(app, queued["id"])
    with reading(app.state.engine) as session:
        request = WORK.request(session, row)
    shares: list[float] = []
    ledger.succeed(row, _answer(request, shares.append))  # as the child does
    done = await ok(house.lead.get(f"/v1/syntheses/{queued['id']}"))
    assert (done["status"], done["warnings"][1:], shares[-1]) == ("succeeded", [], 1)
    result, kept = done["result"], done["provenance"]
    assert [s["organization"] for s in result["studies"]] == ["Northfield", "Southfield", "Lakeside Clinic"]
    mean, sd, tau = by_grid([(0.65, 0.18, "A"), (0.65, 0.18, "A"), (0.3, 0.2, "B")])
    assert result["mu"]["mean"] == pytest.approx(mean, abs=2e-3)
    assert result["mu"]["sd"] == pytest.approx(sd, rel=0.01)
    assert result["tau"]["mean"] == pytest.approx(tau, abs=2e-3)
    adopters, _, _ = by_grid([(0.65, 0.18, "A"), (0.3, 0.2, "B")])
    assert result["adopters_only"]["mu"]["mean"] == pytest.approx(adopters, abs=2e-3)
    assert result["recommendation"]["outcome"] in {"foundational", "not_yet"}
    assert kept["data_hash"] == result["provenance"]["data_hash"]
    assert (kept["seed"], kept["versions"]) == (result["provenance"]["seed"], result["provenance"]["versions"])
    assert kept["evidence"] == listed["items"]
    noted = (await ok(house.administrator.get("/v1/audit?resource=syntheses")))["items"]
    assert [line["action"] for line in noted] == ["created", "ended"]
    await refused(house.analyst.post(f"/v1/syntheses/{queued['id']}/cancel"), 409, "already_ended")


async def test_only_what_was_fixed_beforehand_is_confirmatory(house: House, neighbour: House, finish: Finish) -> None:
    of = await with_evidence(house, neighbour, finish)
    for empty in (None, {}, {"mmd": 0.2, "bias": True}):
        assert (await asked(house, of, empty))["kind"] == "confirmatory", empty
    for own in ({"mmd": 0.1}, {"seed": 1}, {"bias": False}, {"priors": {"mu": "flat"}}, {"measure": "mbi_ee"}):
        shown = await asked(house, of, own)
        assert (shown["kind"], shown["warnings"][-1]["code"]) == ("exploratory", "exploratory"), own
    first, second = await asked(house, of), await asked(house, of)
    assert first["provenance"] == second["provenance"]
    assert len((await ok(house.lead.get(f"/v1/interventions/{of}/syntheses?limit=3")))["items"]) == 3


@on_sqlite
async def test_evidence_that_came_later_is_said(house: House, neighbour: House, finish: Finish) -> None:
    of = await with_evidence(house, neighbour, finish)
    synthesis = await asked(house, of)
    of_others = {**LAKESIDE, "organization": "Hilltop", "source": "Another report"}
    measures = {m["key"] for m in (await ok(house.lead.get("/v1/measures?limit=200")))["items"]}
    of_others["measure"] = min(measures - {"mbi_ee"})
    await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=of_others), 201)
    shown = await ok(house.lead.get(f"/v1/syntheses/{synthesis['id']}"))
    assert [w["code"] for w in shown["warnings"]] == ["evidence_changed"]
    assert len(shown["provenance"]["evidence"]) == 3
    assert [w["code"] for w in (await asked(house, of))["warnings"]] == ["several_measures"]
    only = await asked(house, of, {"measure": "mbi_ee"})
    assert (len(only["provenance"]["evidence"]), only["measure"]) == (3, "mbi_ee")
    await refused(
        house.analyst.post(f"/v1/interventions/{of}/syntheses", json={"measure": "no_such"}), 409, "no_evidence"
    )


async def test_entering_a_pilot_again_by_hand_does_not_count_twice(app: FastAPI, house: House, finish: Finish) -> None:
    of = await intervention(house)
    path = await decided(house, of, finish)
    alone = await asked(house, of, {"engine": "exact"})
    again = {**REPORT, "organization": "Northfield (journal)", "effect_sd": 0.65, "se_sd": 0.18, "role": "origin"}
    again["source"] = f"pilot {path.rpartition('/')[2]}"
    await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=again), 201)
    twice = await asked(house, of, {"engine": "exact"})
    with reading(app.state.engine) as session:
        rows = {row.id: row.request for row in session.exec(select(Synthesis)).all()}
    one, two = (synthesise(SynthesisRequest.model_validate(rows[s["id"]])) for s in (alone, twice))
    assert two["mu"]["mean"] == pytest.approx(one["mu"]["mean"], abs=1e-6)
    assert two["mu"]["sd"] == pytest.approx(one["mu"]["sd"], abs=1e-6)
    assert "counted_once" in [w["code"] for w in two["warnings"]]


async def test_who_may_ask_read_and_cancel(house: House, neighbour: House, root: Any) -> None:
    of = await intervention(house)
    path = f"/v1/interventions/{of}/syntheses"
    problem = await refused(house.analyst.post(path), 409, "no_evidence")
    assert "none was reported" in problem["detail"]
    await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=REPORT), 201)
    for role in ("lead", "approver"):
        await refused(house.of(role).post(path), 403, "forbidden")
    own = f"/v1/syntheses/{(await asked(house, of))['id']}"
    theirs = f"/v1/syntheses/{(await asked(neighbour, of))['id']}"  # an adopter may pool what it adopts
    assert (await ok(house.lead.get(own)))["created_by"] == "Northfield analyst"
    assert (await ok(neighbour.lead.get(own)))["created_by"] is None
    assert (await ok(root.get(theirs)))["created_by"] == "Southfield analyst"
    await refused(neighbour.analyst.post(f"{own}/cancel"), 403, "forbidden")
    await refused(neighbour.analyst.get("/v1/syntheses/none"), 404, "not_found")
    for _ in range(2):
        assert (await ok(house.analyst.post(f"{own}/cancel")))["status"] == "cancelled"
    assert len((await ok(neighbour.lead.get(path)))["items"]) == 2
    assert (await ok(root.post(path), 202))["kind"] == "confirmatory"


@on_sqlite
async def test_what_is_malformed_or_breaks(app: FastAPI, house: House) -> None:
    of = await intervention(house)
    await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=REPORT), 201)
    path = f"/v1/interventions/{of}/syntheses"
    for wrong in ({"mmd": -1}, {"priors": {"mu": "normal"}}, {"interval": 1}, {"evidence": []}, {"engine": "stan"}):
        await refused(house.analyst.post(path, json=wrong), 422, "invalid")
    synthesis = await asked(house, of)
    ledger, row = claimed(app, synthesis["id"])
    ledger.fail(row, Failure(code="crashed", message="The process that does the work died."))
    shown = await ok(house.lead.get(f"/v1/syntheses/{synthesis['id']}"))
    assert (shown["status"], shown["failure"]["code"], shown["result"]) == ("failed", "crashed", None)


@on_sqlite
@pytest.mark.slow
async def test_the_worker_samples_it(app: FastAPI, house: House, neighbour: House, finish: Finish) -> None:
    of = await with_evidence(house, neighbour, finish)
    synthesis = await asked(house, of)
    runner = Runner(app.state.engine, app.state.settings, [WORK])
    runner.start()
    try:
        until = time.monotonic() + 400
        while (shown := await ok(house.lead.get(f"/v1/syntheses/{synthesis['id']}")))["status"] in {
            "queued",
            "running",
        }:
            assert time.monotonic() < until
            await sleep(0.2)
    finally:
        runner.stop()
    assert (shown["status"], shown["progress"]) == ("succeeded", 1)
    result = shown["result"]
    mean, sd, _ = by_grid([(0.65, 0.18, "A"), (0.65, 0.18, "A"), (0.3, 0.2, "B")])
    assert result["mu"]["mean"] == pytest.approx(mean, abs=0.1 * sd)
    assert result["mu"]["sd"] == pytest.approx(sd, rel=0.1)
    assert all(gate["passed"] is not False for gate in result["gates"])


async def test_more_than_is_pooled_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    of = await intervention(house)
    monkeypatch.setattr("app.syntheses.service.MOST_ENTRIES", 2)
    for n in range(3):
        synthesis = await asked(house, of) if n == 2 else None
        body = {**REPORT, "organization": f"Clinic {n}", "source": f"Report {n}"}
        await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=body), 201)
    await refused(house.analyst.post(f"/v1/interventions/{of}/syntheses"), 409, "too_much_evidence")
    assert synthesis is not None
    shown = await ok(house.lead.get(f"/v1/syntheses/{synthesis['id']}"))
    assert [w["code"] for w in shown["warnings"]] == ["adopters_reported", "evidence_changed"]
