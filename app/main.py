"""Puts the service together: `create_app(settings)`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import fastapi_swagger
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from app import __version__, health, observing, problems, telemetry
from app.allocations.routes import router as allocations
from app.analyses.output_routes import router as outputs
from app.analyses.participant_routes import router as participants
from app.analyses.routes import router as analyses
from app.analyses.snapshot_routes import router as snapshots
from app.auth.rate import Rate, UnderWay
from app.auth.routes import router as keys
from app.benchmarks.routes import router as benchmarks
from app.catalog.definition_routes import router as definitions
from app.catalog.routes import catalogue, organizations
from app.config import Settings
from app.context.routes import router as context
from app.db import make_engine
from app.decisions.routes import router as decisions
from app.imports.routes import PATH as IMPORT_PATH
from app.imports.routes import router as imports
from app.imports.routes import uploads
from app.jobs.runner import Runner
from app.lifecycle.family_routes import router as family
from app.lifecycle.review_routes import router as reviews
from app.lifecycle.routes import router as lifecycle
from app.measures.correction_routes import router as corrections
from app.measures.due_routes import router as due_waves
from app.measures.routes import router as measures
from app.measures.series_routes import router as series
from app.measures.standing_routes import router as standings
from app.migrate import Revisions
from app.openapi import RESPONSES, arrange
from app.pilots.lesson_routes import router as lessons
from app.pilots.routes import interventions, pilots
from app.plans.routes import router as plans
from app.programs.routes import router as programs
from app.requests import use_database
from app.simulations.routes import router as simulations
from app.syntheses.routes import router as syntheses
from app.webhooks.catalogue_routes import router as webhook_events
from app.webhooks.delivery_routes import router as deliveries
from app.webhooks.described import events as described_events
from app.webhooks.routes import router as webhooks
from app.webhooks.sender import Sender
from app.works import LOOPS, WORKS

DESCRIPTION = """
Pilotlight keeps track of pilots of well-being programs in health care and tells, by a rule fixed beforehand, whether a
program should be refined, replaced or scaled.

**How to try it here.** Press *Authorize* and paste a key. Then work from the top: the tags below stand in the order of
the work; a click unfolds one. Every body has an example to start from. `GET /v1/pilots/{pilot_id}/next` always says
what is still missing.
"""

TAGS = [
    {"name": "1 Organization", "description": "Organizations, their units, and what happened around them."},
    {"name": "2 Catalogue", "description": "Drivers of burnout, measures, dimensions of programs."},
    {
        "name": "3 Interventions",
        "description": "The programs and tactics themselves; what organizations found of them, pooled.",
    },
    {"name": "4 Pilots", "description": "One attempt at an intervention in some units."},
    {"name": "5 Plan", "description": "What will be compared and by which rule it is judged, fixed before the test."},
    {"name": "6 Measures", "description": "Waves, single values, files, summaries, monthly series; corrections."},
    {
        "name": "7 Analyses",
        "description": "Bayesian analyses, run in the background; their plots, tables, draws and evidence packages.",
    },
    {"name": "8 Decisions and moves", "description": "Signing, moving between stages, the history, reviews."},
    {"name": "9 Programs", "description": "The foundational programs: what proved effective here and elsewhere."},
    {"name": "10 Keys", "description": "Who may do what."},
    {"name": "11 Webhooks", "description": "Other systems are told what happened, signed and at least once."},
    {"name": "12 Audit", "description": "Who did what when."},
    {"name": "13 Health", "description": "For those who run the service."},
]
# All tags fit on one screen, folded; forms are open to be filled in, and a key is kept until it is taken away.
SWAGGER_UI = {
    "docExpansion": "none",
    "defaultModelsExpandDepth": 0,
    "tryItOutEnabled": True,
    "persistAuthorization": True,
    "filter": True,
    "displayRequestDuration": True,
}


def create_app(settings: Settings, *, with_worker: bool = False) -> FastAPI:
    """The service; `with_worker` runs the analyses' worker in the same process (the embedded default)."""
    engine = make_engine(settings.url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if with_worker:
            app.state.runner = Runner(engine, settings, WORKS, LOOPS)
            app.state.runner.start()
        yield
        if app.state.runner is not None:
            await run_in_threadpool(app.state.runner.stop)
        engine.dispose()

    app = FastAPI(
        title="Pilotlight",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        lifespan=lifespan,
        webhooks=described_events,
        # Names of endpoints are names of operations: stable, and what generated clients call their methods.
        generate_unique_id_function=lambda route: route.name,
    )
    use_database(app, engine)
    app.state.settings, app.state.runner, app.state.joined = settings, None, False
    app.state.sender = Sender.of(settings)
    app.state.rate = Rate(settings.requests_per_minute)
    # Of the places for requests most stay free: a name server may be slow, and a file long.
    app.state.look_ups = UnderWay("addresses", each=2, together=10)
    app.state.uploads = UnderWay("uploads", each=8, together=20)
    app.state.revisions = Revisions.packaged()
    of_pilots = (
        plans,
        allocations,
        simulations,
        measures,
        uploads,
        imports,
        series,
        corrections,
        standings,
        participants,
        analyses,
        outputs,
        snapshots,
        decisions,
        lifecycle,
        lessons,
        family,
    )
    shared = (organizations, context, catalogue, definitions, benchmarks, interventions, syntheses)
    hooks = (webhook_events, webhooks, deliveries)
    for router in (*shared, pilots, *of_pilots, due_waves, reviews, programs, keys, *hooks):
        app.include_router(router, responses=RESPONSES)
    app.include_router(health.router)
    problems.install(app, settings.max_body_bytes, (IMPORT_PATH, settings.import_max_bytes))
    app.include_router(observing.router)
    observing.observe(app, tell=settings.environment == "production")
    fastapi_swagger.patch_fastapi(app, swagger_ui_parameters=SWAGGER_UI)
    telemetry.trace(app, settings)
    _arrange_document(app)
    return app


def _arrange_document(app: FastAPI) -> None:
    """Have the OpenAPI document arranged when it is built, which happens once."""
    build = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            arrange(build())
        return build()

    app.openapi = openapi  # type: ignore[method-assign]
