"""OpenTelemetry: a span a request, without ids; nothing at all where no collector is configured."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.config import Settings
from app.main import create_app
from app.telemetry import spans


@pytest.mark.anyio
async def test_a_span_names_the_route_and_no_id(tmp_path: Path) -> None:
    app = create_app(Settings(_env_file=None, var_dir=tmp_path))  # type: ignore[call-arg]
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    spans(app, provider)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        await client.get("/v1/pilots/0193-secret-id?q=ana")
        await client.get("/health/live")
    told = [span.to_json() for span in kept.get_finished_spans()]
    assert any("/v1/pilots/{pilot_id}" in span for span in told)
    assert not any("0193-secret-id" in span or "q=ana" in span or "health" in span for span in told)


def test_nothing_of_it_is_imported_without_a_collector(tmp_path: Path) -> None:
    program = (
        "import sys; from app.config import Settings; from app.main import create_app; create_app(Settings()); "
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
