"""What leaves the service of an analysis: the same numbers in every form, nothing that is hidden, a reason for a no."""

import base64
import csv
import gzip
import io
from typing import Any

import pandas as pd
import pytest
from fastapi import FastAPI
from sqlmodel import select

from analysis.draw_files import read_netcdf, read_parquet
from analysis.draws import as_table
from analysis.fit import Fit
from app.analyses.files import CHUNK, files_of, pieces, unpacked
from app.analyses.models import Analysis, AnalysisPictures, AnalysisPlot
from app.analyses.pictures import WORK as PICTURES
from app.db import reading, transaction
from app.jobs.models import JobStatus
from tests.app.analyses.made import exactly
from tests.app.measures.test_hidden import cells, units_of
from tests.app.steps import CHANGES, PLAN, REFUSAL, Finish, an_answer, in_test, ok, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


async def asked(house: House, path: str | None = None) -> str:
    """A queued analysis; its id."""
    return str((await ok(house.analyst.post(f"{path or await in_test(house)}/analyses"), 202))["id"])


async def test_draws_are_the_same_numbers_in_each_format(house: House, app: FastAPI, finish: Finish) -> None:
    analysis = await asked(house)
    fitted: Fit = exactly(app, analysis, finish)
    answers = {
        name: await house.analyst.get(f"/v1/analyses/{analysis}/draws?format={name}")
        for name in ("parquet", "netcdf", "csv")
    }
    for name, ending in (("parquet", "parquet"), ("netcdf", "nc"), ("csv", "csv")):
        response = answers[name]
        assert response.status_code == 200
        assert response.headers["content-disposition"] == f'attachment; filename="draws-{analysis}.{ending}"'
        assert int(response.headers["content-length"]) == len(response.content)
        assert response.headers["etag"]
        assert "vary" not in response.headers
    assert len({response.headers["etag"] for response in answers.values()}) == 3
    assert (await house.lead.get(f"/v1/analyses/{analysis}/draws")).content == answers["parquet"].content
    table, about = read_parquet(answers["parquet"].content)
    tree = read_netcdf(answers["netcdf"].content)
    shown = await ok(house.lead.get(f"/v1/analyses/{analysis}"))
    for told in (about, tree.attrs):
        assert told["analysis_id"] == analysis
        assert (told["plan_hash"], told["data_hash"]) == tuple(
            shown["provenance"][k] for k in ("plan_hash", "data_hash")
        )
        assert int(told["seed"]) == shown["provenance"]["seed"]
        assert '"pymc"' in told["versions"]
    assert "SD units" in about["columns"]["sigma_1"]
    pd.testing.assert_frame_equal(as_table(tree), table, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(answers["csv"].content)), table, check_exact=True)
    assert not [name for name in table.columns if name.startswith("sigma_log")]
    # The second road: what the result says, from the draws.
    adjusted = table[(table["measure"] == "mbi_ee") & (table["run"] == "adjusted")]["delta"]
    block = fitted.answer["effects"][0]["adjusted"]
    assert (adjusted.mean(), adjusted.std()) == pytest.approx((block["mean"], block["sd"]))


@on_sqlite
async def test_a_large_file_is_read_in_small_pieces(house: House, app: FastAPI, finish: Finish) -> None:
    analysis = await asked(house)
    text = b"0.12345678,0.5\n" * 200_000
    finish(analysis, an_answer(), files={"draws.csv.gz": gzip.compress(text, 1), "draws.nc": bytes(3 * CHUNK + 5)})
    with reading(app.state.engine) as session:
        found = files_of(session, analysis)
    assert [len(piece) for piece in pieces(app.state.engine, found["draws.nc"])] == [CHUNK, CHUNK, CHUNK, 5]
    parts = list(unpacked(pieces(app.state.engine, found["draws.csv.gz"])))
    assert b"".join(parts) == text
    assert max(map(len, parts)) <= CHUNK
    response = await house.lead.get(f"/v1/analyses/{analysis}/draws?format=csv")
    assert (response.content, response.headers["content-length"]) == (text, str(len(text)))


@on_sqlite
async def test_without_numbers_it_is_said_why_and_what_helps(
    house: House, app: FastAPI, finish: Finish, break_off: Any
) -> None:
    outputs = ("draws", "summaries", "package")
    analysis = await asked(house)
    for output in outputs:
        problem = await refused(house.lead.get(f"/v1/analyses/{analysis}/{output}"), 409, "not_ended")
        assert "queued" in problem["detail"]
    break_off(analysis)
    for output in outputs:
        await refused(house.lead.get(f"/v1/analyses/{analysis}/{output}"), 409, "no_result")
    analysis = await asked(house)
    finish(analysis, REFUSAL)
    for output in outputs:
        problem = await refused(house.lead.get(f"/v1/analyses/{analysis}/{output}"), 409, "no_estimate")
        assert "enter them" in problem["detail"]
    before = await asked(house)
    finish(before, an_answer())  # as analyses ended before files were kept
    problem = await refused(house.lead.get(f"/v1/analyses/{before}/draws"), 404, "no_draws")
    assert "same seed" in problem["detail"]
    exact = await asked(house)
    finish(exact, {**an_answer(), "provenance": {"engine": "exact", "seed": 1}})
    problem = await refused(house.lead.get(f"/v1/analyses/{exact}/draws?format=csv"), 404, "no_draws")
    assert "exact engine" in problem["detail"]
    await refused(house.lead.get(f"/v1/analyses/{before}/draws?format=xlsx"), 422, "invalid")


@on_sqlite
async def test_a_neighbour_gets_nothing(house: House, neighbour: House, app: FastAPI, finish: Finish) -> None:
    analysis = await asked(house)
    exactly(app, analysis, finish)
    for output in ("draws", "summaries", "cells", "package", "plots/posterior.png"):
        await refused(neighbour.analyst.get(f"/v1/analyses/{analysis}/{output}"), 404, "not_found")


def lines_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@on_sqlite
async def test_summaries_are_a_line_a_quantity(house: House, app: FastAPI, finish: Finish) -> None:
    path = await in_test(
        house, {**PLAN, "measures": [*PLAN["measures"], {"measure": "mbi_burnout", "role": "secondary"}]}
    )
    analysis = await asked(house, path)
    fitted = exactly(app, analysis, finish)
    lines = await ok(house.analyst.get(f"/v1/analyses/{analysis}/summaries"))
    found = {(line["measure"], line["quantity"]): line for line in lines}
    assert len(found) == len(lines)
    effect = fitted.answer["effects"][0]
    for name in ("sd", "raw", "adjusted"):
        line = found["mbi_ee", name]
        assert (line["value"], line["sd"]) == (effect[name]["mean"], effect[name]["sd"])
        assert (line["low"], line["prob"]) == (effect[name]["interval"]["low"], 0.95)
    assert found["mbi_ee", "p_benefit"]["value"] == effect["p_benefit"]
    missing = found["mbi_burnout", "adjusted"]
    assert (missing["value"], missing["note"]) == (None, "data_missing")
    assert found[None, "diagnostic_rhat"]["threshold"] == 1.01
    response = await house.analyst.get(f"/v1/analyses/{analysis}/summaries?format=csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert response.content.startswith("\ufeffmeasure,role,quantity,".encode())
    again = lines_of(response.content)
    assert [line["quantity"] for line in again] == [line["quantity"] for line in lines]
    assert float(again[0]["value"]) == lines[0]["value"]


async def small_cells(house: House, more: dict[str, Any] | None = None) -> tuple[str, list[str]]:
    """A pilot with eight units, one of six people; its path and units."""
    units = await units_of(house, 8)
    body = {
        "measure": "mbi_ee",
        "cells": [
            *cells(units[:4], [6, 9, 20, 20], "pre", "control"),
            *cells(units[:4], [6, 9, 20, 20], "post", "control"),
            *cells(units[4:], [15, 15, 15, 15], "pre", "intervention"),
            *cells(units[4:], [15, 15, 15, 15], "post", "intervention"),
        ],
    }
    plan = {**PLAN, "design": "cluster", **(more or {})}
    return await in_test(house, plan, body, unit_ids=units, approved="few clinics"), units


@on_sqlite
async def test_cells_are_those_the_analysis_used(house: House, app: FastAPI, finish: Finish) -> None:
    analysis = await asked(house)
    shown = await ok(house.lead.get(f"/v1/analyses/{analysis}/cells"))
    assert (shown["iteration"], shown["look"], shown["warnings"]) == (1, 1, [])
    used = {entry["arm"]: entry for entry in shown["data"]["mbi_ee"]["changes"]}
    for entry in CHANGES["changes"]:
        assert {k: used[entry["arm"]][k] for k in entry} == entry
    response = await house.lead.get(f"/v1/analyses/{analysis}/cells?format=csv")
    by_arm = {line["arm"]: line for line in lines_of(response.content)}
    assert (by_arm["control"]["measure"], by_arm["control"]["mean"], by_arm["control"]["n"]) == ("mbi_ee", "1.5", "41")


@on_sqlite
async def test_what_became_hidden_is_handed_out_by_nothing(house: House, app: FastAPI, finish: Finish) -> None:
    path, units = await small_cells(house)
    analysis = await asked(house, path)
    exactly(app, analysis, finish)
    address = f"/v1/analyses/{analysis}"
    open_cells = await ok(house.lead.get(f"{address}/cells"))
    assert not any(entry.get("suppressed") for entry in open_cells["data"]["mbi_ee"]["cells"])
    for output in ("draws", "draws?format=csv", "draws?format=netcdf"):
        assert (await house.lead.get(f"{address}/{output}")).status_code == 200
    app.state.settings = app.state.settings.model_copy(update={"smallest_cell": 8})
    for output in ("draws", "draws?format=csv", "draws?format=netcdf"):
        await refused(house.lead.get(f"{address}/{output}"), 404, "suppressed")
    now = await ok(house.lead.get(f"{address}/cells"))
    assert [w["code"] for w in now["warnings"]] == ["cells_suppressed"]
    entries = now["data"]["mbi_ee"]["cells"]
    assert {e["unit"] for e in entries if e.get("suppressed")} == {units[0], units[1]}  # two, or the total tells it
    assert not [e for e in entries if e["unit"] == units[0] and "mean" in e]
    text = (await house.lead.get(f"{address}/cells?format=csv")).text
    assert ",6," not in text
    summaries = await ok(house.lead.get(f"{address}/summaries"))
    hidden = [line for line in summaries if line["unit"] in units[:2]]
    assert len(hidden) > 1
    assert all(line["suppressed"] and line["value"] is None for line in hidden)


@on_sqlite
async def test_a_unit_that_other_data_hide_later_is_hidden_in_the_cells(
    house: House, app: FastAPI, finish: Finish
) -> None:
    both = [*PLAN["measures"], {"measure": "mbi_burnout", "role": "secondary"}]
    path, units = await small_cells(house, {"measures": both})
    analysis = await asked(house, path)
    exactly(app, analysis, finish)
    counts = [
        {"unit": u, "arm": "control", "wave": "post", "x": 1, "n": n} for u, n in zip(units, (3, 9, 9, 9), strict=False)
    ]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_burnout", "counts": counts}), 201)
    entries = (await ok(house.lead.get(f"/v1/analyses/{analysis}/cells")))["data"]["mbi_ee"]["cells"]
    assert {e["unit"] for e in entries if e.get("suppressed")} == set(units[:2])
    # Draws are of no unit: they stay.
    assert (await house.lead.get(f"/v1/analyses/{analysis}/draws")).status_code == 200


PNG = b"\x89PNG\r\n\x1a\n"


def end_pictures(app: FastAPI, analysis: str, pictures: list[dict[str, str]] | None) -> None:
    """End the drawing as a worker would; None: it failed."""
    with transaction(app.state.engine) as session:
        work = session.exec(select(AnalysisPictures).where(AnalysisPictures.analysis_id == analysis)).one()
        request = PICTURES.request(session, work)
        assert request["pictures_of"] is None  # the made-up answer names no data
        assert request["fit"] == session.get_one(Analysis, analysis).request
        work.status = JobStatus.FAILED if pictures is None else JobStatus.SUCCEEDED
        if pictures is not None:
            PICTURES.settle(session, work, {"pictures": pictures})


async def test_pictures_follow_the_result(house: House, app: FastAPI, finish: Finish) -> None:
    analysis = await asked(house)
    drawn = [{"measure": "mbi_ee", "name": name, "svg": "<svg/>"} for name in ("posterior", "cell_means")]
    finish(analysis, an_answer(), drawn)
    address = f"/v1/analyses/{analysis}/plots/posterior.png"
    problem = await refused(house.lead.get(address), 409, "not_drawn_yet")
    assert "SVG" in problem["detail"]
    content = base64.b64encode(PNG + b"rest").decode()
    end_pictures(app, analysis, [{"measure": "mbi_ee", "name": "posterior", "png": content}])
    response = await house.lead.get(address)
    assert (response.status_code, response.content) == (200, PNG + b"rest")
    assert response.headers["content-type"] == "image/png"
    await refused(house.lead.get(f"/v1/analyses/{analysis}/plots/cell_means.png"), 404, "no_picture")
    await refused(house.lead.get(f"/v1/analyses/{analysis}/plots/forest.png"), 404, "no_plot")


@on_sqlite
async def test_a_picture_of_what_is_hidden_now_is_withheld(house: House, app: FastAPI, finish: Finish) -> None:
    path, _ = await small_cells(house)
    analysis = await asked(house, path)
    finish(analysis, an_answer(), [{"measure": "mbi_ee", "name": "units", "svg": "<svg/>"}])
    with transaction(app.state.engine) as session:
        session.get_one(AnalysisPlot, (analysis, "mbi_ee", "units")).png = PNG
    address = f"/v1/analyses/{analysis}/plots/units.png"
    assert (await house.lead.get(address)).content == PNG
    app.state.settings = app.state.settings.model_copy(update={"smallest_cell": 8})
    await refused(house.lead.get(address), 404, "suppressed")
