"""What this process counts for Prometheus; what the whole deployment holds is asked of the database (`observing.py`).

A process has its own counts: scrape every API process, and every worker that listens (`PILOTLIGHT_METRICS_PORT`).
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()
LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""Buckets in seconds of what runs in the background."""

JOBS = Counter("pilotlight_jobs_ended", "Pieces of work that ended here", ["work", "status"], registry=REGISTRY)
JOB_SECONDS = Histogram(
    "pilotlight_job_seconds", "From the last start to the end", ["work"], buckets=LONG, registry=REGISTRY
)
ANALYSES = Histogram(
    "pilotlight_analysis_seconds",
    "From the last start to the end, by what was computed",
    ["design", "model"],
    buckets=LONG,
    registry=REGISTRY,
)
GATES = Counter("pilotlight_gates_failed", "Gates of analyses that did not hold", ["gate"], registry=REGISTRY)
TRIES = Counter("pilotlight_delivery_tries", "Requests to webhooks", ["outcome"], registry=REGISTRY)
TRY_SECONDS = Histogram("pilotlight_delivery_try_seconds", "Until a webhook answered", buckets=LONG, registry=REGISTRY)
REFUSED = Counter("pilotlight_requests_refused", "Requests refused to protect the others", ["why"], registry=REGISTRY)
