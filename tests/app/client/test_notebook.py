"""The analyst's notebook, executed: its code cells in their order in one namespace, as a kernel would.

By hand instead of by nbclient: a kernel would be two more dependencies and a process, and is not what is tried.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from fastapi import FastAPI

from tests.app.analyses.made import exactly
from tests.app.client.conftest import key_of
from tests.app.steps import Finish, in_test, ok
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
NOTEBOOK = json.loads((Path(__file__).parents[3] / "examples" / "analyst.ipynb").read_text(encoding="utf-8"))
SAMPLING = "sampling"
"""The tag of cells that compile and sample a model."""


def sources(*, with_sampling: bool) -> list[str]:
    return [
        "".join(cell["source"])
        for cell in NOTEBOOK["cells"]
        if cell["cell_type"] == "code" and (with_sampling or SAMPLING not in cell["metadata"].get("tags", []))
    ]


def executed(*, with_sampling: bool) -> dict[str, Any]:
    """The names the notebook leaves behind."""
    names: dict[str, Any] = {}
    for number, source in enumerate(sources(with_sampling=with_sampling)):
        exec(compile(source, f"<code cell {number}>", "exec"), names)
    return names


@pytest.fixture
async def surroundings(
    house: House, app: FastAPI, finish: Finish, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A service with an analysis that has ended, and an environment that names it; the id of the analysis."""
    asked = await ok(house.analyst.post(f"{await in_test(house)}/analyses"), 202)
    exactly(app, asked["id"], finish, plots=True)
    monkeypatch.setenv("PILOTLIGHT_URL", address)
    monkeypatch.setenv("PILOTLIGHT_KEY", key_of(house.analyst))
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    yield asked["id"]
    plt.close("all")


@on_sqlite
async def test_all_but_the_sampling(surroundings: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = executed(with_sampling=False)
    analysis, stated = names["analysis"], names["stated"]
    assert analysis.id == surroundings
    assert names["delta"].mean().item() == pytest.approx(stated.mean)
    assert names["delta"].std(ddof=1).item() == pytest.approx(stated.sd)
    assert names["changes"][1] - names["changes"][0] == pytest.approx((5.2 + 1.5) / 10.3)
    said = capsys.readouterr().out
    assert f"mbi_ee: {stated} SD" in said
    assert "the service's own plot" in said
    assert names["package"].name == f"evidence-{surroundings}.zip"
    assert names["package"].read_bytes()[:2] == b"PK"
    axes = names["axes"]
    assert axes.get_title() == "Coaching"
    assert "SD units" in axes.get_xlabel()
    assert os.environ["PILOTLIGHT_KEY"] not in said


@pytest.mark.slow
@on_sqlite
async def test_all_of_it(surroundings: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = executed(with_sampling=True)
    mine, stated = names["theirs"]["mine"], names["stated"]
    # The closed form of its model, nearly: a t of 40 degrees of freedom is a normal, the prior is N(0, 1).
    error = float((names["errors"] ** 2).sum() ** 0.5)
    difference = float(names["changes"][1] - names["changes"][0])
    assert mine.mean() == pytest.approx(difference / (1 + error**2), abs=0.03)
    assert mine.std() == pytest.approx(error, rel=0.1)
    assert mine.mean() > stated.mean
    assert "my model" in capsys.readouterr().out


def test_it_is_a_notebook_without_outputs() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(ids)) == len(ids) > 10
    for cell in NOTEBOOK["cells"]:
        assert isinstance(cell["metadata"], dict)
        assert all(isinstance(line, str) for line in cell["source"])
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
        else:
            assert cell["cell_type"] == "markdown"
            assert "outputs" not in cell
    assert len(sources(with_sampling=True)) > len(sources(with_sampling=False))
