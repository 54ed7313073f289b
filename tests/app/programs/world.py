"""A program on its way: an origin that scaled and retained it, adopters with evidence, pooled by the exact engine."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from analysis.evidence import SynthesisRequest
from analysis.synthesis import synthesise
from app.db import now, transaction
from app.jobs import claims
from app.jobs.ledger import Ledger
from app.syntheses.models import Synthesis
from app.syntheses.service import WORK
from tests.app.steps import Finish, intervention, ok, retained, scaled
from tests.conftest import House

type Pool = Callable[..., Any]

ADOPTED: dict[str, Any] = {
    "measure": "mbi_ee",
    "effect_sd": 0.5,
    "se_sd": 0.12,
    "design": "parallel",
    "randomised": True,
    "attrition": {"intervention": 0.05, "control": 0.05},
    "role": "adopter",
}


@pytest.fixture
def pool(app: FastAPI) -> Pool:
    """Asks for a synthesis and ends it with the exact engine's answer; the synthesis as it is read then."""

    async def asked(house: House, of: str, **body: Any) -> dict[str, Any]:
        queued = await ok(house.analyst.post(f"/v1/interventions/{of}/syntheses", json=body), 202)
        ledger = Ledger(app.state.engine, app.state.settings, WORK, threading.Event())
        with transaction(app.state.engine) as session:
            row = claims.claim(session, Synthesis, queued["id"], now(), timedelta(seconds=30), 3)
        assert row is not None
        ledger.succeed(row, synthesise(SynthesisRequest.model_validate({**row.request, "engine": "exact"})))
        found: dict[str, Any] = await ok(house.lead.get(f"/v1/syntheses/{queued['id']}"))
        return found

    return asked


async def adopted(house: House, of: str, organization: str, **fields: Any) -> None:
    """Evidence of an adopter, as an approver reports it."""
    source = f"{organization}: report (synthetic)"
    body = {**ADOPTED, "organization": organization, "source": source, **fields}
    await ok(house.approver.post(f"/v1/interventions/{of}/evidence", json=body), 201)


async def ready(house: House, finish: Finish, **fields: Any) -> tuple[str, str]:
    """A pilot at the origin, scaled and retained, and two adopters: its path and the intervention."""
    of = await intervention(house)
    path = await scaled(house, finish, of=of)
    await retained(house, path, finish)
    for organization in ("Lakeside (synthetic)", "Hillside (synthetic)"):
        await adopted(house, of, organization, **fields)
    return path, of
