"""Looks a deployment over and says of each thing whether it is well, and if not, what to do. Changes nothing."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from app.config import Settings
from app.db import now, reading
from app.hosts import Stranger, belongs
from app.jobs.models import JobStatus
from app.migrate import Revisions, revision_of
from app.webhooks.models import Delivery, DeliveryStatus, Webhook
from app.works import WORKS

CLOCK = timedelta(seconds=5)
WAITED = timedelta(minutes=2)
LATE = timedelta(minutes=5)
SILENT = timedelta(minutes=1)
"""Since when a worker on PostgreSQL has not been heard of, to count as gone."""
ROOM = 2**30
OLDEST_POSTGRESQL = 140_000


class State(StrEnum):
    """How something is."""

    WELL = "well"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do unless it is well."""

    about: str
    state: State
    says: str
    help: str = ""


def examine(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """All findings, one after the other; without a database nothing else can be looked at."""
    yield from _settings(settings)
    yield from _folders(settings)
    reached = _database(engine, settings)
    yield reached
    if reached.state is State.BROKEN:
        return
    schema = _schema(engine)
    yield schema
    if schema.state is State.BROKEN:
        return
    for look in LOOKS:
        with reading(engine) as session:
            yield from look(session, engine, settings)


# --- this host ----------------------------------------------------------------------------------------------------


def _settings(settings: Settings) -> Iterator[Finding]:
    about = "settings"
    if settings.environment == "production" and settings.embedded:
        yield Finding(
            about,
            State.WARNING,
            "the embedded database in production: one host, and its disk is all there is",
            "back it up daily (`pilotlight backup`), or move to PostgreSQL (`pilotlight move`)",
        )
    if settings.smallest_cell < 5:  # noqa: PLR2004 - the default, which ADR 0010 argues for
        yield Finding(
            about,
            State.WARNING,
            f"groups of {settings.smallest_cell} people are shown (PILOTLIGHT_SMALLEST_CELL); five is the usual least",
            "leave the setting out unless your data protection officer agreed to it",
        )
    if not settings.embedded and settings.secret_key is None:
        yield Finding(
            about,
            State.WARNING,
            "the secret key is a file in this host's var folder; a second host would make one of its own",
            "set PILOTLIGHT_SECRET_KEY to the same on every host",
        )


def _folders(settings: Settings) -> Iterator[Finding]:
    for about, folder in (("var folder", settings.var_dir), ("compile caches", settings.compile_cache)):
        if not os.access(folder, os.W_OK | os.X_OK):
            yield Finding(about, State.BROKEN, f"{folder} cannot be written", "give it to the user the service runs as")
            continue
        free = shutil.disk_usage(folder).free
        if free < ROOM:
            says = f"{free / 2**20:.0f} MiB are free on the disk of {folder}"
            yield Finding(about, State.WARNING, says, "make room: a full disk refuses every change")
        else:
            yield Finding(about, State.WELL, f"{folder} can be written, {free / 2**30:.0f} GiB are free")
    secret = settings.var_dir / "secret_key"
    if settings.secret_key is None and secret.exists() and secret.stat().st_mode & 0o077:
        says = f"{secret} can be read by others on this host"
        yield Finding("secret key", State.BROKEN, says, f"chmod 600 {secret}")
    data = Path(str(make_url(settings.url).database))
    if settings.embedded and data.exists() and data.stat().st_mode & 0o077:
        says = f"{data} holds answers of people and can be read by others on this host"
        yield Finding("data", State.WARNING, says, f"chmod 600 {data} {data}-wal {data}-shm")


# --- the database -------------------------------------------------------------------------------------------------


def _database(engine: Engine, settings: Settings) -> Finding:
    about = "database"
    if settings.embedded and not Path(str(engine.url.database)).exists():
        return Finding(about, State.BROKEN, "there is none yet", "run `pilotlight migrate` or `pilotlight serve`")
    try:
        with engine.execution_options(reading=True).connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            if settings.embedded:
                return Finding(about, State.WELL, f"SQLite at {engine.url.database} answers")
            number = int(connection.scalar(sa.text("SHOW server_version_num")) or 0)
            read_only = connection.scalar(sa.text("SHOW transaction_read_only")) == "on"
    except DBAPIError as error:
        said = str(error.orig).splitlines()[0] if error.orig else type(error).__name__
        helps = "is PILOTLIGHT_DATABASE_URL right, the server up, and reachable from here?"
        return Finding(about, State.BROKEN, f"it does not answer: {said}", helps)
    if number < OLDEST_POSTGRESQL:
        return Finding(about, State.BROKEN, f"PostgreSQL {number // 10_000} is too old", "14 or newer is needed")
    if read_only:
        return Finding(about, State.BROKEN, "it takes no changes (read only)", "name the primary, not a replica")
    return Finding(about, State.WELL, f"PostgreSQL {number // 10_000} answers")


def _schema(engine: Engine) -> Finding:
    found, packaged = revision_of(engine), Revisions.packaged()
    if found == packaged.newest:
        return Finding("migrations", State.WELL, f"at revision {found}, the newest")
    if packaged.ahead(found):
        says = f"the database is at revision {found}, of a later version; this one ({packaged.newest}) still works"
        return Finding("migrations", State.WARNING, says, "install that version here, too")
    says = f"the database is at revision {found}, this version needs {packaged.newest}"
    return Finding("migrations", State.BROKEN, says, "run `pilotlight migrate`, on one host, once")


def _clock(session: Session, _engine: Engine, settings: Settings) -> Iterator[Finding]:
    if settings.embedded:
        return
    theirs: datetime = session.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    apart = abs(now() - theirs.astimezone(UTC))
    if apart > CLOCK:
        says = f"this host and the database are {apart.total_seconds():.0f} s apart"
        yield Finding("clock", State.BROKEN, says, "run a time service (NTP) on both: leases and due times rely on it")
    else:
        yield Finding("clock", State.WELL, "this host and the database agree")


def _secret(_session: Session, engine: Engine, settings: Settings) -> Iterator[Finding]:
    if belongs(engine, settings):
        yield Finding("secret key", State.WELL, "the deployment's")
    else:
        yield Finding("secret key", State.BROKEN, "not the deployment's", str(Stranger()))


def _workers(session: Session, _engine: Engine, settings: Settings) -> Iterator[Finding]:
    at = now()
    waits = max((at - oldest for work in WORKS if (oldest := _oldest(session, work.model))), default=timedelta())
    if not settings.embedded:
        heard = sa.text("SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > :since")
        count = session.execute(heard, {"since": at - SILENT}).scalar_one()
        if not count:
            yield Finding("workers", State.BROKEN, "none is running", "start `pilotlight worker` on at least one host")
            return
        yield Finding("workers", State.WELL, f"{count} heard of within the last minute")
    if waits > WAITED:
        says = f"the oldest piece of work has waited for {waits.total_seconds() / 60:.0f} minutes"
        helps = "start a worker if none runs; more of them, or PILOTLIGHT_WORKERS, where all are busy; see their logs"
        yield Finding("queue", State.WARNING, says, helps)
    else:
        yield Finding("queue", State.WELL, "nothing has waited for long")


def _oldest(session: Session, model: type) -> datetime | None:
    table = model
    oldest: str | None = session.scalar(
        sa.select(sa.func.min(col(table.id))).where(col(table.status) == JobStatus.QUEUED)  # type: ignore[attr-defined]
    )
    return None if oldest is None else datetime.fromtimestamp(int(oldest.replace("-", "")[:12], 16) / 1000, UTC)


def _deliveries(session: Session, _engine: Engine, _settings: Settings) -> Iterator[Finding]:
    pending = col(Delivery.status) == DeliveryStatus.PENDING
    called = (col(Webhook.enabled).is_(True), col(Webhook.removed_at).is_(None))
    joined = sa.select(sa.func.min(col(Delivery.due_at))).join(Webhook, col(Webhook.id) == col(Delivery.webhook_id))
    due: datetime | None = session.scalar(joined.where(pending, *called))
    if due is not None and now() - due > LATE:
        says = f"one has been due for {(now() - due).total_seconds() / 60:.0f} minutes"
        yield Finding(
            "deliveries", State.WARNING, says, "is a worker running? its log and `GET /v1/webhooks` tell more"
        )
    else:
        yield Finding("deliveries", State.WELL, "none is late")
    off = sa.select(sa.func.count()).where(col(Webhook.enabled).is_(False), col(Webhook.removed_at).is_(None))
    if number := session.scalar(off):
        says = f"{number} endpoints are disabled"
        yield Finding("webhooks", State.WARNING, says, "`GET /v1/webhooks` says why; enable those that are mended")


LOOKS: tuple[Callable[[Session, Engine, Settings], Iterator[Finding]], ...] = (
    _clock,
    _secret,
    _workers,
    _deliveries,
)
