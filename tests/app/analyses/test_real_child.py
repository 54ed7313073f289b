"""The child process as the worker starts it: what is ready first, what it compiles, what it draws and hands over."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from analysis.documents import Engine, FitRequest
from analysis.draw_files import read_parquet
from analysis.fit import fit
from app.analyses.models import Analysis
from app.analyses.service import WORK
from app.db import reading
from app.jobs.warm import Answer, Failed, Progress, Ready, WarmChild
from tests.app.steps import CHANGES, PLAN, Finish, in_test, ok
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.slow
MEASURE = {"measure": "mbi_ee", "family": "normal", "direction": "lower_is_better", "reference_sd": 10.3}
PEOPLE = [
    {"unit": unit, "arm": arm, "wave": wave, "participant": f"{unit}-{p}", "value": 27 + (7 * p) % 11 + shift}
    for unit, arm in (("u1", "control"), ("u2", "intervention"))
    for p in range(12)
    for wave, shift in (("early", 0.5 * (p % 3)), ("pre", p % 2), ("post", (p % 5) - (5 if unit == "u2" else 0)))
    if p != 4 or wave != "post"
]
WAVES = [{"key": key, "kind": "followup" if key == "post" else "baseline"} for key in ("early", "pre", "post")]
REQUESTS: dict[str, dict[str, Any]] = {
    "parallel": {"plan": {**PLAN, "measures": [MEASURE]}, "data": {"mbi_ee": {"changes": CHANGES["changes"]}}},
    "did": {
        "plan": {**PLAN, "design": "did", "measures": [MEASURE], "waves": WAVES},
        "data": {"mbi_ee": {"rows": PEOPLE}},
    },
}


@pytest.fixture(scope="module")
def child() -> Iterator[WarmChild]:
    os.environ.setdefault("PILOTLIGHT_CACHE_DIR", "var/cache")
    child = WarmChild("app.analyses.run")
    assert isinstance(child.hear(400), Ready)
    yield child
    child.close()


@pytest.mark.parametrize("design", REQUESTS)
def test_it_answers_as_the_library_does_and_draws_what_there_is(child: WarmChild, design: str) -> None:
    request = {**REQUESTS[design], "seed": 1}
    child.ask({"fit": request, "unit_names": {"u1": "Clinic North", "u2": "Clinic South"}})
    shares = []
    while isinstance(message := child.hear(600), Progress):
        shares.append(message.share)
    assert not isinstance(message, Failed), message
    assert isinstance(message, Answer)
    assert shares == sorted(shares)
    result, plots = message.value["result"], {plot["name"]: plot["svg"] for plot in message.value["plots"]}
    exact = fit(FitRequest.model_validate(request).model_copy(update={"engine": Engine.EXACT}))
    mine, theirs = result["effects"][0]["adjusted"], exact["effects"][0]["adjusted"]
    assert mine["mean"] == pytest.approx(theirs["mean"], abs=0.1 * theirs["sd"])
    assert mine["sd"] == pytest.approx(theirs["sd"], rel=0.1)
    assert "plot_failed" not in [w["code"] for w in result["warnings"]]
    expected = {"posterior", "prior_posterior", "cell_means", "predictive", "trace", "rank"}
    assert expected <= plots.keys()
    assert all(">delta<" in plots[name] for name in ("trace", "rank"))
    if "units" in plots:
        assert "Clinic South" in plots["units"]
    handed_over(message.value["files"], result)
    pictures = drawn_afterwards(child, request, result["provenance"]["data_hash"])
    assert pictures.keys() == plots.keys()
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())


def handed_over(files: dict[str, str], result: dict[str, Any]) -> None:
    """The draws are those behind the result."""
    table, about = read_parquet(base64.b64decode(files["draws.parquet"]))
    assert json.loads(about["versions"]) == result["provenance"]["versions"]
    adjusted = table[table["run"] == "adjusted"]["delta"]
    block = result["effects"][0]["adjusted"]
    assert adjusted.mean() == pytest.approx(block["mean"], abs=0.1 * block["sd"])
    assert adjusted.std() == pytest.approx(block["sd"], rel=0.1)


def drawn_afterwards(child: WarmChild, request: dict[str, Any], data_hash: str) -> dict[str, bytes]:
    """The pictures by name, of the fit that the child has just made: it does not sample again."""
    asked = {"fit": request, "unit_names": {}, "pictures_of": data_hash}
    began = time.perf_counter()
    child.ask(asked)
    while isinstance(message := child.hear(60), Progress):
        pass
    assert isinstance(message, Answer)
    assert time.perf_counter() - began < 10
    child.ask({**asked, "pictures_of": "of other data"})
    assert isinstance(other := child.hear(60), Answer)
    assert other.value == {"pictures": []}
    return {one["name"]: base64.b64decode(one["png"]) for one in message.value["pictures"]}


@pytest.mark.anyio
@on_sqlite
async def test_a_package_of_the_whole_is_verified_by_the_command(
    child: WarmChild, house: House, app: FastAPI, finish: Finish, tmp_path: Path
) -> None:
    """Asked for over HTTP, sampled by the child, downloaded, and reproduced by another process with its seed."""
    path = await in_test(house)
    analysis = (await ok(house.analyst.post(f"{path}/analyses"), 202))["id"]
    with reading(app.state.engine) as session:
        child.ask(WORK.request(session, session.get_one(Analysis, analysis)))
    while isinstance(message := child.hear(600), Progress):
        pass
    assert isinstance(message, Answer), message
    answer = message.value
    files = {name: base64.b64decode(content) for name, content in answer["files"].items()}
    finish(analysis, answer["result"], answer["plots"], files)
    (tmp_path / "package.zip").write_bytes((await house.analyst.get(f"/v1/analyses/{analysis}/package")).content)
    command = [sys.executable, "-m", "analysis", "verify", str(tmp_path / "package.zip")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)  # noqa: ASYNC221
    assert (done.returncode, done.stdout.splitlines()[-1][:10]) == (0, "REPRODUCED"), done.stdout + done.stderr
    assert "not checked" not in done.stdout
