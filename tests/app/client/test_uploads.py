"""Files of measurements: what is sent, and what is made of each answer that the service may give."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.client import Conflict, Invalid, NotEntered, NotSucceeded, Pilotlight, Report
from tests.app.client.double import Double, Scripted, a_double, answer_of

PILOT = answer_of(200, b'{"id": "p1", "title": "Coaching"}')
DONE: dict[str, Any] = {
    "accepted": 2, "unchanged": 1, "rejected": 0, "errors": [], "faults": [], "entered": True,
    "mapping": {"layout": "long"}, "found": "semicolon, Windows-1252", "revision": 4,
    "says": "2 values are entered",
}  # fmt: skip
WRONG: dict[str, Any] = {
    **DONE,
    "accepted": 0,
    "rejected": 1,
    "entered": False,
    "says": "1 value is wrong; nothing was entered",
    "errors": [{"loc": ["rows", 0], "msg": "99 is off the scale", "code": "off_scale", "row": 2, "column": "EE post"}],
    "faults": [{"code": "off_scale", "column": "EE post", "rows": 1, "first_row": 2, "msg": "values off the scale"}],
}
REFUSED = {"status": 422, "code": "rows_rejected", "detail": "1 value is wrong; nothing was entered", **WRONG}


def as_json(status: int, body: object, **headers: str) -> bytes:
    return answer_of(status, json.dumps(body).encode(), **headers)


def job(status: str, **fields: object) -> dict[str, Any]:
    return {"id": "i1", "status": status, "progress": 0.5 if status == "running" else 1.0, **fields}


def sent(folder: Path, *script: Scripted, **asked: Any) -> tuple[Report | Exception, Double]:
    """The report (or the exception) of a file that is sent against this script, and what came of it."""
    file = folder / "answers of march.csv"
    file.write_bytes("participant;EE post\nä1;99\n".encode("cp1252"))
    with a_double(PILOT, *script) as double, Pilotlight(double.url, "pl_key", sleep=lambda _: None) as service:
        try:
            found: Report | Exception = service.pilot("p1").import_file(file, **{"progress": False, **asked})
        except Exception as error:  # noqa: BLE001 - the test looks at it
            found = error
    return found, double


def test_the_file_is_sent_as_it_is_and_reported_about(tmp_path: Path) -> None:
    dictionary = tmp_path / "dictionary.csv"
    dictionary.write_text("Variable / Field Name\nee\n")
    mapping = {"layout": "wide", "values": []}
    found, double = sent(tmp_path, as_json(201, DONE), mapping=mapping, dictionary=dictionary, partial=True)
    assert isinstance(found, Report)
    assert (found.accepted, found.unchanged, found.entered, found.revision) == (2, 1, True, 4)
    assert (found.mapping, found.found) == ({"layout": "long"}, "semicolon, Windows-1252")
    assert double.heads[1].startswith("POST /v1/pilots/p1/measurements/import?dry_run=false&partial=true ")
    body = double.bodies[1]
    assert b'name="file"; filename="answers of march.csv"' in body
    assert "participant;EE post\nä1;99\n".encode("cp1252") in body
    assert b'name="dictionary"; filename="dictionary.csv"' in body
    assert json.dumps(mapping).encode() in body


def test_a_lost_answer_sends_the_very_same_again(tmp_path: Path) -> None:
    found, double = sent(tmp_path, None, answer_of(503), as_json(201, DONE))
    assert isinstance(found, Report)
    assert len(double.bodies[1]) > 100
    assert double.bodies[1] == double.bodies[2] == double.bodies[3]
    assert len(set(double.header("Idempotency-Key"))) == 1
    assert len(double.header("Idempotency-Key")) == 3


def test_what_was_taken_back_is_entered_where_it_is_asked_for(tmp_path: Path) -> None:
    _, double = sent(tmp_path, as_json(201, DONE), restore=True, again=True)
    assert "?dry_run=false&partial=false&restore=true&again=true " in double.heads[1]


def test_a_dry_run_reports_what_is_wrong(tmp_path: Path) -> None:
    found, double = sent(tmp_path, as_json(200, WRONG), dry_run=True)
    assert isinstance(found, Report)
    assert "dry_run=true" in double.heads[1]
    assert (found.errors[0].row, found.errors[0].column, found.faults[0].rows) == (2, "EE post", 1)
    assert str(found) == "1 value is wrong; nothing was entered"


@pytest.mark.parametrize(
    "script",
    [
        [as_json(422, REFUSED)],
        [as_json(202, job("queued")), as_json(200, job("succeeded", result=WRONG))],
    ],
    ids=["at once", "in the background"],
)
def test_wrong_rows_are_not_entered_and_each_is_told(tmp_path: Path, script: list[Scripted]) -> None:
    found, _ = sent(tmp_path, *script)
    assert isinstance(found, NotEntered)
    assert (found.code, found.detail) == ("rows_rejected", "1 value is wrong; nothing was entered")
    assert "99 is off the scale" in str(found)
    assert (found.report.errors[0].row, found.report.rejected) == (2, 1)


def test_a_large_file_is_waited_for(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    script = [as_json(202, job("queued", progress=0)), as_json(200, job("running")), answer_of(502)]
    found, double = sent(
        tmp_path, *script, as_json(200, job("succeeded", result=DONE)), progress=lambda *news: told.append(news)
    )
    assert isinstance(found, Report)
    assert (found.accepted, found.entered) == (2, True)
    assert told == [(0, "waits for a worker"), (0.5, "runs"), (1.0, "done")]
    assert [head.split()[1] for head in double.heads[2:]] == ["/v1/imports/i1"] * 3


def test_partly_right_in_the_background(tmp_path: Path) -> None:
    some = {**WRONG, "accepted": 1, "entered": True}
    found, _ = sent(tmp_path, as_json(202, job("succeeded", result=some)), partial=True)
    assert isinstance(found, Report)
    assert found.rejected == 1
    # A file that the mapping does not fit: no part of it is right.
    found, _ = sent(tmp_path, as_json(202, job("succeeded", result=WRONG)), partial=True)
    assert isinstance(found, NotEntered)


def test_what_else_may_come(tmp_path: Path) -> None:
    found, _ = sent(tmp_path, as_json(409, {"code": "no_plan", "detail": "the pilot has no plan"}))
    assert isinstance(found, Conflict)
    found, _ = sent(
        tmp_path,
        as_json(
            422,
            {
                "code": "unreadable",
                "detail": "this is no table",
                "errors": [{"loc": ["file"], "msg": "this is no table"}],
            },
        ),
    )
    assert type(found) is Invalid
    assert str(found) == "this is no table (422 unreadable)"
    for status in ("failed", "cancelled"):
        ended = job(status, result=None, failure={"code": "crashed", "message": "The process died."})
        found, _ = sent(tmp_path, as_json(202, ended))
        assert isinstance(found, NotSucceeded)
        assert "The process died." in str(found)


def test_a_file_that_is_not_there_is_not_sent(tmp_path: Path) -> None:
    with a_double(PILOT) as double, Pilotlight(double.url, "pl_key") as service:
        with pytest.raises(FileNotFoundError):
            service.pilot("p1").import_file(tmp_path / "none.csv")
        assert len(double.heads) == 1
