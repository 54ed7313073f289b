"""What those who run the service see of it: an id, a log line and a count for every request, and `/metrics`."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlmodel import col
from starlette.datastructures import Headers, MutableHeaders
from starlette.status import HTTP_500_INTERNAL_SERVER_ERROR
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.db import new_id, now, reading
from app.jobs.models import JobStatus
from app.webhooks.models import Delivery, DeliveryStatus
from app.works import WORKS

router = APIRouter(tags=["13 Health"])
log = structlog.get_logger(__name__)
HEADER = "X-Request-Id"
WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,100}")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
UNFINISHED = (JobStatus.QUEUED, JobStatus.RUNNING)
UNDELIVERED = (DeliveryStatus.PENDING, DeliveryStatus.SENDING)


class Deployment(Collector):
    """What waits in the database, the same whichever process is asked."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Pieces of work and deliveries that have not ended, and how long the oldest of each has waited."""
        count = GaugeMetricFamily("pilotlight_jobs", "Pieces of work not ended", labels=["work", "status"])
        age = GaugeMetricFamily("pilotlight_job_oldest_seconds", "Age of the oldest of them", labels=["work", "status"])
        sent = GaugeMetricFamily("pilotlight_deliveries", "Deliveries not ended", labels=["status"])
        late = GaugeMetricFamily("pilotlight_delivery_late_seconds", "How long the next delivery has been due")
        up = GaugeMetricFamily("pilotlight_database_up", "Whether the database answers")
        at = now()
        try:
            with reading(self._app.state.engine) as session:
                for work in WORKS:
                    for status in UNFINISHED:
                        where = col(work.model.status) == status
                        number, oldest = session.execute(
                            sa.select(sa.func.count(), sa.func.min(col(work.model.id))).where(where)
                        ).one()
                        count.add_metric([work.name, status], number)
                        age.add_metric([work.name, status], 0.0 if oldest is None else _age(oldest, at))
                for state in UNDELIVERED:
                    number = session.scalar(sa.select(sa.func.count()).where(col(Delivery.status) == state))
                    sent.add_metric([state], number or 0)
                pending = col(Delivery.status) == DeliveryStatus.PENDING
                due = session.scalar(sa.select(sa.func.min(col(Delivery.due_at))).where(pending))
                late.add_metric([], max((at - due).total_seconds(), 0.0) if due is not None else 0.0)
            up.add_metric([], 1)
        except sa.exc.DBAPIError:
            up.add_metric([], 0)
        yield from (count, age, sent, late, up)


def _age(row_id: str, at: datetime) -> float:
    """Seconds since a row was made: the first 48 bits of its UUIDv7 are milliseconds."""
    return max(at.timestamp() - int(row_id.replace("-", "")[:12], 16) / 1000, 0.0)


@router.get("/metrics", include_in_schema=False)
def read_metrics(request: Request) -> Response:
    """This process' counts and what waits in the database, in Prometheus' format."""
    both = generate_latest(request.app.state.registry) + generate_latest(metrics.REGISTRY)
    return Response(both, media_type=CONTENT_TYPE_LATEST)


def observe(app: FastAPI, *, tell: bool) -> None:
    """Give every request an id and a place among the counts, its answer headers that browsers heed.

    With `tell` each leaves a line in the log; without, those alone that failed on our side.
    """
    registry = CollectorRegistry()
    registry.register(Deployment(app))
    app.state.registry = registry
    labels = ["method", "route", "status"]
    count = Counter("pilotlight_requests", "Requests answered", labels, registry=registry)
    seconds = Histogram("pilotlight_request_seconds", "Time to the answer", ["method", "route"], registry=registry)

    def note(scope: Scope, status: int, taken: float) -> None:
        # The route and never the raw path, which holds ids.
        route = getattr(scope.get("route"), "path", "unknown")
        count.labels(scope["method"], route, status).inc()
        seconds.labels(scope["method"], route).observe(taken)
        (log.info if tell or status >= HTTP_500_INTERNAL_SERVER_ERROR else log.debug)(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(1000 * taken, 1),
            key_id=scope["state"].get("key_id"),
            request_id=scope["state"]["request_id"],
        )

    app.add_middleware(Observed, note=note)


class Observed:
    """Gives each request its id and its answer the headers, and notes how it ended."""

    def __init__(self, app: ASGIApp, note: Callable[[Scope, int, float], None]) -> None:
        self.app, self.note = app, note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _id_of(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        status = HTTP_500_INTERNAL_SERVER_ERROR  # of what is broken, and answered further out

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                for name, value in (SECURITY_HEADERS | (OVER_TLS if scope["scheme"] == "https" else {})).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                await self.app(scope, receive, answered)
        finally:
            self.note(scope, status, time.perf_counter() - started)


def _id_of(headers: Headers) -> str:
    """The caller's own id where it has a form that belongs in logs, else a new one."""
    given = headers.get(HEADER, "")
    return given if WELL_FORMED.fullmatch(given) else new_id()
