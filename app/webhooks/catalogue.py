"""Every event there is, in one table, and the form of its body as JSON schema 2020-12; pure."""

from collections.abc import Mapping
from typing import Any

from app.analyses.events import AnalysisFinished
from app.decisions.events import DecisionRecorded
from app.lifecycle.events import StageChanged
from app.measures.events import WaveDue
from app.outbox.events import INSTANT_SCHEMA, EventData
from app.pilots.events import PilotCreated
from app.plans.events import PlanLocked
from app.programs.events import ProgramDemoted, ProgramEstablished
from app.webhooks.events import WebhookDisabled, WebhookPing

EVENTS: Mapping[str, type[EventData]] = {
    kind.type: kind
    for kind in (
        PilotCreated,
        StageChanged,
        PlanLocked,
        WaveDue,
        AnalysisFinished,
        DecisionRecorded,
        ProgramEstablished,
        ProgramDemoted,
        WebhookPing,
        WebhookDisabled,
    )
}
"""By type, in the order of the work (contract §4)."""

EXAMPLE_INSTANT = "2026-03-16T09:41:07.204118Z"


def body_schema(kind: type[EventData]) -> dict[str, Any]:
    """The JSON schema of the whole body; it refers to nothing outside itself, so it can be copied as it is."""
    data = kind.model_json_schema(mode="serialization")
    parts = data.pop("$defs", {})
    return {
        "title": kind.type,
        "description": kind.says,
        "type": "object",
        "additionalProperties": False,
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": kind.type},
            "timestamp": {**INSTANT_SCHEMA, "description": "When it happened; the same at every try"},
            "data": _inlined(data, parts),
            "example": {
                "type": "boolean",
                "const": True,
                "description": "Only in a body that is sent to try an endpoint: all in it is made up",
            },
        },
    }


def body_example(kind: type[EventData]) -> dict[str, Any]:
    """A whole made-up body."""
    return {"type": kind.type, "timestamp": kind.example.get("at", EXAMPLE_INSTANT), "data": kind.example}


def _inlined(node: Any, parts: Mapping[str, Any]) -> Any:
    """The schema with each reference replaced by what it refers to; what stands beside a reference wins."""
    if isinstance(node, list):
        return [_inlined(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _inlined(value, parts) for key, value in node.items() if key != "$ref"}
    if "$ref" not in node:
        return found
    return {**_inlined(parts[node["$ref"].removeprefix("#/$defs/")], parts), **found}
