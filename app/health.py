"""Whether the service lives and is ready."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from sqlalchemy.exc import DBAPIError

from app.errors import AppError
from app.hosts import Stranger, join
from app.migrate import Revisions, revision_of

router = APIRouter(tags=["13 Health"])


class Unready(AppError):
    """The service cannot work yet."""

    status, title, default_code = 503, "Service unavailable", "not_ready"


@router.get("/health/live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready")
def ready(request: Request) -> dict[str, Any]:
    """The database answers and its schema has what this version needs; a later version's schema has, too."""
    try:
        found = revision_of(request.app.state.engine)
    except DBAPIError as error:
        msg = "the database does not answer"
        raise Unready(msg, headers={"Retry-After": "2"}) from error
    packaged: Revisions = request.app.state.revisions
    if packaged.behind(found):
        msg = f"the database is at revision {found}, this version needs {packaged.newest}: run `pilotlight migrate`"
        raise Unready(msg)
    _require_joined(request.app)
    runner = request.app.state.runner
    return {"status": "ready", "revision": found, "warm_workers": runner.warm if runner is not None else None}


def _require_joined(app: FastAPI) -> None:
    """Whoever started before there was a schema could not be asked for its secret key then."""
    if app.state.joined:
        return
    try:
        join(app.state.engine, app.state.settings)
    except Stranger as error:
        raise Unready(str(error)) from error
    except DBAPIError:  # it takes no changes; what else is wrong was found before
        return
    app.state.joined = True
