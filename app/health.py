"""Whether the service lives and is ready."""

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.exc import DBAPIError

from app.errors import AppError
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
    runner = request.app.state.runner
    return {"status": "ready", "revision": found, "warm_workers": runner.warm if runner is not None else None}
