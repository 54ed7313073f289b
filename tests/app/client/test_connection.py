"""Requests over a bad network: what is tried again, what a refusal reads like, and where the key is not."""

import json
import logging
import pickle
import socket
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.client import (
    Conflict,
    Invalid,
    NotFound,
    NotReached,
    Pilotlight,
    PilotlightError,
    Redirected,
    Refused,
    Stale,
    TooLarge,
    TooMany,
    Unauthorized,
    connection,
)
from app.client.connection import Connection
from tests.app.client.double import Scripted, a_double, answer_of

KEY = "pl_kaeNgei2aefaeth8"
FINE = answer_of(200, b'{"fine": true}')


def problem(status: int, **fields: object) -> bytes:
    return answer_of(status, json.dumps({"status": status, **fields}).encode(), content_type="application/problem+json")


def told(*script: Scripted, method: str = "GET") -> tuple[object, list[float], list[str], list[bytes]]:
    """What a request against this script gives (an answer or an exception), with waits, keys of repetition, bodies."""
    waits: list[float] = []
    with a_double(*script) as double:
        asking = Connection(double.url, KEY, sleep=waits.append, chance=lambda: 1.0)
        try:
            found: object = asking.json(method, "/v1/x", **({"json": {"n": 1}} if method != "GET" else {}))
        except PilotlightError as error:
            found = error
        asking.close()
    return found, waits, double.header("Idempotency-Key"), double.bodies


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_two_dropped_connections_and_it_goes_on(method: str) -> None:
    found, waits, tokens, bodies = told(None, None, FINE, method=method)
    assert found == {"fine": True}
    assert waits == [0.5, 1.0]
    assert len(bodies) == 3
    # The service knows the repetition by it: the same token, the same bytes.
    assert len(tokens) == (3 if method == "POST" else 0)
    assert len(set(tokens)) <= 1
    assert len(set(bodies)) == 1


def test_each_post_has_a_token_of_its_own() -> None:
    with a_double(FINE, FINE) as double:
        asking = Connection(double.url, KEY)
        for _ in range(2):
            asking.json("POST", "/v1/x", json={})
        asking.close()
    assert len(set(double.header("Idempotency-Key"))) == 2


@pytest.mark.parametrize(
    ("passing", "waits"),
    [
        ([answer_of(502), answer_of(503), answer_of(504)], [0.5, 1.0, 2.0]),
        ([answer_of(503, retry_after="3")], [3.3]),
        ([answer_of(429, retry_after="7")], [7.7]),
        ([problem(409, code="idempotency_in_progress", detail="under way")], [0.5]),
    ],
)
def test_what_passes_is_waited_for(passing: Sequence[Scripted], waits: list[float]) -> None:
    found, waited, _, _ = told(*passing, FINE, method="POST")
    assert found == {"fine": True}
    assert waited == pytest.approx(waits)


def test_it_gives_up_in_a_sentence() -> None:
    found, waits, _, _ = told(*[None] * 9)
    assert isinstance(found, NotReached)
    assert "tried 5 times" in str(found)
    assert "Is the service running there?" in str(found)
    assert len(waits) == 4
    away = problem(503, code="database_away", detail="the database does not answer at the moment")
    found, _, _, bodies = told(*[away] * 9)
    assert isinstance(found, NotReached)
    assert "the database does not answer" in str(found)
    assert len(bodies) == 5


def test_who_is_asked_to_wait_for_long_says_so_instead() -> None:
    slow = problem(429, code="too_many", detail="more than 60 a minute; wait an hour")
    found, waits, _, _ = told(slow.replace(b"connection: close", b"connection: close\r\nretry-after: 3600"), FINE)
    assert isinstance(found, TooMany)
    assert "wait an hour" in str(found)
    assert waits == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_changes_are_sent_once(method: str) -> None:
    for answer in (None, answer_of(503)):
        found, waits, _, bodies = told(answer, FINE, method=method)
        assert isinstance(found, NotReached)
        assert (waits, len(bodies)) == ([], 1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, Unauthorized),
        (404, NotFound),
        (409, Conflict),
        (412, Stale),
        (413, TooLarge),
        (422, Invalid),
        (429, TooMany),
        (500, Refused),
    ],
)
def test_a_refusal_is_a_type_and_never_tried_again(status: int, kind: type[Refused]) -> None:
    found, waits, _, bodies = told(problem(status, code="why", detail="because of this"), FINE, method="POST")
    assert type(found) is kind
    assert isinstance(found, Refused)
    assert (found.status, found.code, found.detail) == (status, "why", "because of this")
    assert str(found).startswith(f"because of this ({status} why)")
    assert (waits, len(bodies)) == ([], 1)


def test_a_refusal_names_every_place_and_what_is_missing() -> None:
    errors = [{"loc": ["rows", i, "value"], "msg": f"fault {i}", "code": "off_scale"} for i in range(25)]
    found, _, _, _ = told(problem(422, code="invalid", detail="25 rows are wrong", errors=errors))
    assert isinstance(found, Invalid)
    lines = str(found).split("\n")
    assert lines[:2] == ["25 rows are wrong (422 invalid)", "  - rows.0.value: fault 0"]
    assert lines[20:] == ["  - rows.19.value: fault 19", "  … and 5 more"]
    unmet = [{"code": "no_lock", "message": "lock the plan"}]
    found, _, _, _ = told(problem(409, code="move_refused", detail="not yet", unmet=unmet))
    assert str(found) == "not yet (409 move_refused)\n  - lock the plan"


@pytest.mark.parametrize("body", [b"<html>It works!</html>", b"[1]", b"\xff\xfe", b""])
def test_an_answer_of_something_else_says_so(body: bytes) -> None:
    found, _, _, _ = told(answer_of(404, body))
    assert isinstance(found, NotFound)
    assert "is this the address of a Pilotlight service?" in str(found)


def test_a_page_instead_of_json_says_so() -> None:
    found, _, _, _ = told(answer_of(200, b"<html>Log in</html>"))
    assert isinstance(found, Refused)
    assert "is this the address of a Pilotlight service?" in str(found)


def test_the_key_is_not_sent_to_where_it_is_sent_on() -> None:
    with a_double(FINE) as other:
        found, _, _, _ = told(answer_of(307, b"", location=f"{other.url}/v1/x?secret=1"))
        assert isinstance(found, Redirected)
        assert "the key is not sent there" in str(found)
        assert "http://127.0.0.1;" in str(found)
        assert other.heads == []


def test_the_key_is_in_the_request_and_nowhere_else(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts = []
    script = [FINE, None, problem(401, code="unauthenticated", detail="no valid key"), answer_of(302, location="/y")]
    with caplog.at_level(logging.DEBUG), a_double(*script, *[None] * 5) as double:
        service = Pilotlight(double.url, KEY, sleep=lambda _: None)
        service.get("/v1/x")
        texts += [repr(service), str(service), repr(service.connection), repr(vars(service))]
        for attempt in (service.pilot, service.pilot, service.analysis):
            with pytest.raises(PilotlightError) as raised:
                attempt("an-id")
            texts += [str(raised.value), repr(raised.value), repr(vars(raised.value))]
            texts += traceback.format_exception(raised.value)
            texts.append(repr(pickle.dumps(raised.value.args)))
            assert raised.value.__cause__ is None
        service.close()
    assert double.header("Authorization") == [f"Bearer {KEY}"] * 9
    texts += [caplog.text, *capsys.readouterr()]
    assert not [text for text in texts if KEY in text]


@pytest.mark.parametrize("key", ["", "  ", "pl_a\nb", "pl_ä", "pl a", "pl_\x00"])
def test_what_cannot_be_a_key_is_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="this is not a key") as raised:
        Pilotlight("http://127.0.0.1:8000", key)
    assert not key.strip() or key not in "".join(traceback.format_exception(raised.value)).replace("key", "")


def test_a_key_read_from_a_file_ends_in_a_newline() -> None:
    with a_double(FINE) as double, Pilotlight(f" {double.url}/ ", f"{KEY}\n") as service:
        service.get("/v1/x")
    assert double.header("Authorization") == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://service", "http://", "https://me:secret@service", "http://service?x=1"]
)
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Pilotlight(url, KEY)


def test_who_does_not_answer_in_time_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", 0.1)
    found, waits, _, bodies = told(0.3, FINE)
    assert isinstance(found, NotReached)
    assert "timed out" in str(found)
    assert (waits, len(bodies)) == ([], 1)


def test_what_cannot_be_unpacked_is_no_answer() -> None:
    found, _, _, _ = told(answer_of(200, b"no gzip", content_encoding="gzip"))
    assert isinstance(found, NotReached)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        Pilotlight(f"http://127.0.0.1:{port}", KEY, sleep=lambda _: None) as service,
        pytest.raises(NotReached, match="Is the service running there"),
    ):
        service.get("/v1/x")


def test_service_and_key_from_the_environment() -> None:
    with pytest.raises(ValueError, match="set PILOTLIGHT_URL and PILOTLIGHT_KEY"):
        Pilotlight.from_environment({})
    with pytest.raises(ValueError, match="set PILOTLIGHT_KEY:"):
        Pilotlight.from_environment({"PILOTLIGHT_URL": "http://service"})
    with Pilotlight.from_environment({"PILOTLIGHT_URL": "http://service", "PILOTLIGHT_KEY": KEY}) as service:
        assert repr(service) == "Pilotlight('http://service')"
