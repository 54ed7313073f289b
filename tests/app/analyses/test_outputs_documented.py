"""What docs/outputs.md tells to do works, with files as the service hands them out."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.app.analyses.made import exactly
from tests.app.analyses.test_outputs import asked
from tests.app.steps import Finish
from tests.conftest import House, on_sqlite

DOCS = Path(__file__).parents[3] / "docs" / "outputs.md"
FILES = {
    "draws.parquet": "draws",
    "draws.nc": "draws?format=netcdf",
    "draws.csv": "draws?format=csv",
    "summaries.csv": "summaries?format=csv",
    "cells.csv": "cells?format=csv",
}


@pytest.mark.anyio
@on_sqlite
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_every_example_in_python_runs(
    house: House,
    app: FastAPI,
    finish: Finish,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    analysis = await asked(house)
    fitted = exactly(app, analysis, finish)
    for name, address in FILES.items():
        response = await house.analyst.get(f"/v1/analyses/{analysis}/{address}")
        (tmp_path / name).write_bytes(response.content)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 5
    capsys.readouterr()
    for example in examples:
        exec(compile(example, str(DOCS), "exec"), {})
    said = capsys.readouterr().out
    mean = f"{fitted.answer['effects'][0]['adjusted']['mean']:.6f}"
    assert said.count(mean[:7]) >= 3, said  # from Parquet, netCDF and the summaries
    assert said.count(analysis) == 2
    assert "eti95_lb" in said


def test_every_code_is_documented() -> None:
    said = DOCS.read_text(encoding="utf-8")
    for module in ("outputs", "pictures"):
        source = (Path(__file__).parents[3] / "app" / "analyses" / f"{module}.py").read_text(encoding="utf-8")
        codes = re.findall(r'(?:Conflict|NotFound)\([^)]*?"([a-z_]+)"', source)
        assert codes
        for code in codes:
            assert f"`{code}`" in said, code
