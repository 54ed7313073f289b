"""How one request runs: its transaction, `Idempotency-Key`, `ETag` and `If-Match`, pages; no resource lives here.

The answer is rendered, then the transaction commits, then the answer is sent: a failing commit never looks like
a success. A repeated POST with the same `Idempotency-Key` gets the first answer, stored in that transaction.
"""

import hashlib
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute
from sqlmodel import Field, Session, SQLModel
from starlette.concurrency import run_in_threadpool

from app.db import Json, instant_field
from app.errors import Conflict, Invalid, Stale, fault

SAFE = frozenset({"GET", "HEAD"})
KEPT_HEADERS = ("location", "etag", "content-type")


class IdempotentAnswer(SQLModel, table=True):
    """The answer first given to a key's `Idempotency-Key`."""

    __tablename__ = "idempotent_answers"

    key_id: str = Field(primary_key=True, max_length=36)
    token: str = Field(primary_key=True, max_length=200)
    request_digest: str = Field(max_length=64)
    status: int | None = None
    headers: dict[str, str] | None = Field(default=None, sa_type=Json)
    body: bytes | None = None
    created_at: datetime = instant_field()


class Replay(Exception):
    """Carries the stored answer out of the dependencies."""

    def __init__(self, stored: IdempotentAnswer) -> None:
        super().__init__()
        self.response = Response(
            content=stored.body,
            status_code=stored.status or 200,
            headers={**(stored.headers or {}), "idempotent-replayed": "true"},
        )


class TransactionalRoute(APIRoute):
    """A route whose handler runs in one transaction, committed before the answer is sent."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            engine = request.app.state.engine
            if request.method in SAFE:
                engine = engine.execution_options(reading=True)
            session = Session(engine, expire_on_commit=False)
            request.state.session = session
            try:
                response = await inner(request)
                if request.method in SAFE:
                    _content_etag(response)
                else:
                    await run_in_threadpool(_conclude, request, session, response)
            except Replay as replay:
                return replay.response
            finally:
                await run_in_threadpool(session.close)
            return response

        return handle


def _content_etag(response: Response) -> None:
    body = getattr(response, "body", None)
    if response.status_code == 200 and body is not None and "etag" not in response.headers:  # noqa: PLR2004
        response.headers["etag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _conclude(request: Request, session: Session, response: Response) -> None:
    stored: IdempotentAnswer | None = getattr(request.state, "idempotent", None)
    if stored is not None:
        stored.status = response.status_code
        stored.headers = {k: response.headers[k] for k in KEPT_HEADERS if k in response.headers}
        stored.body = bytes(response.body)
        session.add(stored)
    session.commit()


def get_session(request: Request) -> Session:
    """The session of this request."""
    session: Session = request.state.session
    return session


SessionDep = Annotated[Session, Depends(get_session)]


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


def begin_idempotent(request: Request, session: Session, key_id: str, token: str | None, digest: str) -> None:
    """Replay the stored answer of `token`, or note that this request is about to give it."""
    if token is None:
        return
    stored = session.get(IdempotentAnswer, (key_id, token))
    if stored is None:
        stored = IdempotentAnswer(key_id=key_id, token=token, request_digest=digest)
        try:
            with session.begin_nested():
                session.add(stored)
        except sa.exc.IntegrityError:
            msg = "a request with this Idempotency-Key is under way; repeat it in a moment"
            raise Conflict(msg, "idempotency_in_progress") from None
        request.state.idempotent = stored
        return
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


def check_match(if_match: str | None, version: int, what: str) -> None:
    """Raise Stale when the caller read an older version than `version`."""
    if if_match is None or if_match.strip() == "*":
        return
    tags = {tag.strip().removeprefix("W/") for tag in if_match.split(",")}
    if etag(version) not in tags:
        msg = f"{what} was changed since you read it: it is at version {version} now; read it again, then repeat"
        raise Stale(msg, headers={"ETag": etag(version)}, version=version)


Limit = Annotated[int, Query(ge=1, le=200, description="Items a page")]
Cursor = Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")]


def page_of(
    session: Session, statement: Any, column: Any, limit: int, cursor: str | None
) -> tuple[list[Any], str | None]:
    """One page of `statement`, oldest first, by keyset on `column` (an id that sorts by creation)."""
    if cursor is not None:
        if "\x00" in cursor:
            raise Invalid("not a cursor of this list", [fault(["cursor"], "not a cursor of this list", "cursor")])
        statement = statement.where(column > cursor)
    rows = list(session.scalars(statement.order_by(column).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, (str(getattr(rows[-1], column.key)) if more else None)
