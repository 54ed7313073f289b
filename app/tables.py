"""Every table, imported once so that the metadata is whole: for migrations and their check."""

from sqlmodel import SQLModel

import app.analyses.models
import app.audit.models
import app.auth.keys
import app.benchmarks.models
import app.catalog.definitions
import app.catalog.models
import app.context.models
import app.decisions.models
import app.hosts
import app.imports.models
import app.jobs.chores
import app.lifecycle.models
import app.measures.models
import app.measures.reminders
import app.measures.series_models
import app.outbox.models
import app.pilots.models
import app.plans.models
import app.programs.models
import app.requests
import app.simulations.models
import app.syntheses.models
import app.webhooks.models  # noqa: F401

metadata = SQLModel.metadata
