"""Reasons read as sentences, and an error that was not made to be read is not shown whole."""

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import IntegrityError, OperationalError

from app.db import errors_named
from app.errors import Conflict
from app.jobs import failures
from tests.app.jobs.toys import CodedError


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (CodedError(), "not_enough_data", "There is nothing to work on. Enter the second wave."),
        (Conflict("the plan is open", "plan_open"), "plan_open", "the plan is open"),
        (
            ValueError("off the scale\nand so on"),
            "error",
            "Stopped by an unexpected error (ValueError: off the scale). The log has the details.",
        ),
    ],
)
def test_an_error_gives_its_reason(error: Exception, code: str, message: str) -> None:
    assert failures.of(error) == {"code": code, "message": message}


def test_statements_of_the_database_stay_in_the_log() -> None:
    failure = failures.of(IntegrityError("UPDATE people SET name = ?", {"name": "Kim"}, Exception("constraint failed")))
    assert failure["code"] == "error"
    assert "constraint failed" in failure["message"]
    assert "Kim" not in failure["message"]
    assert "UPDATE" not in failure["message"]


def test_where_the_database_is_stays_in_the_log() -> None:
    lost = Exception('connection to server at "db.internal", port 5432 failed: no password for user "owner"')
    assert failures.of(OperationalError(None, None, lost)) == {
        "code": "database_away",
        "message": "The database went away in the middle, each time this was tried. Ask for it again; `pilotlight "
        "doctor` says how the database fares.",
    }


@pytest.mark.parametrize(
    ("returncode", "words"), [(3, "with exit code 3"), (-9, "by SIGKILL (often: out of memory)"), (-99, "by signal 99")]
)
def test_a_crash_says_how_the_process_died(returncode: int, words: str) -> None:
    assert words in failures.crashed(1, returncode)["message"]
    assert "Tried once" in failures.crashed(1, returncode)["message"]


@pytest.mark.parametrize(
    "raised", [psycopg.errors.AdminShutdown("terminating"), psycopg.errors.DiskFull("no space"), ConnectorException()]
)
def test_what_a_driver_says_of_its_connection_may_be_gone_at_the_next_attempt(raised: Exception) -> None:
    if isinstance(raised, ConnectorException):
        raised.__cause__ = psycopg.errors.CrashShutdown("terminating")
    with pytest.raises(OperationalError) as named, errors_named():
        raise raised
    assert failures.of(named.value)["code"] == failures.DATABASE_AWAY
    if isinstance(raised, psycopg.Error):
        assert failures.of(raised)["code"] == failures.DATABASE_AWAY


def test_other_errors_keep_their_names() -> None:
    with pytest.raises(psycopg.errors.UniqueViolation), errors_named():
        raise psycopg.errors.UniqueViolation("twice")
    with pytest.raises(ValueError, match="odd"), errors_named():
        raise ValueError("odd")
