"""Text that would be code somewhere else stays text: in the database, in headers, in logs, in pictures, in tables."""

import csv
import io
import json
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from analysis.tables import as_csv
from app.db import reading
from app.pilots.models import Pilot
from tests.app.steps import ok, planned, start
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
CODE = (
    "'; DROP TABLE pilots; --",
    '" OR 1=1 --',
    "x' UNION SELECT digest FROM api_keys --",
    "{{7*7}} ${7*7} <%= 7*7 %> #{7*7} %(digest)s {0.__class__}",
    "<script>alert(1)</script><svg onload=alert(1)>",
    "a\r\nSet-Cookie: owned=1\r\n\r\n<html>",
    "=cmd|'/C calc'!A0",
    "../../../etc/passwd",
    "%00 %0d%0a \\x00 \\u0000",
)


async def test_what_looks_like_code_is_kept_word_for_word(app: FastAPI, house: House) -> None:
    path = await start(house)
    for text in CODE:
        note = {"kind": "survey", "text": text}
        shown = await ok(house.lead.patch(path, json={"title": text[:200], "discovery_note": note}))
        assert (shown["title"], shown["discovery_note"]["text"]) == (text[:200], text)
        assert (await ok(house.lead.get(path)))["title"] == text[:200]
    with reading(app.state.engine) as session:
        assert session.get(Pilot, path.rpartition("/")[2]) is not None


async def test_searches_and_filters_take_it_as_a_word(house: House) -> None:
    await start(house)
    for text in CODE:
        for query in ({"q": text}, {"driver": text}):
            answer = await house.lead.get("/v1/lessons", params=query)
            assert answer.status_code in {200, 422}, (text, answer.text)
            assert answer.status_code == 422 or answer.json()["items"] == []
        answer = await house.lead.get("/v1/pilots", params={"cursor": text})
        assert answer.json()["code"] in {"invalid", "unknown_cursor"}
        answer = await house.lead.get(f"/v1/pilots/{quote(text, safe='')}")
        assert answer.status_code in {404, 422}


@on_sqlite
async def test_no_header_is_made_of_what_was_sent(house: House) -> None:
    path = await planned(house)
    hostile = 'x"; filename="evil.html\r\nSet-Cookie: owned=1'
    file = {"file": (hostile, b"participant;arm;mbi_ee_pre\np1;control;20\n", "text/csv")}
    answer = await house.lead.post(f"{path}/measurements/import?dry_run=true", files=file)
    for header in answer.headers:
        assert header != "set-cookie"
    echoed = await house.lead.get("/v1/pilots", headers={"X-Request-Id": "a b; Set-Cookie: owned=1"})
    assert "owned" not in str(echoed.headers)


@on_sqlite
async def test_a_log_line_stays_one_line_and_names_nobody(house: House) -> None:
    with capture_logs() as lines:
        await start(house, title='Ana Ruiz\n{"event": "forged"}')
        await house.lead.get("/v1/pilots/x%0Aforged")
    told = json.dumps(lines)
    assert "forged" not in told
    assert "Ana Ruiz" not in told


@on_sqlite
async def test_pictures_hold_text_and_no_tags_of_others(house: House) -> None:
    path = await planned(house, title="<script>alert(1)</script>")
    await ok(house.lead.patch(path, json={"title": "<script>alert(1)</script>"}))
    picture = await house.lead.get(f"{path}/iterations/effects.svg")
    if picture.status_code == 200:
        assert "<script" not in picture.text


@given(st.text(max_size=30), st.sampled_from(["=", "+", "-", "@", "\t", "\r"]))
def test_no_cell_of_a_table_is_a_formula(text: str, mark: str) -> None:
    line: dict[str, Any] = {"unit": mark + text, "value": -1.5}
    written = as_csv([line], ("unit", "value")).decode().removeprefix("\ufeff")
    (_, cells) = csv.reader(io.StringIO(written, newline=""))
    assert not cells[0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cells[1] == "-1.5"
