"""Turns whatever goes wrong into problem details (RFC 9457); what is refused and why, `errors.py` says."""

import re
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, InternalError, OperationalError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.status import HTTP_400_BAD_REQUEST, HTTP_405_METHOD_NOT_ALLOWED, HTTP_413_CONTENT_TOO_LARGE
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import MOST_FAULTS, AppError, Conflict, Invalid, Problem, fault

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
TITLES = {404: "Not found", 405: "Method not allowed", 413: "Content too large", 503: "Service unavailable"}
A_DAY = "has to be a day of the calendar as YYYY-MM-DD, such as 2025-03-14"
# What pydantic says of these names no form, or one of a machine.
PLAIN = {
    "extra_forbidden": "unknown field; leave it out or see /docs for the names",
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), A_DAY),
}
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
    faults: list[dict[str, Any]] = []
    seen: set[tuple[Any, ...]] = set()
    for entry in error.errors():
        loc = [part for i, part in enumerate(entry["loc"]) if not (i == 0 and part in PARTS)]
        said = PLAIN.get(entry["type"]) or entry["msg"].removeprefix("Value error, ")
        found = (*loc, said, entry["type"])
        if found not in seen:  # a body that two parts of an endpoint read is judged twice
            seen.add(found)
            faults.append(fault(loc, said, entry["type"]))
    kind = request.headers.get("content-type", "")
    unread = any(f["loc"] == [] and f["code"] in UNREAD for f in faults)
    if any(f["code"] == "json_invalid" for f in faults):
        detail = "the body is not JSON"
    elif unread and kind.partition(";")[0].strip().lower() != "application/json":
        detail = "a JSON body is needed, sent with Content-Type: application/json" + (f", not {kind}" if kind else "")
    else:
        places = "; ".join(f"{'.'.join(map(str, f['loc'])) or 'body'}: {f['msg']}" for f in faults[:3])
        detail = f"{places}{' …' if len(faults) > 3 else ''}"  # noqa: PLR2004
    refusal = Invalid(detail, faults[:MOST_FAULTS])
    if len(faults) > MOST_FAULTS:
        refusal.extra["errors_left_out"] = len(faults) - MOST_FAULTS
    return _answer(refusal.problem())


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses: no such path, method not allowed, body too large."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTP_400_BAD_REQUEST:
        # Not even text: the framework gives up before it knows where.
        return _answer(Invalid("the body is not JSON", [fault([], "the body is not JSON", "json_invalid")]).problem())
    codes = {
        404: ("no_such_path", f"there is nothing at {request.url.path}; see /docs"),
        405: ("method_not_allowed", f"{request.method} is not offered at {request.url.path}; see /docs"),
        413: ("too_large", str(error.detail)),
    }
    code, detail = codes.get(error.status_code, ("http_error", str(error.detail)))
    headers = dict(error.headers or {})
    if error.status_code == HTTP_405_METHOD_NOT_ALLOWED:
        # The framework names the methods of one of the routes at this path; there may be several.
        headers["Allow"] = ", ".join(_offered(request)) or headers.get("Allow", "")
    return _plain(error.status_code, code, detail, headers)


def _offered(request: Request) -> list[str]:
    return sorted(
        method.upper()
        for template, methods in request.app.openapi()["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), request.url.path)
        for method in methods
    )


async def on_integrity_error(_request: Request, error: Exception) -> JSONResponse:
    """Two requests wanted the same unique place at once; one of them won."""
    # Not its text: a database repeats the row there, and with it who answered what.
    log.warning("integrity_error", error=type(getattr(error, "orig", error)).__name__)
    return _answer(
        Conflict(
            "somebody else made the same change at the same moment; read again, then repeat", "concurrent_change"
        ).problem()
    )


async def on_database_away(_request: Request, error: Exception) -> JSONResponse:
    """The database does not answer, is locked for too long, has no room, or takes no changes."""
    assert isinstance(error, DBAPIError)  # noqa: S101 - how Starlette registers handlers
    code, what = next((found for sign, found in UNABLE.items() if sign in _signs(error)), AWAY)
    log.error(code, error=str(error))
    return _plain(503, code, f"{what}; nothing was changed", {"Retry-After": "2" if code == AWAY[0] else "60"})


AWAY = ("database_away", "the database does not answer at the moment")
FULL = ("disk_full", "the database's disk is full; whoever runs the service has to make room")
READ_ONLY = ("read_only", "the database takes no changes at the moment; whoever runs the service has to look after it")
UNABLE = {"53100": FULL, "disk is full": FULL, "25006": READ_ONLY, "readonly database": READ_ONLY}
"""What drivers say (PostgreSQL by its code, SQLite by its words) of a database that answers and cannot write."""


def _signs(error: DBAPIError) -> str:
    return f"{getattr(error.orig, 'sqlstate', '')} {error.orig}"


async def on_bug(request: Request, error: Exception) -> JSONResponse:
    """Our fault: logged with its traceback, told without details."""
    log.error("bug", path=request.url.path, exc_info=error)
    return _plain(500, "internal", "something is broken on our side; nothing was changed")


class BodyLimit:
    """Refuses bodies above `limit` bytes (`larger` where files are sent), by their declared length or as they arrive.

    In place of the framework's own limit, whose refusal is plain text.
    """

    def __init__(self, app: ASGIApp, limit: int, larger: tuple[str, int]) -> None:
        self.app, self.limit, self.larger = app, limit, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        suffix, more = self.larger
        limit = more if scope["path"].endswith(suffix) else self.limit
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > limit:
            await _plain(HTTP_413_CONTENT_TOO_LARGE, "too_large", _too_large(limit))(scope, receive, send)
            return
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > limit:
                raise HTTPException(HTTP_413_CONTENT_TOO_LARGE, _too_large(limit))
            return message

        await self.app(scope, counted, send)


def _too_large(limit: int) -> str:
    return f"the body is larger than the {limit} bytes this path takes; send it in parts"


def install(app: FastAPI, max_body_bytes: int, larger: tuple[str, int]) -> None:
    """Register every handler, and the limit of bodies: another one for paths that end in `larger[0]`."""
    app.add_middleware(BodyLimit, limit=max_body_bytes, larger=larger)
    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(RequestValidationError, on_malformed)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(IntegrityError, on_integrity_error)
    app.add_exception_handler(OperationalError, on_database_away)
    app.add_exception_handler(InterfaceError, on_database_away)
    app.add_exception_handler(InternalError, on_database_away)
    app.add_exception_handler(Exception, on_bug)
