"""What can go wrong between an analyst and the service, as types whose text names the fault and what would help.

PilotlightError
├── NotReached          no connection, or the service is not well, after every retry
├── Damaged             a download that is cut off or does not fit its hash; nothing was written
├── NotFinished         the wait was too long, or the result was asked for too early; the work goes on
├── NotSucceeded        the work failed or was cancelled
├── NoEstimate          an analysis that refuses to estimate: what is missing, and what would help
└── Refused             the service answered with a problem (RFC 9457)
    ├── Unauthorized    401  no valid key
    ├── Forbidden       403  the key may see it, not do it
    ├── NotFound        404  does not exist, or the key may not see it
    ├── Conflict        409  a rule refuses; `code` says which
    ├── Stale           412  somebody changed it since it was read
    ├── TooLarge        413
    ├── Invalid         422  a malformed request; `errors` names each place
    │   └── NotEntered       a file with faults, of which nothing was entered; `report` has each
    ├── TooMany         429  slow down
    └── Redirected      3xx  the key is not sent to another address
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 20
"""Faults that a text lists before it says how many more there are."""
HELP: Mapping[int, str] = {
    401: "Give a valid key: an administrator makes one with POST /v1/keys, or `pilotlight keys create`.",
    403: "Ask with a key of another role; GET /v1/me shows what yours is.",
    404: "Check the id; a key sees only what is of its organization.",
    412: "Read it again, then repeat the change.",
    413: "Send it in parts.",
    429: "Wait a little, then repeat.",
}
UNREADABLE = "the answer is no problem document: is this the address of a Pilotlight service?"


class PilotlightError(Exception):
    """Anything of this client's."""


class NotReached(PilotlightError):
    """No answer from the service, or one that says that it cannot answer now."""


class Damaged(PilotlightError):
    """A download that is not what the service sent."""


class NotFinished(PilotlightError):
    """The work has not ended yet."""


class NotSucceeded(PilotlightError):
    """The work failed or was cancelled."""


class NoEstimate(PilotlightError):
    """The analysis refuses to estimate; `code` says why."""

    def __init__(self, refusal: Mapping[str, Any]) -> None:
        self.code = str(refusal.get("code"))
        super().__init__(f"{refusal.get('message')}. What would help: {refusal.get('what_would_help')}")


class Refused(PilotlightError):
    """A refusal in the service's words: `status`, `code`, `detail`, `errors`, and the whole `problem`."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, dict(problem)
        self.code = str(problem.get("code", f"http_{status}"))
        self.detail = str(problem.get("detail", UNREADABLE))
        self.errors: Sequence[Mapping[str, Any]] = problem.get("errors") or []
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [f"{self.detail} ({self.status} {self.code})"]
        # What the sentence says already is not said again.
        faults = [(str(fault.get("msg")), _of_fault(fault)) for fault in self.errors]
        places = [text for msg, text in faults if msg != self.detail and text not in self.detail]
        missing = [str(item.get("message")) for item in self.problem.get("unmet") or []]
        found = [*places, *missing]
        lines += [f"  - {text}" for text in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"  … and {len(found) - SHOWN} more")
        if self.status in HELP:
            lines.append(HELP[self.status])
        return "\n".join(lines)


def _of_fault(fault: Mapping[str, Any]) -> str:
    place = ".".join(map(str, fault.get("loc") or []))
    return f"{place}: {fault.get('msg')}" if place else str(fault.get("msg"))


class Unauthorized(Refused):
    """No valid key."""


class Forbidden(Refused):
    """The key may see this but not do it."""


class NotFound(Refused):
    """Nothing of this id that the key may see."""


class Conflict(Refused):
    """A rule refuses."""


class Stale(Refused):
    """Somebody changed the resource since it was read."""


class TooLarge(Refused):
    """More than the service takes at once."""


class Invalid(Refused):
    """A request that is not of the form."""


class TooMany(Refused):
    """More than is allowed in this time."""


class Redirected(Refused):
    """Another address was named instead of an answer."""


TYPES: Mapping[int, type[Refused]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Stale,
    413: TooLarge,
    422: Invalid,
    429: TooMany,
}


def refusal(status: int, content: bytes) -> Refused:
    """The refusal that an answer of this status and content is."""
    try:
        problem = json.loads(content)
    except ValueError:
        problem = {}
    return TYPES.get(status, Refused)(status, problem if isinstance(problem, dict) else {})
