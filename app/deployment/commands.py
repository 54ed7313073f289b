"""Commands of who runs the service: `doctor`, `backup`, `restore`, `move`, `adopt-secret-key`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.config import Settings
from app.db import make_engine, now


def say(line: str) -> None:
    """Tell the person at the terminal, at once."""
    print(line, flush=True)  # noqa: T201 - this is the command line


def settings_here() -> Settings:
    """The settings of this host, its folders made."""
    settings = Settings()
    settings.prepare()
    os.environ.setdefault("PILOTLIGHT_CACHE_DIR", str(settings.compile_cache))
    return settings


def doctor() -> None:
    """Look the deployment over and say what to do; ends with 1 when something is broken."""
    from app.deployment.doctor import State, examine  # noqa: PLC0415 - a quick `--help` needs no database

    settings = settings_here()
    marks = {State.WELL: "  ok     ", State.WARNING: "  warning", State.BROKEN: "  BROKEN "}
    engine = make_engine(settings.url)
    states = []
    for finding in examine(engine, settings):
        states.append(finding.state)
        say(f"{marks[finding.state]} {finding.about}: {finding.says}")
        if finding.state is not State.WELL:
            say(f"            → {finding.help}")
    engine.dispose()
    if State.BROKEN in states:
        raise typer.Exit(1)


def backup(file: Annotated[Path, typer.Argument(help="A new file to write")]) -> None:
    """Save the embedded database while it is in use."""
    from app.deployment.backup import NoBackup, save  # noqa: PLC0415

    try:
        size = save(settings_here(), file)
    except NoBackup as error:
        raise _ended(error) from error
    say(f"pilotlight: saved {size / 2**20:.1f} MiB to {file}, whole. Keep the file secret_key too, elsewhere")


def restore(file: Annotated[Path, typer.Argument(help="What `backup` wrote")]) -> None:
    """Make a backup the embedded database again; the one before is kept beside it."""
    from app.deployment.backup import NoBackup, put_back  # noqa: PLC0415

    try:
        kept = put_back(settings_here(), file, now())
    except NoBackup as error:
        raise _ended(error) from error
    say(f"pilotlight: {file} is the database now" + (f"; the one before is {kept}" if kept else ""))
    say("pilotlight: `pilotlight migrate` brings it up to date if this version is newer, `pilotlight doctor` looks")


def move(to: Annotated[str, typer.Option("--to", help="postgresql+psycopg://user:password@host/name")]) -> None:
    """Copy everything from the embedded database into an empty one of PostgreSQL; stop the service first."""
    from app.deployment.move import NotMoved  # noqa: PLC0415
    from app.deployment.move import move as moved  # noqa: PLC0415

    source, target = make_engine(settings_here().url), make_engine(to)
    try:
        count = moved(source, target, lambda line: say(f"  {line}"))
    except NotMoved as error:
        raise _ended(error) from error
    finally:
        source.dispose()
        target.dispose()
    say(f"pilotlight: {count} rows moved, each compared. From now on set PILOTLIGHT_DATABASE_URL on every host,")
    say("pilotlight: and PILOTLIGHT_SECRET_KEY to what the file secret_key holds")


def adopt_secret_key() -> None:
    """Make this host's secret key the deployment's, when the old one is lost."""
    from app.hosts import adopt  # noqa: PLC0415

    settings = settings_here()
    engine = make_engine(settings.url)
    adopt(engine, settings)
    engine.dispose()
    say("pilotlight: done. Rotate the secret of every webhook: what the old key sealed cannot be read")


def _ended(error: Exception) -> typer.Exit:
    say(f"pilotlight: {error}")
    return typer.Exit(1)
