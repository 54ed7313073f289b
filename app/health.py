"""Whether the service lives and is ready."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request
from sqlalchemy import Engine

import migrations
from app.errors import AppError

router = APIRouter(tags=["13 Health"])


class Unready(AppError):
    """The service cannot work yet."""

    status, title, default_code = 503, "Service unavailable", "not_ready"


def newest_revision() -> str | None:
    """The head of the packaged migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head()


def revision_of(engine: Engine) -> str | None:
    """The revision the database is at."""
    with engine.execution_options(reading=True).connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return found


@router.get("/health/live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready")
def ready(request: Request) -> dict[str, Any]:
    """The database answers and its schema is current."""
    try:
        found = revision_of(request.app.state.engine)
    except sa.exc.DBAPIError as error:
        msg = "the database does not answer"
        raise Unready(msg, headers={"Retry-After": "2"}) from error
    if found != request.app.state.revision:
        needed = request.app.state.revision
        msg = f"the database is at revision {found}, this version needs {needed}: run `pilotlight migrate`"
        raise Unready(msg)
    runner = request.app.state.runner
    return {"status": "ready", "revision": found, "warm_workers": runner.warm if runner is not None else None}
