"""Code, catalogue and documentation of the events say the same, and what is sent is what they say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest
from fastapi import FastAPI

import app as service
from analysis.verdict import Outcome as Recommended
from app.db import now
from app.jobs.models import JobStatus
from app.measures.reminders import remind
from app.outbox.events import EventData
from app.pilots.models import ProgramStatus, Stage
from app.webhooks.catalogue import EVENTS, body_example, body_schema
from tests.app.programs.world import Pool, adopted, pool, ready
from tests.app.steps import Finish, in_test, ok, planned
from tests.app.test_outbox import events
from tests.conftest import House, on_sqlite

__all__ = ["pool"]
CONTRACT = [
    "pilot.created",
    "pilot.stage_changed",
    "plan.locked",
    "wave.due",
    "analysis.finished",
    "decision.recorded",
    "program.established",
    "program.demoted",
    "webhook.ping",
    "webhook.disabled",
]
SOURCE = Path(service.__file__).parent
ROW = re.compile(r"^\| `([a-z_.]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
STAGE_CHANGED = "pilot.stage_changed"


def declared(of: type[EventData] = EventData) -> Iterator[type[EventData]]:
    for kind in of.__subclasses__():
        if kind.__module__.startswith("app."):
            yield kind
        yield from declared(kind)


def fits(kind: str, body: dict[str, Any]) -> bool:
    return jsonschema_rs.validator_for(body_schema(EVENTS[kind]), validate_formats=True).is_valid(body)


def described(document: dict[str, Any], kind: str) -> dict[str, Any]:
    operation: dict[str, Any] = document["webhooks"][kind]["post"]
    return operation


def test_the_catalogue_is_the_contracts_list() -> None:
    assert list(EVENTS) == CONTRACT


def test_every_event_of_the_code_is_in_the_catalogue() -> None:
    assert set(declared()) == set(EVENTS.values())


def test_events_are_frozen_nowhere_but_in_the_outbox() -> None:
    makers = {str(p.relative_to(SOURCE)) for p in SOURCE.rglob("*.py") if "OutboxEvent(" in p.read_text("utf-8")}
    assert makers == {"outbox/models.py"}


@pytest.mark.parametrize("kind", CONTRACT)
def test_examples_are_what_the_code_would_send(kind: str) -> None:
    example = body_example(EVENTS[kind])
    assert fits(kind, example)
    assert fits(kind, {**example, "example": True})
    parsed = EVENTS[kind].model_validate(example["data"])
    assert parsed.model_dump(mode="json", by_alias=True) == example["data"]


@pytest.mark.parametrize("kind", CONTRACT)
def test_schemas_are_strict_at_every_level(kind: str) -> None:
    example = body_example(EVENTS[kind])
    for broken in spoiled(example):
        assert not fits(kind, broken), broken
    assert not fits(kind, {**example, "type": "another"})
    assert not fits(kind, {**example, "timestamp": "yesterday"})
    assert not fits(kind, {**example, "example": False})


def spoiled(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body with a field too many, and with each field left out, at every level."""
    yield {**body, "unheard_of": 1}
    for name, value in body.items():
        yield {k: v for k, v in body.items() if k != name}
        if isinstance(value, dict):
            for inner in spoiled(value):
                yield {**body, name: inner}


def test_enumerations_are_those_of_the_domain() -> None:
    moved = body_schema(EVENTS[STAGE_CHANGED])["properties"]["data"]["properties"]
    assert moved["from"]["enum"] == moved["to"]["enum"] == [s.value for s in Stage]
    finished = body_schema(EVENTS["analysis.finished"])["properties"]["data"]["properties"]
    assert finished["status"]["enum"] == [s.value for s in JobStatus if s.final]
    recommended = body_schema(EVENTS["decision.recorded"])["properties"]["data"]["properties"]["recommended"]
    assert recommended["enum"] == list(get_args(Recommended))
    program = body_schema(EVENTS["program.demoted"])["properties"]["data"]["properties"]["program"]
    assert program["properties"]["status"]["enum"] == [s.value for s in ProgramStatus]


def test_the_document_describes_what_a_receiver_gets(document: dict[str, Any]) -> None:
    assert list(document["webhooks"]) == CONTRACT
    for kind in CONTRACT:
        operation = described(document, kind)
        assert operation["description"].startswith(EVENTS[kind].says)
        assert {p["name"]: (p["in"], p["required"]) for p in operation["parameters"]} == {
            "webhook-id": ("header", True),
            "webhook-timestamp": ("header", True),
            "webhook-signature": ("header", True),
        }
        assert all(p["description"] for p in operation["parameters"])
        assert set(operation["responses"]) == {"204", "410", "default"}
        assert "security" not in operation


@on_sqlite
@pytest.mark.anyio
async def test_the_document_and_the_api_say_the_same(house: House, document: dict[str, Any]) -> None:
    told = (await ok(house.analyst.get("/v1/webhook-events")))["items"]
    assert [entry["type"] for entry in told] == CONTRACT
    for entry in told:
        content = described(document, entry["type"])["requestBody"]["content"]["application/json"]
        assert (entry["schema"], entry["example"]) == (content["schema"], content["example"])
        assert entry["description"] == EVENTS[entry["type"]].says
        jsonschema_rs.meta.validate(entry["schema"])


def test_the_documentation_has_a_row_for_every_event() -> None:
    text = (SOURCE.parent / "docs" / "webhooks.md").read_text("utf-8")
    section = text.partition("## Events")[2].partition("\n## ")[0]
    rows = {kind: (says, re.findall(r"`(\w+)`", fields), order) for kind, says, fields, order in ROW.findall(section)}
    assert list(rows) == CONTRACT
    for kind, (says, fields, order) in rows.items():
        properties = body_schema(EVENTS[kind])["properties"]["data"]["properties"]
        assert (says, fields) == (EVENTS[kind].says, list(properties))
        assert set(re.findall(r"`(\w+)`", order)) <= {*properties, "timestamp"}


@pytest.mark.anyio
async def test_what_is_sent_fits_its_schema(
    app: FastAPI, house: House, finish: Finish, break_off: Any, pool: Pool
) -> None:
    path, of = await ready(house, finish)
    await pool(house, of)
    program = {"to": "foundational", "dimension": "safety_net", "reason": "Proven here and elsewhere."}
    await ok(house.approver.post(f"{path}/moves", json=program), 201)
    for organization in ("Seaside", "Woodside", "Riverside"):
        await adopted(house, of, f"{organization} (synthetic)", effect_sd=-0.1, se_sd=0.08)
    await pool(house, of)
    [review] = (await ok(house.lead.get("/v1/reviews?kind=program&open=true")))["items"]
    await ok(house.approver.post(f"/v1/reviews/{review['id']}/completion", json={"finding": "Gone."}), 201)
    await other_ends(house, finish, break_off)
    await ok(house.lead.put(f"{await planned(house)}/waves/pre", json={"invited": {}, "ends_on": "2026-01-23"}))
    assert remind(app.state.engine, app.state.settings, now()) == 1
    sent = events(app)
    assert {e["type"] for e in sent} == {kind for kind in CONTRACT if not kind.startswith("webhook.")}
    for event in sent:
        body = {name: event[name] for name in ("type", "timestamp", "data")}
        assert fits(event["type"], body), body
    moves = [e["data"]["sequence"] for e in sent if e["type"] == STAGE_CHANGED and path.endswith(e["subject"])]
    assert moves == list(range(1, len(moves) + 1))


async def other_ends(house: House, finish: Finish, break_off: Any) -> None:
    """Analyses that are refused, fail and are cancelled."""
    path = await in_test(house)
    for _ in range(3):
        await ok(house.analyst.post(f"{path}/analyses", json={"seed": 1}), 202)
    first, second, third = [a["id"] for a in (await ok(house.lead.get(f"{path}/analyses")))["items"]]
    finish(first, {"refused": {"code": "c", "message": "m", "what_would_help": "w"}})
    break_off(second)
    await ok(house.analyst.post(f"/v1/analyses/{third}/cancel"))
