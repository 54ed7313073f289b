"""The command line: `pilotlight serve | api | worker | migrate | keys | demo`, and the commands of `app/commands/`."""

import gc
import os
import socket
import sys
import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import httpx
import typer
import uvicorn

from app.commands import analysing, importing, reporting
from app.config import Settings
from app.db import now
from app.deployment import commands as operator
from app.logs import configure_logs

if TYPE_CHECKING:
    from fastapi import FastAPI

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Pilotlight: pilots of well-being programs.",
    pretty_exceptions_enable=False,
)
keys = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(keys, name="keys")

# Each `make run` prints a key of its own; they must not pile up as open doors.
KEY_OF_A_RUN = timedelta(days=30)
UNTIL_NEXT_LOOK = 2.0
"""Seconds, for a worker that waits for a database."""
Host = Annotated[str | None, typer.Option(help="Address to listen on")]
Port = Annotated[int | None, typer.Option(help="Port to listen on")]


def say(line: str) -> None:
    """Tell the person at the terminal, at once."""
    print(line, flush=True)  # noqa: T201 - this is the command line


def _settings(host: str | None = None, port: int | None = None) -> Settings:
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = Settings().model_copy(update=given)
    settings.prepare()
    # For this process' children: the folder of the compile caches.
    os.environ.setdefault("PILOTLIGHT_CACHE_DIR", str(settings.compile_cache))
    configure_logs(settings.log_level)
    return settings


def _migrate(settings: Settings) -> None:
    from app.db import make_engine  # noqa: PLC0415 - a quick `--help` needs no database
    from app.migrate import Newer  # noqa: PLC0415
    from app.migrate import migrate as bring_up_to_date  # noqa: PLC0415

    engine = make_engine(settings.url)
    try:
        bring_up_to_date(engine)
    except Newer as error:
        say(f"pilotlight: {error}")
        raise typer.Exit(1) from error
    finally:
        engine.dispose()


def _join(settings: Settings) -> bool:
    """End with a sentence when this host has another secret key than the deployment; False: no schema there yet."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - a quick `--help` needs no database

    from app.db import make_engine  # noqa: PLC0415
    from app.hosts import Stranger, join  # noqa: PLC0415

    engine = make_engine(settings.url)
    try:
        join(engine, settings)
    except Stranger as error:
        say(f"pilotlight: {error}")
        raise typer.Exit(1) from error
    except DBAPIError:
        return False  # no database, or an older one: `/health/ready` says what is missing
    else:
        return True
    finally:
        engine.dispose()


def _put_together(settings: Settings, *, with_worker: bool) -> "FastAPI":
    """The service. What is imported for it stays: to look for garbage in it takes a fifth of the start."""
    gc.disable()
    try:
        from app.main import create_app  # noqa: PLC0415

        return create_app(settings, with_worker=with_worker)
    finally:
        gc.freeze()
        gc.enable()


def _server(settings: Settings, *, with_worker: bool) -> uvicorn.Server:
    config = uvicorn.Config(
        _put_together(settings, with_worker=with_worker),
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=settings.log_level == "debug",
        timeout_graceful_shutdown=10,
    )
    return uvicorn.Server(config)


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demonstration when the database is empty")] = False,
) -> None:
    """API and worker in one command, migrating first."""
    settings = _settings(host, port)
    _require_free(settings)
    database = f"the SQLite database under {settings.var_dir}/" if settings.embedded else "the database"
    say(f"pilotlight: bringing {database} up to date …")
    _migrate(settings)
    _join(settings)
    server = _server(settings, with_worker=True)
    if demo:
        threading.Thread(target=_welcome, args=(settings, server), daemon=True).start()
    server.run()
    if not server.started:
        raise typer.Exit(1)


def _require_free(settings: Settings) -> None:
    """End with a sentence when somebody listens on the port already: before anything is migrated or warmed up."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            say(
                f"pilotlight: cannot listen on {settings.host}:{settings.port} ({error.strerror}). Is Pilotlight "
                "running already? Stop it, or choose another port: PILOTLIGHT_PORT=8001 make run"
            )
            raise typer.Exit(1) from error


def _welcome(settings: Settings, server: uvicorn.Server) -> None:
    """Once the service answers: make a key, load the demonstration when there is none, print what it decided."""
    from app.demo.story import Demonstration, report  # noqa: PLC0415

    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.05)
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - compared, not bound
    url = f"http://{host}:{settings.port}"
    key = _make_key(
        settings,
        "administrator",
        f"make run, {time.strftime('%Y-%m-%d %H:%M')}",
        None,
        "administrator",
        expires_at=now() + KEY_OF_A_RUN,
    )
    say(f"pilotlight: the API answers at {url} (Swagger UI: {url}/docs)")
    try:
        if _wants_demonstration(settings):
            say("pilotlight: the demonstration, through the API; at first the worker warms up for a minute or two …")
            entries = Demonstration(url, key, say).run()
        else:
            entries = []
        say("")
        say("What the demonstration decided")
        say("------------------------------")
        for entry in entries:
            for line in report(entry):
                say(line)
        say("")
    except Exception as error:  # noqa: BLE001 - the service goes on without its demonstration
        say(f"pilotlight: the demonstration stopped: {error}")
        say("pilotlight: it continues where it stood at the next `make run` (or: pilotlight demo)")
    say(f"address  {url}")
    say(f"docs     {url}/docs")
    days = KEY_OF_A_RUN.days
    say(f"key      {key}   (administrator, for {days} days; stored as a hash, shown this once)")


def _wants_demonstration(settings: Settings) -> bool:
    """Whether the database holds nobody's organizations yet, or a demonstration (which then shows its decisions)."""
    from sqlmodel import select  # noqa: PLC0415

    from app.catalog.models import Organization  # noqa: PLC0415
    from app.db import make_engine, reading  # noqa: PLC0415
    from app.demo.story import ORGANIZATION  # noqa: PLC0415

    engine = make_engine(settings.url)
    with reading(engine) as session:
        names = set(session.exec(select(Organization.name)))
    engine.dispose()
    return not names or ORGANIZATION in names


@app.command()
def api(host: Host = None, port: Port = None) -> None:
    """The API alone; run workers beside it."""
    settings = _settings(host, port)
    _join(settings)
    server = _server(settings, with_worker=False)
    server.run()
    if not server.started:
        raise typer.Exit(1)


@app.command()
def worker() -> None:
    """A worker alone."""
    from app.db import make_engine  # noqa: PLC0415
    from app.jobs.runner import Runner  # noqa: PLC0415
    from app.works import LOOPS, WORKS  # noqa: PLC0415

    settings = _settings()
    while not _join(settings):  # there is no work yet, and nobody could tell whether this host may do it
        say("pilotlight: waiting for a database that `pilotlight migrate` has set up")
        time.sleep(UNTIL_NEXT_LOOK)
    if settings.metrics_port:
        from prometheus_client import start_http_server  # noqa: PLC0415

        from app.metrics import REGISTRY  # noqa: PLC0415

        start_http_server(settings.metrics_port, settings.host, REGISTRY)
    Runner(make_engine(settings.url), settings, WORKS, LOOPS).run_forever()


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    settings = _settings()
    _migrate(settings)
    say("pilotlight: the database is up to date")


def _make_key(
    settings: Settings,
    role: str,
    label: str,
    organization: str | None,
    person: str | None,
    expires_at: datetime | None = None,
) -> str:
    from app.auth.keys import make_key  # noqa: PLC0415
    from app.auth.permissions import Role  # noqa: PLC0415
    from app.catalog.models import Organization  # noqa: PLC0415
    from app.db import make_engine, transaction  # noqa: PLC0415

    engine = make_engine(settings.url)
    try:
        with transaction(engine) as session:
            if organization is not None and session.get(Organization, organization) is None:
                msg = f"there is no organization {organization!r}"
                raise typer.BadParameter(msg)
            if organization is None and role != Role.ADMINISTRATOR:
                msg = f"a key with the role {role} belongs to one organization; name it with --organization"
                raise typer.BadParameter(msg)
            _, secret = make_key(
                session,
                role=Role(role),
                label=label,
                person=person,
                organization_id=organization,
                expires_at=expires_at,
            )
    finally:
        engine.dispose()
    return secret


@keys.command("create")
def create_key(
    role: Annotated[str, typer.Option(help="lead, analyst, approver or administrator")],
    label: Annotated[str, typer.Option(help="What the key is for")],
    organization: Annotated[str | None, typer.Option(help="Its id; empty: the whole service")] = None,
    person: Annotated[str | None, typer.Option(help="Whose key it is; default: the label")] = None,
) -> None:
    """Make a key and print it, alone, on the last line."""
    from app.auth.permissions import Role  # noqa: PLC0415

    if role not in set(Role):
        msg = f"{role!r} is not a role; choose from {', '.join(Role)}"
        raise typer.BadParameter(msg)
    settings = _settings()
    _migrate(settings)
    say(_make_key(settings, role, label, organization, person))


@app.command()
def demo(
    url: Annotated[str | None, typer.Option(help="Address of a running service")] = None,
    key: Annotated[str | None, typer.Option(help="An administrator's key of the whole service")] = None,
    *,
    program: Annotated[
        bool, typer.Option("--program", help="The second one: attempts that become a foundational program (synthetic)")
    ] = False,
) -> None:
    """Load the demonstration through the API of a running service and print what it decided."""
    from app.demo.client import Refused  # noqa: PLC0415
    from app.demo.program import Graduation, report_of  # noqa: PLC0415
    from app.demo.story import Demonstration, report  # noqa: PLC0415

    settings = _settings()
    url = url or f"http://{settings.host}:{settings.port}"
    key = key or _make_key(settings, "administrator", "pilotlight demo", None, "administrator")
    try:
        if program:
            lines = [line for entry in Graduation(url, key, say).run() for line in report_of(entry)]
        else:
            lines = [line for entry in Demonstration(url, key, say).run() for line in report(entry)]
        for line in lines:
            say(line)
    except (Refused, httpx.HTTPError) as error:
        say(f"pilotlight: {error} (is the service running at {url}?)")
        raise typer.Exit(1) from error


app.command("import")(importing.import_file)
app.command("analyse")(analysing.analyse)
app.command("report")(reporting.report)
for command in (operator.doctor, operator.backup, operator.restore, operator.move, operator.adopt_secret_key):
    app.command()(command)


def main() -> None:
    """Entry point."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
