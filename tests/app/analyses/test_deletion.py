"""A person's rows deleted on request: gone everywhere but in sums, and every analysis that used them says so."""

from datetime import date
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import col, select

from app.analyses.models import Analysis
from app.db import reading, transaction
from app.measures.deleted import KEPT
from app.measures.models import Measurement
from app.plans.models import Allocation, AllocationEntry, AllocationKind, AllocationLevel
from app.requests import IdempotentAnswer
from tests.app.steps import (
    NOTES,
    PLAN,
    Finish,
    an_answer,
    analysed,
    intervention,
    move,
    ok,
    planned,
    refused,
    signed,
    start,
)
from tests.conftest import House

pytestmark = pytest.mark.anyio
PAIRED = {"design": "paired", "baseline": "pre", "measures": PLAN["measures"], "followup_months": 6}
WHO = "bluefox"


def rows(wave: str, people: int = 8) -> dict[str, Any]:
    """In a paired design some who answered once make the analysis take single rows."""
    given = [{"value": 20 + i, "participant": f"p-{i}"} for i in range(people)]
    return {"measure": "mbi_ee", "wave": wave, "rows": [*given, {"value": 31.5, "participant": WHO}]}


async def paired(house: House) -> str:
    path = await start(house)
    await ok(house.lead.patch(path, json={**NOTES, "intervention_id": await intervention(house)}))
    await move(house, path, "develop")
    await ok(house.lead.put(f"{path}/plan", json=PAIRED))
    await ok(house.lead.post(f"{path}/measurements", json=rows("pre")), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await ok(house.lead.post(f"{path}/measurements", json=rows("post", 7)), 201)
    return path


def held(app: FastAPI, analysis: str) -> Analysis:
    with reading(app.state.engine) as session:
        return session.exec(select(Analysis).where(Analysis.id == analysis)).one()


async def test_rows_go_and_analyses_say_so(app: FastAPI, house: House, finish: Finish) -> None:
    path = await paired(house)
    analysis = await analysed(house, path, finish, an_answer("refine", grade="D"))
    assert WHO in str(held(app, analysis).request)
    sums = held(app, analysis).result
    assert await ok(house.lead.delete(f"{path}/participants/{WHO}")) == {"deleted": 2}
    await refused(house.lead.delete(f"{path}/participants/{WHO}"), 404, "not_found")
    left = held(app, analysis)
    assert WHO not in str(left.request)
    assert len(left.request["data"]["mbi_ee"]["rows"]) == 15
    assert left.result == sums
    assert WHO not in (await house.lead.get(f"{path}/measurements")).text
    shown = await ok(house.lead.get(f"/v1/analyses/{analysis}"))
    warned = {w["code"]: w for w in shown["warnings"]}
    assert {"participant_deleted", "data_changed"} <= warned.keys()
    assert "one person" in warned["participant_deleted"]["message"]
    await ok(house.lead.delete(f"{path}/participants/p-0"))
    warnings = (await ok(house.lead.get(f"/v1/analyses/{analysis}")))["warnings"]
    (said,) = [w["message"] for w in warnings if w["code"] == "participant_deleted"]
    assert said.startswith("the rows of 2 people")
    decision = await signed(house, path, analysis, "refine")
    assert "participant_deleted" in {w["code"] for w in decision["warnings"]}
    audit = (await house.administrator.get("/v1/audit?limit=200")).text
    assert WHO not in audit
    entries = (await ok(house.administrator.get("/v1/audit?resource=participants")))["items"]
    assert [(e["action"], e["resource_id"], e["changes"]) for e in entries] == [
        ("deleted", path.rpartition("/")[2], {"rows": "<5", "kept": KEPT})
    ] * 2


async def test_other_measures_iterations_and_pilots_are_left_alone(app: FastAPI, house: House, finish: Finish) -> None:
    path, other = await paired(house), await paired(house)
    analysis = await analysed(house, path, finish, an_answer("refine", grade="D"))
    elsewhere = await analysed(house, other, finish, an_answer("refine", grade="D"))
    await move(house, path, "refine", reason="broken off", lessons="Too few sessions.")
    await ok(house.lead.put(f"{path}/plan", json=PAIRED))
    await ok(house.lead.post(f"{path}/measurements", json=rows("pre")), 201)
    assert await ok(house.lead.delete(f"{path}/participants/{WHO}")) == {"deleted": 3}
    assert "participant_deleted" in [w["code"] for w in held(app, analysis).warnings]
    assert "participant_deleted" not in [w["code"] for w in held(app, elsewhere).warnings]
    with reading(app.state.engine) as session:
        kept = session.exec(select(Measurement).where(col(Measurement.participant) == WHO)).all()
    assert {m.pilot_id for m in kept} == {other.rpartition("/")[2]}


async def test_the_place_in_the_allocation_goes_too(app: FastAPI, house: House) -> None:
    path = await planned(house)
    pilot = path.rpartition("/")[2]
    with transaction(app.state.engine) as session:
        common = {"organization_id": house.id, "pilot_id": pilot, "iteration": 1}
        act = Allocation(
            **common, kind=AllocationKind.HERE, level=AllocationLevel.PARTICIPANT, seed=1, method="blocks",
            allocated_on=date(2026, 1, 5), created_by="ana",
        )  # fmt: skip
        session.add(act)
        session.flush()
        session.add_all(
            AllocationEntry(**common, allocation_id=act.id, subject=who, arm="control", position=i)
            for i, who in enumerate((WHO, "p-1"))
        )
    assert await ok(house.lead.delete(f"{path}/participants/{WHO}")) == {"deleted": 1}
    with reading(app.state.engine) as session:
        assert [e.subject for e in session.exec(select(AllocationEntry))] == ["p-1"]


async def test_kept_answers_do_not_hold_the_pseudonym(app: FastAPI, house: House) -> None:
    path = await planned(house)
    given = [{"value": 20, "arm": "control", "participant": WHO}, {"value": 99, "arm": "control", "participant": "p-1"}]
    body = {"measure": "mbi_ee", "wave": "pre", "rows": given}
    again = {**body, "rows": [{"value": 21, "arm": "control", "participant": WHO}, given[1]]}
    for i, asked in enumerate((body, again)):
        address = f"{path}/measurements?partial=true"
        await ok(house.lead.post(address, json=asked, headers={"Idempotency-Key": f"k{i}"}), 201)
    with transaction(app.state.engine) as session:
        answers = session.exec(select(IdempotentAnswer)).all()
        assert len(answers) == 2
        assert not any(WHO.encode() in (a.body or b"") for a in answers)
        # What an answer with pseudonyms would leave behind, such as that of an allocation.
        answers[0].body = f'{{"entries":[{{"subject":"{WHO}"}}]}}'.encode()
    await ok(house.lead.delete(f"{path}/participants/{WHO}"))
    replayed = await house.lead.post(f"{path}/measurements?partial=true", json=body, headers={"Idempotency-Key": "k0"})
    assert replayed.headers["idempotent-replayed"] == "true"
    assert WHO not in replayed.text
    assert "(deleted)" in replayed.text or "accepted" in replayed.text
