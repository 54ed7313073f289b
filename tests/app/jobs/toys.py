"""A table, a kind of work and settings to try the job adapter with; kept apart from the service's own tables."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session

from app.config import Settings
from app.db import Json, reading, transaction
from app.jobs.failures import Failure
from app.jobs.models import Claimable
from app.jobs.poke import poke
from app.jobs.work import Work

CHILD = "tests.app.jobs.toy_child"


class Apart(Claimable, registry=registry()):
    """A registry of its own: `alembic check` must not see the toys."""


class Toy(Apart, table=True):
    """What is asked of the child, what came out, and what the domain was told."""

    __tablename__ = "toys"

    organization_id: str | None = Field(default=None, max_length=36)
    request: dict[str, Any] = Field(sa_type=Json)
    answer: dict[str, Any] | None = Field(default=None, sa_type=Json)


class Told(Apart, table=True):
    """One row for each time the domain was told of an end: the events of an outbox."""

    __tablename__ = "told"

    toy: str
    what: str


def _request(_session: Session, toy: Toy) -> dict[str, Any]:
    if toy.request.get("do") == "refuse":
        raise CodedError
    return toy.request


def _succeed(session: Session, toy: Toy, answer: dict[str, Any]) -> None:
    if answer.get("unusable"):
        msg = "not an answer"
        raise ValueError(msg)
    toy.answer = answer
    session.add(Told(toy=toy.id, what="succeeded"))


def _fail(session: Session, toy: Toy, failure: Failure) -> None:
    session.add(Told(toy=toy.id, what=failure["code"]))
    if toy.request.get("deaf"):
        msg = "the domain does not listen"
        raise ValueError(msg)


def _cancelled(session: Session, toy: Toy) -> None:
    session.add(Told(toy=toy.id, what="cancelled"))


class CodedError(Exception):
    """An error that is made to be read."""

    code = "not_enough_data"
    message = "There is nothing to work on."
    what_would_help = "Enter the second wave."


WORK = Work(name="toy", model=Toy, child=CHILD, request=_request, succeed=_succeed, fail=_fail, cancelled=_cancelled)


def settings(**changes: Any) -> Settings:
    """Short times, so that the tests are."""
    times: dict[str, Any] = {"lease_seconds": 0.9, "analysis_timeout_seconds": 20.0}
    return Settings(**{**times, **changes})


def add(engine: sa.Engine, organization_id: str | None = None, **request: Any) -> str:
    """Queue a toy as a request of the API would."""
    toy = Toy(request=request, organization_id=organization_id)
    with transaction(engine) as session:
        session.add(toy)
        poke(session, WORK.name, toy.id)
    return toy.id


def get(engine: sa.Engine, toy_id: str) -> Toy:
    """The toy as it stands."""
    with reading(engine) as session:
        return session.get_one(Toy, toy_id)


def told(engine: sa.Engine, toy_id: str) -> list[str]:
    """What the domain was told about the toy."""
    with reading(engine) as session:
        statement = sa.select(Told.what).where(Told.toy == toy_id)  # type: ignore[call-overload]
        return list(session.scalars(statement))


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for a condition; fail when it does not come."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "did not come about"
        sleep(0.02)


def ended(engine: sa.Engine, toy_id: str, seconds: float = 15) -> Toy:
    """Wait for the toy's end."""
    until(lambda: get(engine, toy_id).status.final, seconds)
    return get(engine, toy_id)


def child_of(trace: Path) -> int:
    """Wait for a child to have begun; its process id."""
    until(lambda: trace.exists() and trace.read_text().endswith("\n"), 15)
    return int(trace.read_text().split()[-1])


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
