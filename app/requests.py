"""How one request runs: its transaction, `Idempotency-Key`, `ETag` and `If-Match`, pages; no resource lives here.

The answer is rendered, then the transaction commits, then the answer is sent: a failing commit never looks like
a success. A repeated POST with the same `Idempotency-Key` gets the first answer, stored in that transaction.
"""

import hashlib
import json
import re
from asyncio import Semaphore
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from functools import wraps
from inspect import iscoroutinefunction
from itertools import islice
from typing import Annotated, Any

import sqlalchemy as sa
from anyio.lowlevel import RunVar
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlmodel import Field, Session, SQLModel
from starlette.concurrency import run_in_threadpool

from app.db import Json, instant_field, one_moment, reader
from app.errors import MOST_FAULTS, Conflict, Invalid, Stale, fault

SAFE = frozenset({"GET", "HEAD"})
KEPT_HEADERS = ("location", "etag", "content-type")
# JSON escapes that may stand for NUL or for half of a surrogate pair; whether they do, the parsed text says.
SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class IdempotentAnswer(SQLModel, table=True):
    """The answer first given to a key's `Idempotency-Key`."""

    __tablename__ = "idempotent_answers"

    key_id: str = Field(primary_key=True, max_length=36)
    token: str = Field(primary_key=True, max_length=200)
    request_digest: str = Field(max_length=64)
    status: int | None = None
    headers: dict[str, str] | None = Field(default=None, sa_type=Json)
    body: bytes | None = None
    created_at: datetime = instant_field(index=True)


class Replay(Exception):
    """Carries the stored answer out of the dependencies."""

    def __init__(self, stored: IdempotentAnswer) -> None:
        super().__init__()
        self.response = Response(
            content=stored.body,
            status_code=stored.status or 200,
            headers={**(stored.headers or {}), "idempotent-replayed": "true"},
        )


AT_ONCE = 30
"""Requests worked on at the same time: fewer than there are threads (40) and connections.

One holds its connection while it waits for a thread; were all threads taken by others that wait for a connection,
nobody would go on. Bodies are read before: who sends slowly takes no place.
"""
_limiter: RunVar[Semaphore] = RunVar("app.requests.places")


def _places() -> Semaphore:
    """The places of this event loop."""
    try:
        return _limiter.get()
    except LookupError:
        _limiter.set(made := Semaphore(AT_ONCE))
        return made


def use_database(app: FastAPI, engine: sa.Engine) -> None:
    """Let the requests of `app` write by `engine`, and read by its `reader`."""
    app.state.engine, app.state.reader = engine, reader(engine)


class TransactionalRoute(APIRoute):
    """A route whose handler runs in one transaction, committed before the answer is sent.

    The body is received before anything else: who sends slowly holds neither a place nor a connection.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else _in_one_thread(endpoint), **more)

    async def receive(self, request: Request) -> None:
        """Receive the body, and refuse what no database can hold."""
        await _refuse_unstorable(request)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        inner = super().get_route_handler()
        known = _query_names(self.dependant)

        async def handle(request: Request) -> Response:
            reads, state = request.method in SAFE, request.app.state
            session = Session(state.reader if reads else state.engine, expire_on_commit=False)
            session.info["settings"] = state.settings
            session.info["reads"] = reads
            session.info["request_id"] = getattr(request.state, "request_id", None)
            request.state.session = session
            _refuse_unknown_query(request, known)
            await self.receive(request)
            async with _places():
                try:
                    response = await inner(request)
                    if reads:
                        _content_etag(response)
                    else:
                        await run_in_threadpool(_conclude, request, session, response)
                except Replay as replay:
                    return replay.response
                finally:
                    if session.in_transaction():
                        await run_in_threadpool(session.close)
            return response

        return handle


def _in_one_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint whose reading ends in the thread that read: each change of threads costs a fifth of a millisecond."""

    def run(request_values: dict[str, Any]) -> Any:
        answer = endpoint(**request_values)
        if not isinstance(answer, Response):
            for value in request_values.values():
                if isinstance(value, Session) and value.info["reads"]:
                    value.close()
        return answer

    @wraps(endpoint)
    async def call(**request_values: Any) -> Any:
        return await run_in_threadpool(run, request_values)

    return call


def _query_names(dependant: Dependant) -> frozenset[str]:
    below = (name for inner in dependant.dependencies for name in _query_names(inner))
    return frozenset({*(field.alias for field in dependant.query_params), *below})


def _refuse_unknown_query(request: Request, known: frozenset[str]) -> None:
    """Raise Invalid for a parameter the route does not have: a filter with a typo must not return everything."""
    faults = [
        fault([name], f"unknown parameter; known here: {', '.join(sorted(known)) or 'none'}", "unknown_parameter")
        for name in request.query_params
        if name not in known
    ]
    if faults:
        raise Invalid(f"unknown parameter {', '.join(f['loc'][0] for f in faults)}", faults)


async def _refuse_unstorable(request: Request) -> None:
    """Raise Invalid for text that a database (NUL) or UTF-8 (half a surrogate pair) cannot hold, wherever it stands."""
    faults = unstorable_names(request)
    if request.method in SAFE and "content-length" not in request.headers:
        refuse_unstorable(faults)
        return
    body = await request.body()
    if SUSPECT.search(body) or not _is_utf8(body):
        try:  # beside the loop: whoever sends this needs no key yet
            faults += await run_in_threadpool(_unstorable_in, body)
        except (ValueError, RecursionError):
            return  # not JSON at all: the framework says so
    refuse_unstorable(faults)


def _unstorable_in(body: bytes) -> list[dict[str, Any]]:
    """Faults of a JSON body, so many as are told."""
    return list(islice(_unstorable(json.loads(body)), MOST_FAULTS))


def unstorable_names(request: Request) -> list[dict[str, Any]]:
    """Faults of path and query."""
    places = [*request.path_params.items(), *request.query_params.multi_items()]
    return [f for name, text in places for f in _unstorable(text, (None, name))]


def refuse_unstorable(faults: list[dict[str, Any]]) -> None:
    """Raise Invalid when there are any."""
    if faults:
        places_named = ", ".join(".".join(map(str, f["loc"])) or "body" for f in faults[:3])
        msg = f"text that cannot be stored (NUL, or half of a surrogate pair) in {places_named}"
        raise Invalid(msg, faults)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


# Where a value stands: its name or number, and where that which holds it stands. Written out only of what is told.
type Place = tuple[Place, str | int] | None


def _unstorable(value: Any, place: Place = None) -> Iterator[dict[str, Any]]:
    if isinstance(value, str):
        shown = value.encode(errors="replace").decode()
        if shown != value or "\x00" in value:
            msg = "NUL characters and halves of surrogate pairs cannot be stored"
            yield fault(_written_out(place), msg, "unstorable_text")
    elif isinstance(value, dict):
        for key, held in value.items():
            here = (place, key.encode(errors="replace").decode())
            yield from _unstorable(key, here)
            yield from _unstorable(held, here)
    elif isinstance(value, list):
        for i, held in enumerate(value):
            yield from _unstorable(held, (place, i))


def _written_out(place: Place) -> list[str | int]:
    parts: list[str | int] = []
    while place is not None:
        place, part = place
        parts.append(part)
    return parts[::-1]


def _content_etag(response: Response) -> None:
    body = getattr(response, "body", None)
    if response.status_code == 200 and body is not None and "etag" not in response.headers:  # noqa: PLR2004
        response.headers["etag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _conclude(request: Request, session: Session, response: Response) -> None:
    stored: IdempotentAnswer | None = getattr(request.state, "idempotent", None)
    if stored is not None:
        stored.status = response.status_code
        stored.headers = {k: response.headers[k] for k in KEPT_HEADERS if k in response.headers}
        stored.body = _without(getattr(request.state, "shown_once", None), bytes(response.body))
        session.add(stored)
    session.commit()
    session.close()


def show_once(request: Request, field: str) -> None:
    """Keep a secret out of the stored answer: a repeated request gets `null` in its place."""
    request.state.shown_once = field


def _without(field: str | None, body: bytes) -> bytes:
    return body if field is None else json.dumps({**json.loads(body), field: None}).encode()


async def get_session(request: Request) -> Session:
    """The session of this request; not in a thread, since nothing waits here."""
    session: Session = request.state.session
    return session


SessionDep = Annotated[Session, Depends(get_session)]


def get_moment(session: SessionDep) -> Session:
    """The session of this request, whose reads are of one moment."""
    one_moment(session)
    return session


MomentDep = Annotated[Session, Depends(get_moment)]


async def request_digest(request: Request) -> str:
    """What makes two requests the same: method, path and body."""
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(head + await request.body()).hexdigest()


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text of your own; repeating the request with it gives the first answer instead of a second "
        "resource",
    ),
]


def begin_idempotent(request: Request, session: Session, key_id: str, token: str, digest: str) -> None:
    """Replay the stored answer of `token`, or note that this request is about to give it."""
    stored = session.get(IdempotentAnswer, (key_id, token))
    if stored is None:
        fresh = IdempotentAnswer(key_id=key_id, token=token, request_digest=digest)
        try:
            with session.begin_nested():
                session.add(fresh)
        except sa.exc.IntegrityError:
            # Another request with it was under way: the insert waited until that one committed its answer.
            stored = session.get(IdempotentAnswer, (key_id, token))
        else:
            request.state.idempotent = fresh
            return
    if stored is None or stored.status is None:
        msg = "a request with this Idempotency-Key is under way; repeat it in a moment"
        raise Conflict(msg, "idempotency_in_progress")
    if stored.request_digest != digest:
        msg = "this Idempotency-Key was used for another request; use a new one for a new request"
        raise Conflict(msg, "idempotency_key_reused")
    raise Replay(stored)


IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description='The `ETag` you read, such as `"3"`; refused with 412 if it changed since'),
]


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def check_match(if_match: str | None, version: int | None, what: str) -> None:
    """Raise Stale when the caller read another version than `version` (None: there is nothing yet)."""
    if if_match is None:
        return
    if version is None:
        msg = f"{what} does not exist yet; leave If-Match out to write it"
        raise Stale(msg)
    if if_match.strip() == "*":
        return
    tags = {tag.strip().removeprefix("W/") for tag in if_match.split(",")}
    if etag(version) not in tags:
        msg = f"{what} was changed since you read it: it is at version {version} now; read it again, then repeat"
        raise Stale(msg, headers={"ETag": etag(version)}, version=version)


OfIteration = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="An earlier iteration of the pilot; default: the current one")
]
OnlyIteration = Annotated[int | None, Query(ge=1, le=1_000_000, description="Only of this iteration")]
CURSOR = re.compile(r"[0-9a-f-]{36}")
Limit = Annotated[int, Query(ge=1, le=200, description="Items a page")]
Cursor = Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")]


def where_given(statement: Any, *pairs: tuple[Any, Any]) -> Any:
    """`statement`, restricted to `column == value` for each pair whose value is not None."""
    return statement.where(*(column == value for column, value in pairs if value is not None))


def page_of(
    session: Session, statement: Any, column: Any, limit: int, cursor: str | None, *, newest_first: bool = False
) -> tuple[list[Any], str | None]:
    """One page of `statement`, oldest first, by keyset on `column` (an id that sorts by creation)."""
    if cursor is not None:
        if CURSOR.fullmatch(cursor) is None:
            msg = "this is not a cursor of this list; pass the `next_cursor` of the page before, or none"
            raise Invalid(msg, [fault(["cursor"], msg, "unknown_cursor")])
        statement = statement.where(column < cursor if newest_first else column > cursor)
    order = column.desc() if newest_first else column
    rows = list(session.scalars(statement.order_by(order).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, (str(getattr(rows[-1], column.key)) if more else None)
