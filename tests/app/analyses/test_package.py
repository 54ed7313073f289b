"""The evidence package: the same bytes each time, verified by a stranger, and every tampering told."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from analysis import draw_files
from analysis.__main__ import main
from analysis.documents import FitRequest
from analysis.fit import Fit
from analysis.package import MANIFEST, NAMES, digest, documents, in_words
from analysis.verify import Report, Verdict, verify
from tests.app.analyses.made import exactly, fitted_again
from tests.app.analyses.test_outputs import asked, small_cells
from tests.app.steps import PLAN, Finish, an_answer, in_test, ok, planned
from tests.conftest import House, on_sqlite

pytestmark = [pytest.mark.anyio, on_sqlite]
Files = dict[str, bytes]
Change = Callable[[Files], None]


async def package_of(house: House, analysis: str) -> bytes:
    response = await house.analyst.get(f"/v1/analyses/{analysis}/package")
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"] == f'attachment; filename="evidence-{analysis}.zip"'
    assert response.headers["content-type"] == "application/zip"
    return response.content


def unzipped(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Files, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def said(report: Report, name: str) -> str:
    return next(text for check, _, text in report.checks if check == name)


async def whole(house: House, app: FastAPI, finish: Finish, *, plots: bool = False) -> tuple[str, bytes]:
    analysis = await asked(house)
    exactly(app, analysis, finish, plots=plots)
    return analysis, await package_of(house, analysis)


async def test_a_package_is_whole_and_reproduced(house: House, app: FastAPI, finish: Finish, tmp_path: Path) -> None:
    analysis, content = await whole(house, app, finish, plots=True)
    assert await package_of(house, analysis) == content
    files = unzipped(content)
    assert files.keys() >= NAMES
    assert {name for name in files if name.startswith("plots/")} == {
        f"plots/mbi_ee/{name}.svg" for name in ("posterior", "prior_posterior", "cell_means", "trace", "rank")
    }
    manifest = json.loads(files[MANIFEST])
    assert manifest["files"] == {name: digest([held]) for name, held in files.items() if name != MANIFEST}
    shown = await ok(house.lead.get(f"/v1/analyses/{analysis}"))
    assert (manifest["analysis_id"], manifest["made_at"]) == (analysis, shown["finished_at"])
    assert {k: manifest[k] for k in ("plan_hash", "data_hash", "seed")} == {
        k: shown["provenance"][k] for k in ("plan_hash", "data_hash", "seed")
    }
    assert json.loads(files["result.json"]) == shown["result"]
    secret = app.state.settings.secret()
    assert not any(secret.encode() in held for held in files.values())
    for name in ("summaries", "cells"):
        response = await house.lead.get(f"/v1/analyses/{analysis}/{name}?format=csv")
        assert files[f"{name}.csv"] == response.content
    report = verify(zipped(files, tmp_path / "again.zip"), fitted_again)
    assert report.verdict is Verdict.REPRODUCED, str(report)
    assert [name for name, holds, _ in report.checks if holds is not True] == []
    assert "REPRODUCED" in str(report).splitlines()[-1]


async def test_a_package_of_somebody_else_does_not_have_the_manifest_of_the_service(
    house: House, app: FastAPI, finish: Finish, tmp_path: Path
) -> None:
    """Attrition is in no hash of plan or data: whoever changes it can compute a sound package with another grade."""
    analysis, content = await whole(house, app, finish)
    response = await house.analyst.get(f"/v1/analyses/{analysis}/package")
    files = unzipped(content)
    own = digest([files[MANIFEST]])["sha256"]
    assert response.headers["etag"] == f'"{own[:32]}"'
    assert b"ETag" in files["README.txt"]
    with edited(files, "request.json") as request:
        request["attrition"] = {"intervention": 0.5, "control": 0.1}
    fitted = fitted_again(FitRequest.model_validate_json(files["request.json"]))
    warnings = json.loads(files["diagnostics.json"])["data_warnings"]
    result = json.loads(json.dumps(fitted.answer))
    assert result["grade"] != json.loads(files["result.json"])["grade"]
    files |= documents(json.loads(files["request.json"]), result, warnings)
    files |= {name: held for name, held in draw_files.files(fitted.draws, {}).items() if name in files}
    resealed(files)
    assert verify(zipped(files, tmp_path / "other.zip"), fitted_again).verdict is Verdict.REPRODUCED
    assert digest([files[MANIFEST]])["sha256"] != own


async def test_what_the_command_says(
    house: House, app: FastAPI, finish: Finish, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, content = await whole(house, app, finish)
    files = unzipped(content)
    for name in ("draws.nc", "draws.parquet"):  # the exact engine has none when the command fits again
        del files[name]
    resealed(files)
    path = zipped(files, tmp_path / "package.zip")
    assert main(["verify", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("REPRODUCED")
    (tmp_path / "notes.zip").write_bytes(b"no archive")
    assert main(["verify", str(tmp_path / "notes.zip")]) == 2
    assert main(["verify", str(tmp_path / "absent.zip")]) == 2
    assert "DAMAGED" in capsys.readouterr().out


def resealed(files: Files) -> None:
    """Adapt the manifest to the files, as who knows how would."""
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = {name: digest([held]) for name, held in files.items() if name != MANIFEST}
    files[MANIFEST] = in_words(manifest)


@contextmanager
def edited(files: Files, name: str) -> Iterator[Any]:
    document = json.loads(files[name])
    yield document
    files[name] = in_words(document)


def better_result(files: Files) -> None:
    with edited(files, "result.json") as result:
        result["effects"][0]["adjusted"]["mean"] += 1e-6


def other_outcome(files: Files) -> None:
    with edited(files, "result.json") as result:
        result["recommendation"]["outcome"] = "replace"


def better_data(files: Files) -> None:
    with edited(files, "request.json") as request:
        request["data"]["mbi_ee"]["changes"][0]["mean"] -= 0.5


def better_cells(files: Files) -> None:
    files["cells.csv"] = files["cells.csv"].replace(b"-5.2", b"-9.2")


def other_plan(files: Files) -> None:
    with edited(files, "plan.json") as plan:
        plan["rule"]["p_benefit"] = 0.5


def other_plan_asked(files: Files) -> None:
    with edited(files, "request.json") as request:
        request["plan"]["measures"][0]["reference_sd"] = 5.0


def other_seed(files: Files) -> None:
    with edited(files, "request.json") as request:
        request["seed"] += 1


def other_gates(files: Files) -> None:
    with edited(files, "diagnostics.json") as diagnostics:
        diagnostics["gates"][0]["passed"] = True


def better_draws(files: Files) -> None:
    table, about = draw_files.read_parquet(files["draws.parquet"])
    table.loc[17, "delta"] += 0.01
    files["draws.parquet"] = draw_files.parquet(table, about)


def no_draws(files: Files) -> None:
    files["draws.nc"] = b"\x89HDF\r\n\x1a\nno more"


TAMPERED: dict[str, tuple[Change, str]] = {
    "result": (better_result, "refit"),
    "outcome": (other_outcome, "refit"),
    "data": (better_data, "data hash"),
    "cells": (better_cells, "documents"),
    "plan": (other_plan, "documents"),
    "plan asked": (other_plan_asked, "plan hash"),
    "seed": (other_seed, "seed"),
    "gates": (other_gates, "documents"),
    "draws": (better_draws, "draws"),
    "file of draws": (no_draws, "draws"),
}


async def test_every_tampering_is_told(house: House, app: FastAPI, finish: Finish, tmp_path: Path) -> None:
    _, content = await whole(house, app, finish)
    for what, (change, check) in TAMPERED.items():
        files = unzipped(content)
        change(files)
        changed = [name for name, held in unzipped(content).items() if files[name] != held]
        assert len(changed) == 1, what
        report = verify(zipped(files, tmp_path / "tampered.zip"), fitted_again)
        assert report.verdict is Verdict.DAMAGED, what
        assert changed[0] in str(report), what
        # With a manifest to match, the hashes say nothing any more; what follows from what does.
        resealed(files)
        report = verify(zipped(files, tmp_path / "tampered.zip"), fitted_again)
        assert report.verdict is Verdict.NOT_REPRODUCED, (what, str(report))
        assert check in [name for name, holds, _ in report.checks if holds is False], (what, str(report))


FORMLESS: dict[str, list[tuple[str, Any]]] = {
    "request.json": [("data", []), ("data", {"mbi_ee": 3}), ("data", {"mbi_ee": {"cells": [1]}}), ("plan", 7)],
    "result.json": [("provenance", "x"), ("gates", {}), ("gates", [None]), ("effects", 1), ("recommendation", [])],
    MANIFEST: [("refit", "no"), ("left_out", [])],
}


async def test_documents_of_another_form_are_no_package(
    house: House, app: FastAPI, finish: Finish, tmp_path: Path
) -> None:
    _, content = await whole(house, app, finish)
    for name, parts in FORMLESS.items():
        for part, held in parts:
            files = unzipped(content)
            with edited(files, name) as document:
                document[part] = held
            resealed(files)
            report = verify(zipped(files, tmp_path / "formless.zip"), fitted_again)
            assert report.verdict is Verdict.DAMAGED, (name, part, held, str(report))


async def test_with_hashes_to_match_the_numbers_tell(
    house: House, app: FastAPI, finish: Finish, tmp_path: Path
) -> None:
    """Whoever adapts data, hashes and every derived document would have to compute the result too."""

    _, content = await whole(house, app, finish)
    files = unzipped(content)
    better_data(files)
    request = FitRequest.model_validate_json(files["request.json"])
    with edited(files, "result.json") as result:
        result["provenance"]["data_hash"] = request.data_hash()
    with edited(files, MANIFEST) as manifest:
        manifest["data_hash"] = request.data_hash()
    warnings = json.loads(files["diagnostics.json"])["data_warnings"]
    files |= documents(json.loads(files["request.json"]), json.loads(files["result.json"]), warnings)
    resealed(files)
    report = verify(zipped(files, tmp_path / "tampered.zip"), fitted_again)
    assert report.verdict is Verdict.NOT_REPRODUCED
    assert [name for name, holds, _ in report.checks if holds is False] == ["refit", "draws"]
    assert "effects[0].adjusted.mean" in said(report, "refit")


async def test_hidden_cells_are_marked_and_cannot_be_fitted_again(
    house: House, app: FastAPI, finish: Finish, tmp_path: Path
) -> None:
    path, units = await small_cells(house)
    analysis = await asked(house, path)
    exactly(app, analysis, finish, plots=True)
    bare = json.loads(unzipped(await package_of(house, analysis))[MANIFEST])
    app.state.settings = app.state.settings.model_copy(update={"smallest_cell": 8})
    files = unzipped(await package_of(house, analysis))
    manifest = json.loads(files[MANIFEST])
    assert manifest["refit"] == {"possible": False, "why_not": "cells of too few people are only marked"}
    assert manifest["seed"] is None
    assert manifest["data_hash"] != bare["data_hash"]
    assert {"draws.nc", "draws.parquet", "plots/mbi_ee/units.svg"} <= set(manifest["left_out"])
    assert not manifest["left_out"].keys() & files.keys()
    kept = [e for e in json.loads(files["request.json"])["data"]["mbi_ee"]["cells"] if e["unit"] in units[:2]]
    assert all(entry.keys() <= {"unit", "arm", "wave", "suppressed"} for entry in kept)
    assert bare["data_hash"].encode() not in b"".join(files.values())
    report = verify(zipped(files, tmp_path / "hidden.zip"), fitted_again)
    assert report.verdict is Verdict.NOT_REFITTED
    assert "only marked" in said(report, "refit")
    with edited(files, "result.json") as result:
        result["recommendation"]["outcome"] = "scale"
    assert verify(zipped(files, tmp_path / "hidden.zip")).verdict is Verdict.DAMAGED


async def test_to_say_that_it_cannot_be_fitted_does_not_help(
    house: House, app: FastAPI, finish: Finish, tmp_path: Path
) -> None:
    _, content = await whole(house, app, finish)
    files = unzipped(content)
    better_result(files)
    with edited(files, MANIFEST) as manifest:
        manifest["refit"] = {"possible": False, "why_not": "no time"}
    resealed(files)
    assert verify(zipped(files, tmp_path / "tampered.zip"), fitted_again).verdict is Verdict.NOT_REPRODUCED


async def test_deleted_rows_cannot_be_fitted_again(house: House, app: FastAPI, finish: Finish, tmp_path: Path) -> None:
    path = await planned(house, {**PLAN, "design": "did"})
    for wave, shift in (("pre", 0), ("post", 3)):
        rows = [
            {
                "arm": arm,
                "participant": f"p-{arm[0]}{i}",
                "value": 20 + i % 7 + (3 * i + shift) % 5 - shift * (arm != "control"),
            }
            for arm in ("intervention", "control")
            for i in range(12)
            if (wave, i) != ("post", 11)
        ]
        body = {"measure": "mbi_ee", "wave": wave, "rows": rows}
        await ok(house.lead.post(f"{path}/measurements", json=body), 201)
    analysis = await asked(house, path)
    exactly(app, analysis, finish)
    assert verify(zipped(unzipped(await package_of(house, analysis)), tmp_path / "p.zip"), fitted_again).verdict == 0
    await ok(house.lead.delete(f"{path}/participants/p-c3"))
    files = unzipped(await package_of(house, analysis))
    assert b"p-c3" not in b"".join(held for name, held in files.items() if not name.startswith("draws"))
    report = verify(zipped(files, tmp_path / "deleted.zip"), fitted_again)
    assert report.verdict is Verdict.NOT_REFITTED
    assert "deleted" in said(report, "refit")


async def test_with_other_versions_numbers_agree_within_monte_carlo_error(
    house: House, app: FastAPI, finish: Finish, tmp_path: Path
) -> None:

    _, content = await whole(house, app, finish)

    def verified(files: Files, shift: float) -> Report:
        """Fitted again by a sampler of another version, off by `shift` SD; 2,000 effective draws."""

        def again(request: Any) -> Fit:
            fitted = fitted_again(request)
            answer = json.loads(json.dumps(fitted.answer))
            answer["gates"] = [{"name": n, "value": 2000.0, "passed": True} for n in ("ess_bulk", "ess_tail")]
            block = answer["effects"][0]["adjusted"]
            block["mean"] += shift * block["sd"]
            return Fit(answer, fitted.draws, fitted.posteriors)

        return verify(zipped(files, tmp_path / "other.zip"), again)

    files = unzipped(content)
    with edited(files, "result.json") as result:
        result["provenance"]["versions"]["pymc"] = "5.0"
    files |= documents(json.loads(files["request.json"]), json.loads(files["result.json"]), [])
    with edited(files, "diagnostics.json") as diagnostics:
        diagnostics["data_warnings"] = []
    resealed(files)
    assert verified(files, 0.1).verdict is Verdict.REPRODUCED  # 4 √2 / √2000 = 0.126
    assert "pymc 5.0" in said(verified(files, 0.1), "refit")
    report = verified(files, 0.15)
    assert report.verdict is Verdict.NOT_REPRODUCED
    assert "effects[0].adjusted.mean" in said(report, "refit")
    other_outcome(files)
    files |= documents(json.loads(files["request.json"]), json.loads(files["result.json"]), [])
    resealed(files)
    assert "recommendation.outcome" in said(verified(files, 0.0), "refit")
    table, about = draw_files.read_parquet(files["draws.parquet"])
    table["delta"] += np.where(table["run"] == "adjusted", 0.2, 0.0)
    files["draws.parquet"] = draw_files.parquet(table, about)
    resealed(files)
    assert "mean of delta of mbi_ee/adjusted" in said(verified(files, 0.0), "draws")


async def test_before_files_were_kept_it_says_so(house: House, app: FastAPI, finish: Finish) -> None:
    analysis = await asked(house, await in_test(house))
    finish(analysis, {**an_answer(), "provenance": {**an_answer()["provenance"], "data_hash": "0" * 64}})
    manifest = json.loads(unzipped(await package_of(house, analysis))[MANIFEST])
    assert manifest["left_out"]["draws.nc"] == "were not kept with this analysis"
