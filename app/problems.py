"""Turns whatever goes wrong into problem details (RFC 9457); what is refused and why, `errors.py` says."""

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError, OperationalError
from starlette.exceptions import HTTPException
from starlette.status import HTTP_400_BAD_REQUEST

from app.errors import AppError, Conflict, Invalid, Problem, fault

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
TITLES = {404: "Not found", 405: "Method not allowed", 413: "Content too large", 503: "Service unavailable"}
PARTS = frozenset({"body", "query", "path", "header"})
# What pydantic says of a body that was not read as JSON.
UNREAD = frozenset({"missing", "model_attributes_type", "model_type", "dict_type"})


def _answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem, status_code=problem["status"], media_type=MEDIA_TYPE, headers=headers)


def _plain(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    title = TITLES.get(status, "Error")
    return _answer(
        {"type": f"urn:pilotlight:problem:{code}", "title": title, "status": status, "detail": detail, "code": code},
        headers,
    )


async def on_app_error(_request: Request, error: Exception) -> JSONResponse:
    """A refusal of our own."""
    assert isinstance(error, AppError)  # noqa: S101 - how Starlette registers handlers
    return _answer(error.problem(), error.headers)


async def on_malformed(request: Request, error: Exception) -> JSONResponse:
    """A request that is not of the form: every place, without echoing the input back."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = []
    for entry in error.errors():
        loc = [part for i, part in enumerate(entry["loc"]) if not (i == 0 and part in PARTS)]
        help_ = "unknown field; leave it out or see /docs for the names" if entry["type"] == "extra_forbidden" else ""
        faults.append(fault(loc, help_ or entry["msg"].removeprefix("Value error, "), entry["type"]))
    kind = request.headers.get("content-type", "")
    unread = any(f["loc"] == [] and f["code"] in UNREAD for f in faults)
    if any(f["code"] == "json_invalid" for f in faults):
        detail = "the body is not JSON"
    elif unread and kind.partition(";")[0].strip().lower() != "application/json":
        detail = "a JSON body is needed, sent with Content-Type: application/json" + (f", not {kind}" if kind else "")
    else:
        places = "; ".join(f"{'.'.join(map(str, f['loc'])) or 'body'}: {f['msg']}" for f in faults[:3])
        detail = f"{places}{' …' if len(faults) > 3 else ''}"  # noqa: PLR2004
    return _answer(Invalid(detail, faults).problem())


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses: no such path, method not allowed, body too large."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTP_400_BAD_REQUEST:
        # Not even text: the framework gives up before it knows where.
        return _answer(Invalid("the body is not JSON", [fault([], "the body is not JSON", "json_invalid")]).problem())
    codes = {
        404: ("no_such_path", f"there is nothing at {request.url.path}; see /docs"),
        405: ("method_not_allowed", f"{request.method} is not offered at {request.url.path}; see /docs"),
        413: ("too_large", "the body is larger than the service takes; send it in parts"),
    }
    code, detail = codes.get(error.status_code, ("http_error", str(error.detail)))
    return _plain(error.status_code, code, detail, dict(error.headers or {}))


async def on_integrity_error(_request: Request, error: Exception) -> JSONResponse:
    """Two requests wanted the same unique place at once; one of them won."""
    log.warning("integrity_error", error=str(error))
    return _answer(
        Conflict(
            "somebody else made the same change at the same moment; read again, then repeat", "concurrent_change"
        ).problem()
    )


async def on_database_away(_request: Request, error: Exception) -> JSONResponse:
    """The database does not answer, or is locked for too long."""
    log.error("database_away", error=str(error))
    return _plain(
        503, "database_away", "the database does not answer at the moment; nothing was changed", {"Retry-After": "2"}
    )


async def on_bug(request: Request, error: Exception) -> JSONResponse:
    """Our fault: logged with its traceback, told without details."""
    log.error("bug", path=request.url.path, exc_info=error)
    return _plain(500, "internal", "something is broken on our side; nothing was changed")


def install(app: FastAPI) -> None:
    """Register every handler."""
    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(RequestValidationError, on_malformed)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(IntegrityError, on_integrity_error)
    app.add_exception_handler(OperationalError, on_database_away)
    app.add_exception_handler(Exception, on_bug)
