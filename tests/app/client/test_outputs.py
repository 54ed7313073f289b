"""What leaves the service, through the client: draws in each form, cells, summaries, plots, the evidence package."""

import base64
import hashlib
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from fastapi import FastAPI

from app.client import Analysis, Conflict, Damaged, NotFound, Pilotlight
from app.client.analyses import Format
from tests.app.analyses.made import exactly
from tests.app.client.conftest import As
from tests.app.client.double import a_double, answer_of
from tests.app.steps import CHANGES, Finish, in_test, ok
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


@pytest.fixture
async def analysis(house: House, app: FastAPI, finish: Finish, service_as: As) -> Analysis:
    """An analysis that has ended, with draws and plots."""
    asked = await ok(house.analyst.post(f"{await in_test(house)}/analyses"), 202)
    exactly(app, asked["id"], finish, plots=True)
    return service_as(house.analyst).analysis(asked["id"])


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@on_sqlite
async def test_the_same_draws_as_files_and_as_objects(analysis: Analysis, tmp_path: Path) -> None:
    files: dict[Format, Path] = {form: analysis.draws(form, to=tmp_path) for form in ("parquet", "csv", "netcdf")}
    endings = {"parquet", "csv", "nc"}
    assert names_in(tmp_path) >= {f"draws-{analysis.id}.{ending}" for ending in endings}
    frame = analysis.draws_frame()
    pd.testing.assert_frame_equal(pd.read_parquet(files["parquet"]), frame)
    pd.testing.assert_frame_equal(pd.read_csv(files["csv"]), frame, check_exact=True)
    named = analysis.draws("parquet", to=tmp_path / "mine.parquet")
    assert named.read_bytes() == files["parquet"].read_bytes()
    tree = analysis.draws_tree()
    stated = analysis.result.effect().adjusted
    assert stated is not None
    from_tree = tree["mbi_ee/adjusted/posterior/delta"]
    from_frame = frame.query("measure == 'mbi_ee' and run == 'adjusted'")["delta"]
    for draws in (from_tree.to_numpy(), from_frame):
        assert (draws.mean(), draws.std()) == pytest.approx((stated.mean, stated.sd), rel=1e-3)
    assert tree.attrs["analysis_id"] == analysis.id


@on_sqlite
async def test_the_service_tells_the_hash_of_draws(house: House, analysis: Analysis) -> None:
    for form in ("parquet", "netcdf"):
        answer = await house.analyst.get(f"/v1/analyses/{analysis.id}/draws?format={form}")
        digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
        assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"


@on_sqlite
async def test_lines_cells_plots_and_the_package(analysis: Analysis, tmp_path: Path) -> None:
    lines = {line["quantity"]: line["value"] for line in analysis.summaries()}
    assert lines["p_benefit"] == analysis.result.effect().p_benefit
    cells = analysis.cells()["mbi_ee"]["changes"]
    assert {c["arm"]: (c["n"], c["mean"]) for c in cells} == {c["arm"]: (c["n"], c["mean"]) for c in CHANGES["changes"]}
    assert b"<svg" in analysis.plot("posterior", measure="mbi_ee")
    with pytest.raises(NotFound, match="posterior"):
        analysis.plot("no such plot")
    package = analysis.package(tmp_path)
    assert package.name == f"evidence-{analysis.id}.zip"
    with zipfile.ZipFile(package) as opened:
        assert opened.testzip() is None
        assert "manifest.json" in opened.namelist()


@on_sqlite
async def test_draws_that_are_not_there_say_what_helps(house: House, service_as: As, tmp_path: Path) -> None:
    asked = await ok(house.analyst.post(f"{await in_test(house)}/analyses"), 202)
    before = names_in(tmp_path)
    with pytest.raises(Conflict, match="ask again"):
        service_as(house.analyst).analysis(asked["id"]).draws(to=tmp_path)
    assert names_in(tmp_path) == before


def test_draws_that_were_changed_on_the_way_are_no_object() -> None:
    digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"  # of nothing
    read = answer_of(200, b'{"id": "a1", "status": "succeeded"}')
    with (
        a_double(read, answer_of(200, b"PAR1", repr_digest=digest)) as double,
        Pilotlight(double.url, "pl_k") as service,
    ):
        analysis = service.analysis("a1")
        with pytest.raises(Damaged, match="hash"):
            analysis.draws_frame()
