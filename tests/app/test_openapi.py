"""The OpenAPI document that Swagger UI shows: real examples, words a pilot lead understands, nothing from elsewhere."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import jsonschema_rs
import pytest

from analysis.documents import Design, Direction, Family
from analysis.documents import Role as MeasureRole
from app.analyses.models import Kind
from app.auth.permissions import Role
from app.decisions.models import Outcome
from app.jobs.models import JobStatus
from app.lifecycle.stages import Retirement
from app.lifecycle.standing import Standing
from app.pilots.models import OwnershipRole, Stage
from app.pilots.schemas import DiscoveryKind
from app.webhooks.models import DeliveryStatus
from tests.app.steps import ok
from tests.conftest import Client, on_sqlite

Document = dict[str, Any]


def operations(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in document["paths"].values():
        for operation in methods.values():
            yield operation["operationId"], operation


def bodies(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:  # an upload is none
            yield name, content["application/json"]["schema"]


def resolved(document: Document, schema: dict[str, Any]) -> dict[str, Any]:
    for choice in schema.get("anyOf", []):
        if "$ref" in choice:
            return resolved(document, choice)
    if "$ref" in schema:
        found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def test_every_body_has_examples_that_fit_its_own_schema(document: Document) -> None:
    found = dict(bodies(document))
    assert len(found) > 15
    for name, schema in found.items():
        examples = resolved(document, schema).get("examples")
        assert examples, name
        validator = jsonschema_rs.validator_for({**schema, "components": document["components"]})
        for example in examples:
            assert list(validator.iter_errors(example)) == [], name


def test_every_operation_reads_as_a_sentence_and_has_a_stable_name(document: Document) -> None:
    names = [name for name, _ in operations(document)]
    assert len(set(names)) == len(names)
    for name, operation in operations(document):
        assert re.fullmatch(r"[a-z_]+", name)
        assert operation["description"].rstrip().endswith("."), name
        assert len(operation["tags"]) == 1


def test_events_are_described_as_operations_are(document: Document) -> None:
    names = {name for name, _ in operations(document)}
    assert len(document["webhooks"]) > 5
    for kind, methods in document["webhooks"].items():
        [operation] = methods.values()
        assert operation["operationId"] == "receive_" + kind.replace(".", "_")
        assert operation["operationId"] not in names
        assert operation["tags"] == ["11 Webhooks"]
        assert operation["summary"] != kind
        assert operation["description"].endswith("."), kind
        body = operation["requestBody"]["content"]["application/json"]
        assert jsonschema_rs.is_valid(body["schema"], body["example"]), kind


def test_tags_stand_in_the_order_of_the_work(document: Document) -> None:
    declared = [tag["name"] for tag in document["tags"]]
    assert [int(name.split()[0]) for name in declared] == list(range(1, len(declared) + 1))
    assert all(tag["description"] for tag in document["tags"])
    assert {operation["tags"][0] for _, operation in operations(document)} == set(declared)


def test_every_operation_but_health_asks_for_the_key_and_describes_its_refusals(document: Document) -> None:
    assert document["components"]["securitySchemes"]["API key"]["scheme"] == "bearer"
    for name, operation in operations(document):
        if name in {"live", "ready"}:
            continue
        assert operation["security"] == [{"API key": []}], name
        for status in ("401", "403", "404", "409", "422"):
            content = operation["responses"][status]["content"]
            assert list(content) == ["application/problem+json"], (name, status)


@pytest.mark.parametrize(
    ("schema", "field", "kind"),
    [
        ("KeyIn", "role", Role),
        ("InterventionIn", "ownership_role", OwnershipRole),
        ("DiscoveryNote", "kind", DiscoveryKind),
        ("MoveIn", "to", Stage),
        ("MoveIn", "retirement", Retirement),
        ("PilotOut", "stage", Stage),
        ("AttemptOut", "standing", Standing),
        ("DecisionIn", "outcome", Outcome),
        ("AnalysisOut", "status", JobStatus),
        ("AnalysisOut", "kind", Kind),
        ("PlanIn", "design", Design),
        ("PlannedMeasureIn", "role", MeasureRole),
        ("PlannedMeasureIn", "family", Family),
        ("MeasureIn", "direction", Direction),
        ("MeasureIn", "family", Family),
        ("DeliveryLine", "status", DeliveryStatus),
    ],
)
def test_enumerations_are_named(document: Document, schema: str, field: str, kind: type[StrEnum]) -> None:
    found = resolved(document, document["components"]["schemas"][schema]["properties"][field])
    assert found["enum"] == [member.value for member in kind]


def test_examples_stand_in_the_order_of_their_form(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert list(schemas["MeasurementsIn"]["examples"][0]) == ["measure", "wave", "rows"]
    assert list(schemas["MeasurementsIn"]["examples"][0]["rows"][0]) == ["value", "arm", "participant"]
    assert next(iter(schemas["PilotIn"]["examples"][0])) == "title"
    for name, schema in bodies(document):
        form = resolved(document, schema)
        for example in form["examples"]:
            assert list(example) == [field for field in form["properties"] if field in example], name


def test_refusals_are_shown_by_an_example_each(document: Document) -> None:
    told = document["paths"]["/v1/pilots"]["post"]["responses"]
    examples = {
        status: told[status]["content"]["application/problem+json"]["example"] for status in told if status >= "400"
    }
    assert {status: str(example["status"]) for status, example in examples.items()} == {s: s for s in examples}
    assert len({example["detail"] for example in examples.values()}) == len(examples) == 8
    for example in examples.values():
        assert jsonschema_rs.is_valid(document["components"]["schemas"]["Problem"], example)


def test_no_parameter_is_said_to_be_null(document: Document) -> None:
    schemas = [p["schema"] for _, operation in operations(document) for p in operation.get("parameters", [])]
    assert len(schemas) > 100
    assert [schema for schema in schemas if {"type": "null"} in schema.get("anyOf", [])] == []


def test_fields_are_filled_in_where_there_is_an_example_but_never_to_delete(document: Document) -> None:
    def filled_in(method: str, path: str) -> dict[str, Any]:
        return {p["name"]: p["example"] for p in document["paths"][path][method]["parameters"] if "example" in p}

    assert filled_in("put", "/v1/pilots/{pilot_id}/waves/{key}") == {"key": "pre"}
    assert filled_in("get", "/v1/analyses/{analysis_id}/plots/{name}.png") == {"name": "posterior"}
    assert filled_in("delete", "/v1/pilots/{pilot_id}/participants/{participant}") == {}


def test_an_upload_is_a_form_first_with_nothing_filled_in(document: Document) -> None:
    content = document["paths"]["/v1/pilots/{pilot_id}/measurements/import"]["post"]["requestBody"]["content"]
    assert next(iter(content)) == "multipart/form-data"
    fields = content["multipart/form-data"]["schema"]["properties"]
    assert (next(iter(fields)), fields["mapping"]["example"]) == ("file", "")


def test_unknown_fields_are_refused_in_the_document_too(document: Document) -> None:
    for name, schema in bodies(document):
        assert resolved(document, schema)["additionalProperties"] is False, name


@on_sqlite
@pytest.mark.anyio
async def test_docs_need_no_internet(anonymous: Client) -> None:
    page = await anonymous.get("/docs")
    assert page.status_code == 200
    linked = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", page.text)
    assert len(linked) >= 4
    for address in linked:
        assert address.startswith(("/", "http://service/")), address
        assert (await anonymous.get(address)).status_code == 200, address
    assert set(re.findall(r"https?://[^/\"']+", page.text)) <= {"http://service"}
    document = await ok(anonymous.get("/openapi.json"))
    assert document["info"]["title"] == "Pilotlight"


async def counted(anonymous: Client, labels: str) -> float:
    """How many requests of this kind the service says it answered."""
    metrics = (await anonymous.get("/metrics")).text
    found = re.search(rf"^pilotlight_requests_total{{{re.escape(labels)}}} (.+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.anyio
async def test_health_and_metrics(anonymous: Client) -> None:
    alive = 'method="GET",route="/health/live",status="200"'
    before = await counted(anonymous, alive)
    assert await ok(anonymous.get("/health/live")) == {"status": "live"}
    assert await counted(anonymous, alive) == before + 1
    ready = await ok(anonymous.get("/health/ready"))
    assert ready["status"] == "ready"
    await anonymous.get("/v1/pilots/0193-secret-id")
    metrics = (await anonymous.get("/metrics")).text
    assert "/v1/pilots/{pilot_id}" in metrics
    assert "0193-secret-id" not in metrics
