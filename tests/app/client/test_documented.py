"""The Python of `docs/client.md`, executed in its order as it stands there."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from app import client
from tests.app.analyses.made import exactly
from tests.app.client.conftest import As, key_of
from tests.app.client.worker import ending_next
from tests.app.steps import PLAN, Finish, in_test, planned
from tests.conftest import House, on_sqlite

DOCUMENT = (Path(__file__).parents[3] / "docs" / "client.md").read_text(encoding="utf-8")
MEASURES = [*PLAN["measures"], {"measure": "mbi_burnout", "role": "secondary"}]


@pytest.mark.anyio
@on_sqlite
async def test_it_does_what_it_says(
    house: House,
    app: FastAPI,
    finish: Finish,
    address: str,
    service_as: As,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PILOTLIGHT_URL", address)
    monkeypatch.setenv("PILOTLIGHT_KEY", key_of(house.analyst))
    monkeypatch.chdir(tmp_path)
    reads, enters = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    await in_test(house)
    worker = ending_next(app, lambda waiting: exactly(app, waiting, finish))
    names: dict[str, object] = {}
    exec(compile(reads, "docs/client.md", "exec"), names)
    worker.join()
    said = capsys.readouterr().out
    assert "Coaching 1 [" in said
    assert f"mbi_ee {names['effect'].adjusted} 0.99" in said  # type: ignore[attr-defined]
    assert {"draws", "tree", "cells"} <= names.keys()
    path = await planned(house, {**PLAN, "measures": MEASURES})
    Path("march.csv").write_text("participant,arm,mbi_ee_post\np-014,intervention,99\n")  # noqa: ASYNC240
    exec(enters, names | {"pilot": service_as(house.lead).pilot(path.rsplit("/", 1)[1])})
    assert "(2, 'mbi_ee_post', '99 is off the scale" in capsys.readouterr().out


def test_it_names_every_exception() -> None:
    raised = {name for name in client.__all__ if issubclass(getattr(client, name), client.PilotlightError)}
    told = set(re.findall(r"`([A-Z][A-Za-z]+)`", DOCUMENT))
    assert raised - told == {"PilotlightError", "Redirected"}
