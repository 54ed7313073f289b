"""OpenTelemetry, when an endpoint is configured: a span a request, sent as OTLP; without one nothing is imported.

Takes `pip install pilotlight[telemetry]`. Spans name routes and status, never paths, bodies or people.
"""

from typing import TYPE_CHECKING

from fastapi import FastAPI

from app.config import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def trace(app: FastAPI, settings: Settings) -> None:
    """Have every request told to the collector; raises RuntimeError where the packages for it are missing."""
    if not settings.otlp_endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider as Provider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        msg = "OTEL_EXPORTER_OTLP_ENDPOINT is set and its packages are missing: install pilotlight[telemetry]"
        raise RuntimeError(msg) from error
    provider = Provider(resource=Resource.create({"service.name": "pilotlight"}))
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    spans(app, provider)


def spans(app: FastAPI, provider: "TracerProvider") -> None:
    """Instrument the app with a tracer provider."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

    def named(span: object, _scope: dict[str, object]) -> None:
        """Ids stay out: of the address the route alone is told."""
        for attribute in ("http.url", "http.target", "url.path", "url.full", "url.query"):
            span.set_attribute(attribute, "")  # type: ignore[attr-defined]

    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=provider, excluded_urls="health,metrics", server_request_hook=named
    )
