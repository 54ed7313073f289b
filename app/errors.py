"""What the service refuses, as types, and how a refusal reads on the wire (RFC 9457 problem details).

AppError
├── Unauthenticated    401  no valid key
├── Forbidden          403  may see it, may not do it
├── NotFound           404  does not exist, or may not be seen
├── Conflict           409  a rule refuses (`code` says which)
├── Stale              412  `If-Match` names an older version
├── Invalid            422  the request is malformed; `errors` names each place
└── TooMany            429  slow down
"""

from collections.abc import Sequence
from typing import Any, ClassVar

Problem = dict[str, Any]
MOST_FAULTS = 100
"""Faults of the form of a request that are told: who sends thousands needs no list of them."""


class AppError(Exception):
    """A refusal with what is wrong (`detail`), a stable `code`, and what else the client may need."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    default_code: ClassVar[str] = "internal"

    def __init__(
        self, detail: str, code: str | None = None, *, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.headers = headers
        self.extra = extra

    def problem(self) -> Problem:
        """The body of the answer."""
        return {
            "type": f"urn:pilotlight:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }


class Unauthenticated(AppError):
    """No key, or one that is not valid."""

    status, title, default_code = 401, "Unauthenticated", "unauthenticated"


class Forbidden(AppError):
    """The key may see this but not do it."""

    status, title, default_code = 403, "Forbidden", "forbidden"


class NotFound(AppError):
    """Nothing of this id that the key may see."""

    status, title, default_code = 404, "Not found", "not_found"


class Conflict(AppError):
    """A rule refuses."""

    status, title, default_code = 409, "Conflict", "conflict"


class Stale(AppError):
    """Somebody changed the resource since it was read."""

    status, title, default_code = 412, "Precondition failed", "stale"


class Invalid(AppError):
    """A malformed request; `errors` holds `{loc, msg, code}` for each fault."""

    status, title, default_code = 422, "Unprocessable content", "invalid"

    def __init__(
        self, detail: str, errors: Sequence[dict[str, Any]] = (), code: str | None = None, **extra: Any
    ) -> None:
        super().__init__(detail, code, errors=list(errors), **extra)


class TooMany(AppError):
    """More than is allowed in this time."""

    status, title, default_code = 429, "Too many requests", "too_many"


def fault(loc: Sequence[str | int], msg: str, code: str) -> dict[str, Any]:
    """One entry of `errors`."""
    return {"loc": list(loc), "msg": msg, "code": code}
