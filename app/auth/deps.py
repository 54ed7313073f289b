"""The dependencies of endpoints: who calls, and whether the role may; what may be seen is in `access.py`."""

from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Any

import sqlalchemy as sa
import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from app.auth.keys import ApiKey, find_key, is_unused_lately
from app.auth.permissions import MAY, Permission, Role, roles_that_may
from app.db import now
from app.errors import Forbidden, Unauthenticated
from app.requests import SAFE, IdempotencyKey, SessionDep, begin_idempotent, request_digest

log = structlog.get_logger(__name__)
bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="Paste the key alone, `pl_…`. An administrator makes keys at `POST /v1/keys`.",
)


@dataclass(frozen=True)
class Caller:
    """Who calls: a person with a role, in one organization or (None) on the whole service."""

    key_id: str
    person: str
    role: Role
    organization_id: str | None

    def may(self, permission: Permission) -> bool:
        """Whether the role has the permission."""
        return permission in MAY[self.role]

    @property
    def serves_all(self) -> bool:
        """Whether this is an administrator of the whole service."""
        return self.organization_id is None

    def require(self, permission: Permission) -> None:
        """Raise Forbidden when the role lacks the permission."""
        if not self.may(permission):
            helps = ", ".join(roles_that_may(permission)) or "nobody"
            msg = f"a key with the role {self.role.value} may not do this ({permission.value}); it takes: {helps}"
            raise Forbidden(msg)


def current_caller(
    request: Request,
    session: SessionDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """The caller of this request; 401 without a valid key, 429 for one that asks too often."""
    challenge = {"WWW-Authenticate": 'Bearer realm="pilotlight"'}
    if credentials is None:
        msg = "no key given; send `Authorization: Bearer <key>`"
        raise Unauthenticated(msg, headers=challenge)
    at = now()
    key = find_key(session, credentials.credentials, at)
    if key is None:
        msg = "this key is not valid: unknown, revoked or expired; ask an administrator for a new one"
        raise Unauthenticated(msg, headers=challenge)
    request.app.state.rate.take(key.id, monotonic())
    request.state.key_id = key.id
    if is_unused_lately(key, at):
        _touch(request, session, key, at)
    session.info["actor"] = {"person": key.person, "key_id": key.id}
    return Caller(key.id, key.person, key.role, key.organization_id)


def _touch(request: Request, session: SessionDep, key: ApiKey, at: Any) -> None:
    """Note the use: within the request's transaction when it writes, beside it when it only reads."""
    statement = sa.update(ApiKey).where(sa.column("id") == key.id).values(last_used_at=at)
    if request.method not in SAFE:
        session.connection().execute(statement)
        return
    try:
        with request.app.state.engine.begin() as connection:
            connection.execute(statement)
    except DBAPIError as error:  # a database that takes no changes is read all the same
        log.warning("use_not_noted", key_id=key.id, error=str(error))


CallerDep = Annotated[Caller, Depends(current_caller)]


async def _idempotent(
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    token: IdempotencyKey = None,
    digest: Annotated[str, Depends(request_digest)] = "",
) -> None:
    if token is not None:
        await run_in_threadpool(begin_idempotent, request, session, caller.key_id, token, digest)


# For every POST that creates something.
idempotent = Depends(_idempotent)
