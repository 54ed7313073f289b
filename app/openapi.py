"""The OpenAPI document as people read it in Swagger UI: what refusals look like, examples in the order of the forms."""

from typing import Any

type Json = dict[str, Any]

MEDIA_TYPE = "application/problem+json"
PROBLEM_SCHEMA: Json = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what would help"},
        "code": {"type": "string", "description": "Stable, for programs"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {}},
                    "msg": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
        "unmet": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
# Status: when, its title, code and sentence. One of each stands on the page instead of the bare schema.
REFUSALS: dict[int, tuple[str, str, str, str]] = {
    401: ("No valid key", "Unauthenticated", "unauthenticated", "no key given; send `Authorization: Bearer <key>`"),
    403: (
        "Seen with this key, but not to be done with it",
        "Forbidden",
        "forbidden",
        "a key with the role analyst may not do this (plans:write); it takes: lead, administrator",
    ),
    404: (
        "Not there, or not to be seen with this key",
        "Not found",
        "not_found",
        "there is no pilot '01a200a1-c316-7a10-abe5-fa5cac82794f' that this key may see",
    ),
    409: (
        "A rule refuses",
        "Conflict",
        "plan_locked",
        "version 1 of the plan was locked by ana.ruiz on 2026-03-01 and never changes; an approver may amend it",
    ),
    412: (
        "Changed since it was read (`If-Match`)",
        "Precondition failed",
        "stale",
        "the pilot was changed since you read it: it is at version 4 now; read it again, then repeat",
    ),
    413: (
        "Larger than the service takes",
        "Content too large",
        "too_large",
        "the body is larger than the 16777216 bytes this path takes; send it in parts",
    ),
    422: ("Not of the form", "Unprocessable content", "invalid", "the body is not JSON"),
    429: (
        "Too often, or too much waiting already; `Retry-After` says when to go on",
        "Too many requests",
        "rate_limited",
        "this key makes more than 12000 requests a minute; go on in 1 s",
    ),
}


def _refusal(status: int, when: str, title: str, code: str, detail: str) -> Json:
    example = {"type": f"urn:pilotlight:problem:{code}", "title": title, "status": status}
    shown = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": {**example, "detail": detail, "code": code}}
    return {"description": f"{when} (problem details, RFC 9457)", "content": {MEDIA_TYPE: shown}}


RESPONSES: dict[int | str, Json] = {status: _refusal(status, *said) for status, said in REFUSALS.items()}


def arrange(document: Json) -> None:
    """Make the framework's document readable, in place; what it says about requests and answers stays the same."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for schema in schemas.values():
        if "examples" in schema:
            schema["examples"] = [in_order(example, schema, schemas) for example in schema["examples"]]
    for methods in document["paths"].values():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", []):
                _arrange_parameter(parameter, filled_in=method != "delete")


def _arrange_parameter(parameter: Json, *, filled_in: bool) -> None:
    """Show a field without null; `filled_in`: with its example, which pages take from here and not from the schema."""
    parameter["schema"] = without_null(parameter["schema"])
    examples = parameter["schema"].get("examples")
    if examples and filled_in:
        parameter["example"] = examples[0]


def in_order(example: Any, schema: Json, schemas: Json) -> Any:
    """`example` with its fields in the order of the form; pydantic sorts them by the alphabet."""
    if isinstance(example, list):
        items = schema.get("items")
        return [in_order(item, _found(items, schemas), schemas) for item in example] if items else example
    properties = schema.get("properties")
    if not isinstance(example, dict) or not properties:
        return example
    names = [*(name for name in properties if name in example), *(name for name in example if name not in properties)]
    return {name: in_order(example[name], _found(properties.get(name, {}), schemas), schemas) for name in names}


def _found(schema: Json, schemas: Json) -> Json:
    """The schema itself, behind its reference or as the one alternative that is not null."""
    schema = without_null(schema)
    found: Json = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    return found


def without_null(schema: Json) -> Json:
    """The schema of a parameter, which is left out and never null: `string`, not `string | null`."""
    given = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(given) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**rest, **given[0]}
