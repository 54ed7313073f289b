"""The reasons for which work ends `failed`, in the words its requester reads; stdlib only, as the child needs it."""

import signal
from typing import TypedDict

LONGEST = 500  # characters of a message; the whole of it is in the log
OF_A_CONNECTION = frozenset({"OperationalError", "InterfaceError", "InternalError"})
"""Errors of database drivers whose messages name hosts and users: for the log only."""
DATABASE_AWAY = "database_away"
PASSING = frozenset({DATABASE_AWAY})
"""What may be gone at the next attempt."""


class Failure(TypedDict):
    """Why a piece of work failed: a stable code and a sentence that says what would help."""

    code: str
    message: str


AGAIN = "each time this was tried. Ask for it again; `pilotlight doctor` says how the database fares."


def of(error: BaseException) -> Failure:
    """The reason an error gives.

    One made to be read has a `code` with a `message` (or `detail`), and perhaps `what_would_help`; any other is named
    by its first line, and its traceback is in the log.
    """
    code = getattr(error, "code", None)
    message = getattr(error, "message", None) or getattr(error, "detail", None)
    if isinstance(code, str) and isinstance(message, str):
        remedy = getattr(error, "what_would_help", None)
        told = f"{message.rstrip('.')}. {remedy}" if remedy else message
        return Failure(code=code, message=told[:LONGEST])
    told = f"{type(error).__name__}: {error}".partition("\n")[0][:LONGEST]
    if OF_A_CONNECTION & {kind.__name__ for kind in type(error).__mro__}:
        return Failure(code=DATABASE_AWAY, message=f"The database went away in the middle, {AGAIN}")
    return Failure(code="error", message=f"Stopped by an unexpected error ({told}). The log has the details.")


def gave_up(attempts: int) -> Failure:
    """Say that every worker that took the row fell silent."""
    return Failure(
        code="gave_up",
        message=f"Tried {_times(attempts)}; each time the worker fell silent before it was done. "
        "Check the memory and the log of the workers, then ask for it again.",
    )


def crashed(attempts: int, returncode: int) -> Failure:
    """Say that the child process died each time."""
    return Failure(
        code="crashed",
        message=f"Tried {_times(attempts)}; each time the process that does the work died, "
        f"at last {_death(returncode)}. Check the memory and the log of the workers, then ask for it again.",
    )


def timeout(seconds: float) -> Failure:
    """Say that it took too long."""
    return Failure(
        code="timeout",
        message=f"Stopped at the time limit of {seconds:g} seconds. A smaller request would help, "
        "or a higher limit (PILOTLIGHT_ANALYSIS_TIMEOUT_SECONDS).",
    )


def too_large(limit: int) -> Failure:
    """Say that it took too much memory."""
    return Failure(
        code="too_large",
        message=f"Stopped at the memory limit of {limit / 2**30:g} GiB. A smaller request would help, "
        "or a higher limit (PILOTLIGHT_ANALYSIS_MEMORY_BYTES).",
    )


def _times(attempts: int) -> str:
    return "once" if attempts == 1 else f"{attempts} times"


def _death(returncode: int) -> str:
    if returncode >= 0:
        return f"with exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return f"by {name}" + (" (often: out of memory)" if name == "SIGKILL" else "")
